"""Partial least squares: one op, `linear`, of the row less the training rows' mean."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from mcugen.diagnostics import Loc
from mcugen.frontends import Output
from mcugen.frontends.sklearn.attributes import refuse
from mcugen.frontends.sklearn.coefficients import Floats, check_size, numbers_of, rows_in, weights_of
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.ir import GraphBuilder
from mcugen.ops.linear import Linear

SUPPORTED = ("CCA", "PLSCanonical", "PLSRegression")
TRUSTED = tuple(f"sklearn.cross_decomposition._pls.{name}" for name in SUPPORTED)
# What is read, and so all that an answer may depend on.
_HOLDS = ("coef_", "intercept_", "x_rotations_", "_x_mean", "_x_std")


def takes(estimator: object) -> bool:
    """Whether the estimator is one of the three, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted one says of itself."""
    base, state = _checked(estimator, loc)
    return Head(base, features_of(state, loc), ("value", "transform"), several=rows_in(state) > 1)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """(x - mean) · coefficients + intercept; of a transform (x - mean) / deviation · rotations."""
    _, state = _checked(estimator, loc)
    n = head.n_features
    mean = numbers_of(state, "_x_mean", (n,), loc)
    if wanted == "transform":
        weights, bias = _rotations(state, n, loc)
    else:
        weights, bias = weights_of(state, n, rows_in(state), loc)
    bias = bias - weights @ mean
    check_size(float(np.abs(bias).max()), "intercept_ less what the mean comes to", loc)
    output: Output = "value" if wanted == "value" and not head.several else "transform"
    return builder.add(Linear(weights, bias, output, around=mean), x, loc=loc)


def _rotations(state: Mapping[str, object], features: int, loc: Loc) -> tuple[Floats, Floats]:
    """The directions of the scores (components, features), and what each begins with."""
    deviation = numbers_of(state, "_x_std", (features,), loc)
    refuse((("_x_std", f"must be positive; number {i} is not") for i in np.flatnonzero(deviation <= 0)), loc)
    weights = numbers_of(state, "x_rotations_", (features, None), loc).T / deviation
    check_size(float(np.abs(weights).max()), "x_rotations_ by _x_std", loc)
    return np.ascontiguousarray(weights), np.zeros(len(weights))


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "coef_", loc, also=_HOLDS)


@cache
def _known() -> frozenset[type]:
    from sklearn import cross_decomposition

    return frozenset(getattr(cross_decomposition, name) for name in SUPPORTED)
