"""scatter: scatters, NumPy against compiled C; later updates win, and those outside are left out."""

from __future__ import annotations

import pytest
from tensor_op import Case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.scatter import Scatter


def scatter(function, axis, reduction, data, indices, updates, kind=DType.F32) -> Case:
    types = (TensorType(data, kind), TensorType(indices, DType.I64), TensorType(updates, kind))
    return Case(Scatter(function, axis, reduction), types, low=-5, high=5)


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
def test_every_kind(reduction):
    kinds = (DType.F32, DType.I32, DType.I64)
    check(
        [
            one
            for kind in kinds
            for one in (
                scatter("ScatterElements", 0, reduction, (4, 3), (2, 3), (2, 3), kind),
                scatter("ScatterElements", 1, reduction, (2, 5), (2, 3), (2, 3), kind),
                scatter("ScatterND", 0, reduction, (4, 3), (3, 1), (3, 3), kind),
                scatter("ScatterND", 0, reduction, (4, 3, 2), (2, 2, 2), (2, 2, 2), kind),
            )
        ]
    )


@pytest.mark.parametrize(
    ("op", "shapes"), [(Scatter("ScatterElements"), [(2,), (3,), (2,)]), (Scatter("ScatterND"), [(2,), (1, 2), (1,)])]
)
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.I64) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
