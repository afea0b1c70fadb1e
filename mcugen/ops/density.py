"""density: the logarithm of a sum of kernels of distances (kernel density estimates)."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.pairs import Pair, negative, pair_of, root, total
from mcugen.rows import Numbers, RowOp, single
from mcugen.tables import check_tables
from mcugen.work.loops import loop

Floats = npt.NDArray[np.float64]
DensityKernel = Literal["gaussian", "exponential", "tophat", "epanechnikov", "linear", "cosine"]
ENDLESS = ("gaussian", "exponential")  # kernels that are never 0


@dataclass(frozen=True, eq=False)
class Density(RowOp):
    """y = constant + log(sum of weight_k K(r_k)), r_k² given.

    Input `f32` (2 points,), squares of distances in bandwidths as sums of two floats (mcugen/pairs.py); output `f32` (1,). weights
    (points,) float64, all of them positive. K(r) is exp(-r²/2) (gaussian), exp(-r) (exponential), and up to r = 1, else 0:
    1 (tophat), 1 - r² (epanechnikov), 1 - r (linear), cos(pi r / 2) (cosine). Of endless kernels the nearest point's logarithm is
    taken out of the sum and added in pairs; of the others what is missing to 1 is worked out in pairs, so that little is left of it
    with all its digits. y is off by 4e-7 of it or of 1, minus infinity where the sum is 0 or all squares are beyond floats.
    """

    name: ClassVar[str] = "density"
    includes: ClassVar[tuple[str, ...]] = ("float.h", "math.h")

    kernel: DensityKernel
    weights: Floats
    constant: float

    @property
    def points(self) -> int:
        """Points that kernels lie about."""
        return len(self.weights)

    @property
    def width(self) -> int:
        return 2 * self.points

    @property
    def height(self) -> int:
        return 1

    @property
    def endless(self) -> bool:
        """Whether the kernel is never 0."""
        return self.kernel in ENDLESS

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        squares = np.asarray(inputs[0], np.float32).reshape(2, self.points)
        with np.errstate(all="ignore"):
            if not self.endless:
                sums = (self.weights * self._values((squares[0], squares[1])).astype(np.float64)).sum()
                return (single(np.atleast_1d(self.constant + np.log(sums))),)
            nearest = np.lexsort((squares[1], squares[0]))[0]
            least = squares[0, nearest], squares[1, nearest]
            if not least[0] < np.inf:
                return (np.full(1, -np.inf, np.float32),)
            powers = np.exp(-self._behind(squares, least).astype(np.float64))
            sums = (self.weights * powers)[squares[0] < np.inf].sum()
            far = root(least) if self.kernel == "exponential" else (least[0] / 2, least[1] / 2)
            found = total(pair_of(self.constant), negative(far))
            return (single(np.atleast_1d(found[0] + np.log(sums))),)

    def _behind(self, squares: npt.NDArray[np.float32], least: Pair) -> npt.NDArray[np.float32]:
        """How much farther than the nearest points are, as the kernel has it."""
        apart = (squares[0] - least[0]) + (squares[1] - least[1])
        if self.kernel == "gaussian":
            return np.asarray(apart / 2)
        both = np.sqrt(squares[0]) + np.sqrt(least[0])
        return np.where(both > 0, apart / both, np.float32(0))

    def _values(self, squares: Pair) -> npt.NDArray[np.float32]:
        """The kernels that end."""
        missing = total(pair_of(np.ones(self.points)), negative(squares))[0]
        inside = missing > 0
        if self.kernel == "tophat":
            return inside.astype(np.float32)
        if self.kernel == "epanechnikov":
            return np.where(inside, missing, np.float32(0))
        less = missing / (1 + np.sqrt(squares[0]))
        if self.kernel == "cosine":
            less = np.sin(less * np.float32(pi / 2))
        return np.where(inside, less, np.float32(0))

    def describe(self) -> str:
        return f"kernel={self.kernel} points={self.points}"

    def forms(self, target: Target) -> tuple[()]:
        check_tables([Numbers(single(self.weights)).nbytes], target, ("fit on fewer rows",))
        return ()

    def work(self, target: Target, *inputs: TensorType) -> Work:
        weights = Numbers(single(self.weights))
        more = {f"points {self.kernel}": float(self.points)}
        return loop(self.points, weights.kind, kinds=(self.kernel,), tables=weights.nbytes, more=more)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "kernel": self.kernel,
            "endless": self.endless,
            "points": self.points,
            "weights": Numbers(single(self.weights)),
            "constant": pair_of(self.constant),
            "half_pi": np.float32(pi / 2),
        }
