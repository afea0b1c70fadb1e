"""What XGBoost's, LightGBM's and CatBoost's models have in common: trees that are added up, read from what their library writes.

An object is asked for the text that its library saves, and so is a file: one way in. The proof asks the library itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, McugenError, error
from mcugen.frontends import Output
from mcugen.frontends.sklearn.attributes import MAX_SHOWN, Problem
from mcugen.frontends.sklearn.head import Head, check_sizes
from mcugen.frontends.sklearn.reference import Numbers, SklearnReference, close
from mcugen.frontends.sklearn.tree_arrays import LEAF, TreeArrays, Wanted, problems_of
from mcugen.frontends.sklearn.tree_members import check_exponent, check_sum, joined
from mcugen.ir import Array, GraphBuilder, Label
from mcugen.ops.one_vs_rest import OneVsRest
from mcugen.ops.sigmoid import Sigmoid
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.combine import Combine, Link
from mcugen.ops.tree_ensemble.trees import Trees

Kind = Literal["binary", "classes", "number"]


@dataclass(frozen=True)
class Objective:
    """What is made of the scores: of one score two classes, of several a class each, or a number.

    link     as in `Combine`; of a number also "sigmoid"; "none" of classes that have no probabilities
    outputs  what can be asked for, the default first
    factor   the link's
    cut      of one score: the second class is above it
    """

    kind: Kind
    link: Literal["identity", "sigmoid", "softmax", "exp", "none"] = "identity"
    factor: float = 1.0
    cut: float = 0.0

    @property
    def outputs(self) -> tuple[Output, ...]:
        if self.kind == "number":
            return ("value",)
        return ("label", "decision") if self.link == "none" else ("label", "proba", "decision")


class Asked(Protocol):
    """The library's own model."""

    def margins(self, rows: npt.NDArray[np.float32]) -> Numbers:
        """The scores of rows (rows, features): (rows, scores), or (rows,) where there is one."""
        ...

    def answers(self, rows: npt.NDArray[np.float32]) -> Numbers:
        """What its `predict` gives: numbers (rows,), probabilities (rows,) of the second class or (rows, classes)."""
        ...


@dataclass(frozen=True, eq=False)
class Boosted:
    """A booster as it was read: every number checked.

    trees     those of one score after another
    base      (scores,) what each score begins with
    mean      whether answers are of the trees' mean; scores of classes are sums all the same
    doubles   whether it compares float64, so that a pipeline's numbers are not rounded in front of it
    at        whether its thresholds are numbers of its training, not between two
    precision of its own sums: the smallest step from 1
    infinite  whether it answers rows with infinities
    """

    library: type
    objective: Objective
    n_features: int
    labels: tuple[Label, ...] | None
    trees: Sequence[TreeArrays]
    base: npt.NDArray[np.float64]
    asked: Asked
    mean: bool = False
    doubles: bool = False
    at: bool = False
    precision: float = 2.0**-23
    infinite: bool = True

    def head(self, loc: Loc) -> Head:
        """What it says of itself."""
        check_sizes(self.n_features, len(self.labels or ()), loc)
        return Head(self.library, self.n_features, self.objective.outputs, self.labels)

    def ensemble(self, loc: Loc) -> Trees:
        """All trees in one set of arrays."""
        objective, parts = self.objective, len(self.trees) // len(self.base) if self.mean else 1
        number = objective.kind == "number"
        trees = joined(
            [replace(tree, value=tree.value / (parts if number else 1)) for tree in self.trees], self.n_features, loc
        )
        link = _LINKS["identity" if self._is_share else objective.link]
        factor = objective.factor if number else objective.factor / parts  # scores of classes stay sums
        combine = Combine("sum", self.base, link=link, factor=factor)
        made = replace(trees, combine=combine, drawn="at" if self.at else "between")
        check_exponent(made, loc)
        return replace(made, doubles=np.concatenate([tree.threshold for tree in self.trees])) if self.doubles else made

    def build(self, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
        """Its nodes: a `tree_ensemble`; for numbers that are probabilities a `sigmoid`, for scores with a cut a comparison."""
        trees, cut = self.ensemble(loc), self.objective.cut
        if cut and wanted == "label":  # the op's classes are told apart at 0
            trees = replace(trees, combine=replace(trees.combine, base=trees.combine.base - cut))
        check_sum(trees, wanted == "value" and trees.combine.link == "identity", loc)
        output: Any = wanted
        found = builder.add(TreeEnsemble(trees, output, x=builder.type_of(x).dtype), x, loc=loc)
        if cut and wanted == "decision":
            (label,) = builder.add(OneVsRest(1, "label", cut), found[1], loc=loc)
            return label, found[1]
        return builder.add(Sigmoid(), *found, loc=loc) if self._is_share else found

    @property
    def _is_share(self) -> bool:
        return self.objective.kind == "number" and self.objective.link == "sigmoid"


_LINKS: Mapping[str, Link] = {
    "identity": "identity",
    "none": "identity",
    "sigmoid": "sigmoid",
    "softmax": "softmax",
    "exp": "exp",
}


class BoosterReference(SklearnReference):
    """The library's own answers."""

    def __init__(self, model: Boosted) -> None:
        super().__init__(model, model.head(Loc()))
        trees = model.ensemble(Loc())
        terms = np.abs(trees.values).max(initial=0.0) * trees.n_trees + np.abs(model.base).max(initial=0.0)
        self._sums = model.precision * (trees.n_trees + 1) * float(terms)
        self._rounding = self._sums * min(1.0, trees.combine.gain)

    def labels(self, rows: Array) -> npt.NDArray[np.int64]:
        """The class of the best score; of one score the second where it is positive."""
        scores = self.scores(rows)
        return np.asarray(scores[:, 0] > 0 if scores.shape[1] == 1 else scores.argmax(axis=1), np.int64)

    def numbers(self, what: Output, rows: Array) -> Numbers:
        """Scores, probabilities of all classes, or numbers."""
        if what == "decision":
            return self._margins(rows)
        found = np.asarray(self._asked(self._model.asked.answers, rows), np.float64)
        return np.stack([1 - found, found], axis=1) if what == "proba" and found.ndim == 1 else found

    def scores(self, rows: Array) -> Numbers:
        """The margins (rows, scores); of one how far it is above the cut."""
        return np.asarray(self._margins(rows) - self._model.objective.cut, np.float64)

    def _margins(self, rows: Array) -> Numbers:
        found = np.asarray(self._asked(self._model.asked.margins, rows), np.float64)
        return found.reshape(len(rows), -1)

    def rounding(self, rows: Array) -> Numbers:
        """A bound of what the library rounds in a sum, (rows,)."""
        return np.full(len(rows), self._rounding)

    def near_ties(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows whose best scores are closer than what the library may round in them."""
        if self._head.labels is None:
            return np.zeros(len(rows), np.bool_)
        scores = self.scores(rows)
        best = np.sort(np.pad(scores, ((0, 0), (1, 0))) if scores.shape[1] == 1 else scores, axis=1)
        return np.asarray(close(scores) | (best[:, -1] - best[:, -2] <= self._sums))

    def accepts(self, rows: Array) -> npt.NDArray[np.bool_]:
        """All rows, but for infinities where the library refuses them."""
        with np.errstate(over="ignore"):
            infinite = np.isinf(np.asarray(rows).astype(np.float32)).any(axis=1)
        return np.asarray(~infinite | self._model.infinite)


def class_of(estimator: object, modules: Sequence[str], names: Sequence[str]) -> type | None:
    """A library's own class of an object, or of what it derives from; the library need not be there."""
    mro = type(estimator).__mro__
    return next((cls for cls in mro if cls.__module__ in modules and cls.__name__ in names), None)


def missing_library(name: str, loc: Loc, package: str = "'mcugen[trees]'") -> McugenError:
    """E0606 where the library that made a model is not there to be asked."""
    text = f"{name} is not installed, which has to say what this model answers"
    return error("E0606", text, help=f"install it: `pip install {package}`", loc=loc)


def damaged(problems: Sequence[Problem], loc: Loc) -> McugenError:
    """E0104 with what is wrong inside a model's text (the first 20)."""
    where, what = problems[0]
    rest = tuple(f"{at}: {text}" for at, text in problems[1:MAX_SHOWN])
    return error("E0104", f"{where} {what}", help="save the fitted model again", loc=loc, notes=rest)


def tree_problems(tree: TreeArrays, n_features: int) -> Iterator[str]:
    """All that is wrong with a tree."""
    return problems_of(tree, Wanted(n_features, 1, False))


def reached(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """The nodes that a walk from the root comes by, in order: what was pruned stays in a file. None where one comes twice or is none."""
    found, todo = list[int](), [0]
    seen = np.zeros(len(left), np.bool_)
    while todo:
        node = todo.pop()
        if not 0 <= node < len(left) or seen[node] or (left[node] == LEAF) != (right[node] == LEAF):
            return None
        seen[node] = True
        found.append(node)
        if left[node] != LEAF:
            todo += [int(right[node]), int(left[node])]
    return np.array(found, np.int64)


def array_in(content: Mapping[str, Any], name: str, size: int | None = None) -> npt.NDArray[np.float64]:
    """A list of so many numbers as an array. ValueError where it is anything else."""
    found = content[name]
    if not isinstance(found, list) or not all(type(one) in (int, float) for one in found):
        raise ValueError(f"{name} is no list of numbers")
    if size is not None and len(found) != size:
        raise ValueError(f"{name} has {len(found)} numbers, not {size}")
    return np.array(found, np.float64)


def whole(numbers: npt.NDArray[np.float64], name: str) -> npt.NDArray[np.int64]:
    """Numbers as integers. ValueError where they are none, or too large for what counts things."""
    if not (np.abs(numbers) < 2**40).all() or not (numbers == np.floor(numbers)).all():
        raise ValueError(f"{name} are no whole numbers")
    return numbers.astype(np.int64)
