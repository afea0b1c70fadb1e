"""gaussian_nb: classes as products of normal distributions, one a feature."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.fixed import WIDTHS
from mcugen.frontends import Output
from mcugen.gaussian import MOST, PROMISED, Gaussian, gaussian, loses, spread_of
from mcugen.gaussian_wide import WideGaussian, wide_gaussian
from mcugen.ir import Array, DType, TensorType
from mcugen.made_rows import next_to_changes
from mcugen.op import Form, Op, Work
from mcugen.pairs import pair_of
from mcugen.quadratic import Forms
from mcugen.rows import single
from mcugen.tables import check_tables

Floats = npt.NDArray[np.float64]
SAFE = 4  # how much further other rows' probabilities may be off than those of the rows that are known
MADE = 2_000  # rows that are made up to find out
MET = 100  # of those where two classes meet
OFF = 10.0  # times as far off as usual
LEAST = -(2.0**100)  # what is behind by more is so much behind


@dataclass(frozen=True, eq=False)
class GaussianNB(Op):
    """s_k = constant_k - sum over j of (x_j - mean_kj)^2 / (2 variance_kj), added up as integers; the class is the first of the largest.

    Input `f32` of shape (features,). mean and variance (classes, features), constant (classes,) float64; a constant of
    minus infinity is a class that is never answered. Outputs: label → the class's index (`i32` scalar); proba → the index
    and the softmax of s as `f32` (classes,); decision, of two classes that both are possible → the index and s_1 - s_0 as
    `f32` (1,); with `pairs` of any, of more than two s less the largest, as sums of two floats (mcugen/pairs.py), `f32`
    (2,) or (2 classes,). A row's numbers become integers of one exponent a feature, which has room for the means and six
    deviations around them; a row beyond that is shifted down, whole. Features that all classes see alike do not count.
    Integers of 32 bits are those of mcugen/gaussian.py; where they lose digits that a probability needs,
    mcugen/gaussian_wide.py has 64.
    """

    name: ClassVar[str] = "gaussian_nb"

    mean: Floats
    variance: Floats
    constant: Floats
    output: Output
    form: str = ""
    lost: bool | None = None  # whether 32 bits are too few for known rows; None where none are known
    pairs: bool = False

    @property
    def weighted(self) -> bool:
        return True

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]  # only what this output needs
        return () if self.output == "label" else ("math.h",)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = TensorType((self.mean.shape[1],), DType.F32)
        if inputs != (wanted,):
            found = ", ".join(map(str, inputs))
            raise error(
                "E0201", f"gaussian_nb takes {wanted}, not {found}", help="give the features as one row of float32"
            )
        index = TensorType((), DType.I32)
        count = 1 if self.output == "decision" and (len(self.mean) == 2 or not self.pairs) else len(self.mean)
        count *= 1 + self.pairs
        return (index,) if self.output == "label" else (index, TensorType((count,), DType.F32))

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return tuple(one[0] for one in self.answers(inputs[0][np.newaxis, :]))

    def answers(self, x: Array) -> tuple[Array, ...]:
        """The outputs for rows (n, features): with a form exactly the C's integers, and floats as near as float32 is."""
        rows = np.asarray(x, np.float32)
        scores = self.fixed.scores(rows) if self.form else self.scores(rows)
        index = np.asarray(scores.argmax(axis=1), np.int32)
        if self.output == "label":
            return (index,)
        if self.pairs:
            behind = np.maximum(scores - scores.max(axis=1, keepdims=True), LEAST)
            found = behind[:, 1:] - behind[:, :1] if len(self.mean) == 2 else behind
            return index, np.concatenate(pair_of(found), axis=1)
        if self.output == "decision":
            return index, (scores[:, 1:] - scores[:, :1]).astype(np.float32)
        return index, _softmax(scores)

    def scores(self, rows: npt.NDArray[np.float32]) -> Floats:
        """s of rows (n, features), (n, classes), in float64."""
        found = np.empty((len(rows), len(self.mean)))
        for k, (mean, variance) in enumerate(zip(self.mean, self.variance, strict=True)):
            found[:, k] = self.constant[k] - ((rows - mean) ** 2 / (2 * variance)).sum(axis=1)
        return found

    def describe(self) -> str:
        return f"classes={len(self.mean)} output={self.output}{' pairs' * self.pairs}" + (
            f" form={self.form}" if self.form else ""
        )

    def macc(self, *inputs: TensorType) -> int:
        return 2 * int(self.mean.size)

    def smaller(self) -> tuple[str, ...]:
        return () if self.form == "int8" else ("use `--numeric int16` or `int8`",)

    @cached_property
    def fixed(self) -> Gaussian | WideGaussian:
        """The model as integers, in the form that was decided."""
        if self.form == "float32" and self._is_wide:
            return wide_gaussian(self.mean, self.variance, self.constant)
        return gaussian(self.mean, self.variance, self.constant, WIDTHS[self.form])  # type: ignore[index]  # a Numeric

    @cached_property
    def _is_wide(self) -> bool:
        """Whether integers of 32 bits have no room for the deviations, or lose what a probability needs."""
        if spread_of(self.mean, self.variance) > MOST:
            return True
        if self.output == "label":  # that of a row that is no near tie is far from what 32 bits lose
            return False
        if self.output == "decision":  # which others are compared with, however far from 0
            return True
        lost = self._loses(self._rows_made()) if self.lost is None else self.lost
        return lost or loses(self.mean, self.variance)

    def _loses(self, rows: npt.NDArray[np.float32]) -> bool:
        """Whether integers of 32 bits leave probabilities of these rows further off than a part of what is promised."""
        off = _softmax(gaussian(self.mean, self.variance, self.constant, 32).scores(rows)) - _softmax(self.scores(rows))
        return bool(len(rows)) and bool((SAFE * np.abs(off) > PROMISED).any())

    def seen(self, *inputs: Array) -> Self:
        """This op knowing rows of its input, and whether 32 bits lose what their probabilities need."""
        if self.output == "label":
            return self
        rows = np.asarray(inputs[0], np.float32)
        lost = self._loses(rows[np.isfinite(rows).all(axis=1)]) or self._loses(self._rows_made())
        return replace(self, lost=lost)

    def _rows_made(self) -> npt.NDArray[np.float32]:
        """Rows that `probe` makes, and some where classes meet, a little and far off what it was fitted on."""
        rows = np.asarray(self.probe(MADE, np.random.default_rng(0))[0], np.float64)
        around = rows.mean(axis=0)
        met = [next_to_changes(around + (rows - around) * far, self._said, MET) for far in (1.0, OFF)]
        return np.concatenate([single(rows), *met])

    def _said(self, rows: Array) -> Array:
        """The class of each row, exactly."""
        return np.asarray(self.scores(rows.astype(np.float64)).argmax(axis=1))

    def as_forms(self) -> Forms:
        """The model as quadratic forms."""
        scales = 1 / np.sqrt(2 * self.variance)
        return Forms(tuple(map(np.diag, scales)), tuple(self.mean * scales), self.constant)

    def forms(self, target: Target) -> tuple[Form, ...]:
        name = "float32" if target.numeric == "auto" else target.numeric
        return (Form(name, replace(self, form=name).cost(target)),)

    def with_form(self, form: Form, target: Target) -> Self:
        decided = replace(self, form=form.name)
        check_tables(decided.tables, target, decided.smaller())
        return decided

    @property
    def tables(self) -> list[int]:
        """Bytes of its largest tables in flash."""
        return [self.fixed.largest]

    def work(self, target: Target, *inputs: TensorType) -> Work | None:
        from mcugen.work import gaussian_nb

        return gaussian_nb.work(self, target) if self.form else None

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Rows around the classes' means, rows between two classes, and rows far out."""
        count, deviation = min(limit, MADE), np.sqrt(self.variance)
        k, other = rng.integers(len(self.mean), size=(2, count))
        share = np.where(rng.random((count, 1)) < 0.5, 0.5, 0.0)
        middle = self.mean[k] * (1 - share) + self.mean[other] * share
        far = np.where(np.arange(count) % 20 == 0, 1e3, 1.0)[:, None]
        with np.errstate(over="ignore"):
            rows = np.asarray(middle + deviation[k] * rng.standard_normal(middle.shape) * far, np.float32)
        return (np.nan_to_num(rows),)

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return self.probe(limit, rng)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        g = self.fixed
        narrow = g.fixed if isinstance(g, Gaussian) else None
        return {"g": g, "f": narrow, "output": self.output, "pairs": self.pairs, "least": np.float32(LEAST)}


def _softmax(scores: Floats) -> npt.NDArray[np.float32]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
