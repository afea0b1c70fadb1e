"""pool_rows: NumPy against compiled C."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_op import case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.pool_rows import PoolRows
from mcugen.windows import Window

WINDOWS = [
    ((5, 4, 3), Window(5, 2, 2), Window(4, 2, 2)),
    ((5, 4, 3), Window(5, 3, 1, 1, 1, 1), Window(4, 3, 2, 1, 1, 0)),
    ((1, 6, 2), Window(1, 1), Window(6, 2, 1, 2)),
    ((4, 4, 5), Window(4, 4), Window(4, 4)),
]


@pytest.mark.parametrize("kind", [DType.F32, DType.I8])
def test_every_window(kind):
    average = {"factor": 0.125} if kind is DType.F32 else {"factor": 0.03125, "zero": -7, "to": 5}
    ops = [
        (PoolRows(what, *w, **(average if what == "average" else {})), s)
        for what in ("max", "average")
        for s, *w in WINDOWS
    ]
    limits = {"low": -128, "high": 127} if kind is DType.I8 else {}
    check([case(op, shape, dtype=kind, **limits) for op, shape in ops], rtol=1e-6, atol=1e-6)


def test_means_by_floats():
    """Four sums over whole images and windows of 2 x 2, one elsewhere."""
    more = [((2, 3, 2), Window(2, 2), Window(3, 3)), ((1, 3, 2), Window(1, 1), Window(3, 3))]
    ops = [
        (PoolRows("average", *w, factor=1 / (w[0].kernel * w[1].kernel), zero=3, to=-9, scales=(0.03, 0.02)), s)
        for s, *w in (*WINDOWS, *more)
    ]
    assert [op.apart for op, _ in ops] == [True, False, False, True, True, True]
    check([case(op, shape, dtype=DType.I8, low=-128, high=127) for op, shape in ops], rtol=0, atol=0)


def test_halves_go_to_the_even_number():
    op = PoolRows("average", Window(1, 1), Window(2, 2), factor=0.5)
    sums = [np.int8([[[a], [b]]]) for a, b in ((1, 0), (1, 2), (-1, 0), (-1, -2), (127, 127))]
    assert [int(op.evaluate(x)[0].ravel()[0]) for x in sums] == [0, 2, 0, -2, 127]


def test_what_is_refused():
    with pytest.raises(McugenError) as caught:
        PoolRows("max", Window(2, 1), Window(2, 1)).infer(TensorType((2, 3, 1), DType.I8))
    assert caught.value.diagnostics[0].code == "E0201"
