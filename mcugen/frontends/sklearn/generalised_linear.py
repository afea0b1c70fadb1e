"""PoissonRegressor, GammaRegressor and TweedieRegressor: a sum of products, and `exp` of it where the link is the logarithm.

What counts is `predict` of scikit-learn 1.4 to 1.9: the inverse link of `coef_` and `intercept_`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from mcugen.diagnostics import Loc
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import numbers_of, refuse, shown, word
from mcugen.frontends.sklearn.coefficients import weights_of
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.frontends.sklearn.reference import SklearnReference
from mcugen.frontends.sklearn.transformed_reference import TransformedReference
from mcugen.ir import GraphBuilder
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.linear import Linear

SUPPORTED = ("GammaRegressor", "PoissonRegressor", "TweedieRegressor")
LOSSES = {
    True: ("HalfGammaLoss", "HalfPoissonLoss", "HalfTweedieLoss"),  # of a logarithm
    False: ("HalfTweedieLossIdentity",),
}
TRUSTED = (
    *(f"sklearn.linear_model._glm.glm.{name}" for name in SUPPORTED),
    *(f"sklearn._loss.loss.{name}" for names in LOSSES.values() for name in names),
)
_HOLDS = ("coef_", "intercept_", "n_features_in_", "_base_loss", "_linear_predictor")


def takes(estimator: object) -> bool:
    """Whether the estimator is one of these, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    base, state = _checked(estimator, loc)
    _exponential(base, state, loc)
    return Head(base, features_of(state, loc), ("value",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A node `linear`, and `exp` of what it gives."""
    base, state = _checked(estimator, loc)
    weights, bias = weights_of(state, head.n_features, 1, loc)
    made = builder.add(Linear(weights, bias, "value"), x, loc=loc)
    return builder.add(Elementwise("Exp"), *made, loc=loc) if _exponential(base, state, loc) else made


def reference(estimator: object, head: Head) -> Reference:
    """The sum in float64 by scikit-learn, and NumPy's `exp`, which is its inverse link."""
    from sklearn.linear_model import LinearRegression

    base, state = _checked(estimator, Loc())
    inner = LinearRegression()
    weights, bias = weights_of(state, head.n_features, 1, Loc())
    inner.coef_, inner.intercept_, inner.n_features_in_ = weights[0], float(bias[0]), head.n_features
    back = Elementwise("Exp") if _exponential(base, state, Loc()) else None
    return TransformedReference(estimator, head, SklearnReference(inner, head), back)


def _exponential(base: type, state: Mapping[str, object], loc: Loc) -> bool:
    """Whether the link is the logarithm."""
    logarithm = True
    if base.__name__ == "TweedieRegressor":
        link = word(state, "link", loc, "auto")
        if link not in ("auto", "identity", "log"):
            refuse([("link", f"must be 'auto', 'identity' or 'log', not {shown(link)}")], loc)
        logarithm = link == "log" or (link == "auto" and float(numbers_of(state, "power", (), loc)) > 0)
    loss = type(state.get("_base_loss")).__name__
    if loss not in LOSSES[logarithm]:
        refuse([("_base_loss", f"must be of a kind of {', '.join(LOSSES[logarithm])}, not {loss}")], loc)
    return logarithm


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "coef_", loc, also=_HOLDS)


@cache
def _known() -> frozenset[type]:
    from sklearn import linear_model

    return frozenset(getattr(linear_model, name) for name in SUPPORTED)
