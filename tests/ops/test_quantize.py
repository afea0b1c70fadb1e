"""quantize: rounding, halves to the even number, and the ends of the type."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_op import Case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.quantize import Quantize


def one(zero: DType, shape=(40,), scale=(), high=9.0) -> Case:
    types = (TensorType(shape, DType.F32), TensorType(scale, DType.F32), TensorType(scale, zero))
    return Case(Quantize(), types, frozenset([1, 2]), -high, high)


def test_per_tensor_and_per_axis():
    kinds = (DType.I8, DType.U8, DType.I16, DType.U16)
    check([one(zero) for zero in kinds] + [one(zero, (2, 3, 4), (3, 1)) for zero in kinds], atol=0)


def test_halves_ends_and_what_is_no_number():
    x = np.float32([0.5, 1.5, 2.5, -0.5, -1.5, 1e9, -1e9, np.inf, -np.inf, np.nan, 126.5, 127.5])
    (found,) = Quantize().evaluate(x, np.float32(1), np.int8(0))
    np.testing.assert_array_equal(found, [0, 2, 2, 0, -2, 127, -128, 127, -128, 0, 126, 127])
    from sanitized import compiled, run_sanitized

    from mcugen.ir import GraphBuilder

    builder = GraphBuilder("run")
    names = [
        builder.input("x", TensorType(x.shape, DType.F32)),
        builder.const("s", np.float32(1)),
        builder.const("z", np.int8(0)),
    ]
    builder.output(*builder.add(Quantize(), *names))
    (((got,),),) = [run_sanitized([compiled(builder.build())], [[x[None]]])]
    np.testing.assert_array_equal(got[0], found)


@pytest.mark.parametrize(("op", "shapes"), [(Quantize(), [(2,), (), ()])])
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.F32) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
