"""elementwise: ONNX's functions of single elements, https://onnx.ai/onnx/operators."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.functions import FUNCTIONS, OURS, RISING, Function, Parameters
from mcugen.ir import Array, DType, TensorType
from mcugen.loops import broadcast, loops, rows_and_rest
from mcugen.op import Op, Rows, Work
from mcugen.work.loops import walk

# Of floats, what benchmarks/cost_layers.py measures: what networks have between their layers.
MEASURED = frozenset(
    [
        "Abs",
        "Add",
        "Clip",
        "Div",
        "Elu",
        "Erf",
        "Exp",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "Log",
        "Max",
        "Min",
        "Mul",
        "Neg",
        "PRelu",
        "Selu",
        "Softplus",
        "Sqrt",
        "Sub",
    ]
)


@dataclass(frozen=True, eq=False)
class Elementwise(Op):
    """y = function(a, b, ...), element by element, with NumPy's broadcasting; the functions are in mcugen/functions.py.

    Operands are of one dtype that the function takes, of any rank (`Where`: the first is bool; `Pow`: the exponent may be of
    another). Output of the first's dtype, bool for a question, `to` for `Cast`. Integers wrap around; division by 0 gives 0.
    Float functions are the C library's, whose last digits may differ from NumPy's. E0201 for other operands.
    """

    name: ClassVar[str] = "elementwise"
    onnx: ClassVar[tuple[str, ...]] = tuple(sorted(FUNCTIONS.keys() - OURS - {"Add", "Relu", "Sigmoid", "Tanh"}))
    in_place: ClassVar[int | None] = 0
    includes: ClassVar[tuple[str, ...]] = ("math.h", "string.h")

    function: str
    to: DType | None = None
    parameters: Parameters = field(default_factory=dict)

    @property
    def _is(self) -> Function:
        return FUNCTIONS[self.function]

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        taken = inputs[1:] if self.function == "Where" else inputs
        one_type = {t.dtype for t in (taken[:1] if self.function == "Pow" else taken)}
        if len(inputs) != self._is.operands or len(one_type) != 1 or not one_type <= {*self._is.types}:
            found = ", ".join(map(str, inputs)) or "nothing"
            kinds = ", ".join(t.short for t in self._is.types)
            text = f"{self.function} takes {self._is.operands} of one type among {kinds}, not {found}"
            raise error("E0201", text, help="give it tensors of one of these types")
        try:
            shape = np.broadcast_shapes(*(t.shape for t in inputs))
        except ValueError as problem:
            text = f"{self.function} cannot repeat {' and '.join(map(str, inputs))} to one shape"
            raise error("E0201", text, help="give it shapes that NumPy's broadcasting brings together") from problem
        (dtype,) = one_type
        return (TensorType(tuple(shape), self.to or (DType.BOOL if self._is.asks else dtype)),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        (wanted,) = self.infer(*(TensorType(x.shape, DType.of(x.dtype)) for x in inputs))
        with np.errstate(all="ignore"):
            found = np.asarray(self._is.meaning(self.parameters, *map(np.asarray, inputs)))
            return (_as(found, wanted.dtype),)

    def reads(self, at: int, *inputs: TensorType) -> tuple[Rows | None, ...]:
        shape = np.broadcast_shapes(*(t.shape for t in inputs))
        return tuple((at, at + 1) if t.shape == shape else None for t in inputs)

    def source(self, at: int, *inputs: TensorType) -> tuple[int, int] | None:
        of_a_row = len(inputs) == 1 and len(inputs[0].shape) == 1 and inputs[0].dtype is DType.F32
        return (0, at) if of_a_row and self.function in RISING else None

    def exactly(self, at: int, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self._is.meaning(self.parameters, np.asarray(x, np.float64)))

    def describe(self) -> str:
        return " ".join([self.function, *(f"{key}={value:g}" for key, value in self.parameters.items())])

    def work(self, target: Target, *inputs: TensorType) -> Work | None:
        if self.function not in MEASURED or {t.dtype for t in inputs} != {DType.F32}:
            return None
        return walk(self.function, self.render(*inputs)["loops"])

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        (out,) = self.infer(*inputs)
        strides = [broadcast(t.shape, out.shape) for t in (*inputs, out)]
        return {
            "function": self.function,
            "loops": loops(out.shape, *strides),
            "rows_and_rest": rows_and_rest(out.shape, *strides),
            "total": max(t.size for t in (*inputs, out)),
            **{"p": dict(self.parameters)},
        }


def _as(found: Any, dtype: DType) -> Array:
    """The numbers in a type; integers beyond it at its limits, NaN as 0."""
    if dtype.limits is None or found.dtype.kind != "f":
        return np.asarray(found.astype(dtype.numpy))
    low, high = dtype.limits
    inside = np.clip(np.trunc(np.nan_to_num(found, nan=0.0)), float(low), float(high))
    return np.where(inside >= float(high), high, np.where(inside >= float(high), 0, inside).astype(dtype.numpy)).astype(
        dtype.numpy
    )
