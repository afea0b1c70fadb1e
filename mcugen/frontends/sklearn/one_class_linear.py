"""SGDOneClassSVM: on which side of a plane a row lies; one op `linear`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from mcugen.diagnostics import Loc
from mcugen.frontends import Output
from mcugen.frontends.sklearn.coefficients import numbers_of
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.ir import GraphBuilder
from mcugen.ops.linear import Linear

SUPPORTED = ("SGDOneClassSVM",)
TRUSTED = (
    "sklearn.linear_model._stochastic_gradient.SGDOneClassSVM",
    "sklearn.linear_model._sgd_fast.Hinge",
)


def takes(estimator: object) -> bool:
    """Whether the estimator is an SGDOneClassSVM, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted machine says of itself."""
    base, state = _checked(estimator, loc)
    return Head(base, features_of(state, loc), ("label", "decision"), (-1, 1))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A node `linear` of one row."""
    state = _checked(estimator, loc)[1]
    flat = getattr(state["coef_"], "ndim", 1) == 1
    weights = numbers_of(state, "coef_", (head.n_features,) if flat else (1, head.n_features), loc).reshape(1, -1)
    offset = numbers_of(state, "offset_", (1,), loc)
    return builder.add(Linear(weights, -offset, wanted, "sigmoid"), x, loc=loc)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "coef_", loc, also=("coef_", "offset_"))


@cache
def _known() -> frozenset[type]:
    from sklearn.linear_model import SGDOneClassSVM

    return frozenset([SGDOneClassSVM])
