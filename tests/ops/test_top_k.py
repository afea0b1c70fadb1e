"""top_k: the best along an axis, and where they are."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_op import case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.top_k import TopK


def test_largest_and_smallest():
    shapes = [((6,), 0, 1), ((6,), 0, 6), ((3, 4), 0, 2), ((3, 4), 1, 3), ((2, 5, 2), 1, 2)]
    kinds = (DType.F32, DType.I8, DType.U8, DType.I64)
    check(
        [
            case(TopK(k, axis, up), shape, dtype=kind)
            for shape, axis, k in shapes
            for kind in kinds
            for up in (True, False)
        ]
    )


def test_of_equal_ones_the_first_comes_first():
    values, places = TopK(2, 0).evaluate(np.int8([3, 5, 5, 5]))
    np.testing.assert_array_equal(values, [5, 5])
    np.testing.assert_array_equal(places, [1, 2])


@pytest.mark.parametrize(("op", "shapes"), [(TopK(3, 0), [(2,)]), (TopK(0, 0), [(2,)]), (TopK(1, 1), [(2,)])])
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.F32) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
