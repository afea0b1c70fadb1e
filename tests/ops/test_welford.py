"""welford: means and variances of a stream. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

import numpy as np
import pytest
from learned import assert_refuses, tensor

from mcugen.ir import DType
from mcugen.learning import KEPT
from mcugen.ops.welford import MOST, Welford


def state(dtype: str, features: int) -> list[np.ndarray]:
    kept = KEPT.get(DType.of(dtype))
    mean, variance = (kept.mean.numpy, np.uint32) if kept else (np.float32, np.float32)
    more = [np.array(0, np.uint16)] if kept else []
    return [np.array(0, np.uint16), np.zeros(features, mean), np.zeros(features, variance), *more]


def after(rows: np.ndarray) -> list[np.ndarray]:
    kept = state(rows.dtype.name, rows.shape[1])
    for row in rows:
        kept = [np.asarray(one) for one in Welford().evaluate(row, *kept)]
    return kept


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8", "int16"])
def test_means_and_variances(dtype: str) -> None:
    rng = np.random.default_rng(1)
    size = 300.0 if dtype == "int16" else 9.0
    rows = (rng.normal(size=(2000, 3)) * [size, size / 9, size / 3] + 40).astype(dtype)
    _, mean, variance, *_ = after(rows)
    kept = KEPT.get(DType.of(dtype))
    mean, variance = (mean / 2**kept.mean_bits, variance / 4**kept.deviation_bits) if kept else (mean, variance)
    np.testing.assert_allclose(mean, rows.astype(float).mean(axis=0), atol=size / 40)
    np.testing.assert_allclose(variance, rows.astype(float).var(axis=0), rtol=0.06, atol=0.2)


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8", "int16"])
def test_the_ends_of_the_type_never_wrap(dtype: str) -> None:
    low, high = DType.of(dtype).limits or (-(10**15), 10**15)
    _, mean, variance, *_ = after(np.array([[low, high], [high, low]] * 50, dtype))
    assert np.isfinite(variance.astype(float)).all()
    kept = KEPT.get(DType.of(dtype))
    scaled = variance / 4.0**kept.deviation_bits if kept else variance.astype(float)
    np.testing.assert_allclose(np.sqrt(scaled), (high - low) / 2, rtol=0.05)
    assert (np.abs(mean.astype(float) / (2**kept.mean_bits if kept else 1)) <= high).all()


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint8"])
def test_after_as_many_rows_as_it_counts_old_ones_fade(dtype: str) -> None:
    kept = after(np.full((3, 2), 5, dtype))
    kept[0] = np.array(MOST, np.uint16)
    for _ in range(50):
        kept = [np.asarray(one) for one in Welford().evaluate(np.full(2, 6, dtype), *kept)]
    assert int(kept[0]) == MOST


def test_a_constant_feature_has_no_variance() -> None:
    for dtype in ("float32", "uint8", "int16"):
        assert not after(np.full((200, 1), 7, dtype))[2].any()


def test_types_that_do_not_go_together_are_refused() -> None:
    x, n, f = tensor(DType.F32, 4), tensor(DType.U16), tensor(DType.F32, 4)
    assert_refuses(Welford(), x, n, f, f, n)
    assert_refuses(Welford(), tensor(DType.I8, 4), n, f, f)
    assert_refuses(Welford(), tensor(DType.I32, 4), n, f, f)
