"""linear: W x + b, and what is made of it: a class, probabilities, a decision, numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from mcugen import ovo
from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.fixed import LIFTED, WIDTHS, Fixed, Floats, Integers, Width, fixed, sizes_of
from mcugen.frontends import Output
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Form, Op, Work
from mcugen.pairs import Pair, pair_of
from mcugen.rows import LITTLE, single, sizes_of_features
from mcugen.wide import Wide, wide

Link = Literal["identity", "sigmoid", "softmax", "ovr", "rest", "clip", "ovo", "ovo_pairs", "ovo_ties"]
GUARDED = "guarded"  # the form that decides by 16 bits where these suffice
TOGETHER = 16  # sums of floats that are worked out at once
FLOATS = "floats"  # the form that decides by floats where these suffice
AVR_OBJECT = 32_767  # bytes: avr-gcc refuses larger tables
DECIDING = ("label", "decision", "proba")  # outputs that are or have a class
SAFE = 4  # how much further other rows' sums may be off than those of the rows that are known
TELLS = 1e-6  # of a score: what tells two classes apart
SIGN = 1e-4  # of a pair's score: beyond, its sign is not sure
MADE = 2_000  # rows that are made up to find out
PROMISED = 1e-5  # of a number: what it may be off
SELDOM = 0.02  # of the rows, scores are so near to 0 that nothing would do
FAR = 32.0  # intercepts larger than the weights by as much belong to features far from 0
NEAR = 2.0**-8  # intercepts of two classes that are as near to each other are shared
NONE = -709.78  # a sigmoid of less is 0 in scikit-learn, and where all are, it says that all classes are equally likely
SMALL = -20.0  # where all scores are below, ratios of sigmoids are those of powers; e to over 88 is no float32


@dataclass(frozen=True, eq=False)
class Linear(Op):
    """s = W x + b, summed as integers, and then what `output` asks for.

    Input `f32` of shape (features,). weights (rows, features) and bias (rows,) float64. Outputs: label → a class index (`i32`
    scalar), the sign of s where there is one row (s > 0 is class 1), else the first of the largest; decision → the index and
    s as `f32` (rows,); proba → the index and the probabilities `f32` (classes,); value → s as `f32` scalar; transform → s as
    `f32` (rows,). The link makes probabilities of s: `sigmoid` (one row, two classes), `softmax`, `ovr` (a sigmoid each,
    divided by their sum; all alike where all are 0), `rest` (the same, but 0 where all are), `clip` ((s + 1) / 2 within 0 and 1, divided by their sum).

    With a link `ovo…` a row stands for a pair of classes, s > 0 for the first of them, and mcugen/ovo.py says what becomes of
    the votes: `ovo` labels by votes alone, its decision is `f32` (classes,), votes with a part for the sums of s; `ovo_pairs`
    gives s itself as the decision; `ovo_ties` breaks ties by the sums. With `pairs` a transform gives `f32` (2 rows,), all s and
    then what their rounding took off (mcugen/pairs.py).
    """

    name: ClassVar[str] = "linear"
    onnx: ClassVar[tuple[str, ...]] = ("ai.onnx.ml.LinearClassifier", "ai.onnx.ml.LinearRegressor")

    weights: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    output: Output
    link: Link = "identity"
    form: str = ""
    sizes: Integers | None = None  # of rows, see fixed.sizes_of
    delicate: bool | None = None  # whether 32 bits are too few for known rows; None where none are known
    pairs: bool = False
    around: Floats | None = None  # the middle of what it was fitted on, where that is known

    @property
    def weighted(self) -> bool:
        return True

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]  # only what this output needs
        return () if self.output == "label" and self.form != FLOATS else ("math.h",)

    @property
    def rows(self) -> int:
        """Rows of weights."""
        return len(self.weights)

    @property
    def classes(self) -> int:
        """Classes that the label is one of."""
        found = ovo.classes_of(self.rows) if self.votes else max(2, self.rows)
        assert found is not None, "the front-end counts the pairs"
        return found

    @property
    def votes(self) -> bool:
        """Whether rows stand for pairs of classes."""
        return self.link.startswith("ovo")

    @property
    def added(self) -> bool:
        """Whether the pairs' scores are added up, class by class."""
        return self.link == "ovo_ties" or (self.link == "ovo" and self.output == "decision")

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = TensorType((self.weights.shape[1],), DType.F32)
        if inputs != (wanted,):
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"linear takes {wanted}, not {found}", help="give the features as one row of float32")
        index, number = TensorType((), DType.I32), TensorType((), DType.F32)
        vector = TensorType((self.rows,), DType.F32)
        return {
            "label": (index,),
            "decision": (index, TensorType((self.classes,), DType.F32) if self.added else vector),
            "proba": (index, TensorType((self.classes,), DType.F32)),
            "value": (number,),
            "transform": (TensorType((2 * self.rows,), DType.F32) if self.pairs else vector,),
        }[self.output]

    def first_alone(self) -> Self:
        return replace(self, output="label")

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return tuple(one[0] for one in self.answers(inputs[0][np.newaxis, :]))

    def answers(self, x: Array) -> tuple[Array, ...]:
        """The outputs for rows (n, features): with a form exactly the C's integers, and floats as near as float32 is."""
        rows = np.asarray(x, np.float32)
        if self.first is not None:
            return (self._guarded(rows, self.first),)
        if self.form:
            return self._whole(rows)
        exact = rows.astype(np.float64) @ self.weights.T + self.bias
        return tuple(self._made(exact, exact, np.zeros(len(rows), np.int64)))

    def _whole(self, rows: npt.NDArray[np.float32]) -> tuple[Array, ...]:
        """The outputs by the sums of integers."""
        f = self.fixed
        if not isinstance(f, Wide):
            sums, exponents = f.sums(rows)
            return tuple(self._made(sums, f.values(sums, exponents).astype(np.float64), exponents))
        sums, exponents = f.sums(rows)
        made = tuple(self._made(sums, f.values(sums, exponents).astype(np.float64), exponents))
        return (_index(*f.compared(rows)), *made[1:]) if self.parted else made

    def _guarded(self, rows: npt.NDArray[np.float32], first: Fixed) -> Array:
        """The label by sums of 16 bits where these are far enough apart, else by those of 32."""
        q, _ = first.load(rows)
        sums = q @ first.weights.T
        if self.rows == 1:
            sure = np.abs(sums[:, 0]) > self._doubt()
        else:
            best = np.sort(sums, axis=1)
            sure = best[:, -1] - best[:, -2] > self._doubt() + np.abs(q).sum(axis=1)
        return np.where(sure, _index(sums), self._whole(rows)[0])

    @property
    def _has_floats(self) -> bool:
        """Whether the weights are well within what floats hold."""
        largest = max(np.abs(self.weights).max(), np.abs(self.bias).max())
        return bool(1e-20 < largest < 1e20)

    def _floats(self) -> dict[str, Any]:
        """The weights as floats, the intercept after each row's, and what the difference of two sums of them may be off by: part
        of the row's size (the sum of its features without their signs), and a constant.

        Each of n products and n sums is off by 2**-24 of what has been added up so far at most (Higham, Accuracy and Stability
        of Numerical Algorithms, 3.1), and so is each weight.
        """
        columns = self.weights.shape[1] + 1
        part = 2 * 1.02 * (columns + 3) * 2.0**-24
        up = np.float32(np.inf)
        per_size = np.nextafter(np.float32(part * np.abs(self.weights).max()), up)
        constant = np.nextafter(np.float32(part * np.abs(self.bias).max() + 1e-30), up)
        weights = np.column_stack([self.weights, self.bias]).astype(np.float32)
        by_feature = self.rows <= TOGETHER  # all sums at once, each in a register
        return {
            "weights": weights.T if by_feature else weights,
            "features": columns - 1,
            "together": by_feature,
            "per_size": per_size,
            "constant": constant,
        }

    def _doubt(self) -> int:
        """How near to 0, or to each other but for what the row adds, sums of 16 bits leave the label open."""
        if self.first is None:
            return 0
        size = self.first.largest if self.rows == 1 else np.asarray(0)
        return int(self.first.doubt(size)) // (2 if self.rows == 1 else 1) + (self.rows == 1)

    def _made(self, sums: Array, scores: Floats, exponents: Integers) -> Iterator[Array]:
        """The outputs of sums (n, rows), as they decide and as the numbers that they stand for, `sum * 2**exponent`."""
        if self.votes:
            yield from self._voted(sums, scores, exponents)
            return
        if self.output in ("label", "decision", "proba"):
            yield _index(sums)
        if self.output == "proba" and self.link == "softmax":
            yield _softmax(self._behind(sums, exponents))
        elif self.output == "proba" and self.link in ("ovr", "rest"):
            nothing = 1 / self.rows if self.link == "ovr" else 0.0
            yield _shares(_sigmoids(scores, self._behind(sums, exponents)), nothing)
        elif self.output == "proba":
            yield _probabilities(scores, self.link)
        elif self.pairs:
            yield np.concatenate(self._halves(sums, exponents) if self.form else pair_of(scores), axis=1)
        elif self.output != "label":
            yield np.asarray(scores[:, 0] if self.output == "value" else scores, np.float32)

    def _halves(self, sums: Any, exponents: Integers) -> Pair:
        """Sums as floats, and what their rounding took off."""
        left = sums - sums.astype(np.float32).astype(np.int64)
        return self.fixed.values(sums, exponents), self.fixed.values(left, exponents)

    def _behind(self, sums: Array, exponents: Integers) -> Floats:
        """How much less than the largest each sum is."""
        if sums.dtype.kind == "f":
            return np.asarray(sums.max(axis=1, keepdims=True) - sums)
        less = sums.max(axis=1, keepdims=True).astype(np.uint64) - sums.astype(np.uint64)
        return self.fixed.values(less, exponents).astype(np.float64)

    def _voted(self, sums: Array, scores: Floats, exponents: Integers) -> Iterator[Array]:
        votes = ovo.votes(sums, ties=self.link == "ovo_ties")
        own = ovo.confidences(_halved(sums, self.shift))
        yield ovo.winners(votes, own if self.link == "ovo_ties" else None)
        if self.output == "decision" and self.added:
            numbers = np.ldexp(own.astype(np.float64), exponents[:, None] + self.shift)
            yield ovo.decisions(votes, numbers).astype(np.float32)
        elif self.output == "decision":
            yield np.asarray(scores, np.float32)

    @property
    def shift(self) -> int:
        """Bits that sums of 64 bits lose before they are added up, class by class."""
        return (self.classes - 2).bit_length() if self.form and self.width >= 32 else 0

    def describe(self) -> str:
        form = f" form={self.form}" if self.form else ""
        link = f" link={self.link}" if self.output == "proba" or self.votes else ""
        return f"rows={self.rows} output={self.output}{' pairs' * self.pairs}{link}{form}"

    def macc(self, *inputs: TensorType) -> int:
        return int(self.weights.size)

    def smaller(self) -> tuple[str, ...]:
        return () if self.form == "int8" else ("use `--numeric int16` or `int8`",)

    @cached_property
    def fixed(self) -> Fixed:
        """The weights as integers, in the form that was decided."""
        return wide(*self._levelled) if self.width == 64 else fixed(*self._levelled, self.width, self.sizes)

    @property
    def _levelled(self) -> tuple[Floats, Floats]:
        """Weights and intercepts as they become integers."""
        power = self._power if self.link == "ovo" and self.output == "label" else np.zeros(self.rows, np.int64)
        return np.ldexp(self.weights, power[:, None]), np.ldexp(self.bias, power)

    @property
    def _power(self) -> Integers:
        """What brings the rows to one size, as powers of two: a vote needs their signs alone."""
        columns = np.abs(np.column_stack([self.weights, self.bias]))
        parts = columns / np.maximum(columns.max(axis=0), np.finfo(np.float64).tiny)
        return np.asarray(-np.frexp(parts.max(axis=1))[1], np.int64)

    @property
    def width(self) -> Width:
        """Bits of a weight in the form that was decided."""
        if self.form not in (GUARDED, FLOATS, "float32"):
            return WIDTHS[self.form]  # type: ignore[index]  # a form is a Numeric otherwise
        return 64 if self._is_delicate else 32

    @property
    def parted(self) -> bool:
        """Whether the class is told by what is left below the unit of sums, too."""
        several = self.rows > 1 and not self.votes and self.output in ("label", "decision", "proba")
        return several and isinstance(self.fixed, Wide) and self.fixed.bias

    @cached_property
    def first(self) -> Fixed | None:
        """The weights in 16 bits that decide first in the form `guarded`."""
        return fixed(self.weights, self.bias, 16, self.sizes) if self.form == GUARDED else None

    @cached_property
    def _is_delicate(self) -> bool:
        """Whether sums of 32-bit integers may lose what is promised: known where rows are. Else numbers are taken to be delicate,
        since nothing says how far from 0 features are whose parts cancel; a label where the weights look like those of
        features as they were measured, not scaled: of different sizes, or far from 0, as large intercepts show, or far
        smaller than intercepts that some classes share.
        """
        if self.delicate is not None:
            return self.delicate
        if self.output != "label":
            return True
        columns, bias = np.abs(self.weights).max(axis=0), np.sort(self.bias)
        used, largest = columns[columns > 0], np.abs(bias).max()
        apart = bool(len(used)) and np.ptp(np.frexp(used)[1]) > LIFTED
        far = bool(len(used)) and largest > FAR * np.abs(self.weights).sum(axis=1).max()
        shared = self.rows > 1 and np.ptp(bias) > 0 and np.diff(bias).min() < NEAR * largest
        return bool(apart or far or shared) or self._loses(self._rows_made())

    def _loses(self, rows: npt.NDArray[np.float32]) -> bool:
        """Whether the sums of 32-bit integers of these rows are too far off."""
        if not len(rows):
            return False
        weights, bias = self._levelled
        sums, exponents = fixed(weights, bias, 32, self.sizes).sums(rows)
        exact = rows.astype(np.float64) @ weights.T + bias
        return self.loses(np.ldexp(sums.astype(np.float64), exponents[:, None]) - exact, exact)

    def loses(self, off: Floats, exact: Floats) -> bool:
        """Whether sums (n, rows) that are `off` the exact ones by so much are further off than a part of what is promised."""
        off = SAFE * np.abs(off)
        best = np.abs(np.sort(exact, axis=1)[:, -2:]).max(axis=1)
        unsure = off > SIGN * np.abs(exact) if self.votes else off.max(axis=1) > TELLS * best
        if self.output in DECIDING and np.mean(unsure) > SELDOM:
            return True
        # of large numbers, too, some are next to 0; and what comes after may look at each number of a transform alone
        largest = np.abs(exact).max(axis=0 if self.output == "transform" else None, initial=0.0)
        size = 1.0 if self.output == "proba" else np.minimum(1.0, largest)
        return self.output != "label" and bool((off > PROMISED * size).any())

    def seen(self, *rows: Array) -> Self:
        """This op knowing rows of its input: they say how large its features are, and what their sums lose."""
        x = np.asarray(rows[0], np.float32)
        known = replace(self, sizes=sizes_of(x))
        loses = known._loses(x[np.isfinite(x).all(axis=1)]) or known._loses(known._rows_made())
        return replace(known, delicate=loses or (self.pairs and self.delicate))

    def _rows_made(self) -> npt.NDArray[np.float32]:
        """The finite ones of the rows that `probe` makes."""
        rows = single(self.probe(MADE, np.random.default_rng(0))[0])
        return np.asarray(rows[np.isfinite(rows).all(axis=1)])

    def _within(self, target: Target) -> Self:
        """This op without weights of 64 bits where an AVR has no room for them."""
        if self.delicate is False or not target.board.progmem or 8 * self.weights.size + 8 * self.rows <= AVR_OBJECT:
            return self
        return replace(self, delicate=False)

    def forms(self, target: Target) -> tuple[Form, ...]:
        if (within := self._within(target)) is not self:
            return within.forms(target)
        names: list[str] = ["float32" if target.numeric == "auto" else target.numeric]
        if names == ["float32"] and self.output == "label" and not self.votes:
            names += [FLOATS] if target.board.fpu and self._has_floats else []
            names += [] if target.board.long_product else [GUARDED]
        if target.board.progmem and (nbytes := replace(self, form=names[0]).fixed.nbytes) > AVR_OBJECT:
            smaller = "use `--numeric int16` or `int8`, or " * (
                self.weights.size <= AVR_OBJECT // 2 and names[0] == "float32"
            )
            help = f"{smaller}choose a board with a 32-bit processor: `mcugen fit` says which"
            raise error(
                "E0303", f"the weights take {nbytes:,} B; an 8-bit AVR takes {AVR_OBJECT:,} B at most", help=help
            )
        return tuple(Form(name, replace(self, form=name).cost(target)) for name in names)

    def with_form(self, form: Form, target: Target) -> Self:
        return replace(self._within(target), form=form.name)

    def work(self, target: Target, *inputs: TensorType) -> Work | None:
        from mcugen.work import linear

        return linear.work(self, target) if self.form else None

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Rows of features as large as their weights are small, or as those that were seen; some a hundred times as large, and
        of the others some whose products are as large as the intercepts.
        """
        count, turn = min(limit, 2_000), np.arange(min(limit, 2_000)) % 10
        near = float(np.abs(self.bias).max(initial=0.0)) or 1.0
        far = np.select([turn == 0, (turn < 4) & (self.sizes is None)], [100.0, near], 1.0)[:, np.newaxis]
        rows = rng.standard_normal((count, self.weights.shape[1])) * sizes_of_features(self._telling, self.sizes) * far
        return (single(rows),)

    def back(self, y: Array, *inputs: TensorType) -> tuple[Array, ...]:
        """The nearest to the middle of all rows that give these numbers."""
        if self.output != "transform" or self.pairs:
            return ()
        middle = np.zeros(self.weights.shape[1]) if self.around is None else self.around
        with np.errstate(all="ignore"):
            return (
                middle
                + (np.asarray(y, np.float64) - self.bias - self.weights @ middle) @ np.linalg.pinv(self.weights).T,
            )

    @property
    def _telling(self) -> Floats:
        """The weights without those that all classes share: they tell none from another, however large their features."""
        if self.rows == 1 or self.votes or not (self.output == "label" or self.link == "softmax"):
            return self.weights
        spread = np.ptp(self.weights, axis=0)
        return np.where(spread > spread.max() * LITTLE, self.weights, 0.0)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "f": self.fixed,
            "output": self.output,
            "link": self.link,
            "rows": self.rows,
            "classes": self.classes,
            "added": self.added,
            "none": np.float32(NONE),
            "small": np.float32(SMALL),
            "shift": self.shift,
            "first": self.first,
            "parted": self.parted,
            "doubt": self._doubt(),
            "floats": self._floats() if self.form == FLOATS else None,
            "pairs": self.pairs,
        }


def _index(scores: Array, left: Array | None = None) -> npt.NDArray[np.int32]:
    """The class of scores; `left` decides between those that are equal."""
    if scores.shape[1] == 1:
        return np.asarray(scores[:, 0] > 0, np.int32)  # type: ignore[operator]  # an array of numbers
    if left is not None:
        return np.asarray(np.where(scores == scores.max(axis=1, keepdims=True), left, -1).argmax(axis=1), np.int32)
    return np.asarray(scores.argmax(axis=1), np.int32)


def _halved(sums: Array, times: int) -> Array:
    """Whole numbers divided by 2**times towards zero; others as they are."""
    whole = sums.dtype.kind == "i"
    return np.asarray(np.sign(sums) * (np.abs(sums) >> times)) if whole else sums


def _softmax(less: Floats) -> npt.NDArray[np.float32]:
    powers = np.exp(-less)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _probabilities(scores: Floats, link: Link) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):
        each = (np.clip(scores, -1, 1) + 1) / 2 if link == "clip" else 1 / (1 + np.exp(-scores))
    return (
        _shares(each, 1 / each.shape[1])
        if scores.shape[1] > 1
        else np.concatenate([1 - each, each], axis=1).astype(np.float32)
    )


def _sigmoids(scores: Floats, less: Floats) -> Floats:
    """What the sigmoids of scores are in proportion to; less is how much less than the largest each is."""
    with np.errstate(over="ignore", under="ignore"):
        small = np.where(scores < NONE, 0.0, np.exp(-less))
        return np.where(scores.max(axis=1, keepdims=True) < SMALL, small, 1 / (1 + np.exp(-scores)))


def _shares(each: Floats, nothing: float) -> npt.NDArray[np.float32]:
    """Each as a part of their sum, and what they are where all are 0."""
    total = each.sum(axis=1, keepdims=True)
    return np.where(total == 0, nothing, each / np.where(total == 0, 1, total)).astype(np.float32)
