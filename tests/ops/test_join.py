"""join: NumPy's concatenate against compiled C."""

from __future__ import annotations

import pytest
from tensor_op import case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.join import Join

CASES = [
    (Join(0), [(2,), (3,), (1,)]), (Join(1), [(2, 3), (2, 1)]), (Join(0), [(1, 4), (2, 4)]),
    (Join(2), [(2, 3, 1), (2, 3, 5), (2, 3, 2)]), (Join(1), [(2, 200, 2), (2, 3, 2)]),
]  # fmt: skip


def test_one_after_the_other():
    kinds = (DType.F32, DType.U8, DType.I64)
    check([case(op, *shapes, dtype=dtype, constant=[0]) for op, shapes in CASES for dtype in kinds])
    check([case(op, *shapes) for op, shapes in CASES], seed=1)


@pytest.mark.parametrize(("op", "shapes"), [(Join(0), []), (Join(1), [(2, 3), (3, 3)]), (Join(2), [(2, 3), (2, 3)])])
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.F32) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
