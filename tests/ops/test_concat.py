"""concat: NumPy against compiled C: numbers and vectors, one input and 126."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy
from sanitized import check_on_avr, compiled, hard_floats, run_sanitized

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, GraphBuilder, TensorType
from mcugen.ops.concat import MOST, Concat
from mcugen.rows import vector

SHAPES = [[(1,)], [(3,), (4,)], [(), (2,), ()], [(300,), (1,)], [(2,)] * MOST]


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops = [(Concat(), tuple(TensorType(s, DType.F32) for s in shapes)) for shapes in SHAPES]
    rows = [[hard_floats(rng, 6, t.shape) for t in types] for _, types in ops]
    assert_c_is_numpy(ops, rows)


def test_a_constant_from_flash() -> None:
    builder = GraphBuilder("run")
    x, c = builder.input("x", vector(2)), builder.const("c", np.array([7, 8], np.float32))
    builder.output(*builder.add(Concat(), c, x, names=("y",)))
    unit = compiled(builder.build())
    check_on_avr([unit])
    np.testing.assert_array_equal(run_sanitized([unit], [[np.array([[1, 2]], np.float32)]])[0][0], [[7, 8, 1, 2]])


def test_where_an_element_comes_from() -> None:
    types = (vector(2), TensorType((), DType.F32), vector(3))
    assert [Concat().source(i, *types) for i in range(6)] == [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (2, 2)]


@pytest.mark.parametrize("types", [(), (vector(1),) * (MOST + 1), (TensorType((2, 2), DType.F32),)])
def test_what_it_does_not_take(types: tuple[TensorType, ...]) -> None:
    with pytest.raises(McugenError, match="concat takes 1 to 126 f32 vectors"):
        Concat().infer(*types)
