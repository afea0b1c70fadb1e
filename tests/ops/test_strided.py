"""strided: NumPy's views against compiled C."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_op import case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.strided import Strided

CASES = [
    (Strided((3, 2), (1, 3)), (2, 3)),  # transposed
    (Strided((2, 2), (6, 2), 1), (3, 4)),  # every second
    (Strided((4,), (-1,), 3), (4,)),  # from the end
    (Strided((3, 4), (0, 1)), (4,)),  # repeated
    (Strided((2, 3, 4), (4, 8, 1)), (3, 2, 4)),
    (Strided((), (), 5), (6,)),
    (Strided((100, 3), (1, 100)), (3, 100)),
]


@pytest.mark.parametrize("constant", [(), (0,)])
def test_elements_are_where_the_strides_say(constant):
    kinds = (DType.F32, DType.U8, DType.I64, DType.BOOL)
    check([case(op, shape, dtype=dtype, constant=constant) for op, shape in CASES for dtype in kinds])


def test_a_transpose_is_numpys():
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    (found,) = Strided((4, 2, 3), (1, 12, 4)).evaluate(x)
    np.testing.assert_array_equal(found, x.transpose(2, 0, 1))


@pytest.mark.parametrize(("op", "shapes"), [(Strided((3,), (1,)), [(2,)]), (Strided((2,), (-1,)), [(2,)])])
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.F32) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
