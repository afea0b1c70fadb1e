"""The arrays of a tree ensemble, whatever library it came from: every split is `x[feature] <= threshold` on float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from mcugen.ops.tree_ensemble.combine import MEAN, Combine

IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Trees:
    """All trees of an ensemble, their nodes one after another.

    feature       (nodes,) int32; -1 at a leaf
    threshold     (nodes,) float32; a row goes left where `x <= threshold` in float32 (0 at a leaf; never -0.0 or NaN; +inf where
                  only missing values go right)
    left, right   (nodes,) int32; children as indices into these arrays (the node itself at a leaf)
    missing_left  (nodes,) bool; where NaN goes
    leaf          (nodes,) int32; the row of `values` at a leaf, -1 at a split
    values        (rows, outputs) float64; class probabilities, or one number
    roots         (trees,) int32
    visits        (nodes,) float64; the share of rows that is expected to pass the node, for the cost model only
    combine       what is done with the leaves that a row reaches
    takes_nan     whether NaN may come; where not, any side is right for it
    doubles       (nodes,) float64; the thresholds before they were rounded, of trees that compare what a pipeline gives them
                  without rounding it to float32, NaN where a threshold is exact: for the passes fold_scaling and pair_chains
    drawn         where the library drew the thresholds: `at` numbers of its training, which rows in use are, too, `between`
                  such, however near to each other, or where nothing is near (``): for the pass sure_sides
    """

    n_features: int
    feature: IntArray
    threshold: npt.NDArray[np.float32]
    left: IntArray
    right: IntArray
    missing_left: npt.NDArray[np.bool_]
    leaf: IntArray
    values: npt.NDArray[np.float64]
    roots: IntArray
    visits: npt.NDArray[np.float64]
    combine: Combine = MEAN
    takes_nan: bool = True
    doubles: npt.NDArray[np.float64] | None = None
    drawn: Literal["", "at", "between"] = ""

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.roots)

    @property
    def n_outputs(self) -> int:
        """Numbers that are averaged or added up: one per class, or 1."""
        return int(self.values.shape[1]) if self.combine.how == "mean" else self.combine.n_scores

    @property
    def n_classes(self) -> int:
        """Classes of a classifier: two where a single score decides by its sign."""
        return 2 if self.combine.how != "mean" and self.n_outputs == 1 else self.n_outputs

    @cached_property
    def numbers(self) -> npt.NDArray[np.bool_]:
        """(nodes,) bool; the splits whose feature is known to be a number: no NaN may come, or one above has turned it away."""
        if not self.takes_nan:
            return self.feature >= 0
        known = np.zeros(len(self.feature), np.bool_)
        stack = [(int(root), frozenset[int]()) for root in self.roots]
        while stack:
            node, shown = stack.pop()
            asked = int(self.feature[node])
            if asked < 0:
                continue
            known[node] = asked in shown
            with_it, left = shown | {asked}, bool(self.missing_left[node])
            stack.append((int(self.right[node]), with_it if left else shown))
            stack.append((int(self.left[node]), shown if left else with_it))
        return known

    def apply(self, rows: npt.NDArray[np.generic]) -> Iterator[IntArray]:
        """Per tree, the row of `values` that each row of (rows, features) float32 reaches."""
        x = np.asarray(rows, np.float32)
        for root in self.roots:
            at = np.full(len(x), root, np.int32)
            while (inside := self.feature[at] >= 0).any():
                here = at[inside]
                value = x[inside, self.feature[here]]
                to_left = np.where(np.isnan(value), self.missing_left[here], value <= self.threshold[here])
                at[inside] = np.where(to_left, self.left[here], self.right[here])
            yield self.leaf[at]


def preorder(trees: Trees, root: int) -> Iterator[int]:
    """The nodes of one tree: a split, then all of its left side, then all of its right side."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        if trees.feature[node] >= 0:
            stack += [int(trees.right[node]), int(trees.left[node])]


def float32_not_above(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The largest float32 not above each threshold: for float32 x, `x <= t` is the same as `x <= t32`. Never -0.0."""
    with np.errstate(all="ignore"):
        near = thresholds.astype(np.float32)
        below = np.nextafter(near, np.float32(-np.inf))
    above = near.astype(np.float64) > thresholds
    return np.where(above, below, near).astype(np.float32) + np.float32(0.0)
