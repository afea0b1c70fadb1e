"""svm: kernel machines, and what is made of their scores: a class, probabilities, a decision, a number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from mcugen import ovo
from mcugen.boards import AVR_NEAR, Board, Target
from mcugen.coding import Coding, coding_of, codings, form_of, width_of
from mcugen.diagnostics import error
from mcugen.distance import AVR_OBJECT, Block, Points, blocks_of, points_of
from mcugen.fixed import Fixed, Floats, Integers, Width, fixed
from mcugen.frontends import Output
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Form, Op, Work
from mcugen.ops.svm.integers import Coefficients, Powers, coefficients_beside, coefficients_of, powers_of
from mcugen.ops.svm.machine import Kernel, pairs_of, places, probabilities, scores

LOG2E = float(np.log2(np.e))
MOST_SCORES = 1_000_000  # that made rows have: with hundreds of classes each has thousands


@dataclass(frozen=True, eq=False)
class Svm(Op):
    """Sums of kernel values of the row and each support vector, one sum for each pair of classes, then what `output` asks for.

    Input `f32` of shape (features,). vectors (vectors, features) float64, those of a class together; counts (classes,) of
    them, empty where a number or outliers are asked for; coefficients (vectors, classes - 1), or (vectors, 1); intercepts
    (pairs,). Outputs: label → a class index (`i32` scalar) by libsvm's votes, with `ties` told apart by the sums of scores;
    for outliers 1 where the sum is above 0, else 0; decision → the index and `f32` as scikit-learn has it: (1,), (classes,)
    or with `of_pairs` (pairs,); proba → the index and libsvm's probabilities `f32` (classes,), by sigmoids (2, pairs); value
    → `f32` scalar. Kernels: rbf, by distances on a grid of integers; poly and sigmoid, by integer products.
    """

    name: ClassVar[str] = "svm"
    onnx: ClassVar[tuple[str, ...]] = ("ai.onnx.ml.SVMClassifier", "ai.onnx.ml.SVMRegressor")

    kernel: Kernel
    vectors: Floats
    counts: Integers
    coefficients: Floats
    intercepts: Floats
    output: Output
    ties: bool = False
    of_pairs: bool = False
    sigmoids: Floats | None = None
    form: str = ""
    far: bool = False

    @property
    def weighted(self) -> bool:
        return True

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]  # only what this output needs
        return () if self.output == "label" and not self.ties else ("math.h",)

    @property
    def pairs(self) -> int:
        """Pairs of classes; 1 where there are none."""
        return len(self.intercepts)

    @property
    def classes(self) -> int:
        """Classes that the label is one of."""
        return max(2, len(self.counts))

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = TensorType((self.vectors.shape[1],), DType.F32)
        if inputs != (wanted,):
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"svm takes {wanted}, not {found}", help="give the features as one row of float32")
        index = TensorType((), DType.I32)
        decisions = self.classes if self.pairs > 1 and not self.of_pairs else self.pairs
        return {
            "label": (index,),
            "decision": (index, TensorType((decisions,), DType.F32)),
            "proba": (index, TensorType((self.classes,), DType.F32)),
            "value": (TensorType((), DType.F32),),
        }[self.output]

    def first_alone(self) -> Self:
        return replace(self, output="label", sigmoids=None)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return tuple(one[0] for one in self.answers(inputs[0][np.newaxis, :]))

    def answers(self, x: Array) -> tuple[Array, ...]:
        """The outputs for rows (n, features)."""
        s = self.scores(x)
        if self.output == "value":
            return (s[:, 0].astype(np.float32),)
        index = self._index(s)
        if self.output == "label":
            return (index,)
        if self.output == "decision":
            return index, self._decision(s).astype(np.float32)
        assert self.sigmoids is not None, "the front-end has seen to it"
        return index, probabilities(s, self.sigmoids[0], self.sigmoids[1], self.classes).astype(np.float32)

    def scores(self, x: Array) -> Floats:
        """The sums (n, pairs) for rows (n, features), in float64; vectors and rows are those of the form where it is decided."""
        rows = np.asarray(x, np.float32)
        return scores(self.values(rows), self.coefficients, self.intercepts, self.counts)

    def values(self, rows: Array) -> Floats:
        """The kernel's values (n, vectors) for rows (n, features) float32."""
        if self.kernel.name == "rbf":
            return np.exp(-self.kernel.gamma * self._squares(rows))
        if not self.form:
            product = self.kernel.gamma * (rows.astype(np.float64) @ self.vectors.T) + self.kernel.coef0
            return self.kernel.of_product(product)
        sums, exponents = self.products.sums(np.asarray(rows, np.float32))
        return self.kernel.of_product(np.ldexp(sums.astype(np.float64), exponents[:, np.newaxis]) / self._scale)

    def _squares(self, rows: Array) -> Floats:
        if not self.form:
            x = rows.astype(np.float64)
            return np.stack([np.square(row - self.vectors).sum(axis=1) for row in x])
        found, down = self.grid.distances(np.asarray(rows, np.float32))
        return np.asarray(np.ldexp(found.astype(np.float64), 2 * down[:, np.newaxis]) * self.grid.step**2)

    def _index(self, s: Floats) -> Array:
        if self.pairs > 1:
            return ovo.winners(ovo.votes(s, self.ties), ovo.confidences(s) if self.ties else None)
        return np.asarray(s[:, 0] <= 0 if len(self.counts) else s[:, 0] > 0, np.int32)

    def _decision(self, s: Floats) -> Floats:
        if self.pairs == 1:
            return -s if len(self.counts) else s
        if self.of_pairs:
            return s
        sums = np.asarray(ovo.confidences(s), np.float64)
        return ovo.decisions(ovo.votes(s, ties=True), sums)

    def describe(self) -> str:
        form = f" form={self.form}{' far' if self.far else ''}" if self.form else ""
        ties = " ties" if self.ties else ""
        return f"kernel={self.kernel} vectors={len(self.vectors)} pairs={self.pairs} output={self.output}{ties}{form}"

    def macc(self, *inputs: TensorType) -> int:
        return int(self.vectors.size + self.coefficients.size)

    def smaller(self) -> tuple[str, ...]:
        format = () if self.form == "int8" else ("use `--numeric int16` or `int8`",)
        return (*format, "fit with fewer support vectors: a larger `C`, fewer rows, or a NuSVC with a smaller `nu`")

    @property
    def _width(self) -> Width:
        return width_of(self.form)

    @property
    def _wide(self) -> bool:
        """Whether coefficients have 32 bits: those of products always, because their values may be of any size."""
        return self._width == 32 or self.kernel.name != "rbf"

    @cached_property
    def grid(self) -> Points:
        """The vectors of distances as integers, in the form that was decided."""
        plain = points_of(self.vectors, self._width, far=self.far, beside=self._beside)
        return replace(plain, coding=coding_of(self.form))

    @cached_property
    def products(self) -> Fixed:
        """The vectors of products as integers; of the sigmoid scaled to powers of two."""
        scale = self.kernel.gamma * self._scale
        offsets = np.full(len(self.vectors), self.kernel.coef0 * self._scale)
        return fixed(self.vectors * scale, offsets, self._width)

    @property
    def _scale(self) -> float:
        return 2 * LOG2E if self.kernel.name == "sigmoid" else 1.0

    @property
    def _beside(self) -> int:
        return int(self.coefficients.shape[1]) * (4 if self._wide else 2)

    @cached_property
    def weights(self) -> Coefficients:
        """The coefficients as integers."""
        pair = places(self.counts)[0] if self.pairs > 1 else np.zeros(self.coefficients.shape, np.int64)
        if self.kernel.name == "poly":
            return coefficients_beside(self.coefficients, self.intercepts, pair)
        return coefficients_of(self.coefficients, self.intercepts, pair, self._wide)

    @cached_property
    def powers(self) -> Powers:
        """How a distance becomes a power of two."""
        total = float(np.abs(self.coefficients).sum(axis=0).max()) * max(1, self.classes - 1)
        return powers_of(self.grid, self.kernel.gamma, self._width, total)

    def forms(self, target: Target) -> tuple[Form, ...]:
        numeric = "float32" if target.numeric == "auto" else target.numeric
        names = [form_of(numeric, coding) for coding in self._codings(replace(self, form=numeric), target.board)]
        return tuple(Form(name, self._decided(name, target).cost(target)) for name in names)

    @staticmethod
    def _codings(plain: Svm, board: Board) -> Iterator[Coding]:
        """How the vectors may be kept, those of products only as they are."""
        if plain.kernel.name != "rbf":
            yield "plain"
            return
        yield from codings(plain.grid.fixed.weights, plain._width, board, plain.grid.sum_bits // 8)
        if plain._width == 32 and board.long_product:
            yield "products"

    def with_form(self, form: Form, target: Target) -> Self:
        return self._decided(form.name, target)

    def _decided(self, form: str, target: Target) -> Self:
        near = replace(self, form=form, far=False)
        if not target.board.progmem or near.nbytes <= target.near:
            return near
        if self.kernel.name == "rbf":
            return replace(near, far=True)
        if near.nbytes <= AVR_NEAR:
            return near
        help = "use `--numeric int16` or `int8`, fit on fewer rows, or choose a board with a 32-bit processor"
        text = f"the tables of the support vectors have {near.nbytes:,} B; an 8-bit AVR takes {AVR_NEAR:,} B of this kernel"
        raise error("E0303", text, help=help)

    @property
    def nbytes(self) -> int:
        """Bytes of the tables in flash."""
        vectors = self.grid.nbytes if self.kernel.name == "rbf" else self.products.nbytes
        return vectors + len(self.coefficients) * self._beside + 12 * self.pairs + 2 * self.classes + 64

    def work(self, target: Target, *inputs: TensorType) -> Work | None:
        from mcugen.work import svm

        return svm.work(self, target) if self.form else None

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        limit = min(limit, max(30, MOST_SCORES // self.pairs))
        first, second = (self.vectors[rng.integers(len(self.vectors), size=min(limit, 1_000))] for _ in range(2))
        share = rng.random((len(first), 1))
        beyond = first + rng.standard_normal(first.shape) * np.ptp(self.vectors, axis=0)
        rows = np.concatenate([first, first + (second - first) * share, beyond])
        return (rng.permutation(rows)[:limit].astype(np.float32),)

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return self.probe(limit, rng)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        rbf = self.kernel.name == "rbf"
        return {
            "p": self.grid if rbf else _Rows(self.products, self._beside),
            "c": self.weights,
            "powers": self.powers if rbf else None,
            "kernel": self.kernel.name,
            "degree": self.kernel.degree,
            "output": self.output,
            "pairs": self.pairs,
            "classes": self.classes,
            "others": self.coefficients.shape[1],
            "ends": np.cumsum(self.counts),
            "ties": self.ties,
            "of_pairs": self.of_pairs,
            "outliers": not len(self.counts),
            "sigmoids": np.empty(0) if self.sigmoids is None else self.sigmoids.T.astype(np.float32).ravel(),
            "enough": np.float32(0.005 / self.classes),
        }


@dataclass(frozen=True, eq=False)
class _Rows:
    """Vectors of products as the templates of distances take theirs."""

    fixed: Fixed
    beside: int
    coding: Coding = "plain"
    codes: None = None
    terms: int = 0
    far: bool = False
    middle: Floats = field(default_factory=lambda: np.empty(0))

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The vectors in tables that avr-gcc takes."""
        return blocks_of(self.table, AVR_OBJECT // max(self.table.shape[1] * self.entry_bits // 8, self.beside))

    @property
    def table(self) -> Integers:
        """What flash has of each vector, (vectors, entries)."""
        return self.fixed.weights

    @property
    def entry_bits(self) -> int:
        """Bits of an entry of the table."""
        return self.fixed.width


__all__ = ["Kernel", "Svm", "pairs_of"]
