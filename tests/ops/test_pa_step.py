"""pa_step: the update of the paper. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

import numpy as np
import pytest
from learned import assert_refuses, tensor

from mcugen.ir import DType
from mcugen.ops.margins import Margins
from mcugen.ops.pa_step import PaStep, Rule


def stepped(
    op: PaStep, z: np.ndarray, y: int, weights: np.ndarray, bias: np.ndarray, *others: np.ndarray
) -> list[np.ndarray]:
    (margins,) = Margins().evaluate(z, weights, bias)
    return [np.asarray(one) for one in op.evaluate(z, margins, np.asarray(y, np.int32), weights, bias, *others)]


@pytest.mark.parametrize("rule", ["pa", "pa1", "pa2"])
def test_the_papers_equations(rule: Rule) -> None:
    rng = np.random.default_rng(1)
    z, weights, bias = (rng.normal(size=shape).astype(np.float32) for shape in (4, (1, 4), 1))
    for y in (0, 1):
        side = 2 * y - 1
        loss = max(0, 1 - side * float(weights[0] @ z + bias[0]))
        length = float(z @ z)
        tau = {"pa": loss / length, "pa1": min(0.1, loss / length), "pa2": loss / (length + 1 / (2 * 0.1))}[rule]
        new, more = stepped(PaStep(rule, 0.1), z, y, weights, bias)
        np.testing.assert_allclose(new[0], weights[0] + side * tau * z, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(more, bias + side * tau, rtol=1e-5, atol=1e-6)


def test_integers_come_near_the_floats() -> None:
    rng = np.random.default_rng(2)
    z = rng.normal(size=30).astype(np.float32).round(2)
    whole = np.clip(np.floor(z * 32 + 0.5), -127, 127).astype(np.int8)
    floats = [np.zeros((3, 30), np.float32), np.zeros(3, np.float32)]
    fixed = [np.zeros((3, 30), np.int16), np.zeros(3, np.int16)]
    for y in (0, 1, 2, 1, 1, 0):
        floats = stepped(PaStep("pa2", 0.5, joint=True), (whole / 32).astype(np.float32), y, *floats)
        fixed = stepped(PaStep("pa2", 0.5, joint=True), whole, y, *fixed)
    assert np.abs(fixed[0] / 4096 - floats[0]).max() < 6 / 4096


def test_pairs_learn_of_their_own_classes_alone() -> None:
    pairs = np.array([(0, 1), (1, 2), (0, 2)], np.uint8)
    new, _ = stepped(
        PaStep("pa2"), np.ones(2, np.float32), 1, np.zeros((3, 2), np.float32), np.zeros(3, np.float32), pairs
    )
    assert (np.sign(new[:, 0]) == [-1, 1, 0]).all()


def test_weights_stop_at_their_limits_and_no_length_is_no_step() -> None:
    z = np.full(3, 127, np.int8)
    new, _ = stepped(PaStep("pa"), z, 1, np.full((1, 3), -32768, np.int16), np.zeros(1, np.int16))
    assert (new > -32768).all()
    top = np.full((1, 3), 32767, np.int16)
    assert (stepped(PaStep("pa"), -z, 1, top, np.zeros(1, np.int16))[0] < top).all()
    none = np.zeros(3, np.float32)
    for rule in ("pa", "pa1"):
        assert not stepped(PaStep(rule), none, 1, np.zeros((1, 3), np.float32), np.zeros(1, np.float32))[1].any()
    assert (
        stepped(PaStep("pa2"), none, 1, np.zeros((1, 3), np.float32), np.zeros(1, np.float32))[1]
        == np.float32(0.02) * 100
    )
    skips = PaStep("pa2", skips=True)
    assert not stepped(skips, none, 1, np.zeros((1, 3), np.float32), np.zeros(1, np.float32))[1].any()


def test_weights_of_8_bits_move_by_less_than_their_last_bit_on_average() -> None:
    """A step of 1/20 of the last bit, 2,000 times, is 100 of them: rounding to the nearest would be none. Each weight has every 31st
    number of the dither, which is not quite as even as all of it.
    """
    z, weights, bias = np.full(30, 32, np.int8), np.zeros((1, 30), np.int8), np.zeros(1, np.int8)
    dither, op = np.array(7, np.uint16), PaStep("pa1", 1 / 20 / 128)
    for _ in range(2000):
        margins = np.zeros(1, np.int32)
        weights, bias, dither = (
            np.asarray(v) for v in op.evaluate(z, margins, np.asarray(1, np.int32), weights, bias, dither)
        )
    assert np.abs(weights - 100).max() <= 5


def test_types_that_do_not_go_together_are_refused() -> None:
    z, m, y, w, b = (
        tensor(DType.I8, 4),
        tensor(DType.I32, 2),
        tensor(DType.I32),
        tensor(DType.I8, 2, 4),
        tensor(DType.I8, 2),
    )
    assert_refuses(PaStep("pa"), z, m, y, w, b)  # no dither
    assert_refuses(PaStep("pa"), z, tensor(DType.I32, 3), y, w, b, tensor(DType.U16))
    assert_refuses(PaStep("pa"), z, m, y, w, b, tensor(DType.U16), tensor(DType.U8, 3, 2))
