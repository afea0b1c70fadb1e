"""polyak: means of weights. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

import numpy as np
import pytest
from learned import assert_refuses, tensor

from mcugen.ir import Array, DType
from mcugen.ops.polyak import Polyak


def averaged(weights: Array, biases: Array) -> list[Array]:
    """The state after weights (n, r, d) and biases (n, r)."""
    state = [np.zeros_like(weights[0]), np.zeros_like(biases[0]), np.zeros((), np.uint16)]
    state += [np.zeros((), np.uint16)] if weights.dtype == np.int16 else []
    for w, b in zip(weights, biases, strict=True):
        state = [np.asarray(one) for one in Polyak().evaluate(w, b, *state)]
    return state


@pytest.mark.parametrize("dtype", ["f4", "i2"])
def test_it_is_the_mean(dtype: str) -> None:
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(size=(2000, 3, 5)), axis=0) * 40
    weights, biases = (walk[..., :4] + 500).astype(dtype), walk[..., 4].astype(dtype)
    mean, mean_bias, count, *_ = averaged(weights, biases)
    assert count == 2000
    off = 40 if dtype == "i2" else 0.05  # of some 4,000: 2^16 / n is cut to whole numbers, by 2 % of itself in the end
    assert np.abs(mean - weights.mean(axis=0, dtype=float)).max() < off
    assert np.abs(mean_bias - biases.mean(axis=0, dtype=float)).max() < off


def test_the_first_is_its_own_mean_from_one_end_to_the_other() -> None:
    ends = np.array([[[32767, -32768]]], np.int16)
    mean, mean_bias, *_ = averaged(ends, ends[..., 0])
    assert mean.tolist() == [[32767, -32768]]
    assert mean_bias.tolist() == [32767]
    back = Polyak().evaluate(
        -1 - ends[0], ends[0, :, 1], mean, mean_bias, np.asarray(0, np.uint16), np.asarray(7, "u2")
    )
    assert back[0].tolist() == [[-32768, 32767]]
    assert back[1].tolist() == [-32768]


def test_old_rows_fade() -> None:
    state = [np.zeros((1, 1), np.float32), np.zeros(1, np.float32), np.asarray(32_767, np.uint16)]
    mean, _, count = Polyak().evaluate(np.ones((1, 1), np.float32), np.ones(1, np.float32), *state)
    assert count == 32_767
    assert mean[0, 0] == pytest.approx(1 / 32_767)


def test_types_that_do_not_go_together_are_refused() -> None:
    for dtype in (DType.I16, DType.I8):
        w, b, n = tensor(dtype, 2, 4), tensor(dtype, 2), tensor(DType.U16)
        assert_refuses(Polyak(), w, b, w, b, n)
    w, b = tensor(DType.F32, 2, 4), tensor(DType.F32, 2)
    assert_refuses(Polyak(), w, b, w, b, n, n)
