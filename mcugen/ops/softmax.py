"""softmax: ONNX Softmax, LogSoftmax, Hardmax, https://onnx.ai/onnx/operators/onnx__Softmax.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.functions import FLOATS
from mcugen.ir import Array, TensorType
from mcugen.loops import split_axes
from mcugen.op import Op, Work

# Bytes of the C library's functions that hardly anything else of a network needs.
LIBRARY, SOFT_LIBRARY = 1_300, 2_600


@dataclass(frozen=True, eq=False)
class Softmax(Op):
    """exp(x) / sum(exp(x)) along some axes that follow one another, its logarithm, or 1 at the first largest and 0 elsewhere.

    Input and output floats of one shape. The largest element is taken off first, so that nothing overflows. E0201 for another
    type.
    """

    name: ClassVar[str] = "softmax"
    onnx: ClassVar[tuple[str, ...]] = ("Softmax", "LogSoftmax", "Hardmax")
    in_place: ClassVar[int | None] = 0
    includes: ClassVar[tuple[str, ...]] = ("math.h", "string.h")

    function: str
    axes: tuple[int, ...]

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if len(inputs) != 1 or inputs[0].dtype not in FLOATS:
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"{self.function} takes one tensor of floats, not {found}", help="give it float32")
        return inputs

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = np.asarray(inputs[0], np.float64)
        shape, (before, along, after) = x.shape, split_axes(x.shape, self.axes)
        x = x.reshape(before, along, after)
        with np.errstate(all="ignore"):
            shifted = x - x.max(axis=1, keepdims=True)
            total = np.exp(shifted).sum(axis=1, keepdims=True)
            if self.function == "Hardmax":
                found = (np.arange(along)[None, :, None] == x.argmax(axis=1)[:, None, :]).astype(np.float64)
            else:
                found = np.exp(shifted) / total if self.function == "Softmax" else shifted - np.log(total)
        return (found.reshape(shape).astype(inputs[0].dtype),)

    def describe(self) -> str:
        return f"{self.function} axes={','.join(map(str, self.axes))}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        before, along, after = split_axes(inputs[0].shape, self.axes)
        kind = f"{self.function} {inputs[0].dtype.short}"
        parts = {f"base {kind}": 1.0, f"strided {kind}": float(after > 1), f"alone {kind}": float(along == 1)}
        lanes = before * after  # each with its largest element, of which the exponential is known
        runs = {f"lanes {kind}": float(lanes), f"others {kind}": float(inputs[0].size - lanes)}
        return Work(LIBRARY if target.board.fpu else SOFT_LIBRARY, parts, parts | runs, parts)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        before, along, after = split_axes(inputs[0].shape, self.axes)
        return {"function": self.function, "before": before, "along": along, "after": after}
