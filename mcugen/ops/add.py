"""add: ONNX Add, https://onnx.ai/onnx/operators/onnx__Add.html."""

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
class Add(Op):
    """z = x + y in float32, element by element; y is repeated along the leading axes of x.

    Inputs `f32`: x of any shape; y of the same shape, of x's trailing shape (leading ones are ignored), or a single number.
    y may be a constant in flash. Output `f32` of x's shape, which may take over x's buffer. E0201 for another dtype, and for
    broadcasts that repeat x or an inner axis of y; Add being symmetric, a front-end puts the larger tensor first.
    """

    name: ClassVar[str] = "add"
    onnx: ClassVar[tuple[str, ...]] = ("Add",)
    in_place: ClassVar[int | None] = 0
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if len(inputs) != 2 or any(t.dtype is not DType.F32 for t in inputs):
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"add takes two f32 tensors, not {found}", help="give it two float32 tensors")
        x, y = inputs
        if not _repeats(x.shape, y.shape):
            help = "the second must have the first one's shape, its trailing shape, or be a single number"
            raise error("E0201", f"add cannot repeat {y} over {x}", help=help)
        return (x,)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x, y = inputs
        return (np.asarray(np.add(x, y, dtype=np.float32)),)

    def work(self, target: Target, *inputs: TensorType) -> Work:
        size, part = inputs[0].size, inputs[1].size
        kind = "one" if part == 1 else "same" if part == size else "repeated"
        return loop(size, kinds=(kind,), each=f"sums {kind}", more={f"rows {kind}": float(size // part)})


def _repeats(whole: tuple[int, ...], part: tuple[int, ...]) -> bool:
    inner = part
    while inner and inner[0] == 1:
        inner = inner[1:]
    return len(part) <= len(whole) and whole[len(whole) - len(inner) :] == inner
