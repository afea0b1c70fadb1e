"""top_k: ONNX TopK, https://onnx.ai/onnx/operators/onnx__TopK.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.functions import NUMBERS
from mcugen.ir import Array, DType, TensorType
from mcugen.loops import split_axes
from mcugen.op import Op


@dataclass(frozen=True, eq=False)
class TopK(Op):
    """The k largest (or smallest) elements along an axis, the best first, and their indices; of equal ones the first comes first.

    Input floats or integers; outputs of its type and `i64`, the axis of size k. E0201 for another type, or too large a k.
    """

    name: ClassVar[str] = "top_k"
    onnx: ClassVar[tuple[str, ...]] = ("TopK",)
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    k: int
    axis: int
    largest: bool = True

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        shape = [*inputs[0].shape] if inputs else []
        good = len(inputs) == 1 and inputs[0].dtype in NUMBERS and self.axis < len(shape)
        if not good or not 0 < self.k <= shape[self.axis]:
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"TopK cannot take {self.k} of {found}", help="take as many as the axis has, or fewer")
        shape[self.axis] = self.k
        return TensorType(tuple(shape), inputs[0].dtype), TensorType(tuple(shape), DType.I64)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = inputs[0]
        whole = np.arange(x.shape[self.axis]).reshape((-1,) + (1,) * (x.ndim - self.axis - 1))
        places = np.broadcast_to(whole, x.shape)
        wide = x.astype(object if x.dtype.kind in "iu" and x.dtype.itemsize == 8 else np.float64)
        order = np.argsort(-wide if self.largest else wide, axis=self.axis, kind="stable")
        order = np.take(order, range(self.k), self.axis)
        return np.take_along_axis(x, order, self.axis), np.take_along_axis(places, order, self.axis).astype(np.int64)

    def describe(self) -> str:
        return f"k={self.k} axis={self.axis}{'' if self.largest else ' smallest'}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        before, along, after = split_axes(inputs[0].shape, [self.axis])
        better = ">" if self.largest else "<"
        return {"before": before, "along": along, "after": after, "k": self.k, "better": better}
