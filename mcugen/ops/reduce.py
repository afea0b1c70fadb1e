"""reduce: ONNX's reductions, ReduceSum and its like, https://onnx.ai/onnx/operators/onnx__ReduceSum.html."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.functions import FLOATS, NUMBERS
from mcugen.ir import Array, DType, TensorType
from mcugen.loops import loops, strides_of
from mcugen.op import Op

MEANINGS: Mapping[str, Callable[..., Any]] = {
    "L1": lambda x, a: np.abs(x).sum(axis=a, keepdims=True),
    "L2": lambda x, a: np.sqrt((x * x).sum(axis=a, keepdims=True)),
    "LogSum": lambda x, a: np.log(x.sum(axis=a, keepdims=True)),
    "LogSumExp": lambda x, a: _log_sum_exp(x, a),
    "Max": lambda x, a: x.max(axis=a, keepdims=True),
    "Mean": lambda x, a: x.mean(axis=a, keepdims=True),
    "Min": lambda x, a: x.min(axis=a, keepdims=True),
    "Prod": lambda x, a: x.prod(axis=a, keepdims=True),
    "Sum": lambda x, a: x.sum(axis=a, keepdims=True),
    "SumSquare": lambda x, a: (x * x).sum(axis=a, keepdims=True),
}
FLOAT_ONLY = ("L2", "LogSum", "LogSumExp")  # of integers ONNX has them too: with digits that C would cut off


def _log_sum_exp(x: Any, axes: tuple[int, ...]) -> Any:
    largest = x.max(axis=axes, keepdims=True)
    safe = np.where(np.isfinite(largest), largest, 0)
    return np.log(np.exp(x - safe).sum(axis=axes, keepdims=True)) + safe


@dataclass(frozen=True, eq=False)
class Reduce(Op):
    """One number for all elements along some axes: Sum, Mean, Max, Min, Prod, L1, L2, SumSquare, LogSum, LogSumExp.

    Input floats or integers, for Max and Min bool as well; output of its type, the axes of size 1. Sums are added up in the
    order of the elements, in the type itself; integers wrap around. E0201 for another type.
    """

    name: ClassVar[str] = "reduce"
    onnx: ClassVar[tuple[str, ...]] = tuple(f"Reduce{name}" for name in MEANINGS)
    includes: ClassVar[tuple[str, ...]] = ("math.h", "string.h")

    function: str
    axes: tuple[int, ...]

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        kinds: tuple[DType, ...] = FLOATS if self.function in FLOAT_ONLY else NUMBERS
        kinds += (DType.BOOL,) if self.function in ("Max", "Min") else ()
        if len(inputs) != 1 or inputs[0].dtype not in kinds:
            found = ", ".join(map(str, inputs)) or "nothing"
            wanted = ", ".join(k.short for k in kinds)
            raise error(
                "E0201", f"Reduce{self.function} takes one tensor of {wanted}, not {found}", help="cast it first"
            )
        shape = tuple(1 if axis in self.axes else size for axis, size in enumerate(inputs[0].shape))
        return (TensorType(shape, inputs[0].dtype),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            found = MEANINGS[self.function](inputs[0], self.axes) if self.axes or inputs[0].ndim == 0 else inputs[0]
        return (np.asarray(found).astype(inputs[0].dtype),)

    def describe(self) -> str:
        return f"{self.function} axes={','.join(map(str, self.axes))}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        (x,), (y,) = inputs, self.infer(*inputs)
        steps, to = strides_of(x.shape), strides_of(y.shape)
        kept = [a for a in range(len(x.shape)) if a not in self.axes]
        gone = [a for a in range(len(x.shape)) if a in self.axes]
        return {
            "function": self.function,
            "kept": loops([x.shape[a] for a in kept], [steps[a] for a in kept], [to[a] for a in kept]),
            "gone": loops([x.shape[a] for a in gone], [steps[a] for a in gone]),
            "count": x.size // y.size,
            "total": x.size,
        }
