"""DummyClassifier and DummyRegressor: the same answer to every row, a tree that asks nothing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output
from mcugen.frontends.sklearn.attributes import flag, labels_of, refuse, shown, whole
from mcugen.frontends.sklearn.coefficients import Floats, several_outputs
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.tree_arrays import SUM_TOLERANCE, TreeArrays
from mcugen.frontends.sklearn.tree_members import check_range, joined
from mcugen.ir import GraphBuilder, Label
from mcugen.ops.tree_ensemble import TreeEnsemble

SUPPORTED = ("DummyClassifier", "DummyRegressor")
TRUSTED = tuple(f"sklearn.dummy.{name}" for name in SUPPORTED)
INTEGERS = True
_HOLDS = ("classes_", "class_prior_", "constant_", "n_classes_", "n_features_in_", "n_outputs_", "sparse_output_")


def takes(estimator: object) -> bool:
    """Whether the estimator is one of the two, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted one says of itself."""
    base, state = _checked(estimator, loc)
    features = _features(base, state, loc)
    if base.__name__ == "DummyRegressor":
        return Head(base, features, ("value",))
    labels = labels_of(state.get("classes_"), loc)
    check_sizes(0, len(labels), loc)
    return Head(base, features, ("label", "proba"), labels)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A node `tree_ensemble` of a single leaf."""
    _, state = _checked(estimator, loc)
    value = _number(state, loc) if head.labels is None else _shares(state, head.labels, loc)
    none, zero = np.array([-1]), np.zeros(1)
    leaf = TreeArrays(none, none, np.array([0]), zero, np.zeros(1, np.bool_), value[np.newaxis], np.ones(1))
    trees = joined([leaf], head.n_features, loc)
    if head.labels is None:
        check_range(float(np.abs(value).max()), 1, loc)
    return builder.add(TreeEnsemble(trees, cast(Any, wanted), x=builder.type_of(x).dtype), x, loc=loc)


def _features(base: type, state: Mapping[str, object], loc: Loc) -> int:
    if "n_features_in_" not in state:
        text = f"this {base.__name__} does not know how many features a row has"
        raise error("E0302", text, help="fit it with scikit-learn 1.6 or later", loc=loc)
    return features_of(state, loc)


def _number(state: Mapping[str, object], loc: Loc) -> Floats:
    """What a regressor always says, (1,)."""
    found = state["constant_"]
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu" or found.size != 1:
        refuse([("constant_", f"must be an array of one number, not {shown(found)}")], loc)
    number = np.asarray(found, np.float64).reshape(1)
    refuse([("constant_", "must be finite")] * bool(~np.isfinite(number).all()), loc)
    return number


def _shares(state: Mapping[str, object], labels: tuple[Label, ...], loc: Loc) -> Floats:
    """What a classifier always gives its classes, (classes,)."""
    strategy = state.get("_strategy")
    if isinstance(strategy, str) and strategy in ("stratified", "uniform"):
        help = "fit it with strategy='prior', 'most_frequent' or 'constant'"
        raise error("E0302", f"with strategy={strategy!r} a DummyClassifier answers by chance", help=help, loc=loc)
    if not isinstance(strategy, str) or strategy not in ("constant", "most_frequent", "prior"):
        refuse([("_strategy", f"must be a strategy of scikit-learn's, not {shown(strategy)}")], loc)
    if strategy == "constant":
        return np.asarray(np.eye(len(labels))[_constant(state, labels, loc)])
    prior = state.get("class_prior_")
    if not isinstance(prior, np.ndarray) or prior.dtype.kind != "f" or prior.shape != (len(labels),):
        refuse([("class_prior_", f"must be an array of {len(labels)} numbers, not {shown(prior)}")], loc)
    shares = np.asarray(prior, np.float64)
    if not (shares >= 0).all() or not abs(shares.sum() - 1) <= SUM_TOLERANCE:
        refuse([("class_prior_", "must be shares of 1")], loc)
    return shares if strategy == "prior" else np.asarray(np.eye(len(labels))[int(shares.argmax())])


def _constant(state: Mapping[str, object], labels: tuple[Label, ...], loc: Loc) -> int:
    """The class that is always named."""
    found: Any = state.get("constant")
    if isinstance(found, np.ndarray | list | tuple) and len(found) == 1:
        found = found[0]
    named = found.item() if isinstance(found, np.generic) else found
    if not isinstance(named, bool | int | float | str) or named not in labels:
        refuse([("constant", f"must be one of the labels, not {shown(found)}")], loc)
    return labels.index(named)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    fitted = "constant_" if base.__name__ == "DummyRegressor" else "class_prior_"
    state = state_of(estimator, base, fitted, loc, also=_HOLDS)
    outputs = whole(state.get("n_outputs_"))
    if outputs is None or outputs < 1:
        refuse([("n_outputs_", f"must be a positive whole number, not {shown(state.get('n_outputs_'))}")], loc)
    if outputs != 1 or flag(state, "sparse_output_", loc):
        raise several_outputs(base.__name__, outputs or 1, loc)
    return base, state


@cache
def _known() -> frozenset[type]:
    from sklearn import dummy

    return frozenset(getattr(dummy, name) for name in SUPPORTED)
