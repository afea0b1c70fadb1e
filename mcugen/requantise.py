"""Sums of products of integers brought to another scale by whole numbers alone.

A real factor below 1/2 is a whole number of 2^-32; the product of a sum and that has 64 bits, of which the upper 32 are the
answer, rounded, halves upwards. Cortex-M4 has one instruction for it. Larger factors, and those so small that 32 bits would hold
little of them, are whole numbers of another power. The method is that of fixed-point arithmetic in general,
here with the shift fixed (B. Jacob and others, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", 2018, section 2.2).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mcugen.ir import Array

Integers = npt.NDArray[np.int64]
LARGEST = 0.5  # of a factor, not included
SMALLEST = 2.0**-22  # so that at least 10 bits of it are left
USUAL = 32  # bits that products are shifted down: the upper half of 64
MOST_SHIFTED = 62
STEADY = 14  # bits below the point of a constant
MOST = 400.0  # of a constant: beyond that every 8 bits are at their end


def rescaled(sums: Integers, factors: Array, shift: int = USUAL) -> Integers:
    """sums * factors / 2^shift, rounded, halves upwards."""
    return (sums * np.asarray(factors, np.int64) + (1 << shift - 1)) >> shift


def by_floats(sums: Integers, factors: Array) -> Integers:
    """sums * factors in float32, the nearest whole number, halves to the even one: what onnxruntime's integer kernels do."""
    with np.errstate(over="ignore"):
        steps = np.asarray(sums, np.float32) * np.asarray(factors, np.float32)
    return np.rint(np.clip(steps, -MOST, MOST)).astype(np.int64)


def float_factors(scales: npt.NDArray[np.float64], bias: Integers, weights: Integers) -> tuple[Array, Array] | None:
    """Factors `f32` (rows,) for real scales (rows,), and the bias (rows,) that goes with them, as `factors_of` has them."""
    steady = ~weights.any(axis=1) & (np.abs(bias) >= 1 << 31)
    values = bias * scales
    if not np.isfinite(scales).all():
        return None
    factors = np.where(steady, 2.0**-STEADY, scales).astype(np.float32)
    given = np.where(steady, np.rint(np.clip(values, -MOST, MOST) * 2.0**STEADY), bias).astype(np.int64)
    if not np.isfinite(factors).all() or np.abs(given).max(initial=0) >= 1 << 31:
        return None
    return factors, given.astype(np.int32)


def factors_of(scales: npt.NDArray[np.float64], bias: Integers, weights: Integers) -> tuple[Array, Array, int] | None:
    """Factors `i32` (rows,) for real scales (rows,), the bias (rows,) that goes with them, and by what products are shifted down:
    32 bits where they can be. None where no shift leaves every factor enough bits. weights (rows, columns) tell which rows are
    constant: those have a scale that says nothing, and get another.
    """
    steady = ~weights.any(axis=1)
    values = bias * scales
    if not np.isfinite(scales).all():
        return None
    shift = _shift(scales[~steady])
    if shift is None or (steady.any() and not STEADY <= shift < STEADY + 31):
        return None
    one = 1 << max(shift - STEADY, 0)
    factors = np.where(steady, one, np.rint(np.where(steady, 0, scales) * 2.0**shift)).astype(np.int64)
    given = np.where(steady, np.rint(np.clip(values, -MOST, MOST) * 2.0**STEADY), bias).astype(np.int64)
    if factors.max(initial=0) >= 1 << 31 or np.abs(given).max(initial=0) >= 1 << 31:
        return None
    return factors.astype(np.int32), given.astype(np.int32), shift


def _shift(scales: npt.NDArray[np.float64]) -> int | None:
    """By how many bits products with factors for these scales are shifted down."""
    least, most = scales.min(initial=np.inf), scales.max(initial=0.0)
    if not len(scales) or (least >= SMALLEST and most < LARGEST):
        return USUAL
    shift = int(30 - np.floor(np.log2(most))) if most > 0 else 0
    return shift if 1 <= shift <= MOST_SHIFTED and least * 2.0**shift >= SMALLEST * 2.0**USUAL else None
