"""One `sklearn.tree._tree.Tree`: its arrays, and every check that they need before anything follows an index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.frontends.sklearn.attributes import shown
from mcugen.ir import Array

LEAF = -1  # sklearn.tree._tree.TREE_LEAF
SUM_TOLERANCE = 1e-6  # proportions are sums divided by a separately summed weight: rounding, far below a count's error


@dataclass(frozen=True, eq=False)
class TreeArrays:
    """One tree's nodes, indices local to the tree; a leaf has -1 as children.

    left, right   (nodes,) int64
    feature       (nodes,) int64; meaningless at a leaf
    threshold     (nodes,) float64; meaningless at a leaf
    missing_left  (nodes,) bool
    value         (nodes, outputs) float64, those of several answers one behind the other; what counts is at the leaves
    samples       (nodes,) float64; training samples by weight: no answer depends on it, so it is not checked
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    feature: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float64]
    missing_left: npt.NDArray[np.bool_]
    value: npt.NDArray[np.float64]
    samples: npt.NDArray[np.float64]

    @property
    def is_leaf(self) -> npt.NDArray[np.bool_]:
        """(nodes,) bool."""
        return np.equal(self.left, LEAF)

    @property
    def size(self) -> int:
        """Number of nodes."""
        return len(self.left)


@dataclass(frozen=True)
class Wanted:
    """What every tree of a model must agree with: features, outputs (classes, or 1) of each answer, whether outputs are
    proportions, and how many answers there are.
    """

    n_features: int
    n_outputs: int
    classifier: bool
    answers: int = 1


def arrays_of(tree: Any, wanted: Wanted) -> TreeArrays | str:
    """The arrays of a Tree, not checked yet, or what keeps them from being read."""
    from sklearn.tree._tree import Tree

    if type(tree) is not Tree:
        return f"must be a sklearn.tree._tree.Tree, not {shown(tree)}"
    # The sizes first: scikit-learn makes its arrays over raw memory, as long as node_count says.
    if not 0 < tree.node_count <= tree.capacity:
        return f"has {tree.node_count} nodes in a table of {tree.capacity}"
    if tree.n_features != wanted.n_features:
        return f"was fitted on {tree.n_features} features; the model says {wanted.n_features}"
    if (tree.n_outputs, tree.max_n_classes) != (wanted.answers, wanted.n_outputs):
        needed = f"{wanted.answers} x {wanted.n_outputs}"
        return f"has {tree.n_outputs} x {tree.max_n_classes} values per node; the model needs {needed}"
    return _copied(tree)


def _copied(tree: Any) -> TreeArrays:
    def column(name: str) -> Array:
        return np.asarray(getattr(tree, name))

    return TreeArrays(
        column("children_left").astype(np.int64),
        column("children_right").astype(np.int64),
        column("feature").astype(np.int64),
        column("threshold").astype(np.float64),
        column("missing_go_to_left").astype(np.bool_),
        column("value").reshape(tree.node_count, -1).astype(np.float64),
        column("weighted_n_node_samples").astype(np.float64),
    )


def problems_of(arrays: TreeArrays, wanted: Wanted) -> Iterator[str]:
    """All that is wrong with the arrays, children first: indices out of range, cycles, thresholds, values."""
    structure = [*_child_problems(arrays)]
    yield from structure or _reach_problems(arrays)
    yield from _split_problems(arrays, wanted)
    yield from _value_problems(arrays, wanted)


def _child_problems(arrays: TreeArrays) -> Iterator[str]:
    left, right, size = arrays.left, arrays.right, arrays.size
    yield from _where((left == LEAF) != (right == LEAF), "has one child only")
    for side, child in (("left", left), ("right", right)):
        outside = (child != LEAF) & ((child <= 0) | (child >= size))
        yield from _where(outside, f"has a {side} child outside the tree's {size} nodes", child)


def _reach_problems(arrays: TreeArrays) -> Iterator[str]:
    """Children are in range here. A tree: every node but the root has one parent, and all parents lead to the root."""
    splits = np.flatnonzero(~arrays.is_leaf)
    children = np.concatenate([arrays.left[splits], arrays.right[splits]])
    parents = np.bincount(children, minlength=arrays.size)
    yield from _where(parents > 1, "has more than one parent")
    orphans = parents == 0
    orphans[0] = False
    yield from _where(orphans, "is not reached from the root")
    if (parents[1:] == 1).all():
        yield from _where(_unrooted(arrays, splits), "is part of a cycle")


def _unrooted(arrays: TreeArrays, splits: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    # Each round doubles how far up `above` looks, so a chain of a million nodes takes twenty rounds, not a million.
    above = np.zeros(arrays.size, np.int64)
    above[arrays.left[splits]] = splits
    above[arrays.right[splits]] = splits
    for _ in range(arrays.size.bit_length()):
        above = above[above]
    return np.not_equal(above, 0)


def _split_problems(arrays: TreeArrays, wanted: Wanted) -> Iterator[str]:
    split = ~arrays.is_leaf
    outside = split & ((arrays.feature < 0) | (arrays.feature >= wanted.n_features))
    yield from _where(outside, f"splits on a feature outside the model's {wanted.n_features}", arrays.feature)
    # Infinite is fine: scikit-learn itself splits at +inf where all that counts is whether a value is missing.
    yield from _where(split & np.isnan(arrays.threshold), "has a threshold that is not a number", arrays.threshold)


def _value_problems(arrays: TreeArrays, wanted: Wanted) -> Iterator[str]:
    leaf = arrays.is_leaf
    odd = leaf & ~np.isfinite(arrays.value).all(axis=1)
    yield from _where(odd, "has a value that is not finite")
    if not wanted.classifier:
        return
    leaf = leaf & ~odd
    negative = leaf & (arrays.value < 0).any(axis=1)
    yield from _where(negative, "has a negative class proportion (negative sample weights cannot be compiled)")
    with np.errstate(over="ignore"):  # finite huge values may overflow in the sum, which then is not 1 either
        total = arrays.value.reshape(arrays.size, wanted.answers, -1).sum(axis=2)
    off = np.abs(total - 1)
    wrong = leaf & ~negative & ~(off <= SUM_TOLERANCE).all(axis=1)
    total = np.take_along_axis(total, off.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]
    yield from _where(wrong, "has class proportions that do not sum to 1 (scikit-learn before 1.3 kept counts)", total)


def _where(bad: npt.NDArray[np.bool_], what: str, values: Array | None = None) -> Iterator[str]:
    nodes = np.flatnonzero(bad)
    if not len(nodes):
        return
    value = "" if values is None else f": {shown(values[nodes[0]])}"
    others = f" (and {len(nodes) - 1} more nodes)" if len(nodes) > 1 else ""
    yield f"node {nodes[0]} {what}{value}{others}"
