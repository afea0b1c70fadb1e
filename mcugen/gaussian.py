"""Normal distributions as integers: how a sum of squared distances in deviations is worked out without float arithmetic.

A feature's numbers become integers as mcugen/fixed.py has them, with an exponent of its own that has room for all means and
six deviations around them: `x = q * 2**(range - x_bits)`. Of a class and a feature there are a mean, in the same unit, and a
scale, so that `z = (q - mean) * scale >> high` is the distance in deviations, in units of which `unit` is the square. The sum
of z * z over the features is exact. What is lost is in the rounding of q and mean, of the scale, and in the last bit of z.

A row with a number beyond the range of its feature has all its integers, and so the means and constants, shifted down.

Where one class's deviations of a feature are thousands of times another's, the small ones have units that are 2**8 times as
large (`coarse`, the last bit of their scale): a row that they see far off is decided by them, whatever the others add.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mcugen.fixed import MOST_X, Fixed, Floats, Integers, Width

AROUND = 6.0  # deviations around a mean that a feature's integers have room for
CENTERED = 8.0  # means so many times further from 0 than the room they need are taken off first; exact in float32
COARSE = 8  # bits
FINE = 2.0**11  # deviations, all features together, up to which one unit serves all
MOST = 2.0**26  # beyond, integers of 32 bits have no room for such unequal deviations
HIGH: dict[Width, int] = {32: 32, 16: 16, 8: 8}  # bits that z is shifted down by
BITS: dict[Width, int] = {32: 31, 16: 15, 8: 7}  # of a scale
SUM_BITS: dict[Width, float] = {
    32: 61,
    16: 29.5,
    8: 29.5,
}  # a sum of squares stays below 2 to this, and so do the constants
UNCOUNTED = 127
NEVER = -(2**31)
FOUR = 4.0  # deviations: where the class of a row may be open
PROMISED = 1e-5  # of a probability: what it may be off


@dataclass(frozen=True, eq=False)
class Gaussian:
    """The integers of a model.

    fixed      how rows become integers; its weights are the scales (classes, features)
    means      (classes, features), in the unit of their table: `mean_shift` bits short of a row's
    constants  (classes,) of 32 bits, in units of 2**constant_shift of a sum's; NEVER for a class without any
    centers    (features,) float32, what is taken off a row first; empty where nothing is
    unit       what 1 of a sum stands for
    coarse     whether scales are of two kinds
    """

    fixed: Fixed
    means: Integers
    constants: Integers
    constant_shift: int
    centers: npt.NDArray[np.float32]
    unit: float
    coarse: bool

    @property
    def width(self) -> Width:
        return self.fixed.width

    @property
    def mean_shift(self) -> int:
        """Bits by which a mean from the table is shifted up."""
        return MOST_X[8] - 7 if self.width == 8 else 0

    @property
    def high(self) -> int:
        """Bits that a product is shifted down by."""
        return HIGH[self.width]

    @property
    def near(self) -> int:
        """Up to which a distance may be shifted up instead of its square being of large units."""
        return 1 << (31 - COARSE)

    @property
    def never(self) -> bool:
        """Whether some class is never answered."""
        return bool((self.constants == NEVER).any())

    @property
    def nbytes(self) -> int:
        """Bytes of the tables in flash."""
        return self.fixed.nbytes + self.means.size * self.width // 8 + 4 * len(self.constants) + self.centers.nbytes

    @property
    def largest(self) -> int:
        """Bytes of the largest one."""
        return self.means.size * self.width // 8

    def sums(self, x: npt.NDArray[np.float32]) -> tuple[Integers, Integers]:
        """constant - sum of squares, (n, classes), as the C has it, and how far each row was shifted down, (n,)."""
        with np.errstate(over="ignore"):
            q, top = self.fixed.load(x - self.centers if len(self.centers) else x)
        down = np.minimum(top - self.fixed.begin, 31)
        found = np.empty((len(x), len(self.means)), np.int64)
        for k, (means, scales) in enumerate(zip(self.means, self.fixed.weights, strict=True)):
            off = q - ((means << self.mean_shift) >> down[:, None])
            found[:, k] = (self.constants[k] << self.constant_shift >> 2 * down) - self._squares(off, scales)
        found[:, self.constants == NEVER] = np.iinfo(np.int64).min
        return found, top - self.fixed.begin

    def _squares(self, off: Integers, scales: Integers) -> Integers:
        """The sum (n,) of the squares of distances (n, features) in deviations."""
        if not self.coarse:
            return np.asarray(((off * scales >> self.high) ** 2).sum(axis=1))
        far = (scales & 1 == 1) & (np.abs(off) >= self.near)
        z = np.where(far | (scales & 1 == 0), off, off << COARSE) * scales >> self.high
        return np.asarray(np.where(far, z * z, z * z >> 2 * COARSE).sum(axis=1))

    def scores(self, x: npt.NDArray[np.float32]) -> Floats:
        """What the sums of rows (n, features) stand for, less each row's largest: (n, classes)."""
        sums, down = self.sums(x)
        ahead = sums.max(axis=1, keepdims=True).astype(np.float64) - sums
        ahead[:, self.constants == NEVER] = np.inf
        with np.errstate(over="ignore"):
            return np.asarray(-np.ldexp(ahead * self.unit, 2 * down[:, None]))


@dataclass(frozen=True, eq=False)
class Model:
    """Means and deviations, and what follows from them for the integers."""

    mean: Floats
    scale: Floats  # one over the deviation, over the square root of 2; 0 where a feature tells nothing

    @cached_property
    def counts(self) -> npt.NDArray[np.bool_]:
        """The features that some class sees otherwise than another."""
        return np.asarray(np.ptp(self.mean, axis=0) + np.ptp(self.scale, axis=0) > 0)

    @cached_property
    def around(self) -> Floats:
        """Six deviations of each class and feature."""
        return np.asarray(AROUND / np.sqrt(2) / self.scale)

    @cached_property
    def centers(self) -> npt.NDArray[np.float32]:
        """What is taken off each feature; empty where all are near enough to 0."""
        low, high = (self.mean - self.around).min(axis=0), (self.mean + self.around).max(axis=0)
        middle = np.asarray((low + high) / 2, np.float32)
        needed = self.counts & (np.abs(middle) > CENTERED * (high - low) / 2)
        found = np.where(needed, middle, np.float32(0))
        return found if needed.any() else found[:0]

    @cached_property
    def centered(self) -> Floats:
        """The means less the centers; 0 where a feature does not count."""
        found = self.mean - self.centers.astype(np.float64) if len(self.centers) else self.mean
        return np.where(self.counts, found, 0.0)

    @cached_property
    def range(self) -> Integers:
        """The exponents (features,) of two that the means and what is around them stay below; of features that do not count,
        one that no number passes, so that none takes digits from the others.
        """
        own = np.frexp((np.abs(self.centered) + self.around).max(axis=0))[1].astype(np.int64)
        return np.where(self.counts, own, UNCOUNTED)

    @cached_property
    def gains(self) -> Floats:
        """(classes, features): the deviations, over the square root of 2, that the whole range of a feature is."""
        return np.where(self.counts, np.ldexp(self.scale, self.range), 0.0)

    @property
    def spread(self) -> float:
        """The gains of all features together."""
        return max(float(np.sqrt((self.gains.max(axis=0) ** 2).sum())), 1.0)


def spread_of(mean: Floats, variance: Floats) -> float:
    """How many deviations the features' ranges are, all together: above MOST 32 bits have no room for them."""
    return Model(mean, 1 / np.sqrt(2 * variance)).spread


def loses(mean: Floats, variance: Floats) -> bool:
    """Whether 32 bits may leave a probability further off than is promised, of rows that are FOUR deviations off in every feature.

    A distance in deviations is off by 3 units of 2**-30 of its feature's range at most: half of one each for the row, the mean
    and the scale, one where digits are cut, and one for its own last bit. A sum of squares is then off by twice the product of
    the lengths of these and of the distances (Cauchy-Schwarz), and a probability by half of what two sums are.
    """
    length = FOUR / np.sqrt(2) * np.sqrt(mean.shape[1])
    return bool(2 * length * 3 * np.ldexp(spread_of(mean, variance), -MOST_X[32]) / 2 > PROMISED)


def gaussian(mean: Floats, variance: Floats, constant: Floats, width: Width) -> Gaussian:
    """The integers for means and variances (classes, features) and constants (classes,), of which minus infinity is never."""
    model = Model(mean, 1 / np.sqrt(2 * variance))
    known = np.isfinite(constant)
    ahead = np.where(known, constant - constant[known].max(), 0.0)
    coarse = width == 32 and 2 * model.spread > FINE
    factor = _factor(model, float(np.abs(ahead).max()), width)
    high, x_bits = HIGH[width], MOST_X[width]
    top = 126
    fixed = Fixed(width, _scales(model.gains, factor, width, coarse), -model.range, x_bits, 0, False, top)
    shift = MOST_X[8] - 7 if width == 8 else 0
    means = np.rint(np.ldexp(model.centered, x_bits - shift - model.range)).astype(np.int64)
    limit = (1 << (7 if width == 8 else x_bits)) - 1
    unit = float(np.float32(np.ldexp(1.0, 2 * (high - x_bits)) / factor**2))
    constants, constant_shift = constants_of(ahead / unit, known)
    return Gaussian(fixed, np.clip(means, -limit, limit), constants, constant_shift, model.centers, unit, coarse)


def _factor(model: Model, constant: float, width: Width) -> float:
    """What gains are multiplied by to be scales: as large as scales, sums and constants have room for."""
    room = 2.0 ** (MOST_X[width] + 1 - HIGH[width])  # of a z for a scale
    limits = [
        (2.0 ** BITS[width] - 2) / float(model.gains.max() or 1.0),
        2.0 ** (SUM_BITS[width] / 2) / (room * model.spread),
        2.0 ** (SUM_BITS[width] / 2) / (room / 2 * np.sqrt(max(constant, 1.0))),
    ]
    return float(min(limits))


def _scales(gains: Floats, factor: float, width: Width, coarse: bool) -> Integers:
    scales = np.rint(gains * factor)
    if coarse:
        fine = np.rint(gains * factor * 2**COARSE)
        is_fine = fine < 2.0 ** BITS[width] - 2
        scales = np.where(is_fine, fine, scales)
        return np.where(is_fine, scales.astype(np.int64) & ~1, scales.astype(np.int64) | 1)
    return scales.astype(np.int64)


def constants_of(constants: Floats, known: npt.NDArray[np.bool_]) -> tuple[Integers, int]:
    """Constants as integers of 32 bits, NEVER where they are not known, and the bits by which they are shifted up."""
    bits = int(np.frexp(np.abs(constants).max())[1])
    shift = max(0, bits - 31)
    rounded = np.rint(np.ldexp(constants, -shift)).astype(np.int64)
    return np.where(known, np.maximum(rounded, NEVER + 1), NEVER), shift
