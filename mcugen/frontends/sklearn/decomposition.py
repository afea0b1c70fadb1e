"""PCA: one op, `linear`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from mcugen.diagnostics import Loc
from mcugen.frontends import Output
from mcugen.frontends.sklearn.attributes import numbers_of, refuse, shown
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.ir import GraphBuilder
from mcugen.ops.cast import as_float
from mcugen.ops.linear import Linear

SUPPORTED = ("PCA",)
TRUSTED = ("sklearn.decomposition._pca.PCA",)


def takes(estimator: object) -> bool:
    """Whether the estimator is a PCA, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted PCA says of itself."""
    return Head(_base(), features_of(_state(estimator, loc), loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """(x - mean) · components, each divided by its standard deviation where it is whitened."""
    state = _state(estimator, loc)
    found = state["components_"]
    rows = len(found) if isinstance(found, np.ndarray) and found.ndim == 2 else 0
    refuse([] if rows else [("components_", f"must be a table of numbers, not {shown(found)}")], loc)
    weights = numbers_of(state, "components_", (rows, head.n_features), loc)
    if state.get("whiten"):
        variance = numbers_of(state, "explained_variance_", (rows,), loc)
        refuse((("explained_variance_", f"number {i} is negative") for i in np.flatnonzero(variance < 0)), loc)
        weights = weights / np.maximum(np.sqrt(variance), np.finfo(np.float64).eps)[:, np.newaxis]
    mean = numbers_of(state, "mean_", (head.n_features,), loc)
    return builder.add(Linear(weights, -(weights @ mean), "transform"), as_float(builder, x), loc=loc)


def _state(estimator: object, loc: Loc) -> Mapping[str, object]:
    return state_of(estimator, _base(), "components_", loc)


def _base() -> type:
    (base,) = _known()
    return base


@cache
def _known() -> frozenset[type]:
    from sklearn.decomposition import PCA

    return frozenset({PCA})
