"""one_hot: NumPy against compiled C, with numbers that are no column's."""

from __future__ import annotations

import numpy as np
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.ops.one_hot import OneHot
from mcugen.rows import vector


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops = [OneHot(counts) for counts in ((1,), (3, 3, 3), (2, 1, 5), (300,), (1, 300), (2,) * 300)]
    rows = [[np.concatenate([hard_floats(rng, 20, (op.width,)), op.probe(60, rng)[0]])] for op in ops]
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops], rows)


def test_every_number_has_its_column() -> None:
    op = OneHot((3, 2))
    for row, wanted in (
        ([0, 1], [1, 0, 0, 0, 1]),
        ([2, -1], [0, 0, 1, 0, 0]),
        ([3, 2], [0] * 5),
        ([np.nan, 0], [0, 0, 0, 1, 0]),
    ):
        np.testing.assert_array_equal(op.evaluate(np.array(row, np.float32))[0], wanted)
