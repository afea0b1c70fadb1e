"""add_scaled: NumPy against compiled C, bit for bit."""

from __future__ import annotations

import pytest
from tensor_op import case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.add_scaled import AddScaled


def test_every_shape():
    ops = [AddScaled(1 << 19, 3 << 18, -12345, 20), AddScaled(700, 900, 512, 10, low=-3, high=90)]
    check(
        [case(op, shape, shape, dtype=DType.I8, low=-128, high=127) for op in ops for shape in ((7,), (3, 4, 5))], 0, 0
    )


def test_what_is_refused():
    with pytest.raises(McugenError) as caught:
        AddScaled(1, 1, 0, 1).infer(TensorType((2,), DType.I8), TensorType((3,), DType.I8))
    assert caught.value.diagnostics[0].code == "E0201"
