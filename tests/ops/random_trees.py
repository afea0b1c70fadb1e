"""Ensembles that no one trained: any shape, any threshold, any leaf, so that nothing rests on what scikit-learn happens to make."""

from __future__ import annotations

import numpy as np

from mcugen.ops.tree_ensemble.trees import Trees

HARD = np.array(
    [0.0, 1e-45, -1e-45, 1.17549435e-38, -1.17549435e-38, 3.4028235e38, -3.4028235e38, np.inf, -np.inf, 1.0, -1.0, 0.5],
    np.float32,
)


def random_trees(
    rng: np.random.Generator, *, features: int, outputs: int, trees: int, splits: int, leaves: str
) -> Trees:
    """Trees of up to `splits` splits. leaves: "pure", "counts" (of samples), "weights" (any shares), "numbers", "integers" or "wide"."""
    parts = [_tree(rng, features, int(rng.integers(0, splits + 1)) if trees > 1 else splits) for _ in range(trees)]
    begins = np.cumsum([0, *(len(p[0]) for p in parts[:-1])])
    feature, threshold = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
    left, right = (np.concatenate([p[i] + b for p, b in zip(parts, begins, strict=True)]) for i in (2, 3))
    is_leaf = feature < 0
    return Trees(
        n_features=features,
        feature=feature.astype(np.int32),
        threshold=threshold.astype(np.float32),
        left=left.astype(np.int32),
        right=right.astype(np.int32),
        missing_left=(rng.random(len(feature)) < 0.5) & ~is_leaf,
        leaf=np.where(is_leaf, np.cumsum(is_leaf) - 1, -1).astype(np.int32),
        values=_values(rng, int(is_leaf.sum()), outputs, leaves),
        roots=begins.astype(np.int32),
        visits=rng.random(len(feature)),  # what most rows do is tested first
    )


def _tree(rng: np.random.Generator, features: int, splits: int) -> tuple[np.ndarray, ...]:
    """One tree, its nodes in any order but for the root; a leaf's children are itself."""
    count = 2 * splits + 1
    feature, threshold = np.full(count, -1), np.zeros(count, np.float32)
    left, right = np.arange(count), np.arange(count)
    open_leaves, used = [0], 1
    for _ in range(splits):
        node = open_leaves.pop(int(rng.integers(len(open_leaves))) if rng.random() < 0.7 else -1)
        feature[node], threshold[node] = rng.integers(features), _threshold(rng)
        left[node], right[node] = (used, used + 1) if rng.random() < 0.5 else (used + 1, used)
        open_leaves += [used, used + 1]
        used += 2
    return feature, threshold, left, right


def _threshold(rng: np.random.Generator) -> np.float32:
    kind = rng.random()
    if kind < 0.2:
        return rng.choice(HARD)
    if kind < 0.4:
        return np.float32(rng.integers(-32, 32) + 0.5)
    bits = rng.integers(0, 2**32, dtype=np.uint32)
    value = np.array([bits], np.uint32).view(np.float32)[0]
    return value + np.float32(0) if np.isfinite(value) else np.float32(rng.standard_normal())


def _values(rng: np.random.Generator, count: int, outputs: int, leaves: str) -> np.ndarray:
    if leaves == "pure":
        return np.eye(outputs)[rng.integers(outputs, size=count)]
    if leaves == "counts":
        counts = rng.integers(0, 40, (count, outputs)) * (rng.random((count, outputs)) < 0.5)
        counts[counts.sum(axis=1) == 0, 0] = 1
        return counts / counts.sum(axis=1, keepdims=True)
    if leaves == "weights":
        shares = rng.random((count, outputs)) ** 4
        return shares / shares.sum(axis=1, keepdims=True)
    if leaves == "integers":
        return rng.integers(-300, 300, (count, 1)).astype(np.float64)
    if leaves == "wide":
        return np.exp(9 * rng.standard_normal((count, 1)))
    return rng.standard_normal((count, 1)) * 10.0 ** rng.integers(-12, 12)
