"""reshape: ONNX Reshape, Squeeze, Unsqueeze, Flatten, https://onnx.ai/onnx/operators/onnx__Reshape.html."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, TensorType
from mcugen.op import Cost, Op


@dataclass(frozen=True, eq=False)
class Reshape(Op):
    """The same elements in the same order under another shape. Where the plan can, it costs nothing: both are one buffer.

    Input of any type and shape; output of its type and `shape`. E0201 where that has another number of elements.
    """

    name: ClassVar[str] = "reshape"
    onnx: ClassVar[tuple[str, ...]] = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")
    includes: ClassVar[tuple[str, ...]] = ("string.h",)
    view: ClassVar[bool] = True

    shape: tuple[int, ...]

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if len(inputs) != 1 or inputs[0].size != prod(self.shape):
            found = ", ".join(map(str, inputs)) or "nothing"
            wanted = "x".join(map(str, self.shape)) or "one number"
            raise error("E0201", f"reshape cannot make {wanted} of {found}", help="keep the number of elements")
        return (TensorType(self.shape, inputs[0].dtype),)

    def cost(self, target: Target, *inputs: TensorType) -> Cost:
        return Cost()

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return (inputs[0].reshape(self.shape),)
