"""KernelDensity: the logarithm of the density at a row (`score_samples`) as a value; ops `kernel_values` and `density`.

What counts is `score_samples` of scikit-learn 1.4 to 1.9 with its tolerances of 0: the logarithm of the mean of kernels of the distances
from the training rows, each of the volume 1. Where the bounds of its tree leave more of that than there is (far from all rows, 0
becomes some 1e-16 there), it is the sum of all kernels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import lgamma, log, pi
from typing import Any, cast, get_args

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.fixed import Floats
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import refuse, shown
from mcugen.frontends.sklearn.coefficients import check_size, number_of, numbers_of
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of, too_large
from mcugen.ir import GraphBuilder
from mcugen.ops.density import Density, DensityKernel
from mcugen.ops.kernel_values import KernelValues
from mcugen.ops.reshape import Reshape
from mcugen.ops.svm.machine import Kernel

SUPPORTED = ("KernelDensity",)
TRUSTED = ("sklearn.neighbors._kde.KernelDensity",)
HOLDS = ("tree_", "bandwidth_", "score_samples")
MOST_POINTS = 30_000  # an index of squares has 16 bits


@dataclass(frozen=True, eq=False)
class Estimate:
    """Points (points, features) of positive weights (points,), and the kernel that lies about each."""

    points: Floats
    weights: Floats
    bandwidth: float
    kernel: DensityKernel
    constant: float


def takes(estimator: object) -> bool:
    """Whether the estimator is a KernelDensity, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted one says of itself."""
    base, state = _checked(estimator, loc)
    return Head(base, features_of(state, loc), ("value",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """Squares of distances in bandwidths, and the logarithm of what kernels add up to."""
    e = estimate(_checked(estimator, loc)[1], head, loc)
    (squares,) = builder.add(KernelValues(Kernel("squares", e.bandwidth**-2), e.points), x, loc=loc)
    (found,) = builder.add(Density(e.kernel, e.weights, e.constant), squares, loc=loc)
    return builder.add(Reshape(()), found, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, of a tree made anew: the one from a file follows unchecked indices."""
    from mcugen.frontends.sklearn.kernel_density_reference import DensityReference

    return DensityReference(asked(estimator), head, estimate(vars(estimator), head, Loc()))


def asked(estimator: Any, plain: bool = True) -> Any:
    """One that has its `score_samples` as `predict`, for pipelines that end in it."""
    from mcugen.frontends.sklearn.kernel_density_reference import AskedDensity

    e = estimate(vars(estimator), head(estimator, Loc()), Loc())
    uniform = bool((e.weights == e.weights[0]).all())
    made = AskedDensity(bandwidth=e.bandwidth, kernel=e.kernel)
    made.estimate_ = e
    return made.fit(e.points, sample_weight=None if uniform else e.weights)


def estimate(state: Mapping[str, object], head: Head, loc: Loc) -> Estimate:
    """What a fitted one holds, checked."""
    kernel = state.get("kernel")
    if not isinstance(kernel, str) or kernel not in get_args(DensityKernel):
        refuse([("kernel", f"must be one of {', '.join(get_args(DensityKernel))}, not {shown(kernel)}")], loc)
    for name in ("atol", "rtol"):
        if number_of(state, name, loc) != 0:
            help = "fit with atol=0 and rtol=0"
            raise error("E0302", "its densities are rough ones", help=help, loc=loc.within(name))
    points, weights = _points(state, head, loc)
    bandwidth = number_of(state, "bandwidth_", loc)
    refuse([("bandwidth_", f"must be positive, not {bandwidth:.3g}")] * (bandwidth <= 0), loc)
    check_size(float(max(np.abs(points).max(), 1.0)) / bandwidth, "tree_", loc)
    check_size(1 / bandwidth**2, "bandwidth_", loc)
    volume = _log_volume(cast(DensityKernel, kernel), head.n_features)
    if volume is None:
        text = f"scikit-learn's volume of the cosine kernel in {head.n_features} dimensions is no number, nor are its answers"
        raise error("E0302", text, help="fit with another kernel, or on fewer features", loc=loc.within("kernel"))
    constant = -volume - head.n_features * log(bandwidth) - log(weights.sum())
    return Estimate(points, weights, bandwidth, cast(DensityKernel, kernel), constant)


def _points(state: Mapping[str, object], head: Head, loc: Loc) -> tuple[Floats, Floats]:
    """The training rows that have a weight, and these."""
    from sklearn.neighbors import BallTree, KDTree

    tree: Any = state.get("tree_")
    if type(tree) not in (BallTree, KDTree):
        refuse([("tree_", f"must be a tree of neighbours, not {shown(tree)}")], loc)
    if not any(type(part).__name__ == "EuclideanDistance64" for part in tree.__getstate__()):
        help = "fit with metric='euclidean'"
        raise error("E0302", "its distances are not Euclidean", help=help, loc=loc.within("metric"))
    held = {"tree_": np.array(tree.data), "sample_weight": tree.sample_weight}
    points = numbers_of(held, "tree_", (None, head.n_features), loc)
    if len(points) > MOST_POINTS:
        raise too_large(f"{len(points):,} training rows; the generated C takes {MOST_POINTS:,}", loc)
    if held["sample_weight"] is None:
        return points, np.ones(len(points))
    held["sample_weight"] = np.array(held["sample_weight"])
    weights = numbers_of(held, "sample_weight", (len(points),), loc)
    refuse([("sample_weight", "must be 0 or more, not all 0")] * bool((weights < 0).any() or not weights.any()), loc)
    return points[weights > 0], weights[weights > 0]


def _log_volume(kernel: DensityKernel, dimensions: int) -> float | None:
    """The logarithm of a kernel's integral as scikit-learn has it; None where that is the logarithm of a negative number."""
    if kernel == "gaussian":
        return dimensions * log(2 * pi) / 2
    ball = _log_ball(dimensions)
    sphere = log(2 * pi) + _log_ball(dimensions - 2)
    if kernel == "cosine":
        part, term = 0.0, 2 / pi
        for k in range(1, dimensions + 1, 2):
            part += term
            term *= -(dimensions - k) * (dimensions - k - 1) * (2 / pi) ** 2
        return log(part) + sphere if part > 0 else None
    return {
        "tophat": ball,
        "epanechnikov": ball + log(2 / (dimensions + 2)),
        "linear": ball - log(dimensions + 1),
        "exponential": sphere + lgamma(dimensions),
    }[kernel]


def _log_ball(dimensions: int) -> float:
    """The logarithm of the volume of a ball of radius 1."""
    return dimensions * log(pi) / 2 - lgamma(dimensions / 2 + 1)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "tree_", loc, also=HOLDS)


@cache
def _known() -> frozenset[type]:
    from sklearn.neighbors import KernelDensity

    from mcugen.frontends.sklearn.kernel_density_reference import AskedDensity

    return frozenset([AskedDensity, KernelDensity])
