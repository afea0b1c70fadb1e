"""Gradient boosting: regression trees whose leaves are added up, one tree a stage and class.

What counts is `_raw_predict` of scikit-learn 1.4 to 1.9: what `init_` says, then learning_rate times each tree's leaf, in
float64. A class is the best raw prediction, or the second of two where the only one is not negative (`>= 0`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import Problem, labels_of, refuse, shown, whole
from mcugen.frontends.sklearn.ensemble_reference import EPS, SumReference
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.tree_arrays import Wanted
from mcugen.frontends.sklearn.tree_members import (
    TRUSTED as TRUSTED_TREES,
)
from mcugen.frontends.sklearn.tree_members import (
    Member,
    arrays_in,
    check_sum,
    fresh,
    fresh_tree,
    joined,
)
from mcugen.ir import GraphBuilder
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.combine import Combine, Link
from mcugen.ops.tree_ensemble.trees import Trees

SUPPORTED = ("GradientBoostingClassifier", "GradientBoostingRegressor")
_LOSSES = {  # by class: the link's factor, and how many raw predictions a classifier has
    "HalfBinomialLoss": 1.0,
    "ExponentialLoss": 2.0,
    "HalfMultinomialLoss": 1.0,
    "HalfSquaredError": 1.0,
    "AbsoluteError": 1.0,
    "HuberLoss": 1.0,
    "PinballLoss": 1.0,
}
TRUSTED = (
    *TRUSTED_TREES,
    *(f"sklearn.ensemble._gb.{name}" for name in SUPPORTED),
    *(f"sklearn._loss.loss.{name}" for name in _LOSSES),
    "sklearn.dummy.DummyClassifier",
    "sklearn.dummy.DummyRegressor",
)
INTEGERS = True
_HOLDS = ("classes_", "estimators_", "init_", "learning_rate", "n_classes_", "n_features_in_", "n_trees_per_iteration_")


def takes(estimator: object) -> bool:
    """Whether the estimator is scikit-learn's gradient boosting, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    base, state = _checked(estimator, loc)
    if not base.__name__.endswith("Classifier"):
        return Head(base, features_of(state, loc), ("value",))
    labels = labels_of(state.get("classes_"), loc)
    if len(labels) < 2 or whole(state.get("n_classes_")) != len(labels):
        refuse([("n_classes_", f"is {shown(state.get('n_classes_'))}; classes_ has {len(labels)} labels")], loc)
    check_sizes(0, len(labels), loc)
    return Head(base, features_of(state, loc), ("label", "proba", "decision"), labels)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted model as a node `tree_ensemble`."""
    trees = _Read.of(estimator, head, loc).trees
    check_sum(trees, head.labels is None, loc)
    return builder.add(TreeEnsemble(trees, cast(Any, wanted), x=builder.type_of(x).dtype), x, loc=loc)


def asked(estimator: object, plain: bool) -> Any:
    """An object that holds what was checked and nothing else: files of skops hold a loss without its link."""
    return _Read.of(estimator, head(estimator, Loc()), Loc()).fresh()


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, of an object that holds what was checked and nothing else."""
    read = _Read.of(estimator, head, Loc())
    return SumReference(read.fresh(), head, read.trees)


@cache
def _known() -> frozenset[type]:
    from sklearn import ensemble

    return frozenset(getattr(ensemble, name) for name in SUPPORTED)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "estimators_", loc, also=("_raw_predict", "_raw_predict_init", *_HOLDS))


@dataclass(frozen=True, eq=False)
class _Read:
    """A model whose every number was checked."""

    base: type
    state: Mapping[str, object]
    stages: npt.NDArray[Any]  # (stages, scores) of estimators
    trees: Trees
    start: object  # the constant that `init_` gives: class probabilities, a number, or None for zero
    loss: str

    @classmethod
    def of(cls, estimator: object, head: Head, loc: Loc) -> _Read:
        base, state = _checked(estimator, loc)
        scores = 1 if head.labels is None or len(head.labels) == 2 else len(head.labels)
        refuse(_problems(state, scores, head), loc)
        loss, rate = type(state["_loss"]).__name__, float(cast(float, state["learning_rate"]))
        start = _start(state["init_"], scores, head, loc)
        stages = cast("npt.NDArray[Any]", state["estimators_"])
        wanted = Wanted(head.n_features, 1, False)
        members = [
            Member(f"estimators_[{i}, {k}]", stages[i, k], wanted) for k in range(scores) for i in range(len(stages))
        ]
        trees = joined(arrays_in(members, loc), head.n_features, loc)
        link: Link = "identity" if head.labels is None else "sigmoid" if scores == 1 else "softmax"
        base_scores = _base(start, loss, scores)
        combine = Combine("sum", base_scores, link=link, factor=_LOSSES[loss], at_zero=1)
        with np.errstate(over="ignore"):
            values = rate * trees.values
        if not np.isfinite(values).all():
            refuse([("learning_rate", f"is {shown(rate)}, which makes leaves infinite")], loc)
        right = np.zeros_like(trees.missing_left)  # what is compared as it is goes there; but no row has NaN
        added = replace(trees, values=values, missing_left=right, combine=combine, takes_nan=False)
        return cls(base, state, stages, added, start, loss)

    def fresh(self) -> Any:
        """The model as scikit-learn's own object, made of what was checked."""
        made = fresh(_Holder(self.state), self.base, ("classes_", "n_classes_", "n_features_in_", "learning_rate"))
        made.n_trees_per_iteration_ = self.stages.shape[1]
        made.estimators_ = np.empty(self.stages.shape, object)
        for place in np.ndindex(*self.stages.shape):
            made.estimators_[place] = fresh_tree(self.stages[place])
        made.init_ = "zero" if self.start is None else _dummy(self.start)
        made._loss = _loss(self.loss, self.stages.shape[1])
        return made


class _Holder:
    """An object with these attributes, for `fresh`."""

    def __init__(self, state: Mapping[str, object]) -> None:
        vars(self).update(state)


def _problems(state: Mapping[str, object], scores: int, head: Head) -> Iterator[Problem]:
    stages, rate = state["estimators_"], state.get("learning_rate")
    if not isinstance(stages, np.ndarray) or stages.ndim != 2 or stages.dtype != object or not stages.size:
        yield "estimators_", "must be a two-dimensional array of fitted trees"
    elif stages.shape[1] != scores:
        yield "estimators_", f"has {stages.shape[1]} trees a stage; the classes need {scores}"
    if whole(state.get("n_trees_per_iteration_", scores)) != scores:
        yield "n_trees_per_iteration_", f"is {shown(state.get('n_trees_per_iteration_'))}; the classes need {scores}"
    if (
        not isinstance(rate, float | int | np.floating | np.integer)
        or isinstance(rate, bool)
        or not -1e300 < rate < 1e300
    ):
        yield "learning_rate", f"must be a finite number, not {shown(rate)}"
    if type(state.get("_loss")) not in _losses(head.labels is not None, scores):
        yield "_loss", f"is {shown(state.get('_loss'))}, which is no loss for {'classes' if head.labels else 'numbers'}"
    if "init_" not in state:
        yield "init_", "is missing"


@cache
def _losses(classifier: bool, scores: int) -> frozenset[type]:
    from sklearn._loss import loss

    names = ["HalfSquaredError", "AbsoluteError", "HuberLoss", "PinballLoss"]
    if classifier:
        names = ["HalfBinomialLoss", "ExponentialLoss"] if scores == 1 else ["HalfMultinomialLoss"]
    return frozenset(getattr(loss, name) for name in names)


def _loss(name: str, scores: int) -> Any:
    from sklearn._loss import loss

    return getattr(loss, name)(**({"n_classes": scores} if name == "HalfMultinomialLoss" else {}))


def _start(init: object, scores: int, head: Head, loc: Loc) -> object:
    """The constant that the model begins with. E0301 where it is an estimator that is not constant."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    if isinstance(init, str) and init == "zero":
        return None
    where = loc.within("init_")
    if type(init) is DummyClassifier and head.labels is not None and vars(init).get("strategy") == "prior":
        prior = vars(init).get("class_prior_")
        if not _is_numbers(prior, (len(head.labels),)):
            refuse([("class_prior_", "must be the classes' shares")], where)
        return np.asarray(prior, np.float64)
    if type(init) is DummyRegressor and head.labels is None:
        constant = vars(init).get("constant_")
        if not isinstance(constant, np.ndarray) or not _is_numbers(constant.reshape(-1), (1,)):
            refuse([("constant_", "must be one finite number")], where)
        return float(cast("npt.NDArray[np.float64]", constant).reshape(-1)[0])
    name = f"{type(init).__module__}.{type(init).__qualname__}"
    raise error(
        "E0301",
        f"a {head.base.__name__} that begins with {name} is not supported",
        help="leave `init` as it is by default, or use `init='zero'`",
        loc=where,
    )


def _is_numbers(value: object, shape: tuple[int, ...]) -> bool:
    numbers = isinstance(value, np.ndarray) and value.shape == shape and value.dtype.kind == "f"
    return numbers and bool(np.isfinite(cast(Any, value)).all())


def _base(start: object, loss: str, scores: int) -> npt.NDArray[np.float64]:
    """The raw predictions of the constant: of probabilities what the loss's link makes of them."""
    if start is None:
        return np.zeros(scores)
    if not isinstance(start, np.ndarray):
        return np.array([start], np.float64)
    share = np.clip(start, EPS, 1 - EPS)
    if scores > 1:
        return np.asarray(np.log(share) - np.log(share).mean())
    return np.array([np.log(share[1] / (1 - share[1])) / _LOSSES[loss]])


def _dummy(start: object) -> Any:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    if isinstance(start, np.ndarray):
        made: Any = DummyClassifier(strategy="prior")
        made.classes_, made.n_classes_, made.class_prior_ = np.arange(len(start)), len(start), start
    else:
        made = DummyRegressor()
        made.constant_ = np.array([[start]])
    made.n_outputs_, made._strategy = 1, "prior"
    return made
