"""impute: NumPy against compiled C, for NaN and for a number that means missing."""

from __future__ import annotations

from math import nan

import numpy as np
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.ops.impute import Impute
from mcugen.rows import vector


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    fills = (np.array([1.5, -2.0, 0.0]), np.full(4, 7.0), np.full(2, nan), rng.normal(size=300))
    ops = [Impute(fill, missing) for fill in fills for missing in (nan, 0.0, -999.0, np.inf)]
    ops += [Impute(fill, nan, pairs=True, of_pairs=of) for fill in (*fills[:2], fills[3] / 3) for of in (False, True)]
    ops += [
        Impute(fill, least=least) for fill in fills for least in (np.zeros(len(fill)), 0.5 * fill) if fill[0] == fill[0]
    ]
    rows = []
    for op in ops:
        x = hard_floats(rng, 30, (op.width,))
        rows.append([np.where(rng.random(x.shape) < 0.2, np.float32(op.missing), x)])
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops], rows)


def test_passes_see_through_nan_but_not_through_numbers() -> None:
    op = Impute(np.array([1.0, 2.0]))
    assert op.source(1) == (0, 1)
    np.testing.assert_array_equal(op.exactly(1, np.array([nan, 5.0])), [2.0, 5.0])
    assert Impute(np.array([1.0]), -1.0).source(0) is None
