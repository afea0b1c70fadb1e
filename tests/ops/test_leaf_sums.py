"""leaf_sums: NumPy against compiled C, in all three widths of a number."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.ops.leaf_sums import LeafSums
from mcugen.rows import vector

RNG = np.random.default_rng(0)
WHOLE = RNG.integers(-9, 9, (40, 3)).astype(float)
FAR = RNG.normal(size=(300, 2)) * [1e8, 1e-8]


def ops() -> list[LeafSums]:
    values = [WHOLE, RNG.random((40, 3)), FAR, np.zeros((1, 1)), RNG.normal(size=(5, 300)), FAR * 1e29]
    return [LeafSums(trees, one) for one in values for trees in (1, 7)] + [LeafSums(300, WHOLE)]


def test_the_c_is_numpy() -> None:
    found = ops()
    assert {op.bits for op in found} == {15, 31, 60, 58}
    assert_c_is_numpy([(op, (vector(op.trees),)) for op in found], [[op.probe(40, RNG)[0]] for op in found])


def test_a_mean_is_near() -> None:
    for op in ops():
        (rows,) = op.probe(50, RNG)
        exact = op.values[rows.astype(int)].mean(axis=1)
        found = np.array([op.evaluate(row)[0] for row in rows])
        largest = np.minimum(1, np.abs(op.values).max(axis=0))
        assert (np.abs(found - exact) <= 1e-6 * np.maximum(np.abs(exact), np.maximum(largest, 1e-30))).all(), op


def test_what_an_avr_has_no_room_for() -> None:
    big = LeafSums(3, RNG.random((5_000, 3)))
    with pytest.raises(McugenError, match="32,767 B at most"):
        big.forms(Target(load_board("uno")))
    with pytest.raises(McugenError, match="leaf_sums takes 3:f32, not 2:f32"):
        big.infer(vector(2))
