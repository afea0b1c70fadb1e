"""PCA: one op, `linear`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.fixed import Floats
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import flag, numbers_of, refuse, shown
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.frontends.sklearn.noise import require_spread
from mcugen.frontends.sklearn.reference import SklearnReference
from mcugen.ir import GraphBuilder
from mcugen.ops.linear import Linear

SUPPORTED = ("PCA",)
EPSILON = float(np.finfo(np.float64).eps)
LARGEST = 1e36  # of a mean and a spread as float32
ENOUGH = 3e-6  # of a transformed number: what rounding may shift it by
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
    if flag(state, "whiten", loc):
        variance = numbers_of(state, "explained_variance_", (rows,), loc)
        refuse((("explained_variance_", f"number {i} is negative") for i in np.flatnonzero(variance < 0)), loc)
        spread = np.maximum(np.sqrt(variance), EPSILON)
        require_spread(spread, np.full(rows, np.sqrt(variance.max(initial=0.0))), loc)
        weights = weights / spread[:, np.newaxis]
    mean = numbers_of(state, "mean_", (head.n_features,), loc)
    _check_range(mean, 1 / np.maximum(np.abs(weights).max(axis=1), 1 / LARGEST), loc)
    delicate = not _of_one_size(weights, mean, state, head.n_features)
    return builder.add(
        Linear(weights, -(weights @ mean), "transform", delicate=delicate or None, around=mean), x, loc=loc
    )


def _check_range(mean: Floats, spread: Floats, loc: Loc) -> None:
    """E0303 where features, or what a component makes of them, are beyond float32: in the C they would be infinite."""
    size = max(float(np.abs(mean).max(initial=0.0)), float(spread.max(initial=0.0)))
    if size >= LARGEST:
        help = "scale the features first: a StandardScaler in front"
        raise error("E0303", f"features around {size:.3g} are beyond what a C float holds", help=help, loc=loc)


def _of_one_size(weights: Floats, mean: Floats, state: Mapping[str, object], n: int) -> bool:
    """Whether rows rounded to 2**-29 of their largest part are exact enough for every component."""
    given = state.get("explained_variance_")
    variance = np.asarray(given if isinstance(given, np.ndarray) and given.dtype.kind == "f" else 0.0, np.float64)
    found = np.asarray(state["components_"], np.float64)
    deviation = (
        np.sqrt((found**2 * np.maximum(variance, 0)[..., np.newaxis]).sum(axis=0))
        if variance.shape == (len(found),)
        else 0.0
    )
    part = (np.abs(weights) * (np.abs(mean) + 3 * deviation)).max()
    return bool(n * part * 2.0**-29 < ENOUGH)


def _state(estimator: object, loc: Loc) -> Mapping[str, object]:
    return state_of(estimator, _base(), "components_", loc)


def _base() -> type:
    (base,) = _known()
    return base


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, worked out in float64 where the model was fitted on float32."""
    return SklearnReference(in_doubles(estimator), head)


def in_doubles(estimator: Any) -> Any:
    """The same PCA with its numbers as float64: fitted on float32, it takes off a mean that it has rounded."""
    exact = copy.copy(estimator)
    for name in ("mean_", "components_", *(["explained_variance_"] if flag(vars(estimator), "whiten", Loc()) else [])):
        setattr(exact, name, np.asarray(getattr(estimator, name), np.float64))
    return exact


@cache
def _known() -> frozenset[type]:
    from sklearn.decomposition import PCA

    return frozenset({PCA})
