"""join: ONNX Concat, https://onnx.ai/onnx/operators/onnx__Concat.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, TensorType
from mcugen.loops import split_axes
from mcugen.op import Op, Rows

MOST = 126  # inputs: C99 promises 127 parameters


@dataclass(frozen=True, eq=False)
class Join(Op):
    """The inputs, one after the other along an axis.

    Inputs: 2 to 126 tensors of one type, of shapes that differ along the axis only; output of their type. E0201 for others.
    """

    name: ClassVar[str] = "join"
    onnx: ClassVar[tuple[str, ...]] = ("Concat",)
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    axis: int

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        rests = {(t.dtype, len(t.shape), t.shape[: self.axis], t.shape[self.axis + 1 :]) for t in inputs}
        if len(rests) != 1 or not 0 < len(inputs) <= MOST or self.axis >= len(inputs[0].shape):
            found = ", ".join(map(str, inputs[:4])) or "nothing"
            raise error(
                "E0201", f"Concat cannot join {found}", help=f"give it 1 to {MOST} tensors of one type and shape"
            )
        shape = [*inputs[0].shape]
        shape[self.axis] = sum(t.shape[self.axis] for t in inputs)
        return (TensorType(tuple(shape), inputs[0].dtype),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.concatenate(inputs, axis=self.axis),)

    def reads(self, at: int, *inputs: TensorType) -> tuple[Rows | None, ...]:
        return ((at, at + 1),) * len(inputs) if self.axis > 0 else ()

    def describe(self) -> str:
        return f"axis={self.axis}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        parts = [split_axes(t.shape, [self.axis]) for t in inputs]
        before, total = parts[0][0], sum(t.size for t in inputs)
        in_row = before // inputs[0].shape[0] if self.axis else 1  # pieces in a row
        return {
            "before": before,
            "in_row": in_row,
            "sizes": [along * after for _, along, after in parts],
            "total": total,
        }
