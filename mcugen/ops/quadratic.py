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
from mcugen.gaussian import PROMISED
from mcugen.ir import Array, DType, TensorType
from mcugen.made_rows import next_to_changes
from mcugen.op import Form, Op, Work
from mcugen.pairs import pair_of
from mcugen.quadratic import Forms, quadratic
from mcugen.quadratic import Quadratic as Integers
from mcugen.quadratic_wide import QuadraticWide, quadratic_wide
from mcugen.rows import single
from mcugen.tables import check_tables

Floats = npt.NDArray[np.float64]
COARSEST = 2e-4  # how far a distance in deviations may be off in 32 bits
SAFE = 4  # how much further other rows' numbers may be off than those of the rows that are known
MADE = 2_000  # rows that are made up to find out
MET = 100  # of those where two classes meet
OFF = 10.0  # times as far off as usual
LARGE = 16.0  # constants from which scores taken off in float32 lose what is promised
LEAST = -(2.0**100)  # a decision as a pair is not below
USUAL = 100.0  # decisions of rows that are not far out


@dataclass(frozen=True, eq=False)
class Quadratic(Op):
    """s_k = constant_k - |W_k x - b_k|^2, worked out in integers; the class is the first of the largest.

    Input `f32` of shape (features,). sizes (features,) int64: the biased exponents that the features' numbers are expected not
    to pass: integers of 32 bits (mcugen/quadratic.py), or of 64 where those lose digits (mcugen/quadratic_wide.py) or it is known
    to be `delicate`. Outputs: label → the class's index (`i32` scalar); decision → the index and s as `f32` (classes,), s_1 - s_0 as
    `f32` (1,) of two classes, with `pairs` each as the sum of two floats (mcugen/pairs.py), twice as many; proba → the index and the softmax of s as `f32` (classes,). It is exact in every number format:
    narrower integers have no room for squares of such sums.
    """

    name: ClassVar[str] = "quadratic"

    model: Forms
    sizes: npt.NDArray[np.int64]
    output: Output
    delicate: bool = False
    pairs: bool = False

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
        return (index,) if self.output == "label" else (index, TensorType((count * (1 + self.pairs),), DType.F32))

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return tuple(one[0] for one in self.answers(inputs[0][np.newaxis, :]))

    def answers(self, x: Array) -> tuple[Array, ...]:
        """The outputs for rows (n, features): exactly the C's integers, and floats as near as float32 is."""
        rows = np.asarray(x, np.float32)
        if isinstance(self.integers, QuadraticWide):
            return self._wide_answers(*self.integers.scores(rows))
        scores = self.integers.scores(rows)
        index = np.asarray(scores.argmax(axis=1), np.int32)
        if self.output == "label":
            return (index,)
        if self.output == "decision":
            return index, (scores[:, 1:] - scores[:, :1] if self.classes == 2 else scores).astype(np.float32)
        return index, _softmax(scores)

    def _wide_answers(self, index: Array, behind: Floats, scores: Floats) -> tuple[Array, ...]:
        label = np.asarray(index, np.int32)
        if self.output == "label":
            return (label,)
        if self.output == "decision":
            found = behind[:, :1] - behind[:, 1:] if self.classes == 2 else scores
            if self.pairs:
                return label, np.concatenate(pair_of(np.clip(found, LEAST, -LEAST)), axis=1)
            return label, found.astype(np.float32)
        powers = np.exp(-behind)
        return label, (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)

    def describe(self) -> str:
        return f"rows={'+'.join(str(len(m)) for m in self.model.matrices)} output={self.output}{' pairs' * self.pairs}"

    def macc(self, *inputs: TensorType) -> int:
        return sum(int(matrix.size) for matrix in self.model.matrices)

    def smaller(self) -> tuple[str, ...]:
        return ("train on fewer features",)

    @cached_property
    def integers(self) -> Integers | QuadraticWide:
        """The forms as integers."""
        return quadratic_wide(self.model) if self._is_wide else quadratic(self.model, self.sizes)

    @cached_property
    def _is_wide(self) -> bool:
        """Whether sums of 32-bit integers are too far off, or lose what numbers need."""
        if self.delicate or self.pairs or quadratic(self.model, self.sizes).step > COARSEST:
            return True
        if self.output == "label":  # that of a row that is no near tie is far from what 32 bits lose
            return False
        apart = self.output == "decision" and self.classes > 2  # numbers are what float32 leaves of the constants
        return (apart and float(np.abs(self.model.constants).max()) > LARGE) or self._loses(self._rows_made())

    def _loses(self, rows: npt.NDArray[np.float32]) -> bool:
        """Whether integers of 32 bits leave numbers of these rows further off than a part of what is promised."""
        if not len(rows):
            return False
        exact, found = self.model.scores(rows.astype(np.float64)), quadratic(self.model, self.sizes).scores(rows)
        if self.output == "proba":
            return bool((SAFE * np.abs(_softmax(found) - _softmax(exact)) > PROMISED).any())
        possible = np.isfinite(self.model.constants)
        exact, found = exact[:, possible], found[:, possible]
        if self.classes == 2 and exact.shape[1] == 2:
            exact, found = np.diff(exact), np.diff(found)
        size = np.where(
            np.abs(exact) < USUAL, 1.0, np.abs(exact)
        )  # of other rows as usual some decisions are next to 0
        return bool((SAFE * np.abs(found - exact) > PROMISED * size).any())

    def _rows_made(self) -> npt.NDArray[np.float32]:
        """Rows that `probe` makes, and some where classes meet, a little and far off what it was fitted on."""
        rows = np.asarray(self.probe(MADE, np.random.default_rng(0))[0], np.float64)
        around = rows.mean(axis=0)
        met = [next_to_changes(around + (rows - around) * far, self._said, MET) for far in (1.0, OFF)]
        return np.concatenate([single(rows), *met])

    def _said(self, rows: Array) -> Array:
        """The class of each row, exactly."""
        return np.asarray(self.model.scores(rows.astype(np.float64)).argmax(axis=1))

    def forms(self, target: Target) -> tuple[Form, ...]:
        return (Form("float32", self.cost(target)),)

    def with_form(self, form: Form, target: Target) -> Self:
        made = self.integers
        size = made.largest_table if isinstance(made, QuadraticWide) else 4 * made.fixed.weights.size
        check_tables([size], target, self.smaller())
        return self

    def work(self, target: Target, *inputs: TensorType) -> Work:
        from mcugen.work import quadratic as parts

        return parts.work(self, target)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Rows as far from 0 as the forms are from their offsets, and rows far out."""
        count = min(limit, MADE)
        rows = np.empty((count, self.model.features))
        which = rng.integers(self.classes, size=count)
        for k, (matrix, offset) in enumerate(zip(self.model.matrices, self.model.offsets, strict=True)):
            mine = which == k
            z = rng.standard_normal((int(mine.sum()), len(matrix)))
            rows[mine] = (z + offset) @ np.linalg.pinv(matrix).T
        far = np.where(np.arange(count) % 20 == 0, 1e3, 1.0)[:, None]
        with np.errstate(over="ignore"):
            return (np.nan_to_num((rows * far).astype(np.float32)),)

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return self.probe(limit, rng)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        m = self.integers
        largest = float(np.float32(m.largest))
        narrow = None if isinstance(m, QuadraticWide) else m.fixed
        return {
            "m": m,
            "f": narrow,
            "output": self.output,
            "classes": self.classes,
            "pairs": self.pairs,
            "least": np.float32(LEAST),
            "largest": largest,
            "rest": np.float32(m.largest - largest),
        }


def _softmax(scores: Floats) -> npt.NDArray[np.float32]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
