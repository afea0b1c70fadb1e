"""relu: ONNX Relu, https://onnx.ai/onnx/operators/onnx__Relu.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op, Work
from mcugen.work.loops import loop


@dataclass(frozen=True, eq=False)
class Relu(Op):
    """y = 0 where x < 0, else x, element by element; so NaN stays NaN and -0.0 stays -0.0.

    Input and output `f32` of one shape, any rank. The output may take over the input's buffer. E0201 for another dtype. With `pairs`
    the tensor is `f32` (2 numbers,), the numbers and then what their rounding took off (mcugen/pairs.py): the sign is the first's.
    """

    name: ClassVar[str] = "relu"
    onnx: ClassVar[tuple[str, ...]] = ("Relu",)
    in_place: ClassVar[int | None] = 0
    includes: ClassVar[tuple[str, ...]] = ("string.h",)
    pairs: bool = False

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if len(inputs) != 1 or inputs[0].dtype is not DType.F32:
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"relu takes one f32 tensor, not {found}", help="give it float32")
        return inputs

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = inputs[0]
        sign = np.tile(x[: len(x) // 2], 2) if self.pairs else x
        return (np.where(sign < np.float32(0), np.float32(0), x),)

    def describe(self) -> str:
        return "pairs" * self.pairs

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return loop(inputs[0].size)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {"numbers": inputs[0].size // 2 if self.pairs else 0}
