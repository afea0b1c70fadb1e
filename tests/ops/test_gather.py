"""gather: NumPy against compiled C: pieces, single columns, repeated ones, and index widths."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.diagnostics import McugenError
from mcugen.ops.gather import Gather
from mcugen.rows import vector

PICKS = [
    (1, [0]), (5, [0, 1, 2]), (5, [2, 3, 4]), (5, [4, 0, 0, 2]), (300, [299]), (300, [299, 1, 256]),
    (300, list(range(300))), (256, [255, 0]), (257, list(range(256, -1, -1))),
]  # fmt: skip


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops = [Gather(size, np.array(columns)) for size, columns in PICKS]
    rows = [[hard_floats(rng, 10, (op.width,))] for op in ops]
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops], rows)


def test_where_a_column_comes_from() -> None:
    assert [Gather(5, np.array([4, 0])).source(i) for i in range(2)] == [(0, 4), (0, 0)]


def test_pieces_and_lists_are_shown() -> None:
    assert Gather(9, np.array([2, 3, 4])).describe() == "of=9 columns=2..4"
    assert Gather(9, np.array([4, 1])).describe() == "of=9 columns=4,1"
    assert Gather(99, np.array([*range(0, 99, 9)])).describe() == "of=99 columns=0,9,18,27,36,45,54,63,.."


@pytest.mark.parametrize("columns", [[-1], [5], [0, 7]])
def test_columns_that_are_not_there(columns: list[int]) -> None:
    with pytest.raises(McugenError, match="gather picks what 5 features do not have"):
        Gather(5, np.array(columns)).infer(vector(5))
