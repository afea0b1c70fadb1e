"""A scaler in front of points on a grid, worked out in the grid's integers: a float32 in between would round what lies near.

Feature i of a row is `(x[i] - origin[i]) * slope[i]`, in sixteenths of a step of the grid. The float's digits become a number
of 64 bits whose unit is at most that and more than half of it, the origin in the same unit is taken off exactly, and a factor
of 32 bits brings what is left to sixteenths. What is lost is less than two of them, however far the origin is from 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mcugen.fixed import Floats, Integers

MOST_UP = 37  # bits that 24 digits are shifted up; what is larger counts as 2**61
LARGEST = 61
GONE = 24
FINER = 4  # bits of a step


@dataclass(frozen=True, eq=False)
class Scaling:
    """The constants of each feature, (features,): its factor in units of 2**-32, from 2**31 on; how far a float's digits are
    shifted up beside its biased exponent; the origin.
    """

    factors: Integers
    ups: Integers
    offsets: Integers

    @property
    def nbytes(self) -> int:
        """Bytes of the tables in flash."""
        return 14 * len(self.ups)

    @property
    def halves(self) -> Integers:
        """The origins as the table has them: the upper 32 bits, then the lower ones."""
        return np.stack([self.offsets >> 32 & 0xFFFFFFFF, self.offsets & 0xFFFFFFFF], axis=1).ravel()

    def steps(self, x: npt.NDArray[np.float32]) -> Integers:
        """Rows (n, features) in sixteenths of steps, exactly as the C does it."""
        bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.int64)
        exponent = bits >> 23 & 0xFF
        digits = np.where(exponent > 0, bits & 0x7FFFFF | 0x800000, 0)
        up = exponent + self.ups
        size = np.where(up < 0, digits >> np.clip(-up, 0, GONE), digits << np.clip(up, 0, MOST_UP))
        size = np.where((up > MOST_UP) & (exponent > 0), np.int64(1) << LARGEST, size)
        off = np.where(bits >> 31 == 1, -size, size) - self.offsets
        size = np.abs(off)
        low = (size & 0xFFFFFFFF).astype(np.uint64) * self.factors.astype(np.uint64) >> np.uint64(32)
        found = (size >> 32) * self.factors + low.astype(np.int64)
        return np.asarray(np.where(off < 0, -found, found))


def scaling_of(slope: Floats, origin: Floats, step: float) -> Scaling | None:
    """The constants for float64 slopes and origins (features,); None where a slope is not above 0, or an origin beyond 64 bits."""
    with np.errstate(all="ignore"):
        mantissa, exponent = np.frexp(slope / step * 2.0**FINER)
        factors = np.rint(np.ldexp(mantissa, 32))
        rounded_up = factors == 2.0**32
        factors, exponent = np.where(rounded_up, 2.0**31, factors), exponent + rounded_up
        offsets = np.rint(np.ldexp(origin, exponent))
        fits = (slope > 0) & np.isfinite(slope / step) & (np.abs(offsets) < 2.0**60) & (np.abs(exponent) < 1_000)
    if not fits.all():
        return None
    return Scaling(factors.astype(np.int64), exponent.astype(np.int64) - 150, offsets.astype(np.int64))
