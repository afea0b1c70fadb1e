"""average: the weighted mean of what the members of an ensemble say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op, Work
from mcugen.rows import single, vector
from mcugen.templating import c_floats
from mcugen.work import joined
from mcugen.work.loops import loop

Output = Literal["label", "proba", "value"]
LARGER = np.float32(1 + 2.0**-21)  # times another mean: one that is more is larger


@dataclass(frozen=True, eq=False)
class Average(Op):
    """The mean of the inputs with these weights, added up in float32 in their order. What is larger by no more than it rounds counts
    as equal: members' fractions often tie.

    Inputs, 1 to 126: `f32` numbers for `value`, whose output is one too; else `f32` (classes,) each. Outputs of `label`: the
    index of the first of the largest (`i32`); of `proba`: the index and the mean, `f32` (classes,). The weights are float64, and
    float32 in the C.
    """

    name: ClassVar[str] = "average"

    weights: npt.NDArray[np.float64]
    output: Output
    classes: int = 1

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        one = TensorType((), DType.F32) if self.output == "value" else vector(self.classes)
        if inputs != (one,) * len(self.weights):
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"average takes {len(self.weights)} times {one}, not {found}", help="give it these")
        index = TensorType((), DType.I32)
        return {"value": (one,), "label": (index,), "proba": (index, one)}[self.output]

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        first, *others = single(self.weights)
        total = np.asarray(inputs[0], np.float32) * first
        for x, weight in zip(inputs[1:], others, strict=True):
            total = total + np.asarray(x, np.float32) * weight
        total = np.asarray(total, np.float32)
        if self.output == "value":
            return (total,)
        index = np.asarray(_first_of_largest(total), np.int32)
        return (index,) if self.output == "label" else (index, total)

    def describe(self) -> str:
        return f"members={len(self.weights)} output={self.output}"

    def macc(self, *inputs: TensorType) -> int:
        return len(self.weights) * self.classes

    def work(self, target: Target, *inputs: TensorType) -> Work:
        members = float(len(self.weights))
        found = loop(self.classes, kinds=(self.output,), each=f"classes {self.output}")
        runs = {f"products {self.output}": members * self.classes}
        return joined(found, Work(0, {f"members {self.output}": members}, runs, {f"members {self.output}": members}))

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "weights": [*c_floats(single(self.weights))],
            "output": self.output,
            "classes": self.classes,
            "larger": LARGER,
        }


def _first_of_largest(total: npt.NDArray[np.float32]) -> int:
    best = 0
    for i, one in enumerate(total):
        best = i if one > total[best] * LARGER else best
    return best
