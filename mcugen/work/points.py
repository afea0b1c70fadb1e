"""What distances from a row to points (mcugen/distance.py) take, one point after the other, each given up where it is too far."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, replace

import numpy as np

from mcugen.boards import Target
from mcugen.distance import Points
from mcugen.fixed import Floats, Integers
from mcugen.op import Work
from mcugen.work import Rows, joined, loading, options, width_of

SEEN = 16  # rows that are tried
AT_ONCE = 4  # terms that are added before a point is given up
LOOKED_AT = 2_000  # points; of more, the others are like the last of these


@dataclass(frozen=True)
class Searched:
    """Of an expected row: differences that are worked out, points that come among the nearest, and places that others move."""

    differences: float
    found: float
    moved: float


def start(p: Points, rows: Rows, kind: str) -> Work:
    """The row's way to the grid, what is worked out of it once, and the tables."""
    found = joined(_through_scaler(p, kind) if p.scaling else _plainly(p, rows, kind), _prepared(p))
    return replace(found, far=found.tables if p.far else 0)


def coded(p: Points) -> str:
    """What names of counts end with that hang on how points are kept."""
    return "" if p.coding == "plain" else f" {p.coding}"


def _prepared(p: Points) -> Work:
    """Of a row's integers."""
    if p.coding == "plain":
        return Work()
    kind = f"{p.coding} {p.fixed.width}"
    metric = f" {p.metric}" if p.terms else ""
    runs = {f"terms {p.fixed.width}": float(p.terms)} if p.terms else {}
    runs |= {"squares": float(p.fixed.features)} if p.coding == "products" else {}
    stack = {f"coding {kind}": 1.0, "arrays": float(p.terms * p.sum_bits // 8)}
    return Work(0, {f"coding {kind}{metric}": 1.0}, runs, stack)


def _plainly(p: Points, rows: Rows, kind: str) -> Work:
    """A row's way to the grid."""
    f = p.fixed
    centred = len(p.middle) > 0
    kind = f"{kind}{' far' if p.far else ''}"
    row = f.features * ((4 if f.width == 32 else 2) + 4 * centred)
    return Work(
        p.nbytes,
        {f"grid {kind}": 1.0, f"centred {f.width}": float(centred), "blocks": float(len(p.blocks) - 1)}
        | options(f, width_of(f)),
        loading(f, rows - p.middle if centred else rows).parts(width_of(f))
        | {"base": 1.0, "centred": float(f.features * centred), "blocks": float(len(p.blocks) - 1)},
        {
            f"grid {kind}": 1.0,
            "arrays": float(row),
            f"centred {f.width}": float(centred),
            "blocks": float(len(p.blocks) > 1),
        },
    )


def _through_scaler(p: Points, kind: str) -> Work:
    """The same where a scaler is worked out on the way."""
    far = " far" if p.far else ""
    blocks = {"blocks": float(len(p.blocks) - 1)}
    code = {f"scaled grid {kind}{far}": 1.0} | blocks
    runs = {"scaled features": float(p.fixed.features), "base": 1.0} | blocks
    return Work(p.nbytes, code, runs, {f"scaled grid {kind}{far}": 1.0, "arrays": 4.0 * p.fixed.features})


def some_rows(points: Integers | Floats) -> Integers:
    """The places of points that stand for rows."""
    return np.unique(np.linspace(0, len(points) - 1, SEEN).astype(np.int64))


def sums_on_the_way(p: Points, at: int) -> Integers:
    """The distances of points from the one at `at` after each feature, (points, features)."""
    points = p.fixed.weights[:LOOKED_AT]
    difference = p.fixed.weights[at] - points
    if p.metric == "euclidean":
        return np.asarray(np.cumsum(difference * difference, axis=1))
    sizes = np.abs(difference)
    return np.asarray(np.cumsum(sizes, axis=1) if p.metric == "manhattan" else np.maximum.accumulate(sizes, axis=1))


def differences(p: Points, sums: Integers, enough: Integers) -> Integers:
    """How many differences of each point are worked out before it is as far as `enough`, (points,)."""
    shift = 32 if p.fixed.width == 32 else 0
    goes_on = (sums >> shift) <= (enough >> shift)[:, None] if shift else sums < enough[:, None]
    found = 1 + np.logical_and.accumulate(goes_on[:, :-1], axis=1).sum(axis=1)
    features = sums.shape[1]
    if p.terms and features >= AT_ONCE:
        rest = features % AT_ONCE
        return np.asarray(np.minimum(-(-found // AT_ONCE) * AT_ONCE, features - rest) + rest)
    return np.asarray(found)


def search(p: Points, neighbours: int) -> Searched:
    """The nearest of all points but itself, for a point that stands for a row."""
    every = [_search(p, int(at), neighbours) for at in some_rows(p.fixed.weights)]
    return Searched(
        *(float(np.mean([getattr(one, name) for one in every])) for name in ("differences", "found", "moved"))
    )


def _search(p: Points, at: int, neighbours: int) -> Searched:
    sums = sums_on_the_way(p, at)
    if at < len(sums):
        sums = np.delete(sums, at, axis=0)
    most = (1 << 62) - 1
    nearest = [most] * neighbours
    enough, found, moved = np.empty(len(sums), np.int64), 0, 0
    for i, distance in enumerate(sums[:, -1].tolist()):
        enough[i] = nearest[-1]
        if distance < nearest[-1]:
            insort(nearest, distance)
            nearest.pop()
            found += 1
            moved += neighbours - 1 - nearest.index(distance)
    counts = differences(p, sums, enough)
    beyond = max(0, len(p.fixed.weights) - LOOKED_AT)
    return Searched(float(counts.sum() + beyond * counts[-len(counts) // 4 :].mean()), found, moved)


def wide_index(p: Points, target: Target) -> dict[str, float]:
    """What the code depends on where a byte does not count the points."""
    return {f"many points {target.board.progmem}": float(len(p.fixed.weights) > 255)}
