"""arg_reduce: ONNX ArgMax and ArgMin, https://onnx.ai/onnx/operators/onnx__ArgMax.html."""

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
class ArgReduce(Op):
    """The index of the largest (`ArgMax`) or smallest (`ArgMin`) element along an axis; of equal ones the first, or the last.

    Input floats or integers; output `i64`, or another integer type (`to`), the axis of size 1. E0201 for another type.
    """

    name: ClassVar[str] = "arg_reduce"
    onnx: ClassVar[tuple[str, ...]] = ("ArgMax", "ArgMin")
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    function: str
    axis: int
    last: bool = False
    to: DType = DType.I64

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if len(inputs) != 1 or inputs[0].dtype not in NUMBERS or self.axis >= len(inputs[0].shape):
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"{self.function} takes one tensor of numbers, not {found}", help="cast it first")
        shape = [*inputs[0].shape]
        shape[self.axis] = 1
        return (TensorType(tuple(shape), self.to),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        find: Any = np.argmax if self.function == "ArgMax" else np.argmin
        x = np.flip(inputs[0], self.axis) if self.last else inputs[0]
        found = np.expand_dims(find(x, axis=self.axis), self.axis)
        return ((x.shape[self.axis] - 1 - found if self.last else found).astype(self.to.numpy),)

    def describe(self) -> str:
        return f"{self.function} axis={self.axis}{' last' if self.last else ''}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        before, along, after = split_axes(inputs[0].shape, [self.axis])
        better = (">" if self.function == "ArgMax" else "<") + ("=" if self.last else "")
        return {"before": before, "along": along, "after": after, "better": better}
