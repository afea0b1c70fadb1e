"""scatter: ONNX ScatterElements and ScatterND, https://onnx.ai/onnx/operators/onnx__ScatterElements.html."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.functions import NUMBERS
from mcugen.ir import Array, TensorType
from mcugen.op import Op
from mcugen.ops.indexed import INDICES

REDUCTIONS: dict[str, Any] = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


@dataclass(frozen=True, eq=False)
class Scatter(Op):
    """A copy of data with updates at the places that indices say, put there or combined with what is there.

    `ScatterElements` along `axis`, `ScatterND` with tuples of indices. Inputs: data, indices `i32` or `i64`, updates of data's type;
    output of data's type and shape. Negative indices count from the end; updates outside are left out. E0201 for shapes that do
    not go together.
    """

    name: ClassVar[str] = "scatter"
    onnx: ClassVar[tuple[str, ...]] = ("ScatterElements", "ScatterND", "Scatter")
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    function: str
    axis: int = 0
    reduction: str = "none"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if len(inputs) != 3 or not self._good(*inputs):
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error(
                "E0201", f"{self.function} does not go with {found}", help="give int64 indices of a fitting shape"
            )
        return (inputs[0],)

    def _good(self, data: TensorType, indices: TensorType, updates: TensorType) -> bool:
        plain = self.reduction == "none" or data.dtype in NUMBERS
        if indices.dtype not in INDICES or updates.dtype is not data.dtype or not plain:
            return False
        if self.function == "ScatterElements":
            return (
                updates.shape == indices.shape and len(indices.shape) == len(data.shape) and self.axis < len(data.shape)
            )
        width = indices.shape[-1] if indices.shape else 0
        return 0 < width <= len(data.shape) and updates.shape == indices.shape[:-1] + data.shape[width:]

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        data, indices, updates = inputs[0].copy(), inputs[1].astype(np.int64), inputs[2]
        for at in np.ndindex(indices.shape if self.function == "ScatterElements" else indices.shape[:-1]):
            if self.function == "ScatterElements":
                given, sizes = [int(indices[at])], [data.shape[self.axis]]
            else:
                given, sizes = indices[at].tolist(), [*data.shape[: indices.shape[-1]]]
            place = [i + n if i < 0 else i for i, n in zip(given, sizes, strict=True)]
            if any(not 0 <= i < n for i, n in zip(place, sizes, strict=True)):
                continue
            to = (
                tuple(place)
                if self.function != "ScatterElements"
                else (*at[: self.axis], place[0], *at[self.axis + 1 :])
            )
            with np.errstate(all="ignore"):
                data[to] = (
                    updates[at] if self.reduction == "none" else REDUCTIONS[self.reduction](data[to], updates[at])
                )
        return (data,)

    def describe(self) -> str:
        return f"{self.function} axis={self.axis} {self.reduction}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        data, indices = inputs[0].shape, inputs[1].shape
        steps = [prod(data[i + 1 :]) for i in range(len(data))]
        common = {"function": self.function, "reduction": self.reduction, "total": max(t.size for t in inputs)}
        if self.function == "ScatterElements":
            axes = [(n, 0 if i == self.axis else steps[i]) for i, n in enumerate(indices)]
            return common | {"axes": axes, "size": data[self.axis], "step": steps[self.axis]}
        width = indices[-1]
        sizes = [*zip(data[:width], steps[:width], strict=True)]
        return common | {"sizes": sizes, "rows": prod(indices[:-1]), "piece": prod(data[width:])}
