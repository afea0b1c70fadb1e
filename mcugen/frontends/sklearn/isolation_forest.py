"""Isolation forests: the depths that a row reaches are added up; few mean an outlier.

What counts is `decision_function` of scikit-learn 1.6 to 1.9: -2**(-depths / most) - offset_, where a depth is what the tree's
arrays of path lengths say. A row is an inlier, 1, where that is not negative, else an outlier, -1. Exactly then its depths come
to no less than a number that is known before, so that the class needs no power.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, cast

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Reference
from mcugen.frontends.sklearn.attributes import Problem, refuse, shown, whole
from mcugen.frontends.sklearn.bagging import columns_of
from mcugen.frontends.sklearn.ensemble_reference import SumReference
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.frontends.sklearn.tree_arrays import TreeArrays, Wanted
from mcugen.frontends.sklearn.tree_members import TRUSTED as TRUSTED_TREES
from mcugen.frontends.sklearn.tree_members import Member, arrays_in, check_kind, fresh, fresh_tree, joined, list_of
from mcugen.ir import GraphBuilder
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.combine import isolation
from mcugen.ops.tree_ensemble.trees import Trees

SUPPORTED = ("IsolationForest",)
TRUSTED = (*TRUSTED_TREES, "sklearn.ensemble._iforest.IsolationForest")
INTEGERS = True
LABELS = (-1, 1)
NO_SPLIT = 1e-6  # of the depths of a forest that splits nothing
_PATHS, _MORE = "_decision_path_lengths", "_average_path_length_per_tree"
_HOLDS = ("estimators_", "estimators_features_", "n_features_in_", "offset_", "_max_features", "_max_samples")


def takes(estimator: object) -> bool:
    """Whether the estimator is scikit-learn's isolation forest, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    base, state = _checked(estimator, loc)
    return Head(base, features_of(state, loc), ("label", "decision"), LABELS)


def build(estimator: object, head: Head, wanted: str, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted model as a node `tree_ensemble`."""
    trees = _trees(estimator, head, loc)
    return builder.add(TreeEnsemble(trees, cast(Any, wanted), x=builder.type_of(x).dtype), x, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, of an object that holds what was checked and nothing else."""
    trees = _trees(estimator, head, Loc())
    made = fresh(estimator, head.base, (*_HOLDS, _PATHS, _MORE))
    made.estimators_ = [fresh_tree(member) for member in made.estimators_]
    return SumReference(made, head, trees, missing=True)


@cache
def _known() -> frozenset[type]:
    from sklearn.ensemble import IsolationForest

    return frozenset([IsolationForest])


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    also = ("score_samples", "_score_samples", "_compute_chunked_score_samples", "_compute_score_samples", *_HOLDS)
    return base, state_of(estimator, base, "estimators_", loc, also=(*also, _PATHS, _MORE))


def _trees(estimator: object, head: Head, loc: Loc) -> Trees:
    """The model's trees, every number checked; a leaf is the depth that it stands for."""
    _, state = _checked(estimator, loc)
    held = list_of(state["estimators_"])
    check_kind(held, head.base.__name__, False, loc)
    refuse(_problems(state, held, head), loc)
    columns = columns_of(state, held, head.n_features, loc)
    if state["_max_features"] == head.n_features:  # then each is asked with the row as it is
        columns = [np.arange(head.n_features)] * len(held)
    members = [Member(f"estimators_[{i}]", member, Wanted(len(columns[i]), 1, False)) for i, member in enumerate(held)]
    arrays = arrays_in(members, loc)
    lengths = [_lengths(state, name) for name in (_PATHS, _MORE)]
    refuse(_length_problems(arrays, lengths), loc)
    deep = [replace(one, value=(a + b - 1.0)[:, np.newaxis]) for one, a, b in zip(arrays, *lengths, strict=True)]
    trees = joined(deep, head.n_features, loc, columns)
    most = len(held) * _average(whole(state["_max_samples"]) or 0)
    if most <= 0:
        way_out = "fit it with `max_samples` of 2 or more"
        raise error("E0302", "trees that were fitted on one row each isolate nothing", help=way_out, loc=loc)
    border, combine = isolation(float(cast(float, state["offset_"])), most)
    depths = float(trees.values[trees.leaf[trees.roots], 0].sum()) if (trees.feature < 0).all() else 0.0
    if abs(depths - border) <= NO_SPLIT * border:  # on the border but for rounding: scikit-learn says inlier
        combine = replace(combine, base=combine.base + NO_SPLIT * border)
    return replace(trees, combine=combine)


def _problems(state: Mapping[str, object], held: Sequence[object], head: Head) -> Iterator[Problem]:
    if not held:
        yield "estimators_", "must be a list of at least one fitted tree"
    offset = state.get("offset_")
    if not isinstance(offset, float | np.floating) or not -1e6 <= offset <= -1e-6:
        yield "offset_", f"must be a number from -1e6 to -1e-6, not {shown(offset)}"
    for name in ("_max_features", "_max_samples"):
        count = whole(state.get(name))
        if count is None or count < 1:
            yield name, f"must be a positive whole number, not {shown(state.get(name))}"
    if (whole(state.get("_max_features")) or 0) > head.n_features:
        yield "_max_features", f"is {shown(state.get('_max_features'))} of {head.n_features} features"
    for name in (_PATHS, _MORE):
        if len(_lengths(state, name)) != len(held):
            yield name, "must hold the path lengths of every tree"


def _lengths(state: Mapping[str, object], name: str) -> Sequence[Any]:
    return list_of(state.get(name))


def _length_problems(arrays: Sequence[TreeArrays], lengths: Sequence[Sequence[Any]]) -> Iterator[Problem]:
    for name, found in zip((_PATHS, _MORE), lengths, strict=True):
        for i, (tree, own) in enumerate(zip(arrays, found, strict=True)):
            if not isinstance(own, np.ndarray) or own.shape != (tree.size,) or own.dtype.kind not in "iuf":
                yield f"{name}[{i}]", f"must be an array of numbers for the tree's {tree.size} nodes"
            elif not np.isfinite(own).all() or (own < 0).any() or (own > 2**31).any():
                yield f"{name}[{i}]", "must hold finite path lengths"


def _average(samples: int) -> float:
    """The average length of a path in a search tree of so many rows, as scikit-learn has it."""
    if samples <= 2:
        return float(samples == 2)
    return float(2.0 * (np.log(samples - 1.0) + np.euler_gamma) - 2.0 * (samples - 1.0) / samples)
