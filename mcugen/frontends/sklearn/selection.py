"""Feature selection: every selector of scikit-learn is the columns of its support mask, one op `gather`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, McugenError, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import refuse, shown
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.ir import DType, GraphBuilder, TensorType
from mcugen.ops.gather import Gather

UNIVARIATE = ("GenericUnivariateSelect", "SelectFdr", "SelectFpr", "SelectFwe", "SelectKBest", "SelectPercentile")
STORED = ("RFE", "RFECV", "SequentialFeatureSelector")
SUPPORTED = (*UNIVARIATE, *STORED, "SelectFromModel", "VarianceThreshold")
_MODULES = {
    "RFE": "_rfe",
    "RFECV": "_rfe",
    "SequentialFeatureSelector": "_sequential",
    "SelectFromModel": "_from_model",
    "VarianceThreshold": "_variance_threshold",
}
TRUSTED = tuple(f"sklearn.feature_selection.{_MODULES.get(n, '_univariate_selection')}.{n}" for n in SUPPORTED)

Mask = npt.NDArray[np.bool_]


def takes(estimator: object) -> bool:
    """Whether the estimator is a selector of scikit-learn, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def exact(estimator: object) -> bool:
    """Whether trees behind it see exactly what scikit-learn's trees see."""
    return True


def keeps(estimator: object) -> bool:
    """It hands on columns."""
    return True


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted selector says of itself; one that also predicts is asked for its columns only."""
    base, state = _checked(estimator, loc)
    return Head(base, _features(state, loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """The columns that a fitted selector keeps, as a node `gather`."""
    base, state = _checked(estimator, loc)
    kept = np.flatnonzero(_mask(estimator, base, state, head.n_features, loc))
    if not len(kept):
        raise error("E0302", f"this {base.__name__} keeps no feature", help="fit it to keep at least one", loc=loc)
    return builder.add(Gather(head.n_features, kept), x, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, of rows with missing values too where it takes them."""
    from mcugen.frontends.sklearn.composite_reference import CompositeReference

    return CompositeReference(estimator, head)


def _features(state: Mapping[str, object], loc: Loc) -> int:
    inner = state.get("estimator_")
    if "n_features_in_" not in state and hasattr(inner, "n_features_in_"):  # SelectFromModel has it from its estimator
        return features_of({"n_features_in_": inner.n_features_in_}, loc)
    return features_of(state, loc)


def _mask(estimator: object, base: Any, state: Mapping[str, object], n: int, loc: Loc) -> Mask:
    name = base.__name__
    if name in STORED:
        return _checked_mask(state.get("support_"), n, "support_", loc)
    if name == "SelectFromModel":
        _check_model(state, loc)
    for one in ("scores_", "pvalues_", "variances_"):
        _check_statistic(state, one, n, loc)
    try:
        # Of scikit-learn's own class, over arrays that were looked at: its ties and NaN are not ours to repeat.
        found = base._get_support_mask(estimator)
    except Exception as problem:
        raise _no_mask(problem, loc) from problem
    return _checked_mask(found, n, "the support mask", loc)


def _check_statistic(state: Mapping[str, object], name: str, n: int, loc: Loc) -> None:
    found = state.get(name)
    if found is not None and not (isinstance(found, np.ndarray) and found.dtype.kind in "fiu" and found.shape == (n,)):
        refuse([(name, f"must be an array of {n} numbers")], loc)


def _check_model(state: Mapping[str, object], loc: Loc) -> None:
    """Everything in the estimator whose importances count, by reading it as if it were to be compiled."""
    from mcugen.frontends.sklearn import build_estimator, head_of

    getter = state.get("importance_getter", "auto")
    if not isinstance(getter, str):
        text = "its `importance_getter` is a function, which only Python can call"
        raise error("E0302", text, help=_STORE, loc=loc)
    model = state.get("estimator_", state.get("estimator"))
    inner = head_of(model, loc.within("estimator_"), several=True)
    scratch = GraphBuilder("scratch")
    row = scratch.input("x", TensorType((inner.n_features,), DType.F32))
    build_estimator(model, inner, inner.outputs[0], scratch, row, loc.within("estimator_"))


_STORE = (
    "put the selected columns in a ColumnTransformer: `('keep', 'passthrough', selector.get_support(indices=True))`"
)


def _checked_mask(found: object, n: int, name: str, loc: Loc) -> Mask:
    if not isinstance(found, np.ndarray) or found.dtype != bool or found.shape != (n,):
        refuse([(name, f"must be an array of {n} booleans, not {shown(found)}")], loc)
    assert isinstance(found, np.ndarray)
    return found


def _no_mask(problem: Exception, loc: Loc) -> McugenError:
    text = f"scikit-learn cannot say which features it keeps: {type(problem).__name__}"
    return error("E0107", text, help="fit it again here and save it", loc=loc)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(
        estimator, base, _FITTED.get(base.__name__, "n_features_in_"), loc, also=("_get_support_mask",)
    )


_FITTED = dict.fromkeys(STORED, "support_") | dict.fromkeys(UNIVARIATE, "scores_") | {"SelectFromModel": "estimator_"}


@cache
def _known() -> frozenset[type]:
    from sklearn import feature_selection

    return frozenset(getattr(feature_selection, name) for name in SUPPORTED)
