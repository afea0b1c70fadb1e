"""sigmoid: ONNX Sigmoid, https://onnx.ai/onnx/operators/onnx__Sigmoid.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op, Work
from mcugen.work.loops import loop


@dataclass(frozen=True, eq=False)
class Sigmoid(Op):
    """y = 1 / (1 + exp(-x)), element by element, with the C library's exp: its last digits may differ from NumPy's.

    Input and output `f32` of one shape, any rank. The output may take over the input's buffer. E0201 for another dtype.
    """

    name: ClassVar[str] = "sigmoid"
    onnx: ClassVar[tuple[str, ...]] = ("Sigmoid",)
    in_place: ClassVar[int | None] = 0
    includes: ClassVar[tuple[str, ...]] = ("math.h", "string.h")

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if len(inputs) != 1 or inputs[0].dtype is not DType.F32:
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"sigmoid takes one f32 tensor, not {found}", help="give it float32")
        return inputs

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        with np.errstate(over="ignore", invalid="ignore"):
            return ((1 / (1 + np.exp(-inputs[0].astype(np.float64)))).astype(np.float32),)

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return loop(inputs[0].size)
