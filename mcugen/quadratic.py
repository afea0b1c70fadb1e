"""Quadratic forms as integers: constants less the sums of squares of sums of products.

The sums of products are those of mcugen/fixed.py in 32 bits, of 64 bits. A sum, shifted down by `down`, has 32 bits and is
squared; one that is small enough is shifted down by 8 bits less, and its square by 16 bits. So a square is as exact as the
sums are where that counts, and none is too large. Constants are in the unit of the squares.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mcugen.fixed import Fixed, Floats, Integers, fixed
from mcugen.gaussian import COARSE, NEVER, constants_of

ROOM = 61  # bits of what a class's squares add up to at most, and of the constants


@dataclass(frozen=True, eq=False)
class Forms:
    """For each class k a constant less |matrices[k] x - offsets[k]|^2; constants (classes,), minus infinity for never."""

    matrices: tuple[Floats, ...]
    offsets: tuple[Floats, ...]
    constants: Floats

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Forms) or len(self.matrices) != len(other.matrices):
            return False
        mine, others = ((*one.matrices, *one.offsets, one.constants) for one in (self, other))
        return all(np.array_equal(a, b) for a, b in zip(mine, others, strict=True))

    __hash__ = None  # type: ignore[assignment]  # compared by content

    @property
    def features(self) -> int:
        """Columns of a row."""
        return int(self.matrices[0].shape[1])

    def distances(self, x: Floats) -> list[Floats]:
        """matrices x - offsets of rows (n, features), one (n, rows) for each class."""
        return [x @ matrix.T - offset for matrix, offset in zip(self.matrices, self.offsets, strict=True)]

    @property
    def middles(self) -> Floats:
        """A row for each class that is nearest to where its form is 0, (classes, features)."""
        return np.stack([np.linalg.pinv(matrix) @ at for matrix, at in zip(self.matrices, self.offsets, strict=True)])

    @property
    def deviations(self) -> Floats:
        """How far features are expected to vary in each class, (classes, features): a form is half of a squared distance."""
        return np.stack([np.sqrt((np.linalg.pinv(matrix) ** 2).sum(axis=1) / 2) for matrix in self.matrices])

    def moved(self, by: Floats) -> Forms:
        """The forms for rows that are so much less."""
        offsets = (at - matrix @ by for matrix, at in zip(self.matrices, self.offsets, strict=True))
        return replace(self, offsets=tuple(offsets))

    def scaled(self, slope: Floats, origin: Floats) -> Forms:
        """The forms of `slope * (x - origin)` for rows x."""
        return replace(self, matrices=tuple(matrix * slope for matrix in self.matrices)).moved(-origin)

    def of_pairs(self) -> Forms:
        """The forms for rows of pairs of floats, all the larger ones first."""
        return replace(self, matrices=tuple(np.tile(matrix, 2) for matrix in self.matrices))

    def scores(self, x: Floats) -> Floats:
        """The forms of rows (n, features), (n, classes), in float64."""
        return np.asarray(self.constants - np.stack([(z * z).sum(axis=1) for z in self.distances(x)], axis=1))


@dataclass(frozen=True, eq=False)
class Quadratic:
    """The integers of forms.

    fixed      all classes' matrices below each other, with the offsets
    rows       of each class
    down       how far a sum is shifted down before it is squared
    constants  (classes,) of 32 bits, in units of 2**constant_shift of a square's
    unit       what 1 of a square stands for, in a row that is not shifted down; the constants' largest is taken off
    largest    that constant
    """

    fixed: Fixed
    rows: tuple[int, ...]
    down: int
    constants: Integers
    constant_shift: int
    unit: float
    largest: float

    @property
    def same_rows(self) -> bool:
        """Whether all classes have as many rows."""
        return len(set(self.rows)) == 1

    @property
    def never(self) -> bool:
        """Whether some class is never answered."""
        return bool((self.constants == NEVER).any())

    @cached_property
    def near(self) -> int:
        """Sums below this keep 8 bits more."""
        return 1 << (31 + self.down - COARSE)

    @property
    def nbytes(self) -> int:
        """Bytes of the tables in flash."""
        return self.fixed.nbytes + 4 * len(self.constants) + (0 if self.same_rows else 2 * len(self.rows))

    def sums(self, x: npt.NDArray[np.float32]) -> tuple[Integers, Integers]:
        """Constants less sums of squares, (n, classes), as the C has them, and how far each row was shifted down, (n,)."""
        products, exponents = self.fixed.sums(x)
        above = exponents + self.fixed.scale - self.fixed.begin
        near = np.abs(products) < self.near
        z = np.where(near, products >> (self.down - COARSE), products >> self.down)
        squares = np.where(near, z * z >> 2 * COARSE, z * z)
        found = np.empty((len(x), len(self.rows)), np.int64)
        least = np.minimum(2 * above, 63)
        for k, (end, rows) in enumerate(zip(np.cumsum(self.rows), self.rows, strict=True)):
            found[:, k] = (self.constants[k] << self.constant_shift >> least) - squares[:, end - rows : end].sum(axis=1)
        found[:, self.constants == NEVER] = np.iinfo(np.int64).min
        return found, above

    def scores(self, x: npt.NDArray[np.float32]) -> Floats:
        """What the sums stand for, (n, classes), as exactly as they differ."""
        sums, above = self.sums(x)
        found = np.ldexp(sums.astype(np.float64) * self.unit, 2 * above[:, None]) + self.largest
        found[:, self.constants == NEVER] = -np.inf
        return np.asarray(found)

    def steps(self, x: npt.NDArray[np.float32]) -> Floats:
        """`step` of rows (n, features), which are coarser where they are shifted down, (n,)."""
        above = self.fixed.load(x)[1].astype(np.int64) - self.fixed.begin
        return np.asarray(np.ldexp(self.step, above))

    @property
    def step(self) -> float:
        """How far the square root of a square may be off: the roundings of a row's integers and of the weights."""
        f = self.fixed
        return float(np.ldexp(f.weights.shape[1] * (2.0 ** (f.x_bits - 1) + 2.0**f.w_bits), f.begin - f.scale))


def quadratic(forms: Forms, sizes: Integers) -> Quadratic:
    """The integers; sizes are the largest biased exponents that features have, as `fixed` takes them."""
    made = fixed(np.concatenate(forms.matrices), -np.concatenate(forms.offsets), 32, sizes[np.newaxis, :])
    rows = tuple(len(matrix) for matrix in forms.matrices)
    known = np.isfinite(forms.constants)
    largest = float(forms.constants[known].max())
    behind = np.where(known, forms.constants - largest, 0.0)
    scale = 2.0 * (made.begin - made.scale)
    down = max(32, _down_of_squares(made, rows), _down_of(float(np.abs(behind).max()), scale))
    unit = float(np.float32(2.0 ** (scale + 2 * down)))
    constants, shift = constants_of(behind / unit, known)
    return Quadratic(made, rows, down, constants, shift, unit, largest)


def _down_of_squares(made: Fixed, rows: tuple[int, ...]) -> int:
    """How far sums have to be shifted down for the squares of any class to have room."""
    most = np.abs(made.weights).sum(axis=1).astype(np.float64) * 2.0**made.x_bits
    total = max(float((part**2).sum()) for part in np.split(most, np.cumsum(rows)[:-1]))
    return int(np.ceil((np.log2(max(total, 1.0)) - ROOM) / 2))


def _down_of(constant: float, scale: float) -> int:
    """And how far for a constant to have room."""
    return int(np.ceil((np.log2(max(constant, 2.0**-60)) - scale - ROOM) / 2))
