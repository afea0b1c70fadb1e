"""BisectingKMeans: down a tree to the nearer of two centres at every node: ops `linear`, `tree_ensemble`; or `distances`.

What counts is `predict` and `transform` of scikit-learn 1.4 to 1.9. Which of two centres is nearer is the sign of a linear score, and the
scores of all nodes are features of a tree whose thresholds are 0.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import refuse, shown, whole
from mcugen.frontends.sklearn.centroids import MOST_THREADS
from mcugen.frontends.sklearn.coefficients import Floats, check_size, numbers_of
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.reference import NEAR_TIE, SklearnReference, single
from mcugen.frontends.sklearn.tree_arrays import LEAF, TreeArrays
from mcugen.frontends.sklearn.tree_members import joined
from mcugen.ir import Array, GraphBuilder
from mcugen.ops.affine import Affine
from mcugen.ops.distances import Distances
from mcugen.ops.linear import Linear
from mcugen.ops.tree_ensemble import TreeEnsemble

SUPPORTED = ("BisectingKMeans",)
TRUSTED = ("sklearn.cluster._bisect_k_means.BisectingKMeans", "sklearn.cluster._bisect_k_means._BisectingTree")
HOLDS = ("cluster_centers_", "_bisecting_tree", "_X_mean", "_predict_recursive", "_transform", "_check_test_data")


@dataclass(frozen=True, eq=False)
class _Tree:
    """The nodes of a tree in preorder: children (nodes, 2), LEAF where there are none, the cluster of a leaf, and centres
    (nodes, features)."""

    children: npt.NDArray[np.int64]
    clusters: npt.NDArray[np.int64]
    centres: Floats

    @property
    def splits(self) -> npt.NDArray[np.int64]:
        """The nodes that have children."""
        return np.flatnonzero(self.children[:, 0] != LEAF)

    @property
    def middle(self) -> Floats:
        """What rows are counted from."""
        return single(self.centres.mean(axis=0)).astype(np.float64)

    def scores(self) -> tuple[Floats, Floats]:
        """Weights (splits, features) and constants (splits,) for rows counted from the middle, above 0 where the second is nearer."""
        first, second = (self.centres[self.children[self.splits, k]] - self.middle for k in range(2))
        return 2 * (second - first), ((first - second) * (first + second)).sum(axis=1)

    def arrays(self, clusters: int) -> TreeArrays:
        """A tree of the scores' signs."""
        leaf = self.children[:, 0] == LEAF
        feature = np.zeros(len(leaf), np.int64)
        feature[~leaf] = np.arange(len(self.splits))
        value = np.where(leaf[:, np.newaxis], np.eye(clusters)[self.clusters], 1 / clusters)
        nothing = np.zeros(len(leaf))
        return TreeArrays(
            self.children[:, 0], self.children[:, 1], feature, nothing, nothing.astype(bool), value, np.ones(len(leaf))
        )


def takes(estimator: object) -> bool:
    """Whether the estimator is a BisectingKMeans, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted one says of itself; a cluster's label is its index."""
    base, state = _checked(estimator, loc)
    features = features_of(state, loc)
    threads = whole(state.get("_n_threads", 1))
    if threads is None or not 0 < threads <= MOST_THREADS:
        refuse([("_n_threads", f"must be a number of threads, not {shown(state.get('_n_threads'))}")], loc)
    count = len(numbers_of(state, "cluster_centers_", (None, features), loc))
    check_sizes(0, count, loc)
    outputs: tuple[Output, ...] = ("label", "transform") if count > 1 else ("transform",)
    return Head(base, features, outputs, tuple(range(count)))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """The scores of all nodes and a tree of these; of two clusters a score alone."""
    state, clusters = _checked(estimator, loc)[1], len(head.labels or ())
    tree = _tree(state, head, loc)
    if wanted == "transform":
        points = numbers_of(state, "cluster_centers_", (clusters, head.n_features), loc)
        return builder.add(Distances(points), x, loc=loc)
    weights, bias = tree.scores()
    power = -int(np.frexp(np.abs(weights).max())[1])  # any unit serves
    weights, bias = np.ldexp(weights, power), np.ldexp(bias, power)
    check_size(float(max(np.abs(weights).max(), np.abs(bias).max())), "the scores", loc)
    (x,) = builder.add(Affine(tree.middle, np.ones(head.n_features)), x, loc=loc)
    if len(bias) == 1 and tree.clusters[1] == 0:
        return builder.add(Linear(weights, bias, "label", "sigmoid"), x, loc=loc)
    (scores,) = builder.add(Linear(weights, bias, "transform"), x, loc=loc)
    return builder.add(TreeEnsemble(joined([tree.arrays(clusters)], len(bias), loc), "label"), scores, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, with an eye to what its own sums round."""
    asked = copy.copy(estimator)
    for name in ("cluster_centers_", "_X_mean"):  # of a model in float32, it would round rows
        found = vars(estimator).get(name)
        if isinstance(found, np.ndarray):
            vars(asked)[name] = found.astype(np.float64)
    vars(asked)["_bisecting_tree"] = _in_float64(vars(estimator)["_bisecting_tree"])
    return TreeOfCentresReference(asked, head, _tree(vars(estimator), head, Loc()))


class TreeOfCentresReference(SklearnReference):
    """Squares of differences are expanded, |c|² - 2 c·x: far from 0 that rounds a lot."""

    def __init__(self, estimator: object, head: Head, tree: _Tree) -> None:
        super().__init__(estimator, head)
        self._tree = tree

    def near_ties(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows for which two centres on their way are as near, to what rounding tells."""
        x, tree = self._rows(rows), self._tree
        at, tied = np.zeros(len(x), np.int64), np.zeros(len(x), bool)
        while (inside := tree.children[at, 0] != LEAF).any():
            first, second = (np.square(x - tree.centres[tree.children[at, k]]).sum(axis=1) for k in range(2))
            tied |= inside & (np.abs(first - second) <= NEAR_TIE * np.maximum(first, second) + self._lost(x))
            at = np.where(inside, tree.children[at, (second < first).astype(np.int64)], at)
        return tied

    def rounding(self, rows: Array) -> Floats:
        """Of distances, which are roots."""
        x = self._rows(rows)
        lost, centres = self._lost(x), np.asarray(self._model.cluster_centers_)
        nearest = np.sqrt(np.square(x[:, np.newaxis] - centres).sum(axis=2).min(axis=1))
        return np.asarray(lost / np.maximum(nearest, np.sqrt(lost) + np.finfo(np.float64).tiny))

    def _lost(self, x: Floats) -> Floats:
        sizes = np.square(x).sum(axis=1) + np.square(self._tree.centres).sum(axis=1).max()
        return np.asarray(8 * np.finfo(np.float64).eps * sizes)

    def _rows(self, rows: Array) -> Floats:
        x = single(rows).astype(np.float64)
        x[~self.accepts(rows)] = 0.0
        return x


def _tree(state: Mapping[str, object], head: Head, loc: Loc) -> _Tree:
    clusters, place = len(head.labels or ()), loc.within("_bisecting_tree")
    mean = np.zeros(head.n_features)
    if "_X_mean" in state:
        mean = numbers_of(state, "_X_mean", (head.n_features,), loc)
    children, named, centres = [], [], []
    for below, cluster, node in _nodes(state.get("_bisecting_tree"), 2 * clusters - 1, place):
        children.append(below)
        named.append(cluster)
        centres.append(numbers_of(vars(node), "center", (head.n_features,), place) + mean)
    tree = _Tree(np.array(children), np.array(named), np.array(centres))
    leaves = tree.clusters[tree.children[:, 0] == LEAF]
    if not np.array_equal(np.sort(leaves), np.arange(clusters)):
        refuse([("_bisecting_tree", f"must name each of {clusters} clusters at one leaf")], loc)
    return tree


def _nodes(root: object, most: int, loc: Loc) -> Iterator[tuple[tuple[int, int], int, object]]:
    """The nodes in preorder: the places of their children, their clusters, themselves."""
    from sklearn.cluster._bisect_k_means import _BisectingTree

    waiting: list[tuple[object, int, int]] = [(root, -1, 0)]
    found: list[tuple[object, list[int], int | None]] = []
    parents: list[tuple[int, int]] = []
    while waiting:
        node, parent, side = waiting.pop()
        if type(node) is not _BisectingTree or len(found) >= most:
            refuse([("", f"must be a tree of {most} nodes")], loc)
        left, right = vars(node).get("left"), vars(node).get("right")
        if (left is None) != (right is None):
            refuse([("", "has a node with one child")], loc)
        found.append((node, [LEAF, LEAF], whole(vars(node).get("label")) if left is None else 0))
        parents.append((parent, side))
        if left is not None:
            waiting += [(right, len(found) - 1, 1), (left, len(found) - 1, 0)]
    for i, (parent, side) in enumerate(parents):
        if parent >= 0:
            found[parent][1][side] = i
    for node, (first, second), cluster in found:
        if cluster is None or not 0 <= cluster < most:
            refuse([("label", "must be a cluster's index at every leaf")], loc)
        yield (first, second), cluster or 0, node


def _in_float64(node: object) -> object:
    """A copy of a checked tree with its centres in float64."""
    made = copy.copy(node)
    for name, value in vars(node).items():
        if name in ("left", "right") and value is not None:
            vars(made)[name] = _in_float64(value)
        elif name == "center":
            vars(made)[name] = np.asarray(value, np.float64)
    return made


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    state = state_of(estimator, base, "_bisecting_tree", loc, also=HOLDS)
    if not isinstance(state.get("cluster_centers_"), np.ndarray):
        raise error("E0107", "it has no `cluster_centers_`", help="fit it again", loc=loc)
    return base, state


@cache
def _known() -> frozenset[type]:
    from sklearn.cluster import BisectingKMeans

    return frozenset([BisectingKMeans])
