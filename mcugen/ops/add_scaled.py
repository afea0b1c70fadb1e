"""add_scaled: the sum of two quantised tensors, quantised: QLinearAdd, or ONNX Add between DequantizeLinear and QuantizeLinear."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op, Rows, Work
from mcugen.work.loops import loop


@dataclass(frozen=True, eq=False)
class AddScaled(Op):
    """y = (a * first + b * second + term) >> shift, kept between `low` and `high`.

    Inputs `i8` of one shape, output alike. Factors and term are such that the sum stays in 32 bits. E0201 for others.
    """

    name: ClassVar[str] = "add_scaled"
    in_place: ClassVar[int | None] = 0
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    first: int
    second: int
    term: int
    shift: int
    low: int = -128
    high: int = 127

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if len(inputs) != 2 or inputs[0] != inputs[1] or inputs[0].dtype is not DType.I8:
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"add_scaled takes two int8 tensors of one shape, not {found}", help="repeat neither")
        return (inputs[0],)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        a, b = (np.asarray(one, np.int64) for one in inputs)
        found = (a * self.first + b * self.second + self.term) >> self.shift
        return (np.clip(found, self.low, self.high).astype(np.int8),)

    def swapped(self) -> Self:
        """The same sum of b and a."""
        return replace(self, first=self.second, second=self.first)

    def reads(self, at: int, *inputs: TensorType) -> tuple[Rows | None, ...]:
        return (at, at + 1), (at, at + 1)

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return loop(inputs[0].size)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        limits = {"low": self.low, "high": self.high, "total": inputs[0].size}
        limits["row"] = inputs[0].size // inputs[0].shape[0] if inputs[0].shape else 1
        return {"first": self.first, "second": self.second, "term": self.term, "shift": self.shift, **limits}
