"""reduce: NumPy's reductions against compiled C."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_op import case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.reduce import FLOAT_ONLY, MEANINGS, Reduce

SHAPES = [
    ((5,), (0,)),
    ((2, 3), (0,)),
    ((2, 3), (1,)),
    ((2, 3), (0, 1)),
    ((2, 3, 4), (0, 2)),
    ((3, 1, 2), (1,)),
    ((300, 2), (0,)),
]


@pytest.mark.parametrize("name", MEANINGS)
def test_every_function(name):
    kinds = [DType.F32] if name in FLOAT_ONLY else [DType.F32, DType.I8, DType.U8, DType.I32, DType.I64]
    low = 0.5 if name == "LogSum" else -3.0
    many = [(shape, axes) for shape, axes in SHAPES if name != "Prod" or shape != (300, 2)]
    check([case(Reduce(name, axes), shape, dtype=kind, low=low) for shape, axes in many for kind in kinds])


@pytest.mark.parametrize("name", ["Max", "Min"])
def test_nan_and_bool(name):
    (found,) = Reduce(name, (0,)).evaluate(np.float32([1, np.nan, 2]))
    assert np.isnan(found).all()
    check([case(Reduce(name, (0,)), (4, 2), dtype=DType.BOOL)])


def test_large_numbers_do_not_overflow():
    (found,) = Reduce("LogSumExp", (0,)).evaluate(np.float32([1000, 1000]))
    np.testing.assert_allclose(found, [1000 + np.log(2)], rtol=1e-6)
    check([case(Reduce("LogSumExp", (0,)), (6,), low=200.0, high=400.0)])


@pytest.mark.parametrize(("op", "shapes"), [(Reduce("L2", (0,)), [(2,)]), (Reduce("Sum", (0,)), [])])
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.I32) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
