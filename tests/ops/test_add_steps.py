"""add_steps: NumPy against compiled C, bit for bit, ties among them."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_op import case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.add_steps import AddSteps


def test_every_shape():
    ops = [AddSteps((0.1, 0.37, 0.4), (3, -5, 7)), AddSteps((0.5, 0.25, 1.0), (0, 0, -20), low=-3, high=90)]
    check(
        [case(op, shape, shape, dtype=DType.I8, low=-128, high=127) for op in ops for shape in ((7,), (3, 40, 5))], 0, 0
    )


def test_halves_become_even():
    a = np.int8([1, 3, 5, -1, -3, 127])
    (found,) = AddSteps((0.5, 1.0, 1.0), (0, 0, 0)).evaluate(a, np.zeros(6, np.int8))
    assert found.tolist() == [0, 2, 2, 0, -2, 64]


def test_what_is_refused():
    with pytest.raises(McugenError) as caught:
        AddSteps((1, 1, 1), (0, 0, 0)).infer(TensorType((2,), DType.I8), TensorType((3,), DType.I8))
    assert caught.value.diagnostics[0].code == "E0201"
