"""strided: what only moves elements: ONNX Transpose, Slice, Expand, Split, https://onnx.ai/onnx/operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, TensorType
from mcugen.loops import loops, rows_and_rest, strides_of
from mcugen.op import Op, Rows, Work
from mcugen.work.loops import walk


@dataclass(frozen=True, eq=False)
class Strided(Op):
    """y[i, j, ...] = x[offset + i * strides[0] + j * strides[1] + ...], x counted in C order.

    Input of any type and shape; output of its type and `shape`. Strides may be 0 (repeated) and negative. E0201 where that
    leaves the input.
    """

    name: ClassVar[str] = "strided"
    onnx: ClassVar[tuple[str, ...]] = ("Transpose", "Slice", "Split", "Expand", "Tile", "DepthToSpace", "SpaceToDepth")
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        reach = [(n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)]
        low, high = self.offset + sum(min(r, 0) for r in reach), self.offset + sum(max(r, 0) for r in reach)
        if len(inputs) != 1 or not 0 <= low <= high < inputs[0].size:
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"strided reads {low} to {high} of {found}", help="stay inside the tensor")
        return (TensorType(self.shape, inputs[0].dtype),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        at = np.full(self.shape, self.offset, np.int64)
        for axis, (size, stride) in enumerate(zip(self.shape, self.strides, strict=True)):
            at += (np.arange(size) * stride).reshape((-1,) + (1,) * (len(self.shape) - axis - 1))
        return (np.asarray(inputs[0].ravel()[at]),)

    def reads(self, at: int, *inputs: TensorType) -> tuple[Rows | None, ...]:
        if not self.shape or not inputs[0].shape:
            return ()
        reach = [(n - 1) * s for n, s in zip(self.shape[1:], self.strides[1:], strict=True)]
        low = self.offset + at * self.strides[0] + sum(min(r, 0) for r in reach)
        high = self.offset + at * self.strides[0] + sum(max(r, 0) for r in reach)
        row = inputs[0].size // inputs[0].shape[0]
        return ((low // row, high // row + 1),)

    def describe(self) -> str:
        return f"offset={self.offset} strides={','.join(map(str, self.strides))}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return walk(inputs[0].dtype.short, self.render(*inputs)["loops"])

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        (out,) = self.infer(*inputs)
        return {
            "loops": loops(self.shape, self.strides, strides_of(self.shape)),
            "rows_and_rest": rows_and_rest(self.shape, self.strides, strides_of(self.shape)),
            "row": inputs[0].size // inputs[0].shape[0] if inputs[0].shape else inputs[0].size,
            "offset": self.offset,
            "total": max(inputs[0].size, out.size),
        }
