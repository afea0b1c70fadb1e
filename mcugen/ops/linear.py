"""linear: W x + b, and what is made of it: a class, probabilities, a decision, numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.fixed import WIDTHS, Fixed, fixed, top_of
from mcugen.frontends import Output
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Cost, Form, Op

Link = Literal["identity", "sigmoid", "softmax", "ovr", "ovo"]


@dataclass(frozen=True, eq=False)
class Linear(Op):
    """s = W x + b, summed as integers, and then what `output` asks for.

    Input `f32` of shape (features,). weights (rows, features) and bias (rows,) float64. Outputs: label → a class index (`i32`
    scalar), the sign of s where there is one row (s > 0 is class 1), else the first of the largest; decision → the index and
    s as `f32` (rows,); proba → the index and the probabilities `f32` (classes,); value → s as `f32` scalar; transform → s as
    `f32` (rows,). The link makes probabilities of s: `sigmoid` (one row, two classes), `softmax`, `ovr` (a sigmoid each,
    divided by their sum). With `ovo` a row stands for each pair of classes, and the class has the most votes, s breaking
    ties as scikit-learn's `decision_function_shape="ovr"` does. `most`, `floor` limit s from above and below.
    """

    name: ClassVar[str] = "linear"

    weights: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    output: Output
    link: Link = "identity"
    form: str = ""
    top: int | None = None

    @property
    def weighted(self) -> bool:
        return True

    @property
    def quantised(self) -> bool:
        return self.form in ("int8", "int16")

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]  # only what this output needs
        return () if self.output == "label" else ("math.h",)

    @property
    def rows(self) -> int:
        """Rows of weights."""
        return len(self.weights)

    @property
    def classes(self) -> int:
        """Classes that the label is one of."""
        return 2 if self.rows == 1 else self.rows

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = TensorType((self.weights.shape[1],), DType.F32)
        if inputs != (wanted,):
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"linear takes {wanted}, not {found}", help="give the features as one row of float32")
        index, number = TensorType((), DType.I32), TensorType((), DType.F32)
        vector = TensorType((self.rows,), DType.F32)
        return {
            "label": (index,),
            "decision": (index, vector),
            "proba": (index, TensorType((self.classes,), DType.F32)),
            "value": (number,),
            "transform": (vector,),
        }[self.output]

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return tuple(one[0] for one in self.answers(inputs[0][np.newaxis, :]))

    def answers(self, x: Array) -> tuple[Array, ...]:
        """The outputs for rows (n, features): with a form exactly the C's integers, and floats as near as float32 is."""
        rows = np.asarray(x, np.float32)
        if self.form:
            sums, exponents = self.fixed.sums(rows)
            scores = self.fixed.values(sums, exponents)
            index = _index(sums)
        else:
            exact = rows.astype(np.float64) @ self.weights.T + self.bias
            scores, index = exact.astype(np.float32), _index(exact)
        if self.output == "label":
            return (index,)
        if self.output == "value":
            return (scores[:, 0],)
        if self.output == "transform":
            return (scores,)
        return index, scores if self.output == "decision" else _probabilities(scores.astype(np.float64), self.link)

    def describe(self) -> str:
        form = f" form={self.form}" if self.form else ""
        link = f" link={self.link}" if self.output == "proba" else ""
        return f"rows={self.rows} output={self.output}{link}{form}"

    def macc(self, *inputs: TensorType) -> int:
        return int(self.weights.size)

    def smaller(self) -> tuple[str, ...]:
        return () if self.form == "int8" else ("use `--numeric int16` or `int8`",)

    @cached_property
    def fixed(self) -> Fixed:
        """The weights as integers, in the form that was decided."""
        return fixed(self.weights, self.bias, WIDTHS[self.form], self.top)  # type: ignore[index]  # a form is a Numeric

    def seen(self, *rows: Array) -> Self:
        """This op knowing rows of its input: they say from which exponent on to begin."""
        lift = fixed(self.weights, self.bias, 32).lift
        return replace(self, top=top_of(lift, self.weights.shape[1], np.asarray(rows[0], np.float32)))

    def forms(self, target: Target) -> tuple[Form, ...]:
        name = "float32" if target.numeric == "auto" else target.numeric
        return (Form(name, replace(self, form=name)._cost(target)),)

    def with_form(self, form: Form, target: Target) -> Self:
        return replace(self, form=form.name)

    def cost(self, target: Target, *inputs: TensorType) -> Cost:
        return self._cost(target) if self.form else Cost()

    def _cost(self, target: Target) -> Cost:
        return Cost(self.fixed.nbytes + 400, 40 * self.weights.size, 64)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        features = self.weights.shape[1]
        lift = fixed(self.weights, self.bias, 32).lift[:features]
        spread = np.ldexp(1.0, np.clip(-lift, -100, 100))
        rows = rng.standard_normal((min(limit, 2_000), features)) * spread
        return (rows.astype(np.float32),)

    def render(self) -> dict[str, Any]:
        return {"f": self.fixed, "output": self.output, "link": self.link, "rows": self.rows, "classes": self.classes}


def _index(scores: Array) -> npt.NDArray[np.int32]:
    if scores.shape[1] == 1:
        return np.asarray(scores[:, 0] > 0, np.int32)  # type: ignore[operator]  # an array of numbers
    return np.asarray(scores.argmax(axis=1), np.int32)


def _probabilities(scores: npt.NDArray[np.float64], link: Link) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):
        if link == "softmax" and scores.shape[1] > 1:
            powers = np.exp(scores - scores.max(axis=1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
        ones = 1 / (1 + np.exp(-scores))
    if scores.shape[1] == 1:
        return np.concatenate([1 - ones, ones], axis=1).astype(np.float32)
    return np.asarray(ones / ones.sum(axis=1, keepdims=True), np.float32)
