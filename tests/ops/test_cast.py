"""cast: every number of the small integer types as float32."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, GraphBuilder, TensorType
from mcugen.ops.cast import Cast, as_float
from mcugen.rows import vector


def test_the_c_is_numpy() -> None:
    ops, rows = [], []
    for dtype in (DType.U8, DType.I8, DType.U16, DType.I16):
        limits = np.iinfo(dtype.numpy)  # type: ignore[type-var]  # of integers
        ops.append((Cast(), (TensorType((256,), dtype),)))
        rows.append([np.linspace(limits.min, limits.max, 4 * 256).astype(dtype.numpy).reshape(4, 256)])
    assert_c_is_numpy(ops, rows)


def test_only_what_is_no_float_is_cast() -> None:
    builder = GraphBuilder("predict")
    x, n = builder.input("x", vector(3)), builder.input("n", TensorType((3,), DType.U8))
    assert as_float(builder, x) == "x"
    assert builder.type_of(as_float(builder, n)) == vector(3)


@pytest.mark.parametrize("dtype", [DType.F32, DType.I32, DType.I64])
def test_what_it_does_not_take(dtype: DType) -> None:
    with pytest.raises(McugenError, match="cast takes a row of integers"):
        Cast().infer(TensorType((3,), dtype))
