"""arg_reduce: NumPy's argmax and argmin against compiled C."""

from __future__ import annotations

import pytest
from tensor_op import case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.arg_reduce import ArgReduce

SHAPES = [((5,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 3, 4), 1), ((300,), 0)]


@pytest.mark.parametrize("last", [False, True])
def test_the_first_or_the_last_of_equal_ones(last):
    names, kinds = ("ArgMax", "ArgMin"), (DType.F32, DType.I8, DType.U8, DType.I64)
    check(
        [case(ArgReduce(n, axis, last), shape, dtype=kind) for n in names for shape, axis in SHAPES for kind in kinds]
    )
    check([case(ArgReduce("ArgMax", 0, last, DType.I32), (9,))])


@pytest.mark.parametrize(("op", "shapes"), [(ArgReduce("ArgMax", 1), [(2,)]), (ArgReduce("ArgMax", 0), [])])
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.F32) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
