"""knn: the nearest points vote, or their numbers are averaged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.coding import coding_of, codings, form_of, width_of
from mcugen.diagnostics import error
from mcugen.distance import Metric, Points, middle_of, points_of, scaled_points
from mcugen.fixed import Floats, Integers
from mcugen.frontends import Output
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Form, Op, Work

Votes = Literal["uniform", "distance"]
NUMBER_BITS = {8: 15, 16: 15, 32: 31}  # of a target, by the width of the points


@dataclass(frozen=True, eq=False)
class Knn(Op):
    """The `neighbours` nearest of the points: the class with the most votes (the first of several), or a mean of numbers.

    Input `f32` of shape (features,). points (points, features) float64; answers (points,): class indices, or float64 numbers
    where the output is `value`, also several of each point, (points, values). Of equally near points the first counts. Outputs: label → a class index (`i32` scalar); proba
    → the index and each class's share of the votes, `f32` (classes,); value → `f32` scalar, or
    `f32` (values,). Votes are `uniform`, or by
    `distance`: each weighs 1 / distance, and points at distance 0 outvote all others. metric: `euclidean`, `manhattan`,
    `chebyshev`. Distances are sums of integers on one grid for points and row. With slope and origin, both (features,), points
    are those of a scaler that the row has not gone through: it is (x - origin) · slope.
    """

    name: ClassVar[str] = "knn"

    points: Floats
    answers: Array
    neighbours: int
    classes: int
    output: Output
    votes: Votes = "uniform"
    metric: Metric = "euclidean"
    slope: Floats | None = None
    origin: Floats | None = None
    form: str = ""
    far: bool = False

    @property
    def weighted(self) -> bool:
        return True

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]  # only what these votes need
        roots = self.weighed == "distance" and self.metric == "euclidean"
        return ("math.h",) if roots or self.output == "value" else ()

    @property
    def weighed(self) -> Votes:
        """What the C has to weigh votes by: a single one says all, however far."""
        return self.votes if self.neighbours > 1 else "uniform"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = TensorType((self.points.shape[1],), DType.F32)
        if inputs != (wanted,):
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"knn takes {wanted}, not {found}", help="give the features as one row of float32")
        if self.output == "value":
            return (TensorType(self.answers.shape[1:], DType.F32),)
        index, shares = TensorType((), DType.I32), TensorType((self.classes,), DType.F32)
        return (index, shares) if self.output == "proba" else (index,)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return tuple(one[0] for one in self.answers_to(inputs[0][np.newaxis, :]))

    def answers_to(self, x: Array) -> tuple[Array, ...]:
        """The outputs for rows (n, features): with a form the neighbours are exactly the C's."""
        distance = self._distances(np.asarray(x, np.float32))
        nearest = np.argsort(distance, axis=1, kind="stable")[:, : self.neighbours]
        weights = _weights(np.take_along_axis(np.asarray(distance), nearest, axis=1), self.votes, self.metric)
        answers = self.answers[nearest]
        if self.output == "value":
            each = weights.reshape(*weights.shape, *[1] * (answers.ndim - 2))
            mean = (each * answers.astype(np.float64)).sum(axis=1) / each.sum(axis=1)
            return (mean.astype(np.float32),)
        totals = np.stack([np.where(answers == c, weights, 0).sum(axis=1) for c in range(self.classes)], axis=1)
        index = totals.argmax(axis=1).astype(np.int32)
        shares = (totals / totals.sum(axis=1, keepdims=True)).astype(np.float32)
        return (index, shares) if self.output == "proba" else (index,)

    def _distances(self, x: npt.NDArray[np.float32]) -> Floats | Integers:
        """(n, points), squares where euclidean; as they are in float64 before a form is decided."""
        if self.form:
            return self.grid.distances(x)[0]
        rows = x.astype(np.float64)
        if self.slope is not None and self.origin is not None:
            rows = (rows - self.origin) * self.slope
        return np.stack([distances(self.points, row, self.metric) for row in rows])

    def rows_of(self, points: Floats) -> npt.NDArray[np.float32]:
        """The rows (n, features) that come to lie at points."""
        if self.slope is not None and self.origin is not None:
            points = points / self.slope + self.origin
        with np.errstate(over="ignore"):
            return points.astype(np.float32)

    def describe(self) -> str:
        form = f" form={self.form}{' far' if self.far else ''}" if self.form else ""
        votes = f" votes={self.votes}" if self.votes != "uniform" else ""
        metric = f" metric={self.metric}" if self.metric != "euclidean" else ""
        scaled = " scaled" if self.slope is not None else ""
        return (
            f"points={len(self.points)} neighbours={self.neighbours}{votes}{metric}{scaled} output={self.output}{form}"
        )

    def macc(self, *inputs: TensorType) -> int:
        return int(self.points.size)

    def smaller(self) -> tuple[str, ...]:
        format = () if self.form == "int8" else ("use `--numeric int16` or `int8`",)
        return (*format, "fit on fewer rows: every one is kept")

    @cached_property
    def grid(self) -> Points:
        """The points as integers, in the form that was decided."""
        found = points_of(self.points, width_of(self.form), self.metric, self.far, held=True)
        plain = replace(found, coding=coding_of(self.form))
        if self.slope is None or self.origin is None:
            return plain
        return scaled_points(plain, self.slope, self.origin, middle_of(self.points).astype(np.float64))

    def forms(self, target: Target) -> tuple[Form, ...]:
        numeric = "float32" if target.numeric == "auto" else target.numeric
        plain = replace(self, form=numeric).grid
        ways = codings(plain.fixed.weights, plain.fixed.width, target.board, plain.sum_bits // 8)
        names = [form_of(numeric, coding) for coding in ways]
        return tuple(Form(name, self._decided(name, target).cost(target)) for name in names)

    def with_form(self, form: Form, target: Target) -> Self:
        return self._decided(form.name, target)

    def _decided(self, form: str, target: Target) -> Self:
        near = replace(self, form=form, far=False)
        return replace(near, far=target.board.progmem and near._nbytes > target.near)

    @property
    def _nbytes(self) -> int:
        return self.grid.nbytes + self.answers.size * self.answer_bits // 8

    @property
    def answer_bits(self) -> int:
        """Bits of an entry of the table of answers."""
        if self.output == "value":
            return self.numbers[2]
        return 8 if self.classes <= 256 else 16

    @cached_property
    def numbers(self) -> tuple[Integers, list[int], int]:
        """The targets as integers (points, values), the exponents of the values' units, and the bits that one takes: 64 where the
        mean of some may be so small beside the largest that 32 are too few.
        """
        columns = np.asarray(self.answers, np.float64).reshape(len(self.points), -1).T
        width = width_of(self.form)
        found = [numbers_of(column, self.neighbours, width) for column in columns]
        if len({bits for _, _, bits in found}) > 1:  # one of them needs 64
            found = [numbers_of(column, self.neighbours, width, wide=True) for column in columns]
        return np.stack([integers for integers, _, _ in found], axis=1), [e for _, e, _ in found], found[0][2]

    def work(self, target: Target, *inputs: TensorType) -> Work | None:
        from mcugen.work import knn

        return knn.work(self, target) if self.form else None

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        first, second = (self.points[rng.integers(len(self.points), size=min(limit, 1_000))] for _ in range(2))
        share = rng.random((len(first), 1))
        spread = np.ptp(self.points, axis=0) + np.abs(self.points).max() * 2.0**-20
        beyond = first + rng.standard_normal(first.shape) * spread
        rows = np.concatenate([first, first + (second - first) * share, beyond])
        return (self.rows_of(rng.permutation(rows)[:limit]),)

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return self.probe(limit, rng)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        value = self.output == "value"
        return {
            "p": self.grid,
            "output": self.output,
            "votes": self.weighed,
            "metric": self.metric,
            "neighbours": self.neighbours,
            "classes": self.classes,
            "answers": _halves(self.numbers[0], self.answer_bits) if value else self.answers,
            "values": self.answers.shape[1] if self.answers.ndim > 1 else 0,
            "answer_bits": self.answer_bits,
            "exponents": self.numbers[1] if value else [],
        }


def distances(points: Floats, row: Floats, metric: Metric) -> Floats:
    """The float64 distances of points (points, features) from a row; squares where euclidean."""
    with np.errstate(over="ignore", invalid="ignore"):
        difference = points - row
        if metric == "euclidean":
            return np.asarray(np.square(difference).sum(axis=1))
        return np.asarray(np.abs(difference).sum(axis=1) if metric == "manhattan" else np.abs(difference).max(axis=1))


def _weights(distance: Array, votes: Votes, metric: Metric) -> Floats:
    """What each neighbour's vote weighs, relative to the nearest's."""
    if votes == "uniform":
        return np.ones(distance.shape)
    real = np.sqrt(distance.astype(np.float64)) if metric == "euclidean" else distance.astype(np.float64)
    zero = distance == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = real.min(axis=1, keepdims=True) / real
    return np.asarray(np.where(zero.any(axis=1, keepdims=True), zero.astype(np.float64), weights))


def numbers_of(numbers: Floats, count: int, width: int, *, wide: bool = False) -> tuple[Integers, int, int]:
    """Numbers as integers of one exponent, so that `count` of them add up exactly: (integers, exponent, bits of each).

    wide  whether they take 64 bits however few would do
    """
    largest = float(np.abs(numbers).max(initial=0.0))
    exponent = int(np.frexp(largest)[1])
    narrow = NUMBER_BITS[width]
    short = np.rint(np.ldexp(numbers, narrow - exponent))
    exact = bool((np.ldexp(short, exponent - narrow) == numbers).all())
    same_sign = bool((numbers > 0).all() or (numbers < 0).all())
    smallest = max(min(1.0, largest), float(np.abs(numbers).min()) if same_sign else 0.0)  # that a mean can be
    if not wide and (width < 32 or exact or largest * 2.0**-31 <= 2e-6 * smallest):
        most = (1 << narrow) - 1
        return np.clip(short, -most, most).astype(np.int64), exponent - narrow, narrow + 1
    digits = 61 - count.bit_length()
    return np.rint(np.ldexp(numbers, digits - exponent)).astype(np.int64), exponent - digits, 64


def _halves(integers: Integers, bits: int) -> Integers:
    """The entries of the table: of 64 bits as two of 32, the upper one first and the lower one of 31 bits."""
    return integers.ravel() if bits < 64 else np.stack([integers >> 31, integers & 0x7FFFFFFF], axis=-1).ravel()
