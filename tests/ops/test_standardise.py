"""standardise: rows by their means and variances. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

import numpy as np
import pytest
from learned import assert_refuses, tensor

from mcugen.ir import DType
from mcugen.learning import KEPT
from mcugen.ops.standardise import FAR, Standardise


def test_floats() -> None:
    x, mean, variance = np.float32([3, 5, -50, 9]), np.float32([1, 5, 0, 9]), np.float32([4, 1, 1, 0])
    (z,) = Standardise().evaluate(x, mean, variance)
    np.testing.assert_array_equal(z, np.float32([1, 0, -50, 0]))
    (far,) = Standardise().evaluate(np.float32([1e9]), np.float32([0]), np.float32([1]))
    assert far[0] == FAR
    (whole,) = Standardise(DType.I8).evaluate(x, mean, variance)
    np.testing.assert_array_equal(whole, [32, 0, -127, 0])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_integers_come_near_the_floats(dtype: str) -> None:
    kept, rng = KEPT[DType.of(dtype)], np.random.default_rng(4)
    spread = rng.uniform(1, 40, 500) if kept.mean is DType.I16 else 2 ** rng.uniform(0, 14, 500)
    low, high = DType.of(dtype).limits or (0, 0)
    mean = rng.uniform(low / 2, high / 2, 500)
    x = np.clip(mean + rng.normal(size=500) * spread, low, high).astype(dtype)
    given = (mean * 2**kept.mean_bits).astype(kept.mean.numpy), (spread**2 * 4**kept.deviation_bits).astype(np.uint32)
    (z,) = Standardise(DType.I8).evaluate(x, *given)
    exact = np.clip((x - mean) / spread * 32, -127, 127)
    coarse = 32 / spread if kept.deviation_bits == 0 else 0  # a deviation is a whole number
    assert (np.abs(z - exact) <= 1 + np.abs(exact) * 0.02 + coarse).all()


def test_what_never_varied_says_nothing() -> None:
    (z,) = Standardise(DType.I8).evaluate(np.int16([9]), np.int32([0]), np.uint32([0]))
    assert not z.any()


def test_types_that_do_not_go_together_are_refused() -> None:
    f = tensor(DType.F32, 4)
    assert_refuses(Standardise(), f, f, tensor(DType.F32, 5))
    assert_refuses(Standardise(DType.I16), f, f, f)
    assert_refuses(Standardise(), tensor(DType.U8, 4), tensor(DType.I16, 4), tensor(DType.U32, 4))
