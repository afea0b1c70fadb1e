"""outlier_factor: how much sparser points lie about a row than about its neighbours (local outlier factor)."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.pairs import Pair, negative, pair_of, product, root, total
from mcugen.rows import RowOp
from mcugen.tables import check_tables
from mcugen.work.loops import loop

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OutlierFactor(RowOp):
    """y = -offset - mean(density) · (mean(max(distance, reach)) + little), means over the nearest of some points.

    Input `f32` (2 points,), the squares of distances as sums of two floats (mcugen/pairs.py); output `f32` (1,). reach and density
    (points,) float64. Of points that are as near, the first is taken. Everything is worked out in pairs and rounded once.
    """

    name: ClassVar[str] = "outlier_factor"
    includes: ClassVar[tuple[str, ...]] = ("math.h",)

    reach: Floats
    density: Floats
    neighbours: int
    offset: float
    little: float = 0.0

    @property
    def points(self) -> int:
        """Points that may be neighbours."""
        return len(self.reach)

    @property
    def width(self) -> int:
        return 2 * self.points

    @property
    def height(self) -> int:
        return 1

    @property
    def _tables(self) -> tuple[Pair, Pair]:
        """The reaches, and the densities by the square of how many are added up."""
        return pair_of(self.reach), pair_of(self.density / self.neighbours**2)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        first, rest = np.asarray(inputs[0], np.float32).reshape(2, self.points)
        nearest = np.lexsort((np.arange(self.points), rest, first))[: self.neighbours]
        reach, density = self._tables
        apart, dense = pair_of(np.array(self.little * self.neighbours)), pair_of(np.zeros(()))
        with np.errstate(all="ignore"):
            for i in nearest:
                distance = root((first[i], rest[i]))
                least = reach[0][i], reach[1][i]
                apart = total(apart, least if _below(distance, least) else distance)
                dense = total(dense, (density[0][i], density[1][i]))
            found = total(negative(product(apart, dense)), pair_of(np.array(-self.offset)))
        return (np.asarray(found[0], np.float32).reshape(1),)

    def describe(self) -> str:
        return f"points={self.points} neighbours={self.neighbours}"

    def forms(self, target: Target) -> tuple[()]:
        check_tables([4 * self.points] * 4, target, ("fit on fewer rows",))
        return ()

    def work(self, target: Target, *inputs: TensorType) -> Work:
        taken = self.neighbours * (1 + log(self.points / self.neighbours))  # of rows in any order
        more = {"neighbours": float(self.neighbours), "taken": taken, "moved": taken * self.neighbours / 2}
        return loop(self.points, tables=16 * self.points, more=more, array=10 * self.neighbours)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        reach, density = self._tables
        return {
            "points": self.points,
            "neighbours": self.neighbours,
            "tables": {"reach": reach[0], "reach_rest": reach[1], "density": density[0], "density_rest": density[1]},
            "little": pair_of(self.little * self.neighbours),
            "offset": pair_of(-self.offset),
        }


def _below(a: Pair, b: Pair) -> bool:
    return bool(a[0] < b[0] or (a[0] == b[0] and a[1] < b[1]))
