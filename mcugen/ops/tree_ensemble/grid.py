"""What a feature may be: float32, or an integer of 8 or 16 bits, where every threshold is an integer too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mcugen.ir import DType
from mcugen.ops.tree_ensemble.trees import Trees

Values = npt.NDArray[np.float32]
INTEGERS = (DType.U8, DType.I16)
TAKEN = (DType.F32, *INTEGERS)
NEGATIVE_NAN = np.array([0xFFC00000], np.uint32).view(np.float32)[0]


@dataclass(frozen=True)
class Grid:
    """The numbers that a type of feature has. Every one of them is a float32, too."""

    type: DType

    @property
    def whole(self) -> bool:
        """Whether there are integers only, and so no NaN."""
        return self.type in INTEGERS

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest number."""
        if not self.whole:
            return -np.inf, np.inf
        return (0.0, 255.0) if self.type == DType.U8 else (-32768.0, 32767.0)

    @property
    def special(self) -> Values:
        """What is tried in every feature."""
        if self.whole:
            return np.array(self.ends, np.float32)
        return np.array([np.nan, NEGATIVE_NAN, np.inf, -np.inf, 0.0, -0.0], np.float32)

    def above(self, x: Values) -> Values:
        """The next number above each, or the largest."""
        return self._within(np.floor(x) + 1) if self.whole else np.nextafter(x, np.float32(np.inf))

    def below(self, x: Values) -> Values:
        """The next number below each, or the least."""
        return self._within(np.ceil(x) - 1) if self.whole else np.nextafter(x, np.float32(-np.inf))

    def at(self, x: Values) -> Values:
        """The largest number that is not above each, or the least."""
        return self._within(np.floor(x)) if self.whole else x

    def _within(self, x: Values) -> Values:
        return np.clip(x, *self.ends).astype(np.float32)


def on_grid(trees: Trees, grid: Grid) -> Trees:
    """The trees with their thresholds on the grid, without the splits that send all numbers to one side.

    For integers `x <= t` is `x <= floor(t)`; what splits above have decided is known below. NaN has no side of its own.
    """
    stands, order = np.arange(len(trees.feature)), list[int]()
    for root in trees.roots:
        order += _asked(trees, int(root), grid, stands)
    kept = np.array(order)
    place = np.zeros(len(stands), np.int32)
    place[kept] = np.arange(len(kept), dtype=np.int32)
    split = trees.feature[kept] >= 0

    def child(side: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        return np.where(split, place[stands[side[kept]]], np.arange(len(kept))).astype(np.int32)

    return replace(
        trees,
        feature=trees.feature[kept],
        threshold=np.where(split, grid.at(trees.threshold[kept]), np.float32(0)),
        left=child(trees.left),
        right=child(trees.right),
        missing_left=trees.missing_left[kept] & (not grid.whole),
        leaf=trees.leaf[kept],
        roots=place[stands[trees.roots]],
        visits=trees.visits[kept],
    )


def _asked(trees: Trees, root: int, grid: Grid, stands: npt.NDArray[np.intp]) -> list[int]:
    """The nodes of a tree that are still there, in preorder; `stands` gets which of them stands for each that is not."""
    order, gone = [], list[tuple[int, int]]()
    stack = [(root, dict[int, tuple[float, float]]())]
    while stack:
        node, ranges = stack.pop()
        sides = [*_sides(trees, node, grid, ranges)]
        if len(sides) == 1:
            gone.append((node, sides[0][0]))
        else:
            order.append(node)
        stack += reversed(sides)
    for node, side in reversed(gone):  # a side's own stand-in is known first
        stands[node] = stands[side]
    return order


def _sides(
    trees: Trees, node: int, grid: Grid, ranges: dict[int, tuple[float, float]]
) -> Iterator[tuple[int, dict[int, tuple[float, float]]]]:
    """The children that numbers reach, each with the range (lowest, highest) of every feature asked about on the way."""
    feature, left, right = int(trees.feature[node]), int(trees.left[node]), int(trees.right[node])
    if feature < 0:
        return
    if not grid.whole:
        yield left, ranges
        if trees.threshold[node] < np.inf or not trees.missing_left[node]:
            yield right, ranges
        return
    most = np.floor(float(trees.threshold[node]))
    low, high = ranges.get(feature, grid.ends)
    if most >= low:
        yield left, {**ranges, feature: (low, min(high, most))}
    if most < high:
        yield right, {**ranges, feature: (max(low, most + 1), high)}
