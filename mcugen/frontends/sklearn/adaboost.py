"""AdaBoost of trees: the classifier's trees vote by their weights, of the regressor's the weighted median is taken.

What counts is `decision_function` (SAMME) and `_get_median_predict` of scikit-learn 1.4 to 1.9. A class is the best decision,
or the second of two where the only one is positive (`> 0`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Reference
from mcugen.frontends.sklearn.attributes import Problem, labels_of, refuse, shown, whole
from mcugen.frontends.sklearn.ensemble_reference import MedianReference, SumReference
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.tree_arrays import Wanted
from mcugen.frontends.sklearn.tree_members import TRUSTED as TRUSTED_TREES
from mcugen.frontends.sklearn.tree_members import (
    Member,
    arrays_in,
    check_kind,
    check_range,
    fresh,
    fresh_tree,
    joined,
    list_of,
)
from mcugen.ir import GraphBuilder
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.combine import Combine
from mcugen.ops.tree_ensemble.trees import Trees

SUPPORTED = ("AdaBoostClassifier", "AdaBoostRegressor")
TRUSTED = (*TRUSTED_TREES, *(f"sklearn.ensemble._weight_boosting.{name}" for name in SUPPORTED))
INTEGERS = True
_HOLDS = ("classes_", "estimators_", "estimator_weights_", "n_classes_", "n_features_in_")


def takes(estimator: object) -> bool:
    """Whether the estimator is scikit-learn's AdaBoost, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    base, state = _checked(estimator, loc)
    if not base.__name__.endswith("Classifier"):
        return Head(base, features_of(state, loc), ("value",))
    labels = labels_of(state.get("classes_"), loc)
    if whole(state.get("n_classes_")) != len(labels):
        refuse([("n_classes_", f"is {shown(state.get('n_classes_'))}; classes_ has {len(labels)} labels")], loc)
    check_sizes(0, len(labels), loc)
    several = len(labels) > 1
    return Head(
        base, features_of(state, loc), ("label", "proba", "decision") if several else ("label", "proba"), labels
    )


def build(estimator: object, head: Head, wanted: str, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted model as a node `tree_ensemble`."""
    trees = _trees(estimator, head, loc)
    if head.labels is None:
        check_range(float(np.abs(trees.values).max()), 1, loc)
    return builder.add(TreeEnsemble(trees, cast(Any, wanted), x=builder.type_of(x).dtype), x, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, of an object that holds what was checked and nothing else."""
    trees = _trees(estimator, head, Loc())
    made = fresh(estimator, head.base, [name for name in _HOLDS if head.labels or "class" not in name])
    made.estimators_ = [fresh_tree(member) for member in made.estimators_]
    return SumReference(made, head, trees) if head.labels else MedianReference(made, head)


@cache
def _known() -> frozenset[type]:
    from sklearn import ensemble

    return frozenset(getattr(ensemble, name) for name in SUPPORTED)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    also = ("_get_median_predict", "_compute_proba_from_decision", "_check_X", *_HOLDS)
    state = state_of(estimator, base, "estimators_", loc, also=also)
    if str(state.get("algorithm")) == "SAMME.R":
        way_out = "fit it with `algorithm='SAMME'`, the only one that scikit-learn 1.6 and later have"
        raise error("E0302", "AdaBoost by SAMME.R is not supported", help=way_out, loc=loc)
    return base, state


def _trees(estimator: object, head: Head, loc: Loc) -> Trees:
    """The model's trees, every number checked, and what is done with them."""
    _, state = _checked(estimator, loc)
    held = list_of(state["estimators_"])
    check_kind(held, head.base.__name__, head.labels is not None, loc)
    classes = len(head.labels) if head.labels else 1
    wanted = Wanted(head.n_features, classes, head.labels is not None)
    refuse(_problems(state, held, head), loc)
    weights = np.asarray(state["estimator_weights_"], np.float64)
    members = [Member(f"estimators_[{i}]", member, wanted) for i, member in enumerate(held)]
    trees = replace(joined(arrays_in(members, loc), head.n_features, loc), takes_nan=False)
    if head.labels:
        return _voting(trees, weights, classes)
    if len(held) == 1:
        return trees
    return replace(trees, combine=Combine("median", weights=weights[: len(held)]))


def _problems(state: Mapping[str, object], held: Any, head: Head) -> Iterator[Problem]:
    if not held:
        yield "estimators_", "must be a list of at least one fitted tree"
    weights = state.get("estimator_weights_")
    if not isinstance(weights, np.ndarray) or weights.ndim != 1 or weights.dtype.kind != "f":
        yield "estimator_weights_", "must be a one-dimensional array of numbers"
    elif len(weights) < len(held) or not np.isfinite(weights).all() or (weights < 0).any():
        yield "estimator_weights_", "must hold a finite weight that is not negative for every tree"
    elif not np.isfinite(_sum(weights)) or (weights[: len(held)].sum() <= 0 and (head.labels or len(held) > 1)):
        yield "estimator_weights_", "must have a finite sum above 0"
    if head.labels:
        for i, member in enumerate(held):
            classes = vars(member).get("classes_")
            if not isinstance(classes, np.ndarray) or tuple(classes.tolist()) != head.labels:
                yield f"estimators_[{i}]", "has other classes than the ensemble"


def _sum(weights: npt.NDArray[np.float64]) -> float:
    with np.errstate(over="ignore"):
        return float(weights.sum())


def _voting(trees: Trees, weights: npt.NDArray[np.float64], classes: int) -> Trees:
    """Each leaf is the class that its tree predicts. Of two classes the votes are one number: for the second or against it."""
    winner = trees.values.argmax(axis=1)
    if classes == 1:
        return trees
    share, own = weights / weights.sum(), weights[: trees.n_trees] / weights.sum()
    if classes > 2:
        spread = classes / (classes - 1)
        base = np.full(classes, -1 / (classes - 1) * share.sum())
        combine = Combine("votes", base, own * spread, "softmax", 1 / (classes - 1))
        return replace(trees, values=np.eye(classes)[winner], combine=combine)
    sizes = np.diff([*trees.roots, len(trees.feature)])
    of_leaf = np.repeat(own, sizes)[trees.leaf >= 0]  # leaves come in the order of their trees
    combine = Combine("sum", np.zeros(1), link="sigmoid")
    return replace(trees, values=(2 * of_leaf * np.where(winner == 1, 1.0, -1.0))[:, np.newaxis], combine=combine)
