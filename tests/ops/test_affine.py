"""affine: NumPy against compiled C, bit for bit; and how near float32 comes to scikit-learn's float64."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.affine import Affine
from mcugen.pairs import summed
from mcugen.rows import vector


def ops() -> list[Affine]:
    rng = np.random.default_rng(0)
    mean, scale = rng.normal(size=4) * 1e3, rng.uniform(0.1, 9, 4)
    many = rng.normal(size=300)
    return [
        Affine(mean, scale),
        Affine(np.zeros(4), scale),  # nothing is taken off
        Affine(mean, np.ones(4)),  # nothing is multiplied
        Affine(np.zeros(3), np.ones(3)),  # nothing at all
        Affine(np.full(5, 0.5), np.full(5, 2.0)),  # one literal for all
        Affine(np.zeros(4), np.ones(4), scale, mean),  # MinMaxScaler
        Affine(np.zeros(4), np.ones(4), scale, mean, -1.0, 2.5),
        Affine(np.zeros(1), np.ones(1), low=-1.0, high=1.0),
        Affine(many, np.abs(many) + 0.1),
        Affine(np.full(2, 1e30), np.full(2, 1e-30)),
        Affine(mean, scale, pairs=True),
        Affine(np.zeros(3), np.ones(3), pairs=True),
        Affine(mean, scale, of_pairs=True),
        Affine(np.zeros(3), np.ones(3), of_pairs=True),
        Affine(np.zeros(3), scale[:3], low=-1.0, high=1.0, of_pairs=True),
        Affine(mean, scale, pairs=True, of_pairs=True),
        Affine(np.zeros(3), np.ones(3), pairs=True, of_pairs=True),
    ]


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(1)
    rows = []
    for op in ops():
        near = op.probe(20, rng)[0]
        if op.of_pairs:
            near = np.concatenate([near, near * 2.0**-25], axis=1)
        rows.append([np.concatenate([hard_floats(rng, 20, (op.width,)), near])])
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops()], rows)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(0, 2**32 - 1))
def test_float32_is_off_by_a_part_of_the_answer(mean: float, scale: float, seed: int) -> None:
    """2^-22 of y itself, however much larger x is: what is taken off is as exact as two floats, and x - zero is one rounding."""
    op = Affine(np.array([mean]), np.array([scale]))
    rng = np.random.default_rng(seed)
    near = mean + rng.normal(size=(50, 1)) * scale * rng.choice([1e-3, 1, 1e3])
    x = near.astype(np.float32)
    exact = op.exactly(0, x[:, 0])
    found = np.array([op.evaluate(row)[0][0] for row in x], np.float64)
    assert (np.abs(found - exact) <= 2.0**-22 * np.abs(exact) + 2.0**-23).all()


def test_pairs_are_off_by_next_to_nothing() -> None:
    op = Affine(np.array([1e4 / 3, -7.7]), np.array([1.0, 1e-3]) / 3, pairs=True)
    x = op.probe(500, np.random.default_rng(0))[0]
    exact = np.stack([op.exactly(i, x[:, i]) for i in range(2)], axis=1)
    found = summed(np.stack([op.evaluate(row)[0] for row in x]))
    np.testing.assert_allclose(found, exact, rtol=2.0**-45, atol=1e-11)


def test_limits_hold_nan_stays() -> None:
    op = Affine(np.zeros(4), np.ones(4), low=-1.0, high=2.0)
    x = np.array([np.nan, -5, 5, 0.5], np.float32)
    np.testing.assert_array_equal(op.evaluate(x)[0], np.array([np.nan, -1, 2, 0.5], np.float32))


def test_a_column_is_a_function_of_its_own_alone() -> None:
    op = Affine(np.array([1.0, 2.0]), np.array([4.0, 5.0]))
    assert [op.source(i) for i in range(2)] == [(0, 0), (0, 1)]
    assert op.exactly(1, np.array([12.0])) == 2.0


def test_limits_are_shown() -> None:
    assert Affine(np.zeros(2), np.ones(2)).describe() == "features=2"
    assert Affine(np.zeros(2), np.ones(2), low=0.0, high=inf).describe() == "features=2 low=0 high=inf"


@pytest.mark.parametrize("types", [(), (vector(3),), (TensorType((2,), DType.U8),), (vector(2), vector(2))])
def test_what_it_does_not_take(types: tuple[TensorType, ...]) -> None:
    with pytest.raises(McugenError, match="affine takes 2:f32, not"):
        Affine(np.zeros(2), np.ones(2)).infer(*types)


def test_what_is_only_taken_off_is_exact_however_little_is_left() -> None:
    mean = 1e-3 + 1e-12
    x = (mean + np.random.default_rng(0).normal(size=(50, 1)) * 1e-9).astype(np.float32)
    found = np.array([Affine(np.array([mean]), np.ones(1)).evaluate(row)[0] for row in x])
    np.testing.assert_allclose(found, x.astype(np.float64) - mean, rtol=2.0**-22)
