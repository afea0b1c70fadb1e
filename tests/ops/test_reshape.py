"""reshape: a copy where it has to be one, else the same buffer."""

from __future__ import annotations

import numpy as np
import pytest
from sanitized import TARGET, run_sanitized
from tensor_op import case, check

from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.ir import DType, GraphBuilder, Module, TensorType
from mcugen.memory.plan import plan
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.reshape import Reshape
from mcugen.targets.driver import Unit


def test_a_copy_from_the_callers_buffer_to_the_callers_buffer():
    shapes = [((2, 3), (6,)), ((), (1,)), ((1,), ()), ((2, 3, 4), (4, 6)), ((300,), (3, 100))]
    check([case(Reshape(to), of, dtype=dtype) for of, to in shapes for dtype in (DType.F32, DType.I8, DType.I64)])


def chained(relu_first: bool) -> Module:
    """Views of the input, between nodes, and into the output."""
    builder = GraphBuilder("run")
    x = builder.input("x", TensorType((2, 6), DType.F32))
    (x,) = builder.add(Reshape((3, 4)), x)
    if relu_first:
        (x,) = builder.add(Elementwise("Relu"), x)
    (a,) = builder.add(Reshape((12,)), x)
    (b,) = builder.add(Elementwise("Neg"), a)
    (c,) = builder.add(Elementwise("Add"), a, b)
    (y,) = builder.add(Reshape((4, 3)), c)
    builder.output(y, name="y")
    return Module("net", (builder.build(),))


@pytest.mark.parametrize("relu_first", [False, True])
def test_views_are_one_buffer(relu_first):
    module = chained(relu_first)
    memory = plan(module, TARGET)
    assert memory.arena == (96 if relu_first else 48)  # the sum is made in the caller's buffer
    files = emit(module, memory, TARGET)
    assert "op_reshape" not in files["src/net.c"]
    rows = np.random.default_rng(0).normal(size=(5, 2, 6)).astype(np.float32)
    ((found,),) = run_sanitized([Unit(module, files)], [[rows]])
    np.testing.assert_array_equal(found, np.zeros((5, 4, 3)))


@pytest.mark.parametrize(("op", "shapes"), [(Reshape((4,)), [(3,)]), (Reshape((4,)), [])])
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.F32) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
