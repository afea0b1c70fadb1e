"""indexed: gathers, NumPy against compiled C; indices from either end, and outside."""

from __future__ import annotations

import pytest
from tensor_op import Case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.indexed import Indexed


def indexed(function, axis, data, indices, kind=DType.F32, wide=DType.I64, constant=()) -> Case:
    types = (TensorType(data, kind), TensorType(indices, wide))
    return Case(Indexed(function, axis), types, frozenset(constant), -6, 6)


def every(**more) -> list[Case]:
    return [
        indexed("Gather", 0, (4, 3), (2,), **more), indexed("Gather", 1, (4, 3), (2, 2), **more),
        indexed("Gather", 0, (5,), (), **more), indexed("GatherElements", 0, (4, 3), (2, 3), **more),
        indexed("GatherElements", 1, (2, 3, 2), (2, 5, 1), **more), indexed("GatherND", 0, (3, 4), (2, 2), **more),
        indexed("GatherND", 0, (3, 4), (5, 1), **more), indexed("GatherND", 1, (2, 3, 4), (2, 3, 1), **more),
    ]  # fmt: skip


def test_every_kind():
    check(every() + every(kind=DType.I8, wide=DType.I32))
    check(every(constant=[0]) + every(constant=[1]))


@pytest.mark.parametrize(
    ("op", "shapes"), [(Indexed("Gather", 1), [(2,), (2,)]), (Indexed("GatherND", 0), [(2,), (3,)])]
)
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.I64) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
