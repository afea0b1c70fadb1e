"""GaussianProcessRegressor: its mean, sums of kernels of the training rows.

What counts is `predict` of scikit-learn 1.4 to 1.9: the kernel `kernel_` of a row and `X_train_`, times `alpha_`, in the target's units.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.fixed import Floats
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.coefficients import columns_in, columns_of, number_of, numbers_of
from mcugen.frontends.sklearn.gaussian_process_kernels import KERNELS, Product, products_of
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.frontends.sklearn.kernel_sums import Factor, Sums, SumsReference, Term, add_sums
from mcugen.ir import GraphBuilder
from mcugen.ops.linear import Linear

SUPPORTED = ("GaussianProcessRegressor",)
TRUSTED = (
    "sklearn.gaussian_process._gpr.GaussianProcessRegressor",
    *(f"sklearn.gaussian_process.kernels.{name}" for name in KERNELS),
)


def takes(estimator: object) -> bool:
    """Whether the estimator is scikit-learn's, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted process says of itself."""
    base, state = _checked(estimator, loc)
    return Head(base, features_of(state, loc), ("value",), several=columns_in(state, "alpha_") > 1)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """Kernel values of the training rows, and their sum."""
    sums = _sums(_checked(estimator, loc)[1], head.n_features, loc)
    output: Output = "transform" if head.several else wanted
    if all(_is_linear(term) for term in sums.terms):
        weights = sum(
            (term.weights @ term.factors[0].points for term in sums.terms), np.zeros((len(sums.bias), head.n_features))
        )
        return builder.add(Linear(weights, sums.bias + _offset(sums), output), x, loc=loc)
    return add_sums(builder, x, sums, output, loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers; what its float64 leaves of sums counts."""
    return SumsReference(estimator, head, _sums(vars(estimator), head.n_features, Loc()), expanded=False)


def _is_linear(term: Term) -> bool:
    kernel = term.factors[0].kernel
    return len(term.factors) == 1 and kernel.name == "poly" and kernel.degree == 1


def _offset(sums: Sums) -> Floats:
    return np.asarray(sum(term.factors[0].kernel.coef0 * term.weights.sum(axis=1) for term in sums.terms))


def _sums(state: Mapping[str, object], features: int, loc: Loc) -> Sums:
    points = numbers_of(state, "X_train_", (None, features), loc)
    alpha = columns_of(state, "alpha_", len(points), loc)
    bias, spread = (_units(state, name, len(alpha), loc) for name in ("_y_train_mean", "_y_train_std"))
    terms = []
    for product in products_of(state.get("kernel_"), features, loc.within("kernel_")):
        weights = product.times * spread[:, np.newaxis] * alpha
        if product.factors:
            terms.append(_term(product, points, weights))
        else:
            bias = bias + weights.sum(axis=1)
    return Sums(tuple(terms), bias)


def _term(product: Product, points: Floats, weights: Floats) -> Term:
    factors = [Factor(kernel, points if over is None else points / over, over) for kernel, over in product.factors]
    return Term(tuple(factors), weights)


def _units(state: Mapping[str, object], name: str, targets: int, loc: Loc) -> Floats:
    """What targets were shifted or divided by, (targets,); kept as a number or an array."""
    found = state.get(name)
    if isinstance(found, np.ndarray) and found.ndim:
        return numbers_of(state, name, (targets,), loc)
    return np.full(targets, number_of(state, name, loc))


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    state = state_of(estimator, base, "alpha_", loc)
    if "n_features_in_" not in state:
        text = "this GaussianProcessRegressor does not know how many features a row has"
        raise error("E0302", text, help="fit it on rows of numbers, with a kernel that looks at them", loc=loc)
    return base, state


@cache
def _known() -> frozenset[type]:
    from sklearn.gaussian_process import GaussianProcessRegressor

    return frozenset([GaussianProcessRegressor])
