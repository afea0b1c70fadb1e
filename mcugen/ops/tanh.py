"""tanh: ONNX Tanh, https://onnx.ai/onnx/operators/onnx__Tanh.html."""

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
class Tanh(Op):
    """y = tanh(x), element by element, worked out by the C library: its last digit may differ from NumPy's.

    Input and output `f32` of one shape, any rank. The output may take over the input's buffer. E0201 for another dtype.
    """

    name: ClassVar[str] = "tanh"
    onnx: ClassVar[tuple[str, ...]] = ("Tanh",)
    in_place: ClassVar[int | None] = 0
    includes: ClassVar[tuple[str, ...]] = ("math.h", "string.h")

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if len(inputs) != 1 or inputs[0].dtype is not DType.F32:
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"tanh takes one f32 tensor, not {found}", help="give it float32")
        return inputs

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        with np.errstate(invalid="ignore"):
            return (np.tanh(inputs[0].astype(np.float64)).astype(np.float32),)

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return loop(inputs[0].size)
