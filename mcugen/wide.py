"""Weights of 62 bits and rows with all their digits: sums of products where 32 bits lose what decides.

Where parts of a sum are a million times larger than the sum, or a million times smaller than an intercept, one exponent for
all of a row (mcugen/fixed.py) costs it digits that scikit-learn's float64 has. Here a product keeps 62 bits before it is
brought to the row's exponent, so a sum is as good as one of float64. The intercept is not part of the row: it is added
last, and where the row is far below it, what is below the sum's unit is kept apart, to decide between classes that are
equal above it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mcugen.fixed import ONE, Fixed, Floats, Integers, lifts_of

HALF = 31  # bits of the lower of a weight's two words; the sign is the upper one's
DIGITS = 24  # of a float
SUM = 62  # a sum stays below 2 to this
DOUBLE = 53  # bits of a sum of float64
MOST_DOWN = 62  # what a product can be shifted down by before nothing is left


@dataclass(frozen=True, eq=False)
class Wide(Fixed):
    """A matrix of weights as integers of up to 61 bits; rows stay floats. `width` is 64, `x_bits` 0 and `top` None."""

    @property
    def least(self) -> int:
        """The exponent of an intercept of 1."""
        return ONE + int(self.lift[-1]) - self.base

    @property
    def begin(self) -> int:
        """The top that a row begins with: of the smallest float."""
        return 1 + (int(self.lifts.min()) if len(self.lifts) else 0)

    @property
    def plain(self) -> bool:
        """Whether exponents are bytes: no."""
        return False

    @property
    def zeros_vanish(self) -> bool:
        """Whether zeros need not be told apart from small floats: they do."""
        return False

    @property
    def words(self) -> Integers:
        """The weights as two words each, the upper one with the sign: `upper * 2**31 + lower`."""
        pairs = np.stack([self.weights >> HALF, self.weights & (1 << HALF) - 1], axis=-1)
        return np.asarray(pairs, np.int64).reshape(len(self.weights), -1)

    def parted(self, x: npt.NDArray[np.float32]) -> tuple[Integers, Integers, Integers]:
        """The sums (n, rows) of rows (n, features), what is left below their unit, and their exponents (n,), as in `sums`."""
        bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.int64)
        field = bits >> 23 & 0xFF
        digits = np.where(field > 1, bits & 0x7FFFFF | 0x800000, 0)
        exponent = np.maximum(field, 1) + (self.lifts if len(self.lifts) else 0)
        own = np.maximum(np.where(field > 1, exponent, self.begin).max(axis=1), self.begin)
        down = own[:, None] - exponent
        sums = np.zeros((len(x), len(self.weights)), np.int64)
        for i in range(self.features):
            upper, lower = self.weights[:, i] >> HALF, self.weights[:, i] & (1 << HALF) - 1
            whole = upper * digits[:, i, None] * 2 ** (HALF - DIGITS) + (lower * digits[:, i, None] >> DIGITS)
            part = np.where((down[:, i] > MOST_DOWN)[:, None], 0, whole >> np.minimum(down[:, i], MOST_DOWN)[:, None])
            sums += np.where(bits[:, i, None] >> 31 == 1, -part, part)
        if not self.bias:
            return sums, np.zeros_like(sums), own - self.scale
        top = np.maximum(own, self.least)
        up, below = np.minimum(top - own, 63)[:, None], (top - self.least)[:, None]
        one = np.where(below > MOST_DOWN, 0, self.weights[:, -1] // 2 >> np.minimum(below, MOST_DOWN))
        total, left = (sums >> up) + one, sums - (sums >> up << up)
        return total, left, top - self.scale

    def compared(self, x: npt.NDArray[np.float32]) -> tuple[Integers, Integers]:
        """The sums (n, rows) of rows (n, features) as classes are told apart by them, and what decides between equal ones. The
        model's own sums have 53 bits: beside an intercept that is so much larger, a row does not count.
        """
        sums, left, _ = self.parted(x)
        return sums.astype(np.float64).astype(np.int64), np.where(np.abs(sums) >> DOUBLE > 0, 0, left)

    def sums(self, x: npt.NDArray[np.float32]) -> tuple[Integers, Integers]:
        """The sums of products (n, rows) of rows (n, features), and the exponents (n,): a sum stands for sum * 2**exponent."""
        sums, _, exponents = self.parted(x)
        return sums, exponents

    @property
    def nbytes(self) -> int:
        """Bytes of the tables in flash."""
        return 8 * self.weights.size + len(self.lifts) * self.lift_bits // 8


def wide(weights: Floats, bias: Floats | None) -> Wide:
    """The integers for float64 weights (rows, features) and intercepts (rows,); no column for intercepts that are all 0."""
    with_bias = bias is not None and bool(np.any(bias))
    columns = np.column_stack([weights, bias]) if bias is not None and with_bias else np.asarray(weights, np.float64)
    lift = lifts_of(np.abs(columns).max(axis=0), with_bias, None)
    lifted = np.ldexp(columns, -lift)
    longest = max(float(np.abs(lifted).sum(axis=1).max()), 1.0)
    w_bits = SUM - 1 - int(np.ceil(np.log2(longest)))
    integers = np.rint(np.ldexp(lifted, w_bits)).astype(np.int64)
    return Wide(64, integers, lift, 0, w_bits, with_bias)
