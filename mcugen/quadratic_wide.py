"""Quadratic forms as integers of 64 bits: where the sums of 32 (mcugen/quadratic.py) lose what counts.

The sums of products are those of mcugen/wide.py. Their squares are added up to 128 bits, as mcugen/gaussian_wide.py does. A
class's constant is the square of one more sum, which no feature is part of: the least sum of squares is the class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mcugen.fixed import Floats, Integers
from mcugen.gaussian_wide import Words, product
from mcugen.quadratic import Forms
from mcugen.wide import SUM, Wide, wide

WORDS = 128  # bits that squares are added up to


@dataclass(frozen=True, eq=False)
class QuadraticWide:
    """The integers of forms.

    fixed    all classes' matrices below each other, with the offsets and, as each one's last row, the constant
    rows     of each class; 0 for one that is never answered
    down     how far sums are shifted down before they are squared
    largest  the constant that all others are behind
    """

    fixed: Wide
    rows: tuple[int, ...]
    down: int
    largest: float

    @property
    def same_rows(self) -> bool:
        """Whether all classes have as many rows."""
        return len(set(self.rows)) == 1

    @property
    def never(self) -> bool:
        """Whether some class is never answered."""
        return 0 in self.rows

    @property
    def unit(self) -> int:
        """What is added to twice a row's top to give the exponent of two of what 1 of its sums stands for."""
        return 2 * (self.down - self.fixed.scale)

    @property
    def nbytes(self) -> int:
        """Bytes of the tables in flash."""
        return self.fixed.nbytes + (0 if self.same_rows else 2 * len(self.rows))

    @property
    def largest_table(self) -> int:
        """Bytes of the largest one."""
        return 8 * self.fixed.weights.size

    def sums(self, x: npt.NDArray[np.float32]) -> tuple[Words, Words, Integers]:
        """The sums of squares, upper and lower words (n, classes), and the exponents of their units, (n,)."""
        products, exponents = self.fixed.sums(x)
        z = np.abs(products).astype(np.uint64) >> np.uint64(self.down)
        upper, lower = product(z, z)
        high, low = np.full((2, len(x), len(self.rows)), np.iinfo(np.uint64).max)
        for k, (end, rows) in enumerate(zip(np.cumsum(self.rows), self.rows, strict=True)):
            if rows:
                high[:, k] = low[:, k] = 0
            for row in range(end - rows, end):
                low[:, k] += lower[:, row]
                high[:, k] += upper[:, row] + (low[:, k] < lower[:, row])
        return high, low, 2 * (exponents + self.down)

    def scores(self, x: npt.NDArray[np.float32]) -> tuple[Integers, Floats, Floats]:
        """Of rows (n, features) the class (n,), by how much each is behind it (n, classes), and the scores (n, classes)."""
        high, low, exponents = self.sums(x)
        best = np.lexsort((low, high), axis=1)[:, :1]
        least_high, least_low = np.take_along_axis(high, best, 1), np.take_along_axis(low, best, 1)
        ahead = (high - least_high - (low < least_low)).astype(np.float64) * 2.0**64 + (low - least_low)
        never = np.array(self.rows) == 0
        with np.errstate(over="ignore"):
            behind = np.where(never, np.inf, np.ldexp(ahead, exponents[:, None]))
            whole = np.ldexp(high.astype(np.float64) * 2.0**64 + low, exponents[:, None])
        return best[:, 0], behind, np.where(never, -np.inf, self.largest - whole)


def quadratic_wide(forms: Forms) -> QuadraticWide:
    """The integers of forms."""
    known = np.isfinite(forms.constants)
    largest = float(forms.constants[known].max()) + 1  # so that there is a constant, and with it a column for offsets
    matrices: list[Floats] = []
    offsets: list[Floats] = []
    rows: list[int] = []
    for matrix, offset, constant in zip(forms.matrices, forms.offsets, forms.constants, strict=True):
        if not np.isfinite(constant):
            rows.append(0)
            continue
        matrices += [matrix, np.zeros((1, forms.features))]
        offsets += [-offset, np.array([np.sqrt(largest - constant)])]
        rows.append(len(matrix) + 1)
    made = wide(np.concatenate(matrices), np.concatenate(offsets))
    down = max(0, int(np.ceil((np.log2(max(rows)) + 2 * SUM - WORDS) / 2)))
    return QuadraticWide(made, tuple(rows), down, largest)
