"""dequantize: ONNX DequantizeLinear, https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.functions import INTEGERS
from mcugen.ir import Array, DType, TensorType
from mcugen.loops import broadcast, loops, rows_and_rest
from mcugen.op import Op, Rows, Work
from mcugen.work.loops import walk

TAKEN = tuple(kind for kind in INTEGERS if kind.nbytes <= 4 and kind is not DType.U32)


@dataclass(frozen=True, eq=False)
class Dequantize(Op):
    """y = (x - zero_point) * scale, the difference in 32 bits.

    Inputs: x of an integer type, scale `f32` and a zero point of x's type, both of which NumPy's broadcasting repeats to x's
    shape. Output `f32`. E0201 for others.
    """

    name: ClassVar[str] = "dequantize"
    onnx: ClassVar[tuple[str, ...]] = ("DequantizeLinear",)
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        kinds = [t.dtype for t in inputs]
        if len(inputs) != 3 or kinds[0] not in TAKEN or kinds[1] is not DType.F32 or kinds[2] is not kinds[0]:
            found = ", ".join(map(str, inputs)) or "nothing"
            text = f"dequantize takes integers of up to 32 bits, floats and a zero point like the first, not {found}"
            raise error("E0201", text, help="quantise to int8 or uint8")
        if np.broadcast_shapes(*(t.shape for t in inputs)) != inputs[0].shape:
            text = f"dequantize cannot repeat {inputs[0]}"
            raise error("E0201", text, help="give a scale for every slice of the input")
        return (TensorType(inputs[0].shape, DType.F32),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x, scale, zero = inputs
        steps = x.astype(np.int32) - zero.astype(np.int32)
        return (np.asarray(steps.astype(np.float32) * scale.astype(np.float32), np.float32),)

    def reads(self, at: int, *inputs: TensorType) -> tuple[Rows | None, ...]:
        shape = inputs[0].shape
        return tuple((at, at + 1) if t.shape == shape else None for t in inputs) if shape else ()

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return walk(inputs[0].dtype.short, self.render(*inputs)["loops"])

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        (y,) = self.infer(*inputs)
        strides = [broadcast(t.shape, y.shape) for t in (*inputs, y)]
        loop = {"loops": loops(y.shape, *strides), "rows_and_rest": rows_and_rest(y.shape, *strides)}
        return loop | {"total": inputs[0].size}
