"""quantize: ONNX QuantizeLinear, https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.loops import broadcast, loops, rows_and_rest
from mcugen.op import Op, Rows, Work
from mcugen.work.loops import walk

MOST = 2.0**30  # beyond that every narrower type is at its limit


@dataclass(frozen=True, eq=False)
class Quantize(Op):
    """y = saturate(round(x / scale) + zero_point), halves to the even number.

    Inputs: x `f32`, scale `f32` that NumPy's broadcasting repeats to x's shape, zero point of the output's type that it repeats,
    too. Output of an integer type of 8 or 16 bits. E0201 for others.
    """

    name: ClassVar[str] = "quantize"
    onnx: ClassVar[tuple[str, ...]] = ("QuantizeLinear",)
    includes: ClassVar[tuple[str, ...]] = ("math.h", "string.h")

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        kinds = [t.dtype for t in inputs]
        narrow = (DType.I8, DType.U8, DType.I16, DType.U16)
        if len(inputs) != 3 or kinds[:2] != [DType.F32, DType.F32] or kinds[2] not in narrow:
            found = ", ".join(map(str, inputs)) or "nothing"
            help = "quantise to int8, uint8, int16 or uint16"
            raise error("E0201", f"quantize takes floats and a zero point of 8 or 16 bits, not {found}", help=help)
        shape = np.broadcast_shapes(*(t.shape for t in inputs))
        if shape != inputs[0].shape:
            raise error(
                "E0201", f"quantize cannot repeat {inputs[0]}", help="give a scale for every slice of the input"
            )
        return (TensorType(shape, kinds[2]),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        found: list[Any] = [*inputs]
        x, scale, zero = found
        limits = np.iinfo(zero.dtype)
        with np.errstate(all="ignore"):
            steps = np.rint((x / scale).astype(np.float32).astype(np.float64))
        steps = np.clip(np.nan_to_num(steps, nan=0.0), -MOST, MOST)
        return (np.clip(steps + zero.astype(np.float64), limits.min, limits.max).astype(zero.dtype),)

    def reads(self, at: int, *inputs: TensorType) -> tuple[Rows | None, ...]:
        shape = inputs[0].shape
        return tuple((at, at + 1) if t.shape == shape else None for t in inputs) if shape else ()

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return walk(self.infer(*inputs)[0].dtype.short, self.render(*inputs)["loops"])

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        (y,) = self.infer(*inputs)
        strides = [broadcast(t.shape, y.shape) for t in (*inputs, y)]
        loop = {"loops": loops(y.shape, *strides), "rows_and_rest": rows_and_rest(y.shape, *strides)}
        return loop | {"total": inputs[0].size}
