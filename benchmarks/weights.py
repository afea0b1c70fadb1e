"""Weights with which features add up to what was measured, for the cost models: least squares, and what is known before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

NOISE = 0.05  # relative: how near the best estimate is expected to come
OUTLIER = 1.5  # times that: what is further off counts less, as it has a reason that no feature knows
ROUNDS, REWEIGHED = 100, 3


def likely(
    rows: Sequence[Mapping[str, float]], known: Any, size: Any, scale: Callable[[str], float]
) -> dict[str, float]:
    """The likeliest weights, none below 0, as nothing takes less than nothing. `size` is what the error of each row is relative
    to, `scale` what a feature may weigh: one that only few rows have does not come to explain all that is odd about them.
    """
    names: dict[str, int] = {}
    entries = [
        (i, names.setdefault(name, len(names)), value)
        for i, row in enumerate(rows)
        for name, value in row.items()
        if value
    ]
    matrix, scales = np.zeros((len(rows), len(names))), np.array([scale(name) for name in names])
    for i, column, value in entries:
        matrix[i, column] = value
    matrix *= scales / (NOISE * size)[:, np.newaxis]
    wanted = known / (NOISE * size)
    trust, found = np.ones(len(rows)), np.zeros(len(names))
    for _ in range(REWEIGHED):
        found = _not_negative(matrix * trust[:, np.newaxis], wanted * trust, found)
        off = np.abs(matrix @ found - wanted)
        trust = np.sqrt(np.minimum(1, OUTLIER / np.maximum(off, 1e-9)))
    weights = found * scales
    return {name: round(float(weights[i]), 4) for name, i in names.items() if weights[i] >= 5e-5}


def _not_negative(matrix: Any, wanted: Any, start: Any) -> Any:
    """Least squares with a ridge of 1, by one weight after the other until they stand."""
    gram, target = matrix.T @ matrix + np.eye(matrix.shape[1]), matrix.T @ wanted
    found = start if start.any() else np.maximum(np.linalg.solve(gram, target), 0)
    slope = gram @ found - target
    for _ in range(ROUNDS):
        for i in range(len(found)):
            better = max(0.0, found[i] - slope[i] / gram[i, i])
            step, found[i] = better - found[i], better
            if step:
                slope += step * gram[i]
    return found


def least_squares(
    rows: Sequence[Mapping[str, float]], known: Any, weight: Any, *, solve: Callable[[Any, Any], Any] | None = None
) -> dict[str, float]:
    """The weights with which rows of features add up to what is known, each row's error weighed; a little ridge keeps features
    that always come together apart. `solve` is another solver of least squares.
    """
    names = sorted({name for row in rows for name in row})
    matrix = np.array([[row.get(name, 0.0) for name in names] for row in rows]) * weight[:, np.newaxis]
    ridge = 1e-4 * np.eye(len(names)) * weight.mean()
    system = np.concatenate([matrix, ridge]), np.concatenate([known * weight, np.zeros(len(names))])
    found = solve(*system) if solve else np.linalg.lstsq(*system, rcond=None)[0]
    return {name: round(float(w), 3) for name, w in zip(names, found, strict=True) if abs(w) >= 0.0005}
