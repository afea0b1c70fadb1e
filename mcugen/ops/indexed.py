"""indexed: elements at places that another tensor says: ONNX Gather, GatherElements, GatherND,
https://onnx.ai/onnx/operators/onnx__Gather.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op

INDICES = (DType.I32, DType.I64)


@dataclass(frozen=True, eq=False)
class Indexed(Op):
    """Elements of data at the places that indices say: `Gather` and `GatherElements` along `axis`, `GatherND` with tuples of
    indices after `axis` batch axes.

    Inputs: data of any type, indices `i32` or `i64`; output of data's type. Negative indices count from the end; what is outside
    is brought inside, so that nothing else is read. E0201 for shapes that do not go together.
    """

    name: ClassVar[str] = "indexed"
    onnx: ClassVar[tuple[str, ...]] = ("Gather", "GatherElements", "GatherND")
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    function: str
    axis: int

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if len(inputs) != 2 or inputs[1].dtype not in INDICES or not self._good(*(t.shape for t in inputs)):
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error(
                "E0201", f"{self.function} does not go with {found}", help="give int64 indices of a fitting shape"
            )
        return (TensorType(self._shape(*(t.shape for t in inputs)), inputs[0].dtype),)

    def _good(self, data: tuple[int, ...], indices: tuple[int, ...]) -> bool:
        if self.function == "Gather":
            return self.axis < len(data)
        if self.function == "GatherElements":
            others = [(a, b) for i, (a, b) in enumerate(zip(data, indices, strict=False)) if i != self.axis]
            return len(data) == len(indices) and self.axis < len(data) and all(b <= a for a, b in others)
        batch = self.axis
        return len(indices) > batch and data[:batch] == indices[:batch] and 0 < indices[-1] <= len(data) - batch

    def _shape(self, data: tuple[int, ...], indices: tuple[int, ...]) -> tuple[int, ...]:
        if self.function == "Gather":
            return (*data[: self.axis], *indices, *data[self.axis + 1 :])
        if self.function == "GatherElements":
            return indices
        return (*indices[:-1], *data[self.axis + indices[-1] :])

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        data, indices = inputs[0], inputs[1].astype(np.int64)
        if self.function == "GatherND":
            return (self._tuples(data, indices),)
        size = data.shape[self.axis]
        inside = np.clip(np.where(indices < 0, indices + size, indices), 0, size - 1)
        if self.function == "Gather":
            return (np.take(data, inside, axis=self.axis),)
        trimmed = data[tuple(slice(0, n if i != self.axis else None) for i, n in enumerate(indices.shape))]
        return (np.take_along_axis(trimmed, inside, self.axis),)

    def _tuples(self, data: Any, indices: Any) -> Array:
        batch, width = self.axis, indices.shape[-1]
        sizes = np.array(data.shape[batch : batch + width])
        inside = np.clip(np.where(indices < 0, indices + sizes, indices), 0, sizes - 1)
        flat = data.reshape(prod(data.shape[:batch]), *data.shape[batch:])
        rows = inside.reshape(len(flat), -1, width)
        found = [flat[b][tuple(rows[b].T)] for b in range(len(flat))]
        return np.asarray(np.stack(found).reshape(self._shape(data.shape, indices.shape)))

    def describe(self) -> str:
        return f"{self.function} axis={self.axis}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        data, indices = (t.shape for t in inputs)
        total = max(t.size for t in (*inputs, *self.infer(*inputs)))
        if self.function == "GatherND":
            width = indices[-1]
            sizes = data[self.axis : self.axis + width]
            piece = prod(data[self.axis + width :])
            steps = [prod(sizes[i + 1 :]) * piece for i in range(width)]
            return {
                "function": "GatherND", "batch": prod(data[: self.axis]), "rows": prod(indices[self.axis : -1]),
                "piece": piece, "sizes": [*zip(sizes, steps, strict=True)], "total": total,
            }  # fmt: skip
        if self.function == "Gather":
            return {
                "function": "Gather", "before": prod(data[: self.axis]), "count": prod(indices), "size": data[self.axis],
                "after": prod(data[self.axis + 1 :]), "total": total,
            }  # fmt: skip
        steps = [prod(data[i + 1 :]) for i in range(len(data))]
        return {
            "function": "GatherElements", "size": data[self.axis], "step": steps[self.axis], "total": total,
            "axes": [(n, 0 if i == self.axis else steps[i]) for i, n in enumerate(indices)],
        }  # fmt: skip
