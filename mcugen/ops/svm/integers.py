"""A machine's coefficients as integers, and the constants by which distances become powers of two."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from mcugen.distance import Points
from mcugen.fixed import Floats, Integers, Width

# Kernel values are integers of 31 bits, 15 where the width is narrow. Powers of two below that are 0.
VALUE_BITS: dict[bool, int] = {True: 31, False: 15}
NEVER = 1_000  # bits: more than any distance has
COARSE = 24  # bits behind the point of an exponent: whole bytes, which an AVR need not shift
MOST_DROP = 31  # bits of a product of 62
ROUNDED = 2e-6  # what a sum may usually lose by the rounding of its coefficients; decisions are right to 1e-5
SURE = 6e-6  # what a sum may lose by that at most; what vectors lose is as often of one sign as of the other


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Coefficients (vectors, others) and intercepts (pairs,) as integers: a product of one with a kernel value, `drop` bits
    less, is in units of 2**exponent, and so is an intercept, `lift` bits more, times 2**scale.
    """

    integers: Integers
    intercepts: Integers
    wide: bool
    drop: int
    lift: int
    exponent: int
    scale: int = 0

    @property
    def bits(self) -> int:
        """Bits of a coefficient in flash."""
        return 32 if self.wide else 16


def coefficients_beside(coefficients: Floats, intercepts: Floats, pair: Integers) -> Coefficients:
    """The wide integers for kernel values of any size: intercepts have a scale of their own, or small coefficients beside
    large values would lose their digits to them.
    """
    alone = coefficients_of(coefficients, np.zeros_like(intercepts), pair, True, finer=False)
    unit = alone.exponent + 31
    scale = max(0, int(np.frexp(float(np.abs(intercepts).max()))[1]) - 30 - unit)
    return replace(alone, intercepts=_lifted(intercepts, unit + scale), scale=scale)


def coefficients_of(
    coefficients: Floats, intercepts: Floats, pair: Integers, wide: bool, finer: bool = True
) -> Coefficients:
    """The integers for float64 coefficients; `pair` says for which intercept each counts. Where wide ones are `finer` than what
    sums have room for, which takes a shift a product, it is because many large ones cancel.
    """
    total = np.bincount(pair.ravel(), np.abs(coefficients).ravel(), len(intercepts)) + np.abs(intercepts)
    largest = max(float(np.abs(coefficients).max(initial=0.0)), 2.0**-100)
    sums = int(np.ceil(np.log2(max(float(total.max()), largest)))) + 1  # rounding makes it longer
    own = int(np.ceil(np.log2(largest)))
    if wide:  # a unit such that every sum has room
        unit = max(own - 30, sums - 32)
        drop = min(unit - own + 30, MOST_DROP) if finer and _rounds_away(coefficients, unit) else 0
        whole = np.rint(np.ldexp(coefficients, drop - unit)).astype(np.int64)
        return Coefficients(whole, _lifted(intercepts, unit), True, drop, 31, unit - 31)
    unit = max(own - 15, sums - 40)
    most = (1 << 15) - 1
    whole = np.clip(np.rint(np.ldexp(coefficients, -unit)), -most, most).astype(np.int64)
    drop = 8 * max(0, -((31 - 15 - sums + unit) // 8))  # whole bytes, which an AVR just leaves out
    return Coefficients(whole, _lifted(intercepts, unit - 15 + drop), False, drop, 0, unit - 15 + drop)


def _rounds_away(coefficients: Floats, unit: int) -> bool:
    """Whether coefficients of a unit are off so far that a sum of them is."""
    return math.ldexp(math.sqrt(len(coefficients)), unit - 1) > ROUNDED


def _lifted(intercepts: Floats, unit: int) -> Integers:
    most = (1 << 31) - 1
    return np.clip(np.rint(np.ldexp(intercepts, -unit)), -most, most).astype(np.int64)


@dataclass(frozen=True)
class Powers:
    """How the distance d of a row that is not brought down becomes the kernel value 2**-a.

    limit   from here on, `excess` bits up, the value is 0
    shift   d is shifted by so many bits (up where above 0) before it is multiplied
    factor  a = (d << shift) * factor / 2**32, in units of 2**-fine
    """

    limit: int
    excess: int
    shift: int
    factor: int
    fine: int


def powers_of(points: Points, gamma: float, width: Width, total: float) -> Powers:
    """The constants for exp(-gamma d²); `total` is what the coefficients of a sum add up to. Narrow numbers and sums that do
    not cancel much have 24 bits behind the point, others 32.
    """
    wide = width == 32
    fine = 32 if wide and total * 2.0**-COARSE > SURE else COARSE
    most, bits = (32, 64) if wide else (16, 32)
    mantissa, found = np.frexp(gamma * np.log2(np.e))
    if not mantissa:
        return Powers((1 << bits) - 1, NEVER, -NEVER, 0, fine)
    exponent = int(found) + 2 * (points.end - 126 - points.fixed.x_bits)  # a = d * mantissa * 2**exponent
    limit = math.ceil(Fraction(most) / Fraction(float(mantissa)) / Fraction(2) ** exponent)
    excess = max(0, limit.bit_length() - bits)
    factor = int(min(np.rint(np.ldexp(mantissa, 32)), 2.0**32 - 2.0**16))
    return Powers(limit >> excess, excess, exponent + fine, factor, fine)
