"""missing: which values are missing, as scikit-learn's MissingIndicator says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.rows import RowOp
from mcugen.work.loops import loop


@dataclass(frozen=True, eq=False)
class Missing(RowOp):
    """y = 1 where x is NaN, else 0, element by element.

    Input and output `f32` (features,), which may share a buffer.
    """

    name: ClassVar[str] = "missing"
    in_place: ClassVar[int | None] = 0

    features: int

    @property
    def width(self) -> int:
        return self.features

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.isnan(np.asarray(inputs[0], np.float32)).astype(np.float32),)

    def source(self, at: int, *inputs: TensorType) -> tuple[int, int] | None:
        return 0, at

    def exactly(self, at: int, x: Array) -> Array:
        return np.isnan(np.asarray(x, np.float64)).astype(np.float64)

    def describe(self) -> str:
        return f"features={self.features}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return loop(self.width)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {"size": self.features}
