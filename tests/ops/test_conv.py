"""conv: windows, groups and dilations, NumPy against compiled C."""

from __future__ import annotations

import pytest
from tensor_op import Case, case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.conv import Conv
from mcugen.windows import Window, windows


def conv(x, w, groups=1, bias=False, kind=DType.F32, constant=(), **given) -> Case:
    found = windows(
        x[2:], w[2:], given.get("strides"), given.get("dilations"), given.get("pads"), given.get("auto", "NOTSET")
    )
    shapes = [x, w, *([(w[0],)] if bias else [])]
    return case(Conv(found, groups), *shapes, dtype=kind, constant=constant)


def every(kind=DType.F32, constant=()) -> list[Case]:
    more = {"kind": kind, "constant": constant}
    return [
        conv((1, 1, 5), (2, 1, 3), **more),
        conv((1, 2, 5, 4), (3, 2, 3, 3), bias=True, pads=[1, 1, 1, 1], **more),
        conv((2, 4, 6, 6), (4, 1, 3, 3), groups=4, pads=[1, 0, 0, 1], strides=[2, 1], **more),
        conv((1, 4, 7), (6, 2, 3), groups=2, bias=True, dilations=[2], **more),
        conv((1, 1, 3, 4, 3), (2, 1, 2, 2, 2), pads=[0, 1, 0, 1, 0, 0], **more),
        conv((1, 3, 5, 5), (2, 3, 1, 1), **more),
        conv((1, 2, 6, 5), (2, 2, 3, 2), auto="SAME_UPPER", strides=[2, 2], **more),
        conv((1, 2, 6, 5), (2, 2, 3, 2), auto="SAME_LOWER", **more),
    ]


@pytest.mark.parametrize("kind", [DType.F32, DType.I32, DType.F64])
def test_every_attribute(kind):
    check(every(kind), rtol=1e-4, atol=1e-4)
    check(every(kind, constant=[1]), rtol=1e-4, atol=1e-4, seed=1)


def test_how_many_windows_there_are():
    assert Window(5, 3).out == 3
    assert Window(5, 3, stride=2, ceil=True).out == 2
    assert Window(6, 3, stride=2, ceil=True).out == 3
    assert Window(3, 1, stride=4, ceil=True).out == 1
    assert Window(2, 3).out == 0


def test_a_window_of_one_tap_has_no_distance_of_taps():
    """A kernel of single pixels would else make room for windows that are not in one piece, and leave it unused."""
    assert windows((5, 6), (1, 3), None, (2, 2), None) == (Window(5, 1), Window(6, 3, 1, 2))


def test_multiply_accumulates_are_counted():
    one = every()[0]
    assert one.op.macc(*one.inputs) == 2 * 3 * 3


@pytest.mark.parametrize(
    ("op", "shapes"), [(Conv((Window(5, 3),)), [(1, 2, 5), (1, 1, 3)]), (Conv((Window(2, 3),)), [(1, 1, 2), (1, 1, 3)])]
)
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.F32) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
