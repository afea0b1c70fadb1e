"""cumulate: ONNX CumSum and CumProd, https://onnx.ai/onnx/operators/onnx__CumSum.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.functions import NUMBERS
from mcugen.ir import Array, TensorType
from mcugen.loops import split_axes
from mcugen.op import Op


@dataclass(frozen=True, eq=False)
class Cumulate(Op):
    """The sum (or product) of all elements up to this one along an axis, itself left out where `exclusive`, from the end where
    `reverse`.

    Input floats or integers; output of its type and shape. Integers wrap around. E0201 for another type.
    """

    name: ClassVar[str] = "cumulate"
    onnx: ClassVar[tuple[str, ...]] = ("CumSum", "CumProd")
    in_place: ClassVar[int | None] = 0
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    function: str
    axis: int
    exclusive: bool = False
    reverse: bool = False

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if len(inputs) != 1 or inputs[0].dtype not in NUMBERS or self.axis >= len(inputs[0].shape):
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"{self.function} takes one tensor of numbers, not {found}", help="cast it first")
        return inputs

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        add: Any = np.cumsum if self.function == "CumSum" else np.cumprod
        x = np.moveaxis(inputs[0], self.axis, 0)
        x = x[::-1] if self.reverse else x
        found = add(x, axis=0, dtype=x.dtype)
        if self.exclusive:
            start = np.full_like(x[:1], 0 if self.function == "CumSum" else 1)
            found = np.concatenate([start, found[:-1]])
        return (np.ascontiguousarray(np.moveaxis(found[::-1] if self.reverse else found, 0, self.axis)),)

    def describe(self) -> str:
        return f"{self.function} axis={self.axis}{' exclusive' * self.exclusive}{' reverse' * self.reverse}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        before, along, after = split_axes(inputs[0].shape, [self.axis])
        kinds = {"before": before, "along": along, "after": after, "function": self.function}
        return kinds | {"exclusive": self.exclusive, "reverse": self.reverse}
