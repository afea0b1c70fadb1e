"""Kernels of a row and points, and sums of these: Nystroem, KernelPCA and KernelRidge.

What counts is `transform` and `predict` of scikit-learn 1.4 to 1.9: of a Nystroem kernels of `components_` times `normalization_`, of a
KernelRidge those of `X_fit_` times `dual_coef_`. A KernelPCA takes means off the kernels of `X_fit_`, which are sums, too, so that its
projections are kernels times weights that add up to 0, and a constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.fixed import Floats
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import refuse, shown
from mcugen.frontends.sklearn.coefficients import columns_in, columns_of, is_sparse, numbers_of
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.frontends.sklearn.kernel_sums import Factor, Sums, SumsReference, Term, add_pairwise, pairwise
from mcugen.ir import GraphBuilder
from mcugen.ops.svm.machine import Kernel

_MODULES = {
    "KernelPCA": "sklearn.decomposition._kernel_pca",
    "KernelRidge": "sklearn.kernel_ridge",
    "Nystroem": "sklearn.kernel_approximation",
}
SUPPORTED = tuple(_MODULES)
TRUSTED = (
    *(f"{module}.{name}" for name, module in _MODULES.items()),
    "sklearn.preprocessing._data.KernelCenterer",
)
_FITTED = {"KernelPCA": "eigenvectors_", "KernelRidge": "dual_coef_", "Nystroem": "normalization_"}


@dataclass(frozen=True, eq=False)
class _Map:
    """A kernel, its points (points, features), weights (sums, points) and what is added (sums,)."""

    kernel: Kernel | str
    points: Floats
    weights: Floats
    bias: Floats


def takes(estimator: object) -> bool:
    """Whether the estimator is one of the three, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    base, state = _checked(estimator, loc)
    if base.__name__ == "KernelRidge":
        return Head(base, features_of(state, loc), ("value",), several=columns_in(state, "dual_coef_") > 1)
    return Head(base, features_of(state, loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """Kernel values, and their sums."""
    m = _map(_checked(estimator, loc)[1], head, loc)
    output: Output = "transform" if head.several else wanted
    maps = head.outputs == ("transform",)
    return add_pairwise(builder, x, m.kernel, m.points, m.weights, m.bias, output, loc, maps)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers; what its float64 leaves of sums counts."""
    m = _map(vars(estimator), head, Loc())
    if not isinstance(m.kernel, Kernel):
        return SumsReference(estimator, head, None, expanded=True)
    sums = Sums((Term((Factor(m.kernel, m.points),), m.weights),), m.bias)
    return SumsReference(estimator, head, sums, expanded=True)


def _map(state: Mapping[str, object], head: Head, loc: Loc) -> _Map:
    name, n = head.base.__name__, head.n_features
    points_name = "components_" if name == "Nystroem" else "X_fit_"
    if is_sparse(state.get(points_name)):
        help = "fit on a dense array: `fit(X.toarray(), y)`"
        raise error("E0302", "it was fitted on sparse rows", help=help, loc=loc.within(points_name))
    kernel = pairwise(_options(state, name, loc), n, loc)
    points = numbers_of(state, points_name, (None, n), loc)
    if name == "Nystroem":
        weights = numbers_of(state, "normalization_", (len(points), len(points)), loc)
        return _Map(kernel, points, weights, np.zeros(len(points)))
    if name == "KernelPCA":
        return _Map(kernel, points, *_projections(state, len(points), loc))
    weights = columns_of(state, "dual_coef_", len(points), loc)
    return _Map(kernel, points, weights, np.zeros(len(weights)))


def _options(state: Mapping[str, object], name: str, loc: Loc) -> Mapping[str, object]:
    """What `pairwise` reads: of a KernelPCA its gamma is an attribute that `fit` leaves."""
    if name != "KernelPCA":
        return state
    return {**state, "gamma": state.get("gamma_", state.get("gamma")), "kernel_params": None}


def _projections(state: Mapping[str, object], count: int, loc: Loc) -> tuple[Floats, Floats]:
    """The weights (sums, points) and constants (sums,) of a KernelPCA: kernels less their mean, less those of the training."""
    values = numbers_of(state, "eigenvalues_", (None,), loc)
    vectors = numbers_of(state, "eigenvectors_", (count, len(values)), loc)
    refuse([("eigenvalues_", "has negative numbers")] * bool((values < 0).any()), loc)
    centre = state.get("_centerer")
    if type(centre).__name__ != "KernelCenterer" or not hasattr(centre, "__dict__"):
        refuse([("_centerer", f"must be a KernelCenterer, not {shown(centre)}")], loc)
    held = vars(centre)
    rows = numbers_of(held, "K_fit_rows_", (count,), loc.within("_centerer"))
    found = held.get("K_fit_all_")
    whole = {"K_fit_all_": np.asarray(found) if isinstance(found, float | np.floating) else found}
    mean = float(numbers_of(whole, "K_fit_all_", (), loc.within("_centerer")))
    with np.errstate(divide="ignore"):
        weights = np.where(values > 0, vectors / np.sqrt(values), 0.0).T
    return weights - weights.sum(axis=1, keepdims=True) / count, -(weights @ (rows - mean))


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, _FITTED[base.__name__], loc, also=("_get_kernel", "_get_kernel_params"))


@cache
def _known() -> frozenset[type]:
    from sklearn import decomposition, kernel_approximation, kernel_ridge

    return frozenset([decomposition.KernelPCA, kernel_approximation.Nystroem, kernel_ridge.KernelRidge])
