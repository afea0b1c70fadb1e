"""softmax: the softmax family against compiled C, in its own place, too."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_op import case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.softmax import Softmax

SHAPES = [((5,), (0,)), ((2, 3), (1,)), ((2, 3), (0,)), ((2, 3, 4), (1, 2)), ((2, 3, 4), (1,)), ((1,), (0,))]


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax", "Hardmax"])
def test_along_axes(name):
    kinds = (DType.F32, DType.F64)
    check([case(Softmax(name, axes), shape, dtype=kind, low=-50, high=50) for shape, axes in SHAPES for kind in kinds])


def test_large_numbers_do_not_overflow():
    (found,) = Softmax("Softmax", (0,)).evaluate(np.float32([1e30, 1e30, 0]))
    np.testing.assert_array_equal(found, [0.5, 0.5, 0])


@pytest.mark.parametrize(("op", "shapes"), [(Softmax("Softmax", (0,)), [(2,)])])
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.I32) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
