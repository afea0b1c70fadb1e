"""LocalOutlierFactor of new rows: squares of distances to the training rows, and how dense these lie about the nearest.

What counts is `decision_function` of scikit-learn 1.4 to 1.9, with `novelty=True`: of the nearest training rows the mean density `_lrd`,
times the mean of the distances, each no smaller than that row's own to its last neighbour, taken off `-offset_`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.fixed import Floats
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import flag, refuse, shown
from mcugen.frontends.sklearn.coefficients import check_size, count_of, number_of, numbers_of
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of, too_large
from mcugen.frontends.sklearn.neighbors import METRICS, check_tree, points_in
from mcugen.frontends.sklearn.reference import NEAR_TIE, SklearnReference, single
from mcugen.ir import Array, GraphBuilder
from mcugen.ops.kernel_values import KernelValues
from mcugen.ops.linear import Linear
from mcugen.ops.outlier_factor import OutlierFactor
from mcugen.ops.svm.machine import Kernel

SUPPORTED = ("LocalOutlierFactor",)
TRUSTED = ("sklearn.neighbors._lof.LocalOutlierFactor",)
HOLDS = (
    "_fit_X",
    "_lrd",
    "_distances_fit_X_",
    "n_neighbors_",
    "offset_",
    "_local_reachability_density",
    "score_samples",
    "kneighbors",
)
LITTLE = 1e-10  # that scikit-learn adds to mean distances
MOST_NEIGHBOURS = 1_000  # on the stack
MOST_POINTS = 30_000  # an index of squares has 16 bits
EVEN = 1e-12  # of a square: closer ones may change places
AT_ONCE = 2_000_000  # distances


def takes(estimator: object) -> bool:
    """Whether the estimator is a LocalOutlierFactor, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted one says of itself."""
    base, state = _checked(estimator, loc)
    if not flag(state, "novelty", loc):
        help = "fit with novelty=True: without, it says of its training rows alone which are outliers"
        raise error("E0302", "this LocalOutlierFactor has no answers for new rows", help=help, loc=loc)
    return Head(base, features_of(state, loc), ("label", "decision"), (-1, 1))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """Squares of distances, the factor, and its sign."""
    points, op, power = _read(_checked(estimator, loc)[1], head, loc)
    (squares,) = builder.add(KernelValues(Kernel("squares", 4.0**-power), points), x, loc=loc)
    (score,) = builder.add(op, squares, loc=loc)
    return builder.add(Linear(np.ones((1, 1)), np.zeros(1), wanted, "sigmoid", delicate=False), score, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, and the rows on which they hang on the order of equally near rows."""
    return LocalOutlierReference(estimator, head)


class LocalOutlierReference(SklearnReference):
    """A fitted estimator, with a tree made anew of its training rows: `brute` expands squares, which costs it digits."""

    def __init__(self, estimator: Any, head: Head) -> None:
        from sklearn.neighbors import KDTree

        points, op, power = _read(vars(estimator), head, Loc())
        model = copy.copy(estimator)
        for name in ("_lrd", "_distances_fit_X_"):
            setattr(model, name, vars(estimator)[name].astype(np.float64))
        model._fit_X, model._tree = points, KDTree(points)
        model._fit_method = model.algorithm = "kd_tree"
        model.n_jobs = None
        super().__init__(model, head)
        self._points, self._op, self._unit = points, op, 2.0**power

    def near_ties(self, rows: Array) -> npt.NDArray[np.bool_]:
        return np.asarray(np.abs(self.scores(rows)[:, 0]) <= NEAR_TIE + self.rounding(rows))

    def rounding(self, rows: Array) -> Floats:
        """What choosing among rows that are equally near may change."""
        x = np.where(self.accepts(rows)[:, None], single(rows), np.float32(0)).astype(np.float64)
        chunk = max(1, AT_ONCE // len(self._points))
        return np.concatenate([self._open(x[i : i + chunk]) for i in range(0, max(len(x), 1), chunk)])

    def _open(self, x: Floats) -> Floats:
        """The most that a score may be less the least, (rows,)."""
        from scipy.spatial.distance import cdist

        op, squares = self._op, cdist(x, self._points, "sqeuclidean")
        last = np.partition(squares, op.neighbours - 1, axis=1)[:, op.neighbours - 1 : op.neighbours]
        sure, even = squares < last * (1 - EVEN), np.abs(squares - last) <= last * EVEN
        reached = np.maximum(np.sqrt(squares), op.reach * self._unit)
        density = np.broadcast_to(op.density / self._unit, squares.shape)
        need = op.neighbours - sure.sum(axis=1)
        settled = even.sum(axis=1) == need
        bounds = []
        for pick, fill in ((np.min, np.inf), (np.max, -np.inf)):
            sums = [
                np.where(sure, one, 0).sum(axis=1) + need * pick(np.where(even, one, fill), axis=1)
                for one in (reached, density)
            ]
            bounds.append(sums[0] * sums[1] / op.neighbours**2)
        return np.where(settled, 0.0, bounds[1] - bounds[0])


def _read(state: Mapping[str, object], head: Head, loc: Loc) -> tuple[Floats, OutlierFactor, int]:
    """The training rows, what is made of the squares of distances from them, and the power of two that these are divided by."""
    points = points_in(state.get("_fit_X"), head.n_features, loc)
    check_tree(state.get("_tree"), points, loc)
    _check_metric(state, loc)
    count, neighbours = len(points), count_of(state, "n_neighbors_", loc)
    refuse([("n_neighbors_", f"must be at most {count}, not {neighbours}")] * (neighbours > count), loc)
    if count > MOST_POINTS or neighbours > MOST_NEIGHBOURS:
        text = f"{neighbours:,} neighbours among {count:,} rows; the generated C takes {MOST_NEIGHBOURS:,} among {MOST_POINTS:,}"
        raise too_large(text, loc)
    density = numbers_of(state, "_lrd", (count,), loc)
    reach = numbers_of(state, "_distances_fit_X_", (count, neighbours), loc)[:, -1]
    refuse([("_lrd", "must be positive numbers")] * bool((density <= 0).any()), loc)
    refuse([("_distances_fit_X_", "has negative numbers")] * bool((reach < 0).any()), loc)
    power = int(np.frexp(float(np.ptp(points, axis=0).max()) or 1.0)[1])
    unit = 2.0**power
    check_size(float(density.max() * unit), "_lrd", loc)
    factor = OutlierFactor(reach / unit, density * unit, neighbours, number_of(state, "offset_", loc), LITTLE / unit)
    return points, factor, power


def _check_metric(state: Mapping[str, object], loc: Loc) -> None:
    metric = state.get("effective_metric_")
    if not isinstance(metric, str) or METRICS.get(metric) != "euclidean":
        help = "fit with metric='euclidean', or with minkowski and p=2"
        raise error(
            "E0302", f"the metric {shown(metric)} is not supported", help=help, loc=loc.within("effective_metric_")
        )


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "_fit_X", loc, also=HOLDS)


@cache
def _known() -> frozenset[type]:
    from sklearn.neighbors import LocalOutlierFactor

    return frozenset([LocalOutlierFactor])
