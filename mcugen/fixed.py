"""Weights and rows as integers: how every sum of products of the classical models is worked out, without float arithmetic.

A row x becomes integers of one common exponent (block floating point): feature i, lifted by the size of its weights, is
`q[i] * 2**(top - 126 - x_bits - lift[i])`, where `top` is the largest biased exponent of the row, found at run time, so that
no row overflows and none loses more than its smallest parts. Weights are integers of one exponent for all rows of a matrix:
`weight * 2**-lift * 2**w_bits`. The intercept is the weight of a feature that is always 1. A sum of products is exact; what
is lost is in the two roundings, at most half a unit of each factor. Three widths:

width  weights  row   sum     for
32     int32    int32 int64   "float32": at least as exact as sums of float32 would be
16     int16    int16 int32   "int16"
8      int8     int16 int32   "int8"
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mcugen.boards import Numeric

Width = Literal[8, 16, 32, 64]
Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

WIDTHS: dict[Numeric, Width] = {"float32": 32, "int16": 16, "int8": 8}
SUM_BITS: dict[Width, int] = {32: 63, 16: 31, 8: 31}  # a sum stays below 2 to this
MOST_X: dict[Width, int] = {32: 30, 16: 14, 8: 14}  # |q| <= 2**bits
MOST_W: dict[Width, int] = {32: 30, 16: 15, 8: 7}
FEWEST_X: dict[Width, int] = {32: 25, 16: 0, 8: 0}  # a float's digits, and one for the rounding of weights
LIFTED = 6  # features whose weights differ by a factor of 2**6 get exponents of their own
NEVER = 400  # powers of two by which a column of zeros is lifted less than others: more than floats are apart
USUAL = 0.98  # the part of rows that the usual top is enough for
ONE = 127  # the biased exponent of 1.0f


@dataclass(frozen=True, eq=False)
class Fixed:
    """A matrix of weights, with or without intercepts, as integers.

    weights  (rows, columns) int64, fitting `width` bits; the last column is the intercept's where `bias` is set
    lift     (columns,) int64; the exponent by which a feature is lifted
    x_bits, w_bits   see above
    bias     whether the last column is the intercept's
    top      the biased, lifted exponent that rows are expected not to pass; None where nothing is known of them
    """

    width: Width
    weights: Integers
    lift: Integers
    x_bits: int
    w_bits: int
    bias: bool
    top: int | None = None

    @property
    def features(self) -> int:
        """Columns that are the row's."""
        return int(self.weights.shape[1]) - self.bias

    @property
    def lifts(self) -> Integers:
        """The lifts of the row's features; empty where all are the same."""
        own = self.lift[: self.features]
        return own[:0] if (own == own[0]).all() else own

    @property
    def base(self) -> int:
        """The lift of features where all have the same: the exponents of rows are counted without it."""
        return 0 if len(self.lifts) else int(self.lift[0])

    @property
    def least(self) -> int:
        """The exponent of the intercept's 1, below which a row's top does not go; without it that of the smallest float."""
        if self.bias:
            return ONE + int(self.lift[-1]) - self.base
        return 1 + (int(self.lifts.min()) if len(self.lifts) else 0)

    @property
    def begin(self) -> int:
        """The top that a row begins with."""
        return self.least if self.top is None else max(self.least, self.top - self.base)

    @property
    def plain(self) -> bool:
        """Whether every exponent is one that a float has, and so a byte."""
        return not len(self.lifts) and self.least > 0 and 31 < self.begin < 255  # no difference wraps to 31 or less

    @property
    def zeros_vanish(self) -> bool:
        """Whether a float of the least exponent is 0 anyway once it is brought to the top of a row."""
        return self.begin - (int(self.lifts.max()) if len(self.lifts) else 0) > 32

    @property
    def by_hand(self) -> bool:
        """Whether AVR's C brings rows to integers by hand: 16 bits of floats of plain exponents."""
        return self.width < 32 and self.plain and self.zeros_vanish

    def load(self, x: npt.NDArray[np.float32]) -> tuple[Integers, Integers]:
        """Rows (n, features) as integers (n, columns) and their tops (n,), exactly as the C does it. Floats below 2**-125 are 0."""
        bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.int64)
        field = np.maximum(bits >> 23 & 0xFF, 0 if self.zeros_vanish else 1)
        mantissa = np.where(field > 1, bits & 0x7FFFFF | 0x800000, 0)
        exponent = field + (self.lifts if len(self.lifts) else 0)
        top = np.maximum(exponent.max(axis=1), self.begin)
        q = np.where(bits >> 31 == 1, -1, 1) * _shifted(mantissa, top[:, None] - exponent, self.x_bits)
        if not self.bias:
            return q, top
        one = _shifted(np.full(len(x), 1 << 23, np.int64), top - self.least, self.x_bits)
        return np.concatenate([q, one[:, None]], axis=1), top

    def sums(self, x: npt.NDArray[np.float32]) -> tuple[Integers, Integers]:
        """The sums of products (n, rows) of rows (n, features), and the exponents (n,): a sum stands for sum * 2**exponent."""
        q, top = self.load(x)
        return q @ self.weights.T, top - self.scale

    @property
    def scale(self) -> int:
        """What is taken off a row's top to give the exponent of its sums."""
        return 126 + self.x_bits + self.w_bits - self.base

    def doubt(self, size: Integers) -> Integers:
        """Twice what a sum of narrow integers may be off by, for rows whose integers add up to `size` without their signs: a
        weight is off by 1/2, a row's by 3/4, because its digits are cut to 16 bits before they are rounded.
        """
        longest = int(np.abs(self.weights).sum(axis=1).max())
        return np.asarray(size + 3 * longest // 2 + self.weights.shape[1] + 2)

    @property
    def largest(self) -> Integers:
        """What the integers of a row add up to at most, without their signs."""
        return np.asarray(self.weights.shape[1] << self.x_bits)

    def bound(self, x: npt.NDArray[np.float32]) -> Floats:
        """What the numbers that sums stand for are off by at most, (n, rows), for rows of finite floats that are 0 or at least
        2**-125: a weight is off by 1/2, a row's number by one unit where it is cut and by 3/4 where it is rounded.
        """
        q, top = self.load(x)
        units = np.abs(q).sum(axis=1)[:, None] / 2 + np.abs(self.weights).sum(axis=1) + self.weights.shape[1]
        return np.asarray(np.ldexp(units, (top - self.scale)[:, None]))

    @property
    def nbytes(self) -> int:
        """Bytes of the tables in flash."""
        return self.weights.size * self.width // 8 + len(self.lifts) * self.lift_bits // 8

    @property
    def lift_bits(self) -> int:
        """Bits of an entry of the table of lifts."""
        return 8 if not len(self.lifts) or np.abs(self.lifts).max() < 128 else 16

    def values(self, sums: Integers, exponents: Integers) -> npt.NDArray[np.float32]:
        """Sums as the float32 numbers that they stand for."""
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(sums.astype(np.float32), exponents[:, None])


def _shifted(mantissa: Integers, down: Integers, bits: int) -> Integers:
    """Mantissas of 24 bits brought to `bits` and shifted down, rounded where the width is narrow (bits below 24)."""
    if bits >= 24:
        return np.asarray((mantissa << (bits - 24)) >> np.minimum(down, 63))
    narrow = np.minimum(down, 15)
    return np.asarray(((mantissa >> 8) >> (15 - bits + narrow)) + 1 >> 1)


def fixed(weights: Floats, bias: Floats | None, width: Width, sizes: Integers | None = None) -> Fixed:
    """The integers for float64 weights (rows, features) and intercepts (rows,); no column for intercepts that are all 0.

    sizes  the biased exponents of rows that are known, (rows, features); see `sizes_of`
    """
    with_bias = bias is not None and bool(np.any(bias))
    columns = np.column_stack([weights, bias]) if bias is not None and with_bias else np.asarray(weights, np.float64)
    lift = lifts_of(np.abs(columns).max(axis=0), with_bias, None if sizes is None else sizes.max(axis=0))
    known = sizes is not None and (with_bias or width < 32)  # else a row far smaller than usual would lose its digits
    top = _usual_top(sizes + lift[: sizes.shape[1]]) if known and sizes is not None else None
    lifted = np.ldexp(columns, -lift)
    longest = max(float(np.abs(lifted).sum(axis=1).max()), 2.0**-20)
    bits = SUM_BITS[width] - int(np.ceil(np.log2(longest)))
    w_bits = min(MOST_W[width], (bits + 1) // 2, bits - FEWEST_X[width])
    most = (1 << (width - 1)) - 1
    w_bits -= int(
        np.rint(np.ldexp(np.abs(lifted).max(), w_bits)) > most
    )  # a weight next to 1 has no room for its rounding
    integers = np.rint(np.ldexp(lifted, w_bits)).astype(np.int64)
    x_bits = min(MOST_X[width], bits - w_bits)
    while int(np.abs(integers).sum(axis=1).max()) << x_bits >= 1 << SUM_BITS[width]:
        x_bits -= 1  # rounding has made a row of weights longer
    return Fixed(width, integers, lift, x_bits, w_bits, with_bias, top)


def lifts_of(largest: Floats, with_bias: bool, sizes: Integers | None) -> Integers:
    """The exponent of each column's largest weight; one for all features where they are of one size.

    Where nothing is known of their sizes, features are taken to be as large as their weights are small. Columns of zeros are
    lifted so little that they never count, unless they are known to be no larger than the others: then they need no table.
    """
    exponents = np.frexp(largest)[1].astype(np.int64)
    own = exponents[: len(largest) - with_bias]
    used = largest[: len(own)] > 0
    if not used.any():
        own[:] = exponents[-1] - NEVER
        return exponents
    spread = np.ptp(own[used] if sizes is None else sizes[used])
    if spread <= LIFTED:
        own[used] = own[used].max()
    harmless = sizes is not None and spread <= LIFTED and sizes[~used].max(initial=0) <= sizes[used].max()
    own[~used] = own[used].min() - (0 if harmless else NEVER)
    return exponents


def _usual_top(exponents: Integers) -> int:
    """What few rows pass: those have to be gone through once more, and every bit that others are not shifted by is time won."""
    tops = np.sort(exponents.max(axis=1))
    return int(tops[int((len(tops) - 1) * USUAL)])


def sizes_of(rows: npt.NDArray[np.float32]) -> Integers:
    """The biased exponents of rows (n, features), n > 0; those of infinities and NaN count as 0."""
    field = np.ascontiguousarray(rows, np.float32).view(np.uint32).astype(np.int64) >> 23 & 0xFF
    return np.asarray(np.where(field < 255, field, 0))
