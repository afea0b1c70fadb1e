"""cumulate: NumPy's running sums against compiled C."""

from __future__ import annotations

import pytest
from tensor_op import case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.cumulate import Cumulate


def test_both_ways_with_and_without_itself():
    ways = [(name, a, b) for name in ("CumSum", "CumProd") for a in (False, True) for b in (False, True)]
    shapes = [((5,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 3, 2), 1)]
    kinds = (DType.F32, DType.I32, DType.I64, DType.F64)
    check([case(Cumulate(n, axis, a, b), shape, dtype=k) for n, a, b in ways for shape, axis in shapes for k in kinds])


@pytest.mark.parametrize(("op", "shapes"), [(Cumulate("CumSum", 1), [(2,)]), (Cumulate("CumSum", 0), [])])
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.F32) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
