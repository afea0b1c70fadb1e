"""pick: indices along each axis, and what is filled in."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_op import case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.op import same
from mcugen.ops.pick import Pick


def axes(*maps):
    return tuple(np.asarray(m, np.int64) for m in maps)


CASES = [
    (Pick(axes([0, 0, 1, 1], [0, 1, 2])), (2, 3)),
    (Pick(axes([-1, 0, 1, -1], [-1, 0, 1, 2, -1]), 2.0), (2, 3)),
    (Pick(axes([1], [2, 1, 0])), (2, 3)),
    (Pick(axes([*range(200)] * 2), -1.0), (200,)),
    (Pick(axes([0, 1], [0], [3, 3, 1, -1])), (2, 1, 4)),
    (Pick(()), ()),
]


@pytest.mark.parametrize("constant", [(), (0,)])
def test_elements_are_where_the_maps_say(constant):
    kinds = (DType.F32, DType.I8, DType.I32)
    check([case(op, shape, dtype=dtype, constant=constant) for op, shape in CASES for dtype in kinds])


def test_padding_is_numpys():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    (found,) = Pick(axes([-1, 0, 1], [0, 1, 2, -1, -1]), 7.0).evaluate(x)
    np.testing.assert_array_equal(found, np.pad(x, [(1, 0), (0, 2)], constant_values=7))


@pytest.mark.parametrize(
    ("op", "shapes"), [(Pick((np.array([2]),)), [(2,)]), (Pick((np.array([-2]),)), [(2,)]), (Pick(()), [(2,)])]
)
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.F32) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"


def test_two_picks_share_a_kernel_where_their_maps_are_equal():
    assert same(Pick(axes([0, 1], [1, 0, 2])), Pick(axes([0, 1], [1, 0, 2])))
    for other in (axes([0, 1], [1, 2, 0]), axes([0, 1], [1, 0]), axes([0, 1])):
        assert not same(Pick(axes([0, 1], [1, 0, 2])), Pick(other))
