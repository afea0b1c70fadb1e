"""pool: every kind of pool with every attribute, NumPy against compiled C."""

from __future__ import annotations

import pytest
from tensor_op import Case, case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.pool import Pool
from mcugen.windows import Window, windows


def pools(function: str, **more) -> list[Case]:
    kind = more.pop("kind", DType.F32)
    shapes = [
        ((1, 2, 7), windows([7], [3], None, None, None)),
        ((2, 2, 5, 6), windows([5, 6], [2, 3], [2, 2], None, [1, 1, 0, 1])),
        ((1, 2, 6, 5), windows([6, 5], [2, 2], None, [2, 2], None)),
        ((1, 1, 5, 5), windows([5, 5], [3, 3], [2, 2], None, [1, 1, 1, 1], ceil=True)),
        ((1, 2, 2, 3), windows([2, 3], [5, 9], [2, 5], None, [1, 2, 1, 0], ceil=True)),  # larger than all there is
        ((1, 1, 3, 4, 3), windows([3, 4, 3], [2, 2, 2], None, None, None)),
        ((1, 3, 4, 4), windows([4, 4], [4, 4], None, None, None)),
        ((1, 1, 6, 6), windows([6, 6], [3, 3], [2, 2], None, None, "SAME_UPPER")),
    ]
    return [case(Pool(function, found, **more), shape, dtype=kind) for shape, found in shapes]


def test_max():
    check([c for kind in (DType.F32, DType.I8, DType.U8, DType.F64) for c in pools("max", kind=kind)])
    check(pools("max", indices=True) + pools("max", indices=True, column_major=True))


def test_average():
    """To the last bit: where a mean is quantised next, half a step may hang on it."""
    cases = pools("average") + pools("average", count_padding=True) + pools("average", kind=DType.F64)
    check(cases, rtol=0, atol=0)


def test_norms():
    check([c for p in (1, 2, 3) for c in pools("lp", p=p)])


@pytest.mark.parametrize(
    ("op", "shapes"), [(Pool("max", (Window(5, 3),)), [(1, 1, 4)]), (Pool("average", (Window(2, 3),)), [(1, 1, 2)])]
)
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.F32) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
