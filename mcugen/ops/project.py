"""project: a matrix times a row in float32, for rows whose features differ too much in size for one exponent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.rows import RowOp, single
from mcugen.templating import c_floats
from mcugen.work.loops import loop


@dataclass(frozen=True, eq=False)
class Project(RowOp):
    """y = W x, added up in float32 from the first feature to the last. weights (rows, features) float64.

    Input `f32` (features,), output `f32` (rows,). `linear` is smaller and, without a unit for floats, faster; but its rows
    have one exponent, and here every product keeps its own 24 bits.
    """

    name: ClassVar[str] = "project"

    weights: npt.NDArray[np.float64]

    @property
    def width(self) -> int:
        return int(self.weights.shape[1])

    @property
    def height(self) -> int:
        return len(self.weights)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        total = np.zeros(self.height, np.float32)
        with np.errstate(all="ignore"):
            for weight, x in zip(single(self.weights).T, np.asarray(inputs[0], np.float32), strict=True):
                total = total + weight * x
        return (total,)

    def describe(self) -> str:
        return f"rows={self.height}"

    def macc(self, *inputs: TensorType) -> int:
        return int(self.weights.size)

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return loop(self.weights.size, tables=4 * self.weights.size, more={"rows": float(self.height)})

    def render(self) -> dict[str, Any]:
        return {"rows": self.height, "features": self.width, "weights": [*c_floats(single(self.weights).ravel())]}
