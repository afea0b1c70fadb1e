"""Decision trees, random forests and extra trees, classifiers and regressors: one op, `tree_ensemble`; of several answers at once
another one behind it, `leaf_sums`, which has what the leaves hold.

What counts is what `predict_proba` and `predict` of scikit-learn 1.4 to 1.9 do: a leaf's `tree_.value` (class proportions,
or a number) as it is, the mean over trees in float64 in the order of `estimators_`, and argmax of that mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

import numpy as np

from mcugen.diagnostics import Loc
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import Problem, labels_of, refuse, shown, tables_of, whole
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.tree_arrays import TreeArrays, Wanted
from mcugen.frontends.sklearn.tree_members import (
    CHECKS,
    SINGLE,
    Member,
    arrays_in,
    check_range,
    joined,
    list_of,
    tree_in,
)
from mcugen.frontends.sklearn.tree_members import TRUSTED as TRUSTED_SINGLE
from mcugen.ir import GraphBuilder
from mcugen.ops.choose import Choose
from mcugen.ops.leaf_sums import LeafSums
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.trees import Trees

FOREST = ("ExtraTreesClassifier", "ExtraTreesRegressor", "RandomForestClassifier", "RandomForestRegressor")
SUPPORTED = SINGLE + FOREST
TRUSTED = TRUSTED_SINGLE + tuple(f"sklearn.ensemble._forest.{name}" for name in FOREST)
INTEGERS = True

# What is read, and so all that a prediction may depend on.
HOLDS = ("classes_", "estimators_", "n_classes_", "n_features_in_", "n_outputs_", "tree_")


@dataclass(frozen=True)
class Kind:
    """Which of the supported classes an estimator is (or derives from)."""

    base: type

    @property
    def classifier(self) -> bool:
        """Whether it has classes; else it gives one number."""
        return self.base.__name__.endswith("Classifier")

    @property
    def forest(self) -> bool:
        """Whether it holds `estimators_`; else one `tree_`."""
        return self.base.__name__ in FOREST

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What can be asked of it, the default first."""
        return ("label", "proba") if self.classifier else ("value",)


def takes(estimator: object) -> bool:
    """Whether the estimator is a tree or forest of scikit-learn, or of a class derived from one."""
    return kind_of(estimator) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted tree or forest says of itself; see `read_estimator` for what it raises."""
    kind, state = _checked(estimator, loc)
    refuse(_head_problems(state, kind), loc)
    if (whole(state["n_outputs_"]) or 1) > 1:
        return _several(kind, state, loc)
    labels = labels_of(state.get("classes_"), loc) if kind.classifier else None
    found = Head(kind.base, features_of(state, loc), kind.outputs, labels)
    refuse(_class_count_problems(state, found), loc)
    check_sizes(0, len(labels or ()), loc)
    return found


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted tree or forest as a node `tree_ensemble`."""
    kind, state = _checked(estimator, loc)
    trees = joined(_arrays(state, kind, head, loc), head.n_features, loc)
    _check_range(trees, kind, loc)
    if head.several:
        held, number = np.unique(trees.values, axis=0, return_inverse=True)
        numbered = replace(trees, values=number.reshape(-1, 1).astype(np.float64))
        (leaves,) = builder.add(TreeEnsemble(numbered, "leaves", x=builder.type_of(x).dtype), x, loc=loc)
        if not head.tables:
            return builder.add(LeafSums(trees.n_trees, held), leaves, loc=loc)
        most = held.shape[1] // len(head.tables)
        used = np.concatenate([i * most + np.arange(len(table)) for i, table in enumerate(head.tables)])
        several = np.repeat([len(table) > 1 for table in head.tables], [*map(len, head.tables)])
        (shares,) = builder.add(LeafSums(trees.n_trees, held[:, used] * several), leaves, loc=loc)
        return builder.add(Choose(tuple(map(len, head.tables))), shares, loc=loc)
    return builder.add(TreeEnsemble(trees, cast(Any, wanted), x=builder.type_of(x).dtype), x, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers; also of rows that its methods refuse and its trees do not."""
    from mcugen.frontends.sklearn.tree_reference import SeveralTreesReference, TreeReference

    return SeveralTreesReference(estimator) if head.several else TreeReference(estimator)


def kind_of(estimator: object) -> Kind | None:
    """The supported class that an estimator is of or derives from; None where there is none."""
    base = base_of(estimator, _known())
    return Kind(base) if base else None


@cache
def _known() -> frozenset[type]:
    from sklearn import ensemble, tree

    return frozenset([getattr(tree, name) for name in SINGLE] + [getattr(ensemble, name) for name in FOREST])


def _checked(estimator: object, loc: Loc) -> tuple[Kind, Mapping[str, object]]:
    kind = kind_of(estimator)
    assert kind is not None, "dispatch asks takes() first"
    fitted = "estimators_" if kind.forest else "tree_"
    state = state_of(estimator, kind.base, fitted, loc, also=(CHECKS, *HOLDS))
    return kind, state


def _several(kind: Kind, state: Mapping[str, object], loc: Loc) -> Head:
    """What one of several answers says of itself."""
    features = features_of(state, loc)
    if not kind.classifier:
        return Head(kind.base, features, kind.outputs, several=True)
    tables = tables_of(state.get("classes_"), whole(state["n_outputs_"]) or 0, loc)
    counts = state.get("n_classes_")
    found = (
        [whole(count) for count in counts] if isinstance(counts, list | tuple | np.ndarray) and np.ndim(counts) else []
    )
    if found != [*map(len, tables)]:
        refuse([("n_classes_", "are not as many as the labels in classes_")], loc)
    check_sizes(0, max(map(len, tables)), loc)
    return Head(kind.base, features, ("label",), several=True, tables=tables)


def _head_problems(state: Mapping[str, object], kind: Kind) -> Iterator[Problem]:
    for name in ("n_features_in_", "n_outputs_"):
        count = whole(state.get(name))
        if count is None or count < 1:
            yield name, f"must be a positive whole number, not {shown(state.get(name))}"
    if kind.forest and not (isinstance(state["estimators_"], list | tuple) and state["estimators_"]):
        yield "estimators_", "must be a list of at least one fitted tree"


def _class_count_problems(state: Mapping[str, object], head: Head) -> Iterator[Problem]:
    if head.labels is not None and whole(state.get("n_classes_")) != len(head.labels):
        yield "n_classes_", f"is {shown(state.get('n_classes_'))}; classes_ has {len(head.labels)} labels"


def _arrays(state: Mapping[str, object], kind: Kind, head: Head, loc: Loc) -> list[TreeArrays]:
    """The arrays of every tree, all of them checked; E0107 with what is wrong in any."""
    wanted = _wanted(head, whole(state["n_outputs_"]) or 1)
    if kind.forest:
        held = enumerate(list_of(state["estimators_"]))
        return arrays_in((Member(f"estimators_[{i}]", member, wanted) for i, member in held), loc)
    arrays, problems = tree_in(state["tree_"], wanted)
    refuse([("tree_", what) for what in problems], loc)
    assert arrays is not None, "what cannot be read is a problem"
    return [arrays]


def _wanted(head: Head, answers: int) -> Wanted:
    classes = max(map(len, head.tables or (head.labels or "1",)))
    return Wanted(head.n_features, classes, bool(head.labels or head.tables), answers)


def _check_range(trees: Trees, kind: Kind, loc: Loc) -> None:
    if not kind.classifier:
        check_range(float(np.abs(trees.values).max()), trees.n_trees, loc)
