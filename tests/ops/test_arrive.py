"""arrive: the order in which a caller gives an input; its C is tested in tests/memory/test_arrivals.py."""

from __future__ import annotations

import numpy as np
import pytest

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.arrive import Arrive
from mcugen.ops.reshape import Reshape
from mcugen.ops.strided import Strided

PIXELS = (Reshape((3, 2, 2)), Strided((2, 2, 3), (2, 1, 4)))


def test_the_order_is_that_of_what_moves_it() -> None:
    x = np.random.default_rng(0).normal(size=(1, 3, 2, 2)).astype(np.float32)
    op, kind = Arrive(PIXELS), TensorType((1, 3, 2, 2), DType.F32)
    np.testing.assert_array_equal(op.evaluate(x)[0], x[0].transpose(1, 2, 0))
    np.testing.assert_array_equal(x.ravel()[op.order(kind)], op.evaluate(x)[0].ravel())


def test_it_takes_rows_where_it_is_streamed() -> None:
    op = Arrive((Reshape((4, 2)),), streamed=True)
    assert op.infer(TensorType((8,), DType.I8)) == (TensorType((4, 2), DType.I8),)
    assert op.reads(0, TensorType((8,), DType.I8)) == (None,)
    assert Arrive((Reshape((4, 2)),)).reads(0, TensorType((8,), DType.I8)) == ()
    assert (op.describe(), Arrive(PIXELS).describe()) == ("row by row", "in the arena")


def test_one_number_has_no_rows() -> None:
    with pytest.raises(McugenError) as caught:
        Arrive((Reshape(()),), streamed=True).infer(TensorType((1,), DType.I8))
    assert caught.value.diagnostics[0].code == "E0201"
