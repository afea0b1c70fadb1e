"""Nearest centroid, k-means, mean shift and affinity propagation: the nearest of some points, which is the best of as many linear scores.

What counts is `predict`, `predict_proba`, `decision_function` and `transform` of scikit-learn 1.4 to 1.9. A row is as far
from a point c as |x|² - 2 c·x + |c|², and |x|² is the same for all points: the nearest is the first with the largest
c·x - |c|²/2. Points that lie far from 0 are counted from their middle, and so is the row, since the scores would be
differences of large numbers otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import labels_of, refuse, shown, whole
from mcugen.frontends.sklearn.coefficients import Floats, check_size, numbers_of
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.reference import NEAR_TIE, SklearnReference
from mcugen.ir import Array, GraphBuilder
from mcugen.ops.affine import Affine
from mcugen.ops.distances import Distances
from mcugen.ops.linear import Linear
from mcugen.rows import single

_MODULES = {
    "AffinityPropagation": "sklearn.cluster._affinity_propagation",
    "KMeans": "sklearn.cluster._kmeans",
    "MeanShift": "sklearn.cluster._mean_shift",
    "MiniBatchKMeans": "sklearn.cluster._kmeans",
}
CLUSTERS = tuple(_MODULES)
SUPPORTED = (*CLUSTERS, "NearestCentroid")
TRUSTED = (
    *(f"{module}.{name}" for name, module in _MODULES.items()),
    "sklearn.neighbors._nearest_centroid.NearestCentroid",
)
# What is read, and so all that a prediction may depend on.
_HOLDS = (
    "classes_", "centroids_", "class_prior_", "cluster_centers_", "n_features_in_", "within_class_std_dev_", "_check_test_data",
    "_decision_function", "_transform",
)  # fmt: skip
MOST_THREADS = 4096  # beyond, a file wants to do harm
FAR = 3.0  # half ranges of the points from 0, from which on they are counted from their middle


@dataclass(frozen=True, eq=False)
class Centres:
    """Points (points, features), what a difference in a feature is divided by, and what each point is worth by itself."""

    points: Floats
    over: Floats
    worth: Floats

    def scores(self, x: Floats) -> Floats:
        """worth - squared distance of rows (n, features), (n, points)."""
        parts = np.square((x[:, None, :] - self.points) / self.over)
        return np.asarray(self.worth - parts.sum(axis=2))

    def lost(self, x: Floats) -> Floats:
        """What scikit-learn may round squared distances of rows (n, features) by, (n,): it adds up |x|², |c|² and c·x."""
        sizes = np.square(x / self.over).sum(axis=1) + np.square(self.points / self.over).sum(axis=1).max()
        return np.asarray(8 * np.finfo(np.float64).eps * sizes)


def takes(estimator: object) -> bool:
    """Whether the estimator is one of scikit-learn's that have centres, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself; a cluster's label is its index."""
    base, state = _checked(estimator, loc)
    features = features_of(state, loc)
    if base.__name__ in CLUSTERS:
        return _head_of_clusters(base, state, features, loc)
    metric = state.get("metric")
    if not isinstance(metric, str) or metric != "euclidean":
        raise error(
            "E0302",
            f"this NearestCentroid has the metric {shown(metric)}",
            help="fit it with metric='euclidean', or a KNeighborsClassifier(n_neighbors=1) on its centroids_ and classes_",
            loc=loc,
        )
    labels = labels_of(state.get("classes_"), loc)
    if len(labels) < 2:
        refuse([("classes_", "has a single label; nearest centroids tell at least two apart")], loc)
    check_sizes(0, len(labels), loc)
    full = hasattr(base, "predict_proba")  # since scikit-learn 1.6
    return Head(base, features, ("label", "proba", "decision") if full else ("label",), labels)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted model as a node `linear` or `distances`, after an `affine` where its points lie far from 0."""
    _, state = _checked(estimator, loc)
    nearest, scored = _centres(state, head, loc)
    if wanted == "transform":
        return builder.add(Distances(nearest.points), x, loc=loc)
    if wanted == "label":
        return _linear(builder, x, nearest, wanted, loc)
    if wanted == "decision" and len(scored.points) > 2:  # scores themselves, |x|² and all
        decisions = builder.add(Distances(scored.points, scored.worth, scored.over), x, loc=loc)
        return _linear(builder, x, nearest, "label", loc) + decisions
    label, numbers = _linear(builder, x, scored, wanted, loc)
    return (label if nearest is scored else _linear(builder, x, nearest, "label", loc)[0]), numbers


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, with an eye to what its own sums round."""
    nearest, scored = _centres(vars(estimator), head, Loc())
    if head.base.__name__ not in CLUSTERS:
        return CentresReference(estimator, head, nearest, scored)
    asked = copy(estimator)  # a model in float32 would take rows of float32 alone, and round to that
    vars(asked)["cluster_centers_"] = nearest.points
    return CentresReference(asked, head, nearest, scored)


class CentresReference(SklearnReference):
    """A model that expands squares of differences, |x|² - 2 c·x + |c|²: far from 0 that rounds a lot."""

    def __init__(self, estimator: object, head: Head, nearest: Centres, scored: Centres) -> None:
        super().__init__(estimator, head)
        self._nearest, self._scored = nearest, scored

    def scores(self, rows: Array) -> Floats:
        return self._nearest.scores(self._rows(rows))

    def near_ties(self, rows: Array) -> npt.NDArray[np.bool_]:
        best = np.sort(self.scores(rows), axis=1)[:, -2:]
        gap = np.abs(best[:, -1] - best[:, 0])
        return np.asarray(gap <= NEAR_TIE * np.abs(best).max(axis=1) + self._nearest.lost(self._rows(rows)))

    def rounding(self, rows: Array) -> Floats:
        """Of squares; of the distances of k-means, which are their roots."""
        lost = self._scored.lost(self._rows(rows))
        if self._head.base.__name__ not in CLUSTERS:
            return lost
        nearest = np.sqrt(np.abs(self.scores(rows)).min(axis=1))
        return np.asarray(lost / np.maximum(nearest, np.sqrt(lost) + np.finfo(np.float64).tiny))

    def _rows(self, rows: Array) -> Floats:
        x = single(rows).astype(np.float64)
        x[~self.accepts(rows)] = 0.0
        return x


def _head_of_clusters(base: type, state: Mapping[str, object], features: int, loc: Loc) -> Head:
    centres = state["cluster_centers_"]
    if not isinstance(centres, np.ndarray) or centres.ndim != 2 or centres.dtype not in (np.float32, np.float64):
        refuse([("cluster_centers_", "must be a two-dimensional array of float32 or float64")], loc)
    assert isinstance(centres, np.ndarray)
    threads = whole(state.get("_n_threads", 1))
    if threads is None or not 0 < threads <= MOST_THREADS:
        refuse([("_n_threads", f"must be a number of threads, not {shown(state.get('_n_threads'))}")], loc)
    check_sizes(0, len(centres), loc)
    outputs: tuple[Output, ...] = ("label",) if len(centres) > 1 else ()
    if hasattr(base, "transform"):
        outputs = (*outputs, "transform")
    if not outputs:
        text = f"this {base.__name__} found {len(centres)} clusters: there is nothing to tell apart"
        raise error("E0302", text, help="fit it so that it finds two at least", loc=loc)
    return Head(base, features, outputs, tuple(range(len(centres))) or None)


def _centres(state: Mapping[str, object], head: Head, loc: Loc) -> tuple[Centres, Centres]:
    """What the label is the nearest of, and what the other numbers are made of."""
    count = len(head.labels or ())
    name = "cluster_centers_" if head.base.__name__ in CLUSTERS else "centroids_"
    points = numbers_of(state, name, (count, head.n_features), loc)
    plain = Centres(points, np.ones(head.n_features), np.zeros(count))
    if name == "cluster_centers_" or len(head.outputs) == 1:
        return plain, plain
    prior = numbers_of(state, "class_prior_", (count,), loc)
    spread = numbers_of(state, "within_class_std_dev_", (head.n_features,), loc)
    refuse([("within_class_std_dev_", "has negative numbers")] * bool((spread < 0).any()), loc)
    if (prior <= 0).any():
        raise error(
            "E0302", "this NearestCentroid has priors of 0", help="leave out the classes that cannot be", loc=loc
        )
    scored = Centres(points, np.where(spread == 0, 1.0, spread), 2 * np.log(prior))
    return (plain if np.isclose(prior, 1 / count).all() else scored), scored


def _linear(builder: GraphBuilder, x: str, centres: Centres, wanted: Output, loc: Loc) -> tuple[str, ...]:
    x, centres = _counted(builder, x, centres, loc)
    with np.errstate(over="ignore"):
        scaled = centres.points / centres.over
        weights, bias = 2 * scaled / centres.over, centres.worth - np.square(scaled).sum(axis=1)
    if wanted == "label":  # any unit serves
        power = -int(np.frexp(np.abs(weights).max())[1])
        weights, bias = np.ldexp(weights, power), np.ldexp(bias, power)
    elif not np.isfinite(bias).all():
        bias = np.full_like(bias, np.finfo(np.float64).max)
    check_size(float(max(np.abs(weights).max(), np.abs(bias).max())), "the scores", loc)
    if len(weights) == 2:
        return builder.add(Linear(weights[1:] - weights[:1], bias[1:] - bias[:1], wanted, "sigmoid"), x, loc=loc)
    return builder.add(Linear(weights, bias, wanted, "softmax"), x, loc=loc)


def _counted(builder: GraphBuilder, x: str, centres: Centres, loc: Loc) -> tuple[str, Centres]:
    """The row and the points, counted from their middle where they lie far from 0."""
    middle = _middle(centres.points)
    if not middle.any():
        return x, centres
    (x,) = builder.add(Affine(middle, np.ones(len(middle))), x, loc=loc)
    return x, replace(centres, points=centres.points - middle)


def _middle(points: Floats) -> Floats:
    """Per feature the middle of the points' range where that lies far from 0, else 0; a float32, so that x less it is exact
    next to it."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle = single(low / 2 + high / 2).astype(np.float64)
    return np.where(np.abs(middle) >= FAR * (high / 2 - low / 2), middle, 0.0)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    fitted = "cluster_centers_" if base.__name__ in CLUSTERS else "centroids_"
    return base, state_of(estimator, base, fitted, loc, also=_HOLDS)


@cache
def _known() -> frozenset[type]:
    from sklearn import cluster, neighbors

    return frozenset([getattr(cluster, name) for name in CLUSTERS] + [neighbors.NearestCentroid])
