"""missing: NumPy against compiled C."""

from __future__ import annotations

import numpy as np
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.ops.missing import Missing
from mcugen.rows import vector


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops = [Missing(size) for size in (1, 5, 255, 256)]
    rows = [[hard_floats(rng, 30, (op.width,))] for op in ops]
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops], rows)


def test_what_a_column_becomes() -> None:
    assert Missing(2).source(1) == (0, 1)
    np.testing.assert_array_equal(Missing(2).exactly(0, np.array([np.nan, 3.0])), [1, 0])
