"""lookup: NumPy against compiled C, one point or thousands, numbers on and beside them, NaN, and float64 edges between two floats."""

from __future__ import annotations

import numpy as np
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.ops.lookup import Lookup
from mcugen.rows import vector

SIZES = ((1,), (0,), (2, 0, 5), (300,), (3,) * 260, (1, 64, 7))


def lookup(counts: tuple[int, ...], outputs: int = 1, exact: bool = False, counted: bool = False) -> Lookup:
    rng = np.random.default_rng(0)
    least = int(exact)  # without categories there is nothing to look up
    points = tuple(np.unique(np.float32(rng.normal(size=max(n, least)) * 3)).astype(np.float64) for n in counts)
    entries = [len(one) + (not exact) for one in points]
    values = tuple(np.arange(n)[:, np.newaxis] * 1.0 if counted else rng.normal(size=(n, outputs)) for n in entries)
    missing, other = rng.normal(size=(2, len(counts), outputs))
    return Lookup(points, values, missing, other if exact else None)


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(1)
    ops = [lookup(counts, exact=exact, counted=counted) for counts in SIZES for exact in (0, 1) for counted in (0, 1)]
    ops += [lookup(counts, 3, exact) for counts in SIZES for exact in (False, True)]
    rows = [[np.concatenate([hard_floats(rng, 20, (op.width,)), op.probe(60, rng)[0]])] for op in ops]
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops], rows)


def test_bins_are_those_of_float64() -> None:
    """An edge between two floats, and one that is a float: a number on it is not above it."""
    edges = np.array([-1e-46, 0.1, 0.5])
    op = Lookup((edges,), (np.array([[0.0], [1], [2], [3]]),), np.full((1, 1), 7.0))
    x = op.probe(300, np.random.default_rng(0))[0][:, 0]
    wanted = np.where(np.isnan(x), 7, (x.astype(np.float64)[:, np.newaxis] > edges).sum(axis=1))
    assert {0, 1, 2, 3, 7} == {*wanted}
    np.testing.assert_array_equal([op.evaluate(x[i : i + 1])[0][0] for i in range(len(x))], wanted)
    np.testing.assert_array_equal(op.exactly(0, x), wanted)


def test_what_rises_can_be_seen_through() -> None:
    """Passes move thresholds through bins whose values rise, and through nothing else."""
    rising, falling = np.array([[0.0], [1], [1]]), np.array([[0.0], [2], [1]])
    for values, at in ((rising, (0, 0)), (falling, None)):
        assert Lookup((np.array([0.0, 1.0]),), (values,), np.zeros((1, 1))).source(0, vector(1)) == at
    assert lookup((3,), exact=True).source(0, vector(1)) is None
