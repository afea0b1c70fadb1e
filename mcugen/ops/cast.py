"""cast: integer rows as float32, ONNX Cast, https://onnx.ai/onnx/operators/onnx__Cast.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, GraphBuilder, TensorType
from mcugen.op import Op, Work
from mcugen.rows import vector
from mcugen.work.loops import loop

TAKEN = (DType.U8, DType.I8, DType.U16, DType.I16)  # float32 holds every one of their numbers


@dataclass(frozen=True, eq=False)
class Cast(Op):
    """y = x as float32.

    Input `u8`, `i8`, `u16` or `i16` (features,); output `f32` (features,).
    """

    name: ClassVar[str] = "cast"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if len(inputs) != 1 or inputs[0].dtype not in TAKEN or len(inputs[0].shape) != 1:
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"cast takes a row of integers, not {found}", help="give it u8, i8, u16 or i16")
        return (vector(inputs[0].size),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return (inputs[0].astype(np.float32),)

    def source(self, at: int, *inputs: TensorType) -> tuple[int, int] | None:
        return 0, at

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return loop(inputs[0].size, inputs[0].dtype.short)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {}


def as_float(builder: GraphBuilder, x: str) -> str:
    """The row as float32: itself where it is, else through a cast."""
    return x if builder.type_of(x).dtype is DType.F32 else builder.add(Cast(), x)[0]
