"""quadratic: classes by quadratic forms of a row: constants less squared lengths of W x + b."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.frontends import Output
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Form, Op, Work
from mcugen.quadratic import Forms
from mcugen.quadratic import Quadratic as Integers
from mcugen.tables import check_tables

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Quadratic(Op):
    """s_k = constant_k - |W_k x - b_k|^2, worked out in integers of 32 and 64 bits; the class is the first of the largest.

    Input `f32` of shape (features,). sizes (features,) int64: the biased exponents that the features' numbers are expected not
    to pass. Outputs: label → the class's index (`i32` scalar); decision → the index and s as `f32` (classes,), s_1 - s_0 as
    `f32` (1,) of two classes; proba → the index and the softmax of s as `f32` (classes,). It is exact in every number format:
    narrower integers have no room for squares of such sums.
    """

    name: ClassVar[str] = "quadratic"

    model: Forms
    sizes: npt.NDArray[np.int64]
    output: Output

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]  # only what this output needs
        return () if self.output == "label" else ("math.h",)

    @property
    def classes(self) -> int:
        """Classes that the label is one of."""
        return len(self.model.matrices)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = TensorType((self.model.features,), DType.F32)
        if inputs != (wanted,):
            found = ", ".join(map(str, inputs))
            raise error(
                "E0201", f"quadratic takes {wanted}, not {found}", help="give the features as one row of float32"
            )
        index = TensorType((), DType.I32)
        count = 1 if self.output == "decision" and self.classes == 2 else self.classes
        return (index,) if self.output == "label" else (index, TensorType((count,), DType.F32))

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return tuple(one[0] for one in self.answers(inputs[0][np.newaxis, :]))

    def answers(self, x: Array) -> tuple[Array, ...]:
        """The outputs for rows (n, features): exactly the C's integers, and floats as near as float32 is."""
        scores = self.integers.scores(np.asarray(x, np.float32))
        index = np.asarray(scores.argmax(axis=1), np.int32)
        if self.output == "label":
            return (index,)
        if self.output == "decision":
            return index, (scores[:, 1:] - scores[:, :1] if self.classes == 2 else scores).astype(np.float32)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return index, (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)

    def describe(self) -> str:
        return f"rows={'+'.join(str(len(m)) for m in self.model.matrices)} output={self.output}"

    def macc(self, *inputs: TensorType) -> int:
        return sum(int(matrix.size) for matrix in self.model.matrices)

    def smaller(self) -> tuple[str, ...]:
        return ("train on fewer features",)

    @cached_property
    def integers(self) -> Integers:
        """The forms as integers."""
        from mcugen.quadratic import quadratic

        return quadratic(self.model, self.sizes)

    def forms(self, target: Target) -> tuple[Form, ...]:
        return (Form("float32", self.cost(target)),)

    def with_form(self, form: Form, target: Target) -> Self:
        check_tables([4 * self.integers.fixed.weights.size], target, self.smaller())
        return self

    def work(self, target: Target, *inputs: TensorType) -> Work:
        from mcugen.work import quadratic

        return quadratic.work(self, target)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Rows as far from 0 as the forms are from their offsets, and rows far out."""
        count = min(limit, 2_000)
        rows = np.empty((count, self.model.features))
        which = rng.integers(self.classes, size=count)
        for k, (matrix, offset) in enumerate(zip(self.model.matrices, self.model.offsets, strict=True)):
            mine = which == k
            z = rng.standard_normal((int(mine.sum()), len(matrix)))
            rows[mine] = (z + offset) @ np.linalg.pinv(matrix).T
        far = np.where(np.arange(count) % 20 == 0, 1e3, 1.0)[:, None]
        with np.errstate(over="ignore"):
            return (np.nan_to_num((rows * far).astype(np.float32)),)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        m = self.integers
        largest = float(np.float32(m.largest))
        return {"m": m, "f": m.fixed, "output": self.output, "classes": self.classes, "largest": largest}
