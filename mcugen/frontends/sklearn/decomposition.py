"""PCA: one op, `linear`; or `affine` and `project` where features differ too much in size."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from mcugen.diagnostics import Loc
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import flag, numbers_of, refuse, shown
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.frontends.sklearn.reference import SklearnReference
from mcugen.ir import Array, GraphBuilder
from mcugen.ops.affine import Affine, Floats
from mcugen.ops.linear import Linear
from mcugen.ops.project import Project

SUPPORTED = ("PCA",)
EPSILON = float(np.finfo(np.float64).eps)
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
        weights = weights / np.maximum(np.sqrt(variance), EPSILON)[:, np.newaxis]
    mean = numbers_of(state, "mean_", (head.n_features,), loc)
    if _of_one_size(weights, mean, state, head.n_features):
        return builder.add(Linear(weights, -(weights @ mean), "transform"), x, loc=loc)
    (centred,) = builder.add(Affine(mean, np.ones(head.n_features)), x, loc=loc)
    return builder.add(Project(weights), centred, loc=loc)


def _of_one_size(weights: Floats, mean: Floats, state: Mapping[str, object], n: int) -> bool:
    """Whether a `linear`, whose rows are rounded to 2**-29 of their largest part, is exact enough for every component."""
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


class ProjectionReference(SklearnReference):
    """A PCA, asked by scikit-learn's own method."""

    def rounding(self, rows: Array) -> Floats:
        """What float32 rounds where large parts cancel: 2**-22 of the largest sum of sizes of a component's parts."""
        weights = np.abs(np.asarray(self._model.components_, np.float64))
        if self._model.whiten:
            weights = weights / np.maximum(np.sqrt(self._model.explained_variance_), EPSILON)[:, np.newaxis]
        with np.errstate(all="ignore"):
            centred = np.abs(np.asarray(rows, np.float32).astype(np.float64) - self._model.mean_)
        return np.asarray((np.nan_to_num(centred) @ weights.T).max(axis=1) * 2.0**-22)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers."""
    return ProjectionReference(estimator, head)


def _state(estimator: object, loc: Loc) -> Mapping[str, object]:
    return state_of(estimator, _base(), "components_", loc)


def _base() -> type:
    (base,) = _known()
    return base


@cache
def _known() -> frozenset[type]:
    from sklearn.decomposition import PCA

    return frozenset({PCA})
