"""distances: NumPy against compiled C, and against distances worked out in float64, on points of any size."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.ops.distances import Distances
from mcugen.rows import vector

SIZES = [(1, 1), (3, 4), (10, 64), (300, 2), (2, 300)]


def made(points: int, features: int, size: float, offsets: bool = False, off: float = 0.0) -> Distances:
    rng = np.random.default_rng(points)
    made = rng.normal(size=(points, features)) * size + off
    return Distances(
        made, rng.normal(size=points * offsets), 2.0 ** rng.normal(size=features) if offsets else np.ones(1)
    )


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops = [made(*shape, 1.0, offsets) for shape in SIZES for offsets in (False, True)]
    ops += [made(3, 4, 1.0, off=1e6), Distances(np.eye(3)), Distances(np.eye(3), np.arange(3.0), np.full(3, 0.5))]
    ops += [made(3, 4, size) for size in (0.0, 1e-44, 1e-30, 1e-12, 1e12, 1e30, 3e37)]
    rows = [[np.concatenate([hard_floats(rng, 20, (op.width,)), op.probe(20, rng)[0]])] for op in ops]
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops], rows)


@pytest.mark.parametrize("off", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("size", [1e-30, 1e-6, 1.0, 1e6, 1e30])
def test_numpy_is_the_distance(size: float, off: float) -> None:
    """To the roundings of 20 additions and what comes before and after them, however far off 0 the points lie."""
    op = made(5, 20, size, off=off * size)
    rows = op.probe(200, np.random.default_rng(1))[0]
    wanted = np.sqrt(np.square(rows.astype(np.float64)[:, None] - op.points).sum(axis=2))
    found = np.array([op.evaluate(row)[0] for row in rows])
    np.testing.assert_allclose(found, wanted, rtol=26 * 2.0**-24)


def test_numpy_is_a_decision() -> None:
    op = made(4, 6, 1.0, offsets=True, off=100.0)
    rows = op.probe(200, np.random.default_rng(1))[0]
    squares = np.square((rows.astype(np.float64)[:, None] - op.points) / op.over).sum(axis=2)
    found = np.array([op.evaluate(row)[0] for row in rows])
    np.testing.assert_allclose(found, op.offsets - squares, rtol=0, atol=12 * 2.0**-24 * squares.max())
