"""GaussianMixture and BayesianGaussianMixture: the component that most likely made a row, one op `quadratic`.

What counts is `_estimate_weighted_log_prob` of scikit-learn 1.4 to 1.9: for each component the logarithm of its weight, less half
the squared length of the row's distance from `means_` by `precisions_cholesky_`, and the logarithm of that's determinant. A
BayesianGaussianMixture has expected logarithms in place of both, which are constants, too.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import numbers_of as filled_of
from mcugen.frontends.sklearn.attributes import refuse, shown, word
from mcugen.frontends.sklearn.coefficients import Floats, check_size, numbers_of
from mcugen.frontends.sklearn.head import NO_POWER, Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.quadratic import add_forms
from mcugen.frontends.sklearn.reference import SklearnReference
from mcugen.gaussian import AROUND
from mcugen.ir import GraphBuilder
from mcugen.quadratic import Forms

SUPPORTED = ("BayesianGaussianMixture", "GaussianMixture")
TRUSTED = (
    "sklearn.mixture._bayesian_mixture.BayesianGaussianMixture",
    "sklearn.mixture._gaussian_mixture.GaussianMixture",
)
PRIORS = ("dirichlet_distribution", "dirichlet_process")
HOLDS = (
    "covariance_type",
    "degrees_of_freedom_",
    "mean_precision_",
    "means_",
    "precisions_cholesky_",
    "weight_concentration_",
    "weights_",
    "_estimate_log_prob",
    "_estimate_log_weights",
)


def takes(estimator: object) -> bool:
    """Whether the estimator is a Gaussian mixture, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted mixture says of itself; a component's label is its index."""
    base, state = _checked(estimator, loc)
    features = features_of(state, loc)
    count = len(numbers_of(state, "means_", (None, features), loc))
    check_sizes(0, count, loc)
    if count < 2:
        help = "its answer is always 0: fit it with `n_components=2` or more"
        raise error("E0302", f"this {base.__name__} has a single component", help=help, loc=loc)
    return Head(base, features, ("label", "proba"), tuple(range(count)), NO_POWER if count == 2 else None)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted mixture as a node `quadratic`."""
    forms, sizes = _forms(_checked(estimator, loc)[1], head, loc)
    return add_forms(builder, x, forms, sizes, wanted, "fit with a larger `reg_covar`", loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, worked out in float64 where the model was fitted on float32."""
    return SklearnReference(asked(estimator), head)


def asked(estimator: Any, plain: bool = True) -> Any:
    """The same mixture with its numbers as float64: those of float32 are multiplied with each other in that."""
    exact = copy.copy(estimator)
    for name in ("means_", "precisions_cholesky_", "weights_"):
        setattr(exact, name, vars(estimator)[name].astype(np.float64))
    return exact


def _forms(state: Mapping[str, object], head: Head, loc: Loc) -> tuple[Forms, npt.NDArray[np.int64]]:
    """The components as quadratic forms, and the sizes of the features: the means and six deviations around them."""
    count, features = len(head.labels or ()), head.n_features
    means = numbers_of(state, "means_", (count, features), loc)
    bayesian = head.base.__name__ == "BayesianGaussianMixture"
    likely = _expected(state, count, features, loc) if bayesian else _logarithms(state, count, loc)
    matrices, offsets, constants, widest = [], [], [], np.zeros(features)
    for k, factor in enumerate(_factors(state, count, features, loc)):
        diagonal = np.diag(factor)
        refuse(
            [("precisions_cholesky_", f"component {k} must have a positive diagonal")] * bool((diagonal <= 0).any()),
            loc,
        )
        matrices.append(factor.T / np.sqrt(2))
        offsets.append(matrices[-1] @ means[k])
        constants.append(likely[k] + np.log(diagonal).sum())
        spread = np.sqrt(np.square(np.linalg.inv(factor)).sum(axis=0))
        widest = np.maximum(widest, np.abs(means[k]) + AROUND * spread)
    for found in (*matrices, *offsets, widest):
        check_size(float(np.abs(found).max()), "precisions_cholesky_", loc)
    return Forms(tuple(matrices), tuple(offsets), np.array(constants)), np.frexp(widest)[1].astype(np.int64) + 126


def _logarithms(state: Mapping[str, object], count: int, loc: Loc) -> Floats:
    """Of the components' weights, (count,)."""
    return np.log(_positive(state, "weights_", count, loc))


def _expected(state: Mapping[str, object], count: int, features: int, loc: Loc) -> Floats:
    """What a BayesianGaussianMixture expects of the logarithms of weights and determinants, (count,) (Bishop 2006, 10.65 and 10.66)."""
    from scipy.special import digamma

    prior, name = word(state, "weight_concentration_prior_type", loc), "weight_concentration_"
    if prior not in PRIORS:
        text = f"must be one of {', '.join(PRIORS)}, not {shown(prior)}"
        refuse([("weight_concentration_prior_type", text)], loc)
    given = state.get(name)
    if prior == PRIORS[0]:
        found = _positive(state, name, count, loc)
        weights = digamma(found) - digamma(found.sum())
    else:
        if not isinstance(given, tuple) or len(given) != 2:
            refuse([(name, f"must be two arrays, not {shown(given)}")], loc)
        assert isinstance(given, tuple)
        held = {f"{name}[{i}]": part for i, part in enumerate(given)}
        a, b = (_positive(held, part, count, loc) for part in held)
        left = digamma(b) - digamma(a + b)
        weights = digamma(a) - digamma(a + b) + np.concatenate([[0.0], np.cumsum(left)[:-1]])
    freedom = filled_of(state, "degrees_of_freedom_", (count,), loc)
    refuse([("degrees_of_freedom_", "must be above the features less 1")] * bool((freedom <= features - 1).any()), loc)
    precision = _positive(state, "mean_precision_", count, loc)
    spread = features * np.log(2.0) + digamma((freedom - np.arange(features)[:, np.newaxis]) / 2).sum(axis=0)
    return np.asarray(weights + (spread - features * np.log(freedom) - features / precision) / 2)


def _positive(state: Mapping[str, object], name: str, count: int, loc: Loc) -> Floats:
    found = numbers_of(state, name, (count,), loc)
    refuse([(name, "must be positive numbers")] * bool((found <= 0).any()), loc)
    return found


def _factors(state: Mapping[str, object], count: int, features: int, loc: Loc) -> list[Floats]:
    """The upper triangle that turns each component's differences into deviations, (features, features)."""
    kind, name = word(state, "covariance_type", loc), "precisions_cholesky_"
    shapes = {
        "full": (count, features, features),
        "tied": (features, features),
        "diag": (count, features),
        "spherical": (count,),
    }
    if kind not in shapes:
        refuse([("covariance_type", f"must be one of {', '.join(shapes)}, not {shown(kind)}")], loc)
    found = numbers_of(state, name, shapes[kind], loc)
    if kind in ("full", "tied"):
        refuse([(name, "must be upper triangular")] * bool(np.tril(found, -1).any()), loc)
        return [*np.broadcast_to(found, (count, features, features))]
    return [np.diag(np.broadcast_to(one, features)) for one in found]


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "means_", loc, also=HOLDS)


@cache
def _known() -> frozenset[type]:
    from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

    return frozenset([BayesianGaussianMixture, GaussianMixture])
