"""Rows that try every split of an ensemble: just below, at and just above its threshold, and with the feature missing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mcugen.ops.tree_ensemble.trees import Trees

Rows = npt.NDArray[np.float32]
NEGATIVE_NAN = np.array([0xFFC00000], np.uint32).view(np.float32)[0]
SPECIAL = np.array([np.nan, NEGATIVE_NAN, np.inf, -np.inf, 0.0, -0.0], np.float32)
MOST_STEPS = 5_000_000  # from nodes up to their roots: a tree may be a chain of thousands
PER_SPLIT = 3 + len(SPECIAL)


def probe_rows(trees: Trees, limit: int, rng: np.random.Generator) -> Rows:
    """Rows (n, features) float32, at most `limit`: every split is reached and tried on both sides, as far as that allows.

    For a split, the features that its ancestors ask about lie where the path leads to it, the others at random among the
    model's own thresholds; its own feature takes the threshold, its two neighbours in float32, both signs of NaN and of
    infinity and of zero.
    """
    splits = np.flatnonzero(trees.feature >= 0)
    if not len(splits):
        return rng.standard_normal((min(limit, 16), trees.n_features)).astype(np.float32)
    chosen = (
        splits if len(splits) * PER_SPLIT <= limit else rng.choice(splits, max(1, limit // PER_SPLIT), replace=False)
    )
    parent, went_left = _parents(trees)
    with np.errstate(over="ignore"):  # above the largest float32 comes infinity
        rows = _backgrounds(trees, len(chosen), rng)
        for row, node in zip(rows, chosen.tolist(), strict=True):
            _lead_to(trees, node, parent, went_left, row, rng)
        return _tried(trees, chosen, rows)[:limit]


def _depth(trees: Trees) -> int:
    """The longest way from a root to a leaf, at least 1."""
    level, depth = trees.roots, 0
    while len(level := level[trees.feature[level] >= 0]):
        level, depth = np.concatenate([trees.left[level], trees.right[level]]), depth + 1
    return max(1, depth)


def _tried(trees: Trees, nodes: npt.NDArray[np.intp], rows: Rows) -> Rows:
    """Each row once for every value that its node's feature is tried with."""
    threshold = trees.threshold[nodes]
    near = [np.nextafter(threshold, np.float32(-np.inf)), threshold, np.nextafter(threshold, np.float32(np.inf))]
    values = np.concatenate([np.stack(near, axis=1), np.broadcast_to(SPECIAL, (len(nodes), len(SPECIAL)))], axis=1)
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


def _backgrounds(trees: Trees, count: int, rng: np.random.Generator) -> Rows:
    """Rows whose every feature is one of its thresholds or a neighbour of one."""
    rows = np.zeros((count, trees.n_features), np.float32)
    for feature in np.unique(trees.feature[trees.feature >= 0]):
        pool = trees.threshold[trees.feature == feature]
        pool = np.concatenate([pool, np.nextafter(pool, np.float32(np.inf))])
        rows[:, feature] = rng.choice(pool, count)
    return rows


def _lead_to(
    trees: Trees,
    node: int,
    parent: npt.NDArray[np.int32],
    went_left: npt.NDArray[np.bool_],
    row: Rows,
    rng: np.random.Generator,
) -> None:
    """Move the features of a row that the ancestors of a node ask about to where the path leads there."""
    for feature, (above, most) in _ranges(trees, node, parent, went_left).items():
        lowest = np.nextafter(above, np.float32(np.inf))
        ends = np.array([lowest, most], np.float32)[np.isfinite([lowest, most])]
        if not above < row[feature] <= most and len(ends):
            row[feature] = rng.choice(ends)


def _ranges(
    trees: Trees, node: int, parent: npt.NDArray[np.int32], went_left: npt.NDArray[np.bool_]
) -> dict[int, tuple[np.float32, np.float32]]:
    """Per feature asked on the way to a node, the range (above, most] of values that lead there."""
    ranges: dict[int, tuple[np.float32, np.float32]] = {}
    for split, left in _path(node, parent, went_left):
        feature, threshold = int(trees.feature[split]), np.float32(trees.threshold[split])
        above, most = ranges.get(feature, (np.float32(-np.inf), np.float32(np.inf)))
        ranges[feature] = (above, min(most, threshold)) if left else (max(above, threshold), most)
    return ranges


def _path(node: int, parent: npt.NDArray[np.int32], went_left: npt.NDArray[np.bool_]) -> Iterator[tuple[int, bool]]:
    while parent[node] >= 0:
        yield int(parent[node]), bool(went_left[node])
        node = int(parent[node])
