"""add_steps: the sum of two quantised tensors, quantised, in float32 as ONNX says it: DequantizeLinear, Add, QuantizeLinear,
https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op, Rows, Work
from mcugen.requantise import MOST
from mcugen.work.loops import loop


@dataclass(frozen=True, eq=False)
class AddSteps(Op):
    """y = the nearest whole number, halves to the even one, of ((a - zero) * scale + (b - zero) * scale) / scale, and y's zero
    added; kept between `low` and `high`. scales and zeros are those of a, b and y; every step is rounded to float32.

    Inputs `i8` of one shape, output alike. E0201 for others.
    """

    name: ClassVar[str] = "add_steps"
    in_place: ClassVar[int | None] = 0
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    scales: tuple[float, float, float]
    zeros: tuple[int, int, int]
    low: int = -128
    high: int = 127

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if len(inputs) != 2 or inputs[0] != inputs[1] or inputs[0].dtype is not DType.I8:
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"add_steps takes two int8 tensors of one shape, not {found}", help="repeat neither")
        return (inputs[0],)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        first, second, third = (np.float32(scale) for scale in self.scales)
        a, b = (np.asarray(one, np.int32) - zero for one, zero in zip(inputs, self.zeros[:2], strict=True))
        with np.errstate(over="ignore"):
            steps = (a.astype(np.float32) * first + b.astype(np.float32) * second) / third
        found = np.rint(np.clip(steps, -MOST, MOST)).astype(np.int64) + self.zeros[2]
        return (np.clip(found, self.low, self.high).astype(np.int8),)

    def swapped(self) -> Self:
        """The same sum of b and a."""
        (a, b, y), (of_a, of_b, of_y) = self.scales, self.zeros
        return replace(self, scales=(b, a, y), zeros=(of_b, of_a, of_y))

    def reads(self, at: int, *inputs: TensorType) -> tuple[Rows | None, ...]:
        return (at, at + 1), (at, at + 1)

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return loop(inputs[0].size)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "scales": self.scales,
            "zeros": self.zeros,
            "low": self.low,
            "high": self.high,
            "total": inputs[0].size,
            "row": inputs[0].size // inputs[0].shape[0] if inputs[0].shape else 1,
        }
