"""Splits that ask more than `x <= threshold` (for a set of categories, for zeros), said with thresholds alone.

To a library a category is one number, or all from it to the next; zeros may be missing values. So such a split cuts the line of
numbers into pieces that go left and right in turn: a few thresholds find the piece that x is in, and below each stands a copy of
the side that its rows go to. What a copy's own splits ask of the same feature is known by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends.sklearn.tree_arrays import LEAF, TreeArrays

MOST_NODES = 200_000  # of a model, its copies counted
LEAST = 1e-6  # share of samples that a side is taken to have where none went there
Points = npt.NDArray[np.float32]
Piece = tuple[float, bool]  # where it ends (it begins where the one before does), and whether it goes left
INFINITY = float("inf")


class TooManyError(Exception):
    """The copies of a model's trees have more nodes than MOST_NODES."""


@dataclass(frozen=True)
class Line:
    """One split: its pieces from -inf to +inf, and whether missing values go left."""

    pieces: tuple[Piece, ...]
    missing_left: bool


Lines = Mapping[int, Line]  # by node


def of_points(points: Points, elsewhere: bool, whole: bool) -> Line:
    """Sorted single numbers that go left (`elsewhere`) or right, all others and missing values to the other side.

    whole  whether x is an integer, so that nothing lies between two that follow one another
    """

    def below(point: np.float32) -> float:
        return float(point) - 1 if whole else float(np.nextafter(point, np.float32(-np.inf)))

    ends = (piece for p in points for piece in ((below(p), not elsewhere), (float(p), elsewhere)))
    return line_of([*ends, (INFINITY, not elsewhere)], not elsewhere)


def of_ranges(ranges: Iterable[tuple[float, float]], inside: bool, missing: bool) -> Line:
    """Sorted ranges, from the first number below to the last in it, that go left (`inside`) or right, and missing values."""
    ends = (piece for first, last in ranges for piece in ((first, not inside), (last, inside)))
    return line_of([*ends, (INFINITY, not inside)], missing)


def line_of(pieces: Sequence[Piece], missing: bool) -> Line:
    """Without pieces that are empty, and those that follow one another to the same side as one."""
    starts = [-INFINITY, *(end for end, _ in pieces)]
    some = [piece for piece, start in zip(pieces, starts, strict=False) if piece[0] > start]
    merged = [piece for i, piece in enumerate(some) if i + 1 == len(some) or some[i + 1][1] != piece[1]]
    return Line(tuple(merged), missing)


@dataclass(frozen=True)
class _Range:
    """What is known of a feature: above `start`, not above `end`; whether it may be missing."""

    start: float = -INFINITY
    end: float = INFINITY
    missing: bool = True

    def cut(self, line: Line) -> tuple[Piece, ...]:
        """A line's pieces in the range; a last one beyond it holds missing values, where no other goes where they do."""
        starts = [-INFINITY, *(end for end, _ in line.pieces)]
        inside = [
            (min(end, self.end), left)
            for (end, left), start in zip(line.pieces, starts, strict=False)
            if end > self.start and start < self.end
        ]
        alone = self.missing and all(left != line.missing_left for _, left in inside)
        return (*inside, (INFINITY, line.missing_left)) if alone else tuple(inside)


EVERYTHING = _Range()


@dataclass(frozen=True)
class _Place:
    """What is still to be written: a node of the tree (or some pieces of it), how many samples come there, and whose child it
    becomes.
    """

    node: int
    ranges: Mapping[int, _Range]
    samples: float
    parent: int
    side: str
    pieces: tuple[Piece, ...] = ()


@dataclass
class _Writer:
    """The nodes written so far, as lists."""

    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    missing_left: list[bool] = field(default_factory=list)
    source: list[int] = field(default_factory=list)  # the tree's node that each was made of
    samples: list[float] = field(default_factory=list)

    def node(self, place: _Place, feature: int, threshold: float, missing_left: bool) -> int:
        number = len(self.left)
        self.left.append(LEAF)
        self.right.append(LEAF)
        self.feature.append(feature)
        self.threshold.append(threshold)
        self.missing_left.append(missing_left)
        self.source.append(place.node)
        self.samples.append(place.samples)
        if place.parent >= 0:
            getattr(self, place.side)[place.parent] = number
        return number


def without_lines(found: Sequence[tuple[TreeArrays, Lines]], loc: Loc) -> list[TreeArrays]:
    """Trees with thresholds alone. E0303 where that makes too many nodes."""
    room, trees = MOST_NODES, []
    for tree, lines in found:
        try:
            trees.append(by_thresholds(tree, lines, max(room, tree.size)))
        except TooManyError:
            text = f"the splits by categories take more than {MOST_NODES:,} nodes"
            help = "fit with fewer features of categories, or with smaller trees; numbers of categories can be features like all others, too"
            raise error("E0303", text, help=help, loc=loc) from None
        room -= trees[-1].size
    return trees


def by_thresholds(tree: TreeArrays, lines: Lines, room: int) -> TreeArrays:
    """The tree with every split a `<=`. TooManyError where it has more than `room` nodes."""
    if not lines:
        return tree
    out = _Writer()
    todo = [_Place(0, {}, float(tree.samples[0]), -1, "left")]
    while todo:
        if len(out.left) > room:
            raise TooManyError
        place = todo.pop()
        todo += reversed([*_below(tree, lines, place, out)])
    source = np.array(out.source)
    return TreeArrays(
        np.array(out.left, np.int64),
        np.array(out.right, np.int64),
        np.array(out.feature, np.int64),
        np.array(out.threshold, np.float64),
        np.array(out.missing_left, np.bool_),
        tree.value[source],
        np.array(out.samples),
    )


def _below(tree: TreeArrays, lines: Lines, place: _Place, out: _Writer) -> Iterator[_Place]:
    """Write what stands at a place; the places below it."""
    node, feature = place.node, int(tree.feature[place.node])
    if tree.is_leaf[node]:
        out.node(place, LEAF, 0.0, False)
    elif node not in lines:
        number = out.node(place, feature, float(tree.threshold[node]), bool(tree.missing_left[node]))
        to_left = _to_left(tree, node)
        for side, share in (("left", to_left), ("right", 1 - to_left)):
            yield _Place(int(getattr(tree, side)[node]), place.ranges, place.samples * share, number, side)
    else:
        yield from _piece(tree, lines[node], place, out)


def _piece(tree: TreeArrays, line: Line, place: _Place, out: _Writer) -> Iterator[_Place]:
    """One piece of the line leads on into the tree; several are parted in the middle, missing values with the first of their side."""
    feature = int(tree.feature[place.node])
    known = place.ranges.get(feature, EVERYTHING)
    pieces = place.pieces or known.cut(line)
    if len(pieces) == 1:
        child = tree.left if pieces[0][1] else tree.right
        yield _Place(int(child[place.node]), place.ranges, place.samples, place.parent, place.side)
        return
    half = len(pieces) // 2
    first = next(i for i, (_, left) in enumerate(pieces) if left == line.missing_left) if known.missing else 0
    middle, with_left = pieces[half - 1][0], first < half
    number = out.node(place, feature, middle, with_left)
    left = _Range(known.start, middle, known.missing and with_left)
    right = _Range(middle, known.end, known.missing and not with_left)
    for side, some, within in (("left", pieces[:half], left), ("right", pieces[half:], right)):
        share = _weight(tree, line, place.node, some) / _weight(tree, line, place.node, pieces)
        yield _Place(place.node, {**place.ranges, feature: within}, place.samples * share, number, side, some)


def _to_left(tree: TreeArrays, node: int) -> float:
    """The share of a split's samples that went left; half where a hand-made file says nothing usable."""
    left, right = float(tree.samples[tree.left[node]]), float(tree.samples[tree.right[node]])
    both = left + right
    return left / both if left >= 0 and right >= 0 and 0 < both < INFINITY else 0.5


def _weight(tree: TreeArrays, line: Line, node: int, pieces: Sequence[Piece]) -> float:
    """What share of a split's samples some of its pieces have, about: a model says how many went to each side, not in which
    piece they were, so that all pieces of a side have as many. Never 0.
    """
    to_left = _to_left(tree, node)
    sides = [left for _, left in line.pieces]
    each = {
        left: max(share, LEAST) / max(1, sides.count(left)) for left, share in ((True, to_left), (False, 1 - to_left))
    }
    return sum(each[left] for _, left in pieces)
