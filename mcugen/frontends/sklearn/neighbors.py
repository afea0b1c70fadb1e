"""Nearest neighbours: one op, `knn`, that holds the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.distance import MOST_FEATURES, Metric, points_of
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import labels_of, refuse, shown, tables_of, whole
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of, too_large
from mcugen.ir import Array, GraphBuilder
from mcugen.ops.choose import Choose
from mcugen.ops.knn import Knn, Votes

SUPPORTED = ("KNeighborsClassifier", "KNeighborsRegressor")
TRUSTED = (
    "sklearn.neighbors._classification.KNeighborsClassifier",
    "sklearn.neighbors._regression.KNeighborsRegressor",
)
METRICS: Mapping[str, Metric] = {
    "euclidean": "euclidean",
    "l2": "euclidean",
    "manhattan": "manhattan",
    "cityblock": "manhattan",
    "l1": "manhattan",
    "chebyshev": "chebyshev",
    "infinity": "chebyshev",
}
MOST_POINTS = 65_535
FEWEST_STEPS = (
    64  # of the grid, that the values of a feature lie apart at most: with fewer its distances are rounded away
)


def takes(estimator: object) -> bool:
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    base = base_of(estimator, _known())
    assert base is not None
    state = state_of(estimator, base, "_fit_X", loc, also=("kneighbors",))
    features = features_of(state, loc)
    if base.__name__ == "KNeighborsRegressor":
        return Head(base, features, ("value",), several=_answers_in(state) > 1)
    if _answers_in(state) > 1:
        tables = tables_of(state.get("classes_"), _answers_in(state), loc)
        check_sizes(0, max(map(len, tables)), loc)
        return Head(base, features, ("label",), several=True, tables=tables)
    labels = labels_of(state.get("classes_"), loc)
    check_sizes(0, len(labels), loc)
    return Head(base, features, ("label", "proba"), labels)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    op = read_knn(estimator, head, wanted, loc)
    if not head.tables:
        return builder.add(op, x, loc=loc)
    votes = np.concatenate(
        [np.eye(len(table))[one] * (len(table) > 1) for table, one in zip(head.tables, op.answers.T, strict=True)],
        axis=1,
    )
    (shares,) = builder.add(replace(op, answers=votes, output="value"), x, loc=loc)
    return builder.add(Choose(tuple(map(len, head.tables))), shares, loc=loc)


def read_knn(estimator: object, head: Head, wanted: Output, loc: Loc) -> Knn:
    """The op of a fitted estimator, every array checked."""
    state = vars(estimator)
    points = points_in(state.get("_fit_X"), head.n_features, loc)
    answers = _answers(state.get("_y"), head, len(points), loc)
    metric = _metric(state, loc)
    _check_scales(points, metric, loc)
    neighbours = _neighbours(state.get("n_neighbors"), len(points), loc)
    check_tree(state.get("_tree"), points, loc)
    return Knn(points, answers, neighbours, len(head.labels or ()), wanted, _votes(state.get("weights"), loc), metric)


def reference(estimator: object, head: Head) -> Reference:
    from mcugen.frontends.sklearn.multi_output_reference import ManyReference
    from mcugen.frontends.sklearn.neighbors_reference import NeighborsReference

    op = read_knn(estimator, head, head.outputs[0], Loc())
    if not head.several:
        return NeighborsReference(estimator, head, op)
    apart = []
    for i, answers in enumerate(op.answers.T):
        one, own = copy(estimator), replace(op, answers=answers)
        alone = replace(head, several=False, tables=())
        if head.tables:
            one.classes_ = np.array(head.tables[i])  # type: ignore[attr-defined]  # a KNeighborsClassifier has them
            own = replace(own, classes=len(head.tables[i]))
            alone = replace(alone, labels=head.tables[i])
        apart.append(NeighborsReference(one, alone, own))
    return ManyReference(apart)


def points_in(given: object, features: int, loc: Loc) -> npt.NDArray[np.float64]:
    if type(given).__module__.startswith("scipy.sparse"):
        help = "fit on a dense array: `fit(X.toarray(), y)`"
        raise error("E0302", "the training rows are sparse", help=help, loc=loc.within("_fit_X"))
    if not isinstance(given, np.ndarray) or given.ndim != 2 or given.dtype.kind not in "fiub":
        refuse([("_fit_X", f"must be an array of numbers (rows, {features}), not {shown(given)}")], loc)
    assert isinstance(given, np.ndarray)
    if given.shape[1] != features or not len(given):
        refuse([("_fit_X", f"has the shape {given.shape}; the model has {features} features")], loc)
    points = given.astype(np.float64)
    if not (np.abs(points) < 2.0**126).all():  # not NaN either
        refuse([("_fit_X", "holds numbers that are not finite or too large for float32")], loc)
    if len(points) > MOST_POINTS or features > MOST_FEATURES:
        limits = f"{MOST_POINTS:,} rows of {MOST_FEATURES:,} features"
        raise too_large(f"{len(points):,} training rows of {features:,} features; the generated C takes {limits}", loc)
    return points


def check_tree(tree: object, points: npt.NDArray[np.float64], loc: Loc) -> None:
    """E0107 where scikit-learn would find neighbours in a tree of other rows."""
    from sklearn.neighbors import BallTree, KDTree

    if type(tree) in (BallTree, KDTree) and not np.array_equal(tree.data, points):  # type: ignore[attr-defined]
        refuse([("_fit_X", "holds other rows than the tree that finds neighbours")], loc)


def _answers(given: object, head: Head, rows: int, loc: Loc) -> Array:
    """The class indices or the numbers of the training rows."""
    classes = bool(head.labels or head.tables)
    if not isinstance(given, np.ndarray) or given.dtype.kind not in ("iu" if classes else "fiu"):
        refuse([("_y", f"must be an array of {'class indices' if classes else 'numbers'}, not {shown(given)}")], loc)
    assert isinstance(given, np.ndarray)
    if given.ndim not in (1, 2) or given.shape[0] != rows or (given.size != rows and not head.several):
        refuse([("_y", f"has the shape {given.shape}; there are {rows:,} training rows")], loc)
    if not classes:
        numbers = given.reshape((rows, -1) if head.several else rows).astype(np.float64)
        if not (np.abs(numbers) < 2.0**126).all():
            refuse([("_y", "holds numbers that are not finite or too large for float32")], loc)
        return numbers
    counts = np.array([*map(len, head.tables or (head.labels or (),))])
    columns = given.reshape(rows, -1)
    if columns.shape[1] != len(counts) or (columns < 0).any() or (columns >= counts).any():
        refuse([("_y", f"names a class outside the model's {', '.join(map(str, counts))}")], loc)
    return columns.astype(np.int64) if head.tables else columns[:, 0].astype(np.int64)


def _answers_in(state: Mapping[str, object]) -> int:
    """How many answers a training row has."""
    shape: tuple[int, ...] = getattr(state.get("_y"), "shape", ())
    return max(int(shape[1]), 1) if len(shape) == 2 else 1


def _neighbours(given: object, rows: int, loc: Loc) -> int:
    count = whole(given)
    if count is None or not 0 < count <= rows:
        text = f"must be a whole number from 1 to the {rows:,} training rows, not {shown(given)}"
        refuse([("n_neighbors", text)], loc)
    assert count is not None
    return count


def _votes(given: object, loc: Loc) -> Votes:
    if given is None or (isinstance(given, str) and given in ("uniform", "distance")):
        return "distance" if given == "distance" else "uniform"
    help = 'fit with weights="uniform" or weights="distance"'
    raise error("E0302", f"weights={shown(given)} is not supported", help=help, loc=loc.within("weights"))


def _metric(state: Mapping[str, object], loc: Loc) -> Metric:
    given, options = state.get("effective_metric_"), state.get("effective_metric_params_")
    plain = options in (None, {}) if options is None or isinstance(options, dict) else False
    if isinstance(given, str) and given in METRICS and plain:
        return METRICS[given]
    what = shown(given) + ("" if plain else " with parameters")
    help = f"fit with one of the metrics {', '.join(METRICS)}, or with minkowski and p=1 or p=2"
    raise error("E0302", f"the metric {what} is not supported", help=help, loc=loc.within("effective_metric_"))


def _check_scales(points: npt.NDArray[np.float64], metric: Metric, loc: Loc) -> None:
    """E0302 for features so much smaller than others that no 32 bits hold both."""
    step = points_of(points, 32, metric).step
    apart = points.max(axis=0) - points.min(axis=0)
    small = np.flatnonzero((apart > 0) & (apart < FEWEST_STEPS * step))
    if len(small):
        widest = int(apart.argmax())
        text = (
            f"feature {small[0]} varies by {apart[small[0]]:.3g} and feature {widest} by {apart[widest]:.3g}: "
            "beside that, distances do not see it"
        )
        help = "scale the features first, as with `make_pipeline(StandardScaler(), ...)`"
        raise error("E0302", text, help=help, loc=loc.within("_fit_X"))


@cache
def _known() -> frozenset[type]:
    from sklearn import neighbors

    return frozenset(getattr(neighbors, name) for name in SUPPORTED)
