"""dequantize: NumPy against compiled C."""

from __future__ import annotations

import pytest
from tensor_op import Case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.dequantize import Dequantize


def one(kind: DType, shape=(40,), scale=()) -> Case:
    types = (TensorType(shape, kind), TensorType(scale, DType.F32), TensorType(scale, kind))
    return Case(Dequantize(), types, frozenset([1, 2]), -100, 100)


def test_per_tensor_and_per_axis():
    kinds = (DType.I8, DType.U8, DType.I16, DType.U16, DType.I32)
    check([one(kind) for kind in kinds] + [one(kind, (2, 3, 4), (3, 1)) for kind in kinds], rtol=0, atol=0)


@pytest.mark.parametrize(
    "kinds", [(DType.F32,) * 3, (DType.I8, DType.F32, DType.U8), (DType.U32, DType.F32, DType.U32)]
)
def test_what_is_refused(kinds):
    with pytest.raises(McugenError) as caught:
        Dequantize().infer(*(TensorType((), kind) for kind in kinds))
    assert caught.value.diagnostics[0].code == "E0201"
    with pytest.raises(McugenError, match="cannot repeat"):
        Dequantize().infer(*(TensorType((n,), kind) for n, kind in ((1, DType.I8), (2, DType.F32), (2, DType.I8))))
