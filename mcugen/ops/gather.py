"""gather: ONNX Gather with constant indices, https://onnx.ai/onnx/operators/onnx__Gather.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.rows import RowOp
from mcugen.work.loops import loop


@dataclass(frozen=True, eq=False)
class Gather(RowOp):
    """y[i] = x[indices[i]]: features picked from a row, in any order, also twice.

    Input `f32` (features,), output `f32` (indices,). Indices that follow one another are copied as one piece.
    """

    name: ClassVar[str] = "gather"

    features: int
    indices: npt.NDArray[np.int64]

    @property
    def width(self) -> int:
        return self.features

    @property
    def height(self) -> int:
        return len(self.indices)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if len(self.indices) and not (self.indices.min() >= 0 and self.indices.max() < self.features):
            raise error(
                "E0201", f"gather picks what {self.features} features do not have", help="pick among the features"
            )
        return super().infer(*inputs)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.asarray(inputs[0], np.float32)[self.indices],)

    def source(self, at: int, *inputs: TensorType) -> tuple[int, int] | None:
        return 0, int(self.indices[at])

    @property
    def _piece(self) -> bool:
        return bool((np.diff(self.indices) == 1).all())

    def back(self, y: Array, *inputs: TensorType) -> tuple[Array, ...]:
        x = np.full((len(y), self.features), np.nan)
        x[:, self.indices] = y
        return (x,)

    def describe(self) -> str:
        first, last = int(self.indices[0]), int(self.indices[-1])
        shown = f"{first}..{last}" if self._piece and self.height > 1 else ",".join(map(str, self.indices[:8]))
        return f"of={self.features} columns={shown}{',..' if not self._piece and self.height > 8 else ''}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        bits = 8 if self.features <= 256 else 16
        first = int(self.indices[0])
        kind = f"indices {bits}" if not self._piece else "piece" if first else ""
        return loop(self.height, kind, tables=0 if self._piece else self.height * bits // 8)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        first = int(self.indices[0]) if self._piece else None
        return {"size": self.height, "first": first, "indices": self.indices.tolist()}
