"""contract: NumPy's einsum against compiled C."""

from __future__ import annotations

import pytest
from tensor_op import case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.contract import Contract

CASES = [
    (Contract(("ik", "kj"), "ij"), [(2, 3), (3, 4)]), (Contract(("k", "k"), ""), [(7,), (7,)]),
    (Contract(("bik", "bkj"), "bij"), [(2, 2, 3), (2, 3, 2)]), (Contract(("Bik", "Bkj"), "Bij"), [(1, 2, 3), (4, 3, 2)]),
    (Contract(("ki", "jk"), "ij"), [(3, 2), (4, 3)]), (Contract(("ii",), "i"), [(3, 3)]), (Contract(("ij",), "i"), [(2, 5)]),
    (Contract(("i", "j"), "ij"), [(2,), (3,)]), (Contract(("ik", "kj", "j"), "i"), [(2, 3), (3, 2), (2,)]),
    (Contract(("ik", "kj"), "ij"), [(1, 300), (300, 2)]),
]  # fmt: skip


@pytest.mark.parametrize("kind", [DType.F32, DType.I32, DType.I64, DType.F64])
def test_sums_of_products(kind):
    check([case(op, *shapes, dtype=kind) for op, shapes in CASES], rtol=1e-4, atol=1e-4)
    constant = [(op, shapes) for op, shapes in CASES if len(shapes) == 2]
    check([case(op, *shapes, dtype=kind, constant=[1]) for op, shapes in constant], rtol=1e-4, atol=1e-4)


def test_multiply_accumulates_are_counted():
    assert Contract(("ik", "kj"), "ij").macc(TensorType((2, 3), DType.F32), TensorType((3, 4), DType.F32)) == 24


@pytest.mark.parametrize(
    ("op", "shapes"), [(Contract(("ik", "kj"), "ij"), [(2, 3), (4, 2)]), (Contract(("i",), "i"), [(2, 3)])]
)
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.F32) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
