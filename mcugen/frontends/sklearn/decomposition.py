"""Projections: PCA, IncrementalPCA, SparsePCA, TruncatedSVD, FactorAnalysis, FastICA, random and neighbours' ones; one op, `linear`."""

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
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.noise import require_spread
from mcugen.frontends.sklearn.reference import SklearnReference
from mcugen.ir import GraphBuilder
from mcugen.ops.linear import Linear

_MODULES = {
    "FactorAnalysis": "sklearn.decomposition._factor_analysis",
    "FastICA": "sklearn.decomposition._fastica",
    "GaussianRandomProjection": "sklearn.random_projection",
    "IncrementalPCA": "sklearn.decomposition._incremental_pca",
    "MiniBatchSparsePCA": "sklearn.decomposition._sparse_pca",
    "NeighborhoodComponentsAnalysis": "sklearn.neighbors._nca",
    "PCA": "sklearn.decomposition._pca",
    "SparsePCA": "sklearn.decomposition._sparse_pca",
    "SparseRandomProjection": "sklearn.random_projection",
    "TruncatedSVD": "sklearn.decomposition._truncated_svd",
}
SUPPORTED = tuple(_MODULES)
SPARSE = ("MiniBatchSparsePCA", "SparsePCA")
EPSILON = float(np.finfo(np.float64).eps)
LARGEST = 1e36  # of a mean and a spread as float32
ENOUGH = 3e-6  # of a transformed number: what rounding may shift it by
TRUSTED = tuple(f"{module}.{name}" for name, module in _MODULES.items())


def takes(estimator: object) -> bool:
    """Whether the estimator is a projection of scikit-learn, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted projection says of itself."""
    base, state = _checked(estimator, loc)
    return Head(base, features_of(state, loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """(x - mean) · components; of a PCA each divided by its standard deviation where it is whitened."""
    _, state = _checked(estimator, loc)
    name, n = head.base.__name__, head.n_features
    state = {**state, "components_": _dense(state["components_"], n, loc)}
    found = state["components_"]
    rows = len(found) if isinstance(found, np.ndarray) and found.ndim == 2 else 0
    refuse([] if rows else [("components_", f"must be a table of numbers, not {shown(found)}")], loc)
    weights = numbers_of(state, "components_", (rows, n), loc)
    if name in SPARSE:
        weights = _ridge(weights, float(numbers_of(state, "ridge_alpha", (), loc)), loc)
    if name == "FactorAnalysis":
        weights = _expected(weights, numbers_of(state, "noise_variance_", (n,), loc), loc)
    if name in ("PCA", "IncrementalPCA") and flag(state, "whiten", loc):
        variance = numbers_of(state, "explained_variance_", (rows,), loc)
        refuse((("explained_variance_", f"number {i} is negative") for i in np.flatnonzero(variance < 0)), loc)
        spread = np.maximum(np.sqrt(variance), EPSILON)
        require_spread(spread, np.full(rows, np.sqrt(variance.max(initial=0.0))), loc)
        weights = weights / spread[:, np.newaxis]
    centred = name in ("PCA", "IncrementalPCA", "FactorAnalysis", *SPARSE) or (
        name == "FastICA" and _whitens(state, loc)
    )
    mean = numbers_of(state, "mean_", (n,), loc) if centred else np.zeros(n)
    steepest = np.abs(weights).max(axis=1)
    _check_range(mean, 1 / np.where(steepest > 0, np.maximum(steepest, 1 / LARGEST), 1.0), loc)
    delicate = not _of_one_size(weights, mean, state, head.n_features)
    return builder.add(
        Linear(weights, -(weights @ mean), "transform", delicate=delicate or None, around=mean), x, loc=loc
    )


def _whitens(state: Mapping[str, object], loc: Loc) -> bool:
    """Whether FastICA takes its mean off: a word says how, or True."""
    found = state.get("whiten", False)
    if not isinstance(found, str | bool):
        refuse([("whiten", f"must be a word or False, not {shown(found)}")], loc)
    return bool(found)


def _ridge(weights: Floats, alpha: float, loc: Loc) -> Floats:
    """What a ridge regression of a row on the components gives, which is linear in the row."""
    gram = weights @ weights.T + alpha * np.eye(len(weights))
    try:
        found = np.linalg.solve(gram, weights)
    except np.linalg.LinAlgError:
        found = np.full_like(weights, np.nan)
    refuse(
        [] if np.isfinite(found).all() and alpha >= 0 else [("ridge_alpha", "gives no solution with components_")], loc
    )
    return np.asarray(found)


def _expected(weights: Floats, noise: Floats, loc: Loc) -> Floats:
    """The components of the expected factors, given their loadings and the features' noise (Bishop 2006, 12.42)."""
    refuse((("noise_variance_", f"must be positive; number {i} is not") for i in np.flatnonzero(noise <= 0)), loc)
    scaled = weights / noise
    with np.errstate(all="ignore"):
        found = np.linalg.pinv(np.eye(len(weights)) + scaled @ weights.T) @ scaled
    refuse([] if np.isfinite(found).all() else [("components_", "are too large for their noise")], loc)
    return np.asarray(found)


def _dense(components: Any, features: int, loc: Loc) -> object:
    """A SparseRandomProjection's table, written out; SciPy itself would write wherever a file says."""
    import scipy.sparse as sp

    if not sp.issparse(components):
        return components
    if components.format != "csr" or components.ndim != 2 or components.shape[1] != features:
        refuse([("components_", f"must be a table of {features} columns")], loc)
    rows = int(components.shape[0])
    check_sizes(rows, 0, loc)
    starts, columns, numbers = (np.asarray(part) for part in (components.indptr, components.indices, components.data))
    good = (
        (starts.dtype.kind, columns.dtype.kind, numbers.dtype.kind) == ("i", "i", "f")
        and starts.shape == (rows + 1,)
        and columns.shape == numbers.shape == (starts[-1],)
        and starts[0] == 0
        and bool((np.diff(starts) >= 0).all())
        and bool(((columns >= 0) & (columns < features)).all())
    )
    refuse([] if good else [("components_", "is no table of numbers")], loc)
    table = np.zeros((rows, features))
    np.add.at(table, (np.repeat(np.arange(rows), np.diff(starts)), columns), numbers)
    return table


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


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "components_", loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, worked out in float64 where the model was fitted on float32."""
    return SklearnReference(asked(estimator), head)


def asked(estimator: Any, plain: bool = True) -> Any:
    """The same projection with its numbers as float64: fitted on float32, it takes off a mean that it has rounded."""
    exact = copy.copy(estimator)
    for name in ("mean_", "components_", "explained_variance_", "noise_variance_"):
        found = vars(estimator).get(name)
        if isinstance(found, np.ndarray):
            setattr(exact, name, found.astype(np.float64))
    return exact


@cache
def _known() -> frozenset[type]:
    from sklearn import decomposition, neighbors, random_projection

    places = (decomposition, neighbors, random_projection)
    return frozenset(getattr(place, name) for place in places for name in SUPPORTED if hasattr(place, name))
