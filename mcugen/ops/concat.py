"""concat: ONNX Concat of vectors, https://onnx.ai/onnx/operators/onnx__Concat.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op, Work
from mcugen.rows import vector

MOST = 126  # inputs: C99 promises 127 parameters


@dataclass(frozen=True, eq=False)
class Concat(Op):
    """The inputs, one after the other, in one vector.

    Inputs: 1 to 126, each an `f32` vector or number. Output `f32` (the sum of their sizes,).
    """

    name: ClassVar[str] = "concat"
    onnx: ClassVar[tuple[str, ...]] = ()
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wrong = [str(t) for t in inputs if t.dtype is not DType.F32 or len(t.shape) > 1]
        if wrong or not 0 < len(inputs) <= MOST:
            found = ", ".join(wrong) or f"{len(inputs)} inputs"
            raise error("E0201", f"concat takes 1 to {MOST} f32 vectors, not {found}", help="give it float32 vectors")
        return (vector(sum(t.size for t in inputs)),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.concatenate([np.atleast_1d(np.asarray(x, np.float32)) for x in inputs]),)

    def source(self, at: int, *inputs: TensorType) -> tuple[int, int] | None:
        for i, part in enumerate(inputs):
            if at < part.size:
                return i, at
            at -= part.size
        raise AssertionError("no such element")

    def back(self, y: Array, *inputs: TensorType) -> tuple[Array, ...]:
        return tuple(np.split(y, np.cumsum([t.size for t in inputs])[:-1], axis=1))

    def work(self, target: Target, *inputs: TensorType) -> Work:
        pieces = float(len(inputs))
        runs = {"pieces": pieces, "numbers": float(sum(t.size for t in inputs))}
        return Work(0, {"base": 1.0, "pieces": pieces}, runs | {"base": 1.0}, {"base": 1.0, "pieces": pieces})
