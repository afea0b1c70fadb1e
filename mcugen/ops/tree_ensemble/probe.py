"""Rows that try every split of an ensemble: just below, at and just above its threshold, and with the feature missing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mcugen.ir import Array, DType
from mcugen.ops.tree_ensemble.grid import Grid
from mcugen.ops.tree_ensemble.trees import Trees

Rows = npt.NDArray[np.float32]
BEYOND = 0.2  # of the thresholds' spread: how far rows lie beyond the last
ALONE = 0.01  # of the only threshold of a feature: what its rows are taken to spread by


def probe_rows(trees: Trees, limit: int, rng: np.random.Generator, x: DType = DType.F32) -> Array:
    """Rows (n, features) of type x, at most `limit`: every split is reached and tried on both sides, as far as that allows.

    For a split, the features that its ancestors ask about lie where the path leads to it, the others at random among the
    model's own thresholds; its own feature takes the threshold and its two neighbours, and what is special: of float32 both
    signs of NaN, infinity and zero, of integers the least and the largest.
    """
    grid, splits = Grid(x), np.flatnonzero(trees.feature >= 0)
    if not len(splits):
        return (100 * rng.random((min(limit, 16), trees.n_features))).astype(x.numpy)
    tries = 3 + len(grid.special)
    chosen = splits if len(splits) * tries <= limit else rng.choice(splits, max(1, limit // tries), replace=False)
    parent, went_left = _parents(trees)
    with np.errstate(over="ignore"):  # above the largest float32 comes infinity
        rows = _backgrounds(trees, len(chosen), rng, grid)
        for row, node in zip(rows, chosen.tolist(), strict=True):
            _lead_to(row, _ranges(trees, node, parent, went_left, grid), rng, grid)
        return _tried(trees, chosen, rows, grid)[:limit].astype(x.numpy)


def _tried(trees: Trees, nodes: npt.NDArray[np.intp], rows: Rows, grid: Grid) -> Rows:
    """Each row once for every value that its node's feature is tried with."""
    threshold, special = grid.at(trees.threshold[nodes]), grid.special
    near = np.stack([grid.below(threshold), threshold, grid.above(threshold)], axis=1)
    values = np.concatenate([near, np.broadcast_to(special, (len(nodes), len(special)))], axis=1)
    tried = np.repeat(rows[:, np.newaxis, :], values.shape[1], axis=1)
    np.put_along_axis(
        tried, trees.feature[nodes][:, np.newaxis, np.newaxis].astype(np.intp), values[:, :, np.newaxis], axis=2
    )
    return tried.reshape(-1, trees.n_features)


def _parents(trees: Trees) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Each node's parent (-1 at a root) and whether it is the left child."""
    parent, went_left = np.full(len(trees.feature), -1, np.int32), np.zeros(len(trees.feature), np.bool_)
    splits = np.flatnonzero(trees.feature >= 0).astype(np.int32)
    parent[trees.left[splits]] = parent[trees.right[splits]] = splits
    went_left[trees.left[splits]] = True
    return parent, went_left


def _backgrounds(trees: Trees, count: int, rng: np.random.Generator, grid: Grid) -> Rows:
    """Rows whose every feature is one of its thresholds or a neighbour of one."""
    rows = np.zeros((count, trees.n_features), np.float32)
    for feature in np.unique(trees.feature[trees.feature >= 0]):
        pool = grid.at(trees.threshold[trees.feature == feature])
        pool = np.concatenate([pool, grid.above(pool)])
        rows[:, feature] = rng.choice(pool, count)
    return rows


def _lead_to(row: Rows, ranges: dict[int, tuple[np.float32, np.float32]], rng: np.random.Generator, grid: Grid) -> None:
    """Move the features of a row to where these ranges (above, most] are, as far as there are any numbers."""
    for feature, (above, most) in ranges.items():
        lowest = grid.above(np.array([above], np.float32))[0]
        ends = np.array([lowest, most], np.float32)
        ends = ends[np.isfinite(ends) & (ends > above) & (ends <= most)]
        if not above < row[feature] <= most and len(ends):
            row[feature] = rng.choice(ends)


def _ranges(
    trees: Trees, node: int, parent: npt.NDArray[np.int32], went_left: npt.NDArray[np.bool_], grid: Grid
) -> dict[int, tuple[np.float32, np.float32]]:
    """Per feature asked on the way to a node, the range (above, most] of values that lead there."""
    ranges: dict[int, tuple[np.float32, np.float32]] = {}
    for split, left in _path(node, parent, went_left):
        feature, threshold = int(trees.feature[split]), grid.at(trees.threshold[split : split + 1])[0]
        above, most = ranges.get(feature, (np.float32(-np.inf), np.float32(grid.ends[1])))
        ranges[feature] = (above, min(most, threshold)) if left else (max(above, threshold), most)
    return ranges


def _path(node: int, parent: npt.NDArray[np.int32], went_left: npt.NDArray[np.bool_]) -> Iterator[tuple[int, bool]]:
    while parent[node] >= 0:
        yield int(parent[node]), bool(went_left[node])
        node = int(parent[node])


def rows_between(trees: Trees, limit: int, rng: np.random.Generator) -> Array:
    """Rows (n, features) float64 whose features lie between their thresholds and a little beyond; as many as there are splits."""
    counts = [len(np.unique(trees.threshold[trees.feature == i])) for i in range(trees.n_features)]
    rows = np.zeros((min(limit, 4 * max(1, sum(counts))), trees.n_features))
    for i in np.flatnonzero(counts):
        known = np.unique(trees.threshold[trees.feature == i]).astype(np.float64)
        known = known[np.isfinite(known)]
        if not len(known):
            continue
        spread = float(np.ptp(known)) or abs(float(known[0])) * ALONE or 1.0
        rows[:, i] = rng.uniform(known[0] - BEYOND * spread, known[-1] + BEYOND * spread, len(rows))
    return rows
