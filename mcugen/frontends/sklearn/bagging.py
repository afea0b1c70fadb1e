"""Bagging of trees, each on features of its own: a forest whose trees are averaged.

What counts is `predict_proba` and `predict` of scikit-learn 1.4 to 1.9: the mean of the members' class probabilities (a member
may know some of the classes only) or numbers, each asked for its own columns of a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc
from mcugen.frontends import Reference
from mcugen.frontends.sklearn.attributes import Problem, labels_of, refuse, shown, whole
from mcugen.frontends.sklearn.ensemble_reference import SumReference
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.tree_arrays import TreeArrays, Wanted
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
from mcugen.ir import Array, GraphBuilder
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.trees import Trees

SUPPORTED = ("BaggingClassifier", "BaggingRegressor")
TRUSTED = (*TRUSTED_TREES, *(f"sklearn.ensemble._bagging.{name}" for name in SUPPORTED))
INTEGERS = True
_HOLDS = ("classes_", "estimators_", "estimators_features_", "n_classes_", "n_estimators", "n_features_in_")
Columns = npt.NDArray[np.int64]


def takes(estimator: object) -> bool:
    """Whether the estimator is scikit-learn's bagging, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    base, state = _checked(estimator, loc)
    classifier = base.__name__.endswith("Classifier")
    check_kind(list_of(state["estimators_"]), base.__name__, classifier, loc)  # before its outputs are advised
    if not classifier:
        return Head(base, features_of(state, loc), ("value",))
    labels = labels_of(state.get("classes_"), loc)
    if whole(state.get("n_classes_")) != len(labels):
        refuse([("n_classes_", f"is {shown(state.get('n_classes_'))}; classes_ has {len(labels)} labels")], loc)
    check_sizes(0, len(labels), loc)
    return Head(base, features_of(state, loc), ("label", "proba"), labels)


def build(estimator: object, head: Head, wanted: str, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted model as a node `tree_ensemble`."""
    trees = _trees(estimator, head, loc)
    if head.labels is None:
        check_range(float(np.abs(trees.values).max()), trees.n_trees, loc)
    return builder.add(TreeEnsemble(trees, cast(Any, wanted), x=builder.type_of(x).dtype), x, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, of an object that holds what was checked and nothing else."""
    trees = _trees(estimator, head, Loc())
    made = fresh(estimator, head.base, [name for name in _HOLDS if head.labels or "class" not in name])
    made.estimators_ = [fresh_tree(member) for member in made.estimators_]
    made.estimator_ = made.estimators_[0]
    return _BaggingReference(made, head, trees)


class _BaggingReference(SumReference):
    """The members decide what they take: trees know missing values where they were fitted on some."""

    def accepts(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows of finite numbers; with missing values where every member takes them."""
        x = np.asarray(rows, np.float32)
        missing = all(_takes_missing(tree) for tree in self._model.estimators_)
        return np.asarray(~np.isinf(x).any(axis=1) & (missing | ~np.isnan(x).any(axis=1)))


def _takes_missing(tree: Any) -> bool:
    try:
        tree.predict(np.full((1, tree.n_features_in_), np.nan))
    except ValueError:
        return False
    return True


@cache
def _known() -> frozenset[type]:
    from sklearn import ensemble

    return frozenset(getattr(ensemble, name) for name in SUPPORTED)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "estimators_", loc, also=_HOLDS)


def _trees(estimator: object, head: Head, loc: Loc) -> Trees:
    """The model's trees, every number checked, on the model's features and classes."""
    _, state = _checked(estimator, loc)
    held = list_of(state["estimators_"])
    refuse(_problems(state, held, head), loc)
    columns = columns_of(state, held, head.n_features, loc)
    classes = [_classes(member, head) for member in held]
    wanted = [
        Wanted(len(own), len(known) if head.labels else 1, head.labels is not None)
        for own, known in zip(columns, classes, strict=True)
    ]
    members = [Member(f"estimators_[{i}]", member, wanted[i]) for i, member in enumerate(held)]
    arrays = arrays_in(members, loc)
    if head.labels:
        count = len(head.labels)
        arrays = [_spread(one, known, count) for one, known in zip(arrays, classes, strict=True)]
    return joined(arrays, head.n_features, loc, columns)


def columns_of(state: Mapping[str, object], held: Sequence[object], features: int, loc: Loc) -> list[Columns]:
    """Which of the model's features each member is asked with. E0107 where these are no features of the model's."""
    found = list_of(state.get("estimators_features_"))
    problems: list[Problem] = []
    if len(found) != len(held):
        problems.append(("estimators_features_", "must be a list with an entry for every tree"))
    for i, own in enumerate(found):
        if not isinstance(own, np.ndarray) or own.ndim != 1 or own.dtype.kind not in "iu" or not len(own):
            problems.append((f"estimators_features_[{i}]", "must be a one-dimensional array of whole numbers"))
        elif (own < 0).any() or (own >= features).any():
            problems.append((f"estimators_features_[{i}]", f"names a feature outside the model's {features}"))
    refuse(problems, loc)
    return [np.asarray(own, np.int64) for own in found]


def _problems(state: Mapping[str, object], held: Sequence[object], head: Head) -> Iterator[Problem]:
    if not held:
        yield "estimators_", "must be a list of at least one fitted tree"
    if whole(state.get("n_estimators")) != len(held):
        yield "n_estimators", f"is {shown(state.get('n_estimators'))}; estimators_ has {len(held)} trees"
    if head.labels:
        for i, member in enumerate(held):
            classes = vars(member).get("classes_")
            if not _is_some_of(classes, len(head.labels)):
                yield f"estimators_[{i}].classes_", "must be indices of the model's classes, in order"


def _is_some_of(classes: object, count: int) -> bool:
    if not isinstance(classes, np.ndarray) or classes.ndim != 1 or classes.dtype.kind not in "iu" or not len(classes):
        return False
    return bool((np.diff(classes.astype(np.int64)) > 0).all() and classes[0] >= 0 and classes[-1] < count)


def _classes(member: object, head: Head) -> Columns:
    return np.asarray(vars(member)["classes_"], np.int64) if head.labels else np.zeros(1, np.int64)


def _spread(arrays: TreeArrays, classes: Columns, count: int) -> TreeArrays:
    """A member's probabilities as those of all of the model's classes."""
    value = np.zeros((arrays.size, count))
    value[:, classes] = arrays.value
    return replace(arrays, value=value)
