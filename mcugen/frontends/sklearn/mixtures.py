"""GaussianMixture: the component that most likely made a row, one op `quadratic`.

What counts is `_estimate_weighted_log_prob` of scikit-learn 1.4 to 1.9: for each component the logarithm of its weight, less half
the squared length of the row's distance from `means_` by `precisions_cholesky_`, and the logarithm of that's determinant.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output
from mcugen.frontends.sklearn.attributes import refuse, shown, word
from mcugen.frontends.sklearn.coefficients import Floats, check_size, numbers_of
from mcugen.frontends.sklearn.head import NO_POWER, Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.quadratic import COARSEST
from mcugen.gaussian import AROUND
from mcugen.ir import GraphBuilder
from mcugen.ops.quadratic import Quadratic
from mcugen.quadratic import Forms, quadratic

SUPPORTED = ("GaussianMixture",)
TRUSTED = ("sklearn.mixture._gaussian_mixture.GaussianMixture",)
HOLDS = ("covariance_type", "means_", "precisions_cholesky_", "weights_", "_estimate_log_prob", "_estimate_log_weights")


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
        raise error("E0302", "this GaussianMixture has a single component", help=help, loc=loc)
    return Head(base, features, ("label", "proba"), tuple(range(count)), NO_POWER if count == 2 else None)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted mixture as a node `quadratic`."""
    forms, sizes = _forms(_checked(estimator, loc)[1], head, loc)
    off = quadratic(forms, sizes).step
    if off > COARSEST:
        text = f"a covariance is too near to a singular one: distances would be off by {off:.2g} deviations"
        help = "fit with a larger `reg_covar`, or leave out features that follow from others"
        raise error("E0302", text, help=help, loc=loc)
    return builder.add(Quadratic(forms, sizes, wanted), x, loc=loc)


def _forms(state: Mapping[str, object], head: Head, loc: Loc) -> tuple[Forms, npt.NDArray[np.int64]]:
    """The components as quadratic forms, and the sizes of the features: the means and six deviations around them."""
    count, features = len(head.labels or ()), head.n_features
    means = numbers_of(state, "means_", (count, features), loc)
    weights = numbers_of(state, "weights_", (count,), loc)
    refuse([("weights_", "must be positive numbers")] * bool((weights <= 0).any()), loc)
    matrices, offsets, constants, widest = [], [], [], np.zeros(features)
    for k, factor in enumerate(_factors(state, count, features, loc)):
        diagonal = np.diag(factor)
        refuse(
            [("precisions_cholesky_", f"component {k} must have a positive diagonal")] * bool((diagonal <= 0).any()),
            loc,
        )
        matrices.append(factor.T / np.sqrt(2))
        offsets.append(matrices[-1] @ means[k])
        constants.append(np.log(weights[k]) + np.log(diagonal).sum())
        spread = np.sqrt(np.square(np.linalg.inv(factor)).sum(axis=0))
        widest = np.maximum(widest, np.abs(means[k]) + AROUND * spread)
    for found in (*matrices, *offsets, widest):
        check_size(float(np.abs(found).max()), "precisions_cholesky_", loc)
    return Forms(tuple(matrices), tuple(offsets), np.array(constants)), np.frexp(widest)[1].astype(np.int64) + 126


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
    from sklearn.mixture import GaussianMixture

    return frozenset([GaussianMixture])
