"""Normal distributions as integers of 64 bits: probabilities where 32 (mcugen/gaussian.py) lose what counts.

Where a class knows a feature to a part in thousands of what others see, its mean has to be as exact as the smallest deviation
asks for: 30 bits of the feature's range leave too few beside it. Here a feature and its means have 61 bits of the range, and
a distance in deviations is the upper word of a product of 64 by 64 bits. The squares are added up to 128 bits, so nothing
is lost in the sum, however far off a row is. That is as good as scikit-learn's float64.

A class's constant is the square of one more distance, of a feature that is 1 in each row: what counts is then the least sum.
A row with a number beyond the range of its feature is shifted down, whole, the 1 included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mcugen.fixed import Floats, Integers
from mcugen.gaussian import Model, spread_of

Words = npt.NDArray[np.uint64]
X_BITS = 61  # |q| <= 2**bits, and so are the means: a difference has one more
SCALE_BITS = 62
SHIFT_BITS = 6  # the last of a scale: by how much its products are shifted down
HALF = 31  # bits of the lower of the two words that a number has in the table; the sign is the upper one's
DIGITS = 24  # of a float
BIAS = 126  # of a float's exponent, its digits being less than 1
WORD = np.uint64(0xFFFFFFFF)
MOST_WIDE = 2.0**34  # deviations that the ranges are: beyond, 61 bits of one are too few beside the smallest deviation
SMALLEST, LARGEST = 1e-37, 1e37  # deviations, and means with them, that floats hold
BEYOND = 129  # the exponent of a range that no float is beyond: of features that all classes see alike
MOST_COLUMNS = 256  # whose squares have room in 128 bits


@dataclass(frozen=True, eq=False)
class WideGaussian:
    """The integers of a model; the last column is that of the constants.

    range   (features,) the biased exponents that a feature's numbers stay below, unless the row is shifted down
    means   (classes, columns) in units of 2**-61 of the range
    scales  (classes, columns) of 62 bits, the last 6 of them a shift; -1 in the last column of a class that is never answered
    unit    the exponent of two of what 1 of a sum stands for
    """

    range: Integers
    means: Integers
    scales: Integers
    unit: int

    @property
    def never(self) -> bool:
        """Whether some class is never answered."""
        return bool((self.scales[:, -1] < 0).any())

    @property
    def table(self) -> Integers:
        """(classes, columns * 4): of each column the mean and the scale in two words each, `upper * 2**31 + lower`."""
        low = (1 << HALF) - 1
        words = [self.means >> HALF, self.means & low, self.scales >> HALF, self.scales & low]
        return np.asarray(np.stack(words, axis=-1), np.int64).reshape(len(self.means), -1)

    @property
    def nbytes(self) -> int:
        """Bytes of the tables in flash."""
        return 4 * self.table.size + 2 * len(self.range)

    @property
    def largest(self) -> int:
        """Bytes of the larger one."""
        return 4 * self.table.size

    def load(self, x: npt.NDArray[np.float32]) -> tuple[Integers, Integers]:
        """Rows (n, features) as integers (n, columns), and how far each is shifted down, (n,)."""
        bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.int64)
        field = bits >> 23 & 0xFF
        above = np.where(field > 0, field - self.range, -(1 << HALF))
        down = np.maximum(above.max(axis=1), 0)
        up = above - down[:, None] + X_BITS - DIGITS
        digits = bits & 0x7FFFFF | 0x800000
        size = np.where(up >= 0, digits << np.maximum(up, 0), digits >> np.clip(-up, 0, DIGITS))
        one = (1 << X_BITS) >> np.minimum(down, 63)
        return np.column_stack([np.where(bits >> 31 == 1, -size, size), one]), down

    def sums(self, x: npt.NDArray[np.float32]) -> tuple[Words, Words, Integers]:
        """The sums of squares, their upper and lower words (n, classes), and how far each row was shifted down, (n,)."""
        q, down = self.load(x)
        high, low = np.zeros((2, len(x), len(self.means)), np.uint64)
        shift = np.minimum(down, 63)[:, None]
        for k, (means, scales) in enumerate(zip(self.means, self.scales, strict=True)):
            off = np.abs(q - (means >> shift)).astype(np.uint64)
            z = product(off, np.abs(scales).astype(np.uint64))[0] >> (scales & (1 << SHIFT_BITS) - 1).astype(np.uint64)
            upper, lower = product(z, z)
            for column in range(z.shape[1]):
                low[:, k] += lower[:, column]
                high[:, k] += upper[:, column] + (low[:, k] < lower[:, column])
        return high, low, down

    def scores(self, x: npt.NDArray[np.float32]) -> Floats:
        """What the sums of rows (n, features) stand for, less each row's largest score: (n, classes)."""
        high, low, down = self.sums(x)
        out = self.scales[:, -1] < 0
        high[:, out] = low[:, out] = np.iinfo(np.uint64).max
        best = np.lexsort((low, high), axis=1)[:, :1]
        least_high, least_low = np.take_along_axis(high, best, 1), np.take_along_axis(low, best, 1)
        ahead_high = high - least_high - (low < least_low)
        ahead = ahead_high.astype(np.float64) * 2.0**64 + (low - least_low).astype(np.float64)
        ahead[:, out] = np.inf
        with np.errstate(over="ignore"):
            return np.asarray(-np.ldexp(ahead, self.unit + 2 * down[:, None]))


def product(a: Words, b: Words) -> tuple[Words, Words]:
    """The upper and the lower word of a * b."""
    half = np.uint64(32)
    a1, a0, b1, b0 = a >> half, a & WORD, b >> half, b & WORD
    middle = a1 * b0 + (a0 * b0 >> half)  # neither sum overflows: (2**32 - 1)**2 + 2**32 - 1 < 2**64
    other = a0 * b1 + (middle & WORD)
    return a1 * b1 + (middle >> half) + (other >> half), a * b


def wide_gaussian(mean: Floats, variance: Floats, constant: Floats) -> WideGaussian:
    """The integers for means and variances (classes, features) and constants (classes,), of which minus infinity is never."""
    model = Model(mean, 1 / np.sqrt(2 * variance))
    own = np.frexp((np.abs(mean) + model.around).max(axis=0))[1].astype(np.int64)
    exponents = np.where(model.counts, own, BEYOND)
    known = np.isfinite(constant)
    behind = np.where(known, constant[known].max() - np.where(known, constant, 0.0), 0.0)
    gains = np.column_stack([np.where(model.counts, np.ldexp(model.scale, exponents), 0.0), np.sqrt(behind)])
    means = np.where(model.counts, np.rint(np.ldexp(mean, X_BITS - exponents)), 0.0).astype(np.int64)
    top = int(np.frexp(gains.max())[1]) + _more(gains.shape[1])
    scales = _scales(gains, top)
    scales[~known, -1] = -1
    columns = np.column_stack([means, np.zeros(len(means), np.int64)])
    # a product of off and scale is z * 2**(61 + 62 - exponent of the gain), of which 64 bits are dropped
    return WideGaussian(exponents + BIAS, columns, scales, 2 * (top - X_BITS - SCALE_BITS + 64))


def has_room(mean: Floats, variance: Floats) -> bool:
    """Whether 61 bits hold means and deviations (classes, features), floats the smallest and the largest of these."""
    deviation = np.sqrt(variance)
    sizes = bool(np.isfinite(mean).all() and deviation.min() > SMALLEST and (np.abs(mean) + deviation).max() < LARGEST)
    return sizes and spread_of(mean, variance) <= MOST_WIDE


def _more(columns: int) -> int:
    """Bits that products are shifted down by, beyond those of their size, so that all squares have room."""
    return max(0, int(np.ceil(np.log2(columns / MOST_COLUMNS) / 2)))


def _scales(gains: Floats, top: int) -> Integers:
    """Gains as 62 bits of which the last say by how much less than 2**top they are."""
    digits, exponent = np.frexp(gains)
    shift = np.where(gains > 0, top - exponent, 0)
    whole = np.ldexp(digits, SCALE_BITS).astype(np.int64)
    mask = (1 << SHIFT_BITS) - 1
    return np.where(shift <= mask, whole & ~mask | np.minimum(shift, mask), 0)
