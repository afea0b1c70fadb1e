"""Splits on sets of categories, said with `x <= threshold` alone.

To scikit-learn a category is one number; every other number, NaN too, goes where missing values go. So a set of categories is a
set of single points on the line of numbers: a few splits find the point or the gap that x is in, and below each stands a copy
of the side that its rows go to. What a copy's own splits ask of the same feature is known by then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mcugen.frontends.sklearn.tree_arrays import LEAF, TreeArrays

MOST_NODES = 200_000  # of a model, its copies counted
Points = npt.NDArray[np.float32]
Range = tuple[float, float]  # above the first, not above the second
EVERYTHING: Range = (-np.inf, np.inf)


class TooManyError(Exception):
    """The copies of a model's trees have more nodes than MOST_NODES."""


@dataclass(frozen=True, eq=False)
class Sets:
    """The splits of a tree that ask for categories.

    points  by node: the numbers, sorted, that go elsewhere than missing values
    left    by node: whether missing values go left
    whole   whether x is an integer, so that nothing lies between two that follow one another
    """

    points: Mapping[int, Points]
    left: Mapping[int, bool]
    whole: bool

    def below(self, point: np.float32) -> float:
        """The next number below."""
        return float(point) - 1 if self.whole else float(np.nextafter(point, np.float32(-np.inf)))

    def segments(self, node: int, within: Range) -> list[tuple[float, bool]]:
        """The line within a range, cut: the end of each piece, and whether it goes left. The first begins where the range does."""
        found: list[tuple[float, bool]] = []
        start, default = within[0], self.left[node]
        for point in self.points[node]:
            if not within[0] < point <= within[1]:
                continue
            if self.below(point) > start:
                found.append((self.below(point), default))
            found.append((float(point), not default))
            start = float(point)
        if start < within[1]:
            found.append((within[1], default))
        return [piece for i, piece in enumerate(found) if i + 1 == len(found) or found[i + 1][1] != piece[1]]


@dataclass(frozen=True)
class _Place:
    """What is still to be written: a node of the tree (or some pieces of it), and whose child it becomes."""

    node: int
    ranges: Mapping[int, Range]
    share: float
    parent: int
    side: str
    pieces: tuple[tuple[float, bool], ...] = ()
    start: float = -np.inf


@dataclass
class _Writer:
    """The nodes written so far, as lists."""

    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    missing_left: list[bool] = field(default_factory=list)
    source: list[int] = field(default_factory=list)  # the tree's node that each was made of
    share: list[float] = field(default_factory=list)

    def node(self, place: _Place, feature: int, threshold: float, missing_left: bool) -> int:
        number = len(self.left)
        self.left.append(LEAF)
        self.right.append(LEAF)
        self.feature.append(feature)
        self.threshold.append(threshold)
        self.missing_left.append(missing_left)
        self.source.append(place.node)
        self.share.append(place.share)
        if place.parent >= 0:
            getattr(self, place.side)[place.parent] = number
        return number


def without_sets(tree: TreeArrays, sets: Sets, room: int) -> TreeArrays:
    """The tree with every split a `<=`. TooManyError where it has more than `room` nodes."""
    if not sets.points:
        return tree
    out = _Writer()
    todo = [_Place(0, {}, 1.0, -1, "left")]
    while todo:
        if len(out.left) > room:
            raise TooManyError
        place = todo.pop()
        todo += reversed([*_below(tree, sets, place, out)])
    source = np.array(out.source)
    return TreeArrays(
        np.array(out.left, np.int64),
        np.array(out.right, np.int64),
        np.array(out.feature, np.int64),
        np.array(out.threshold, np.float64),
        np.array(out.missing_left, np.bool_),
        tree.value[source],
        tree.samples[source] * np.array(out.share),
    )


def _below(tree: TreeArrays, sets: Sets, place: _Place, out: _Writer) -> Iterator[_Place]:
    """Write what stands at a place; the places below it."""
    node, feature = place.node, int(tree.feature[place.node])
    if tree.is_leaf[node]:
        out.node(place, LEAF, 0.0, False)
    elif node not in sets.points:
        number = out.node(place, feature, float(tree.threshold[node]), bool(tree.missing_left[node]))
        for side in ("left", "right"):
            yield _Place(int(getattr(tree, side)[node]), place.ranges, place.share, number, side)
    else:
        yield from _piece(tree, sets, place, out)


def _piece(tree: TreeArrays, sets: Sets, place: _Place, out: _Writer) -> Iterator[_Place]:
    """One piece of the line leads on into the tree; several are parted in the middle. NaN is with the lowest."""
    feature = int(tree.feature[place.node])
    within = place.ranges.get(feature, EVERYTHING)
    pieces = place.pieces or tuple(sets.segments(place.node, within))
    start = place.start if place.pieces else within[0]
    if len(pieces) == 1:
        child = tree.left if pieces[0][1] else tree.right
        ranges = {**place.ranges, feature: (start, pieces[0][0])}
        yield _Place(int(child[place.node]), ranges, place.share, place.parent, place.side)
        return
    half = len(pieces) // 2
    number = out.node(place, feature, pieces[half - 1][0], True)
    for side, some, begin in (("left", pieces[:half], start), ("right", pieces[half:], pieces[half - 1][0])):
        share = place.share * len(some) / len(pieces)
        yield _Place(place.node, place.ranges, share, number, side, some, begin)
