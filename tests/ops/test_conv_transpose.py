"""conv_transpose: NumPy against compiled C."""

from __future__ import annotations

import pytest
from tensor_op import Case, case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.conv_transpose import ConvTranspose
from mcugen.windows import Window


def transposed(x, w, found, groups=1, bias=False, constant=(), kind=DType.F32) -> Case:
    shapes = [x, w, *([(w[1] * groups,)] if bias else [])]
    return case(ConvTranspose(found, x[2:], groups), *shapes, constant=constant, dtype=kind)


def every(**more) -> list[Case]:
    return [
        transposed((1, 1, 3), (1, 2, 3), (Window(5, 3),), **more),
        transposed((1, 2, 3, 3), (2, 2, 3, 3), (Window(7, 3, 2), Window(5, 3, 1)), bias=True, **more),
        transposed((2, 4, 2, 3), (4, 1, 2, 2), (Window(4, 2, 2), Window(4, 2)), groups=2, **more),
        transposed((1, 1, 3, 3), (1, 1, 2, 2), (Window(5, 2, 1, 2, 0), Window(3, 2, 1, 2, 1)), **more),
        transposed((1, 1, 2, 2, 2), (1, 1, 2, 2, 2), (Window(3, 2),) * 3, bias=True, **more),
    ]


def test_every_attribute():
    check(every(), rtol=1e-4, atol=1e-4)
    check(every(constant=[1], kind=DType.F64), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("op", "shapes"), [(ConvTranspose((Window(5, 3),), (3,)), [(1, 2, 3), (1, 1, 3)])])
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.F32) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
