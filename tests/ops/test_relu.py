"""relu: NumPy against compiled C."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy
from sanitized import assert_same_floats, check_as_cpp, compiled, hard_floats, run_sanitized

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, Graph, GraphBuilder, TensorType
from mcugen.ops.relu import Relu

SHAPES = [(1,), (3,), (2, 3), (1, 2, 3, 4), (255,), (256,), (8_000,)]


def graph(shape: tuple[int, ...], times: int = 1) -> Graph:
    builder = GraphBuilder("run")
    name = builder.input("x", TensorType(shape, DType.F32))
    for _ in range(times):
        (name,) = builder.add(Relu(), name)
    builder.output(name)
    return builder.build()


def test_the_c_gives_numpys_numbers() -> None:
    """Shapes around the widths of the index, then a chain through the arena, where relu writes over its input."""
    graphs = [*(graph(shape) for shape in SHAPES), graph((5,), times=3)]
    units = [compiled(g, name=f"m{i}") for i, g in enumerate(graphs)]
    rng = np.random.default_rng(0)
    inputs = [hard_floats(rng, 3 if g.values["x"].type.size > 999 else 50, g.values["x"].type.shape) for g in graphs]
    for unit, x, (y,) in zip(units, inputs, run_sanitized(units, [[x] for x in inputs]), strict=True):
        assert_same_floats(y, Relu().evaluate(x)[0], str(unit.module.predict.values["x"].type))


def test_pairs_have_the_sign_of_the_first() -> None:
    op, given = Relu(pairs=True), hard_floats(np.random.default_rng(0), 50, (8,))
    assert_c_is_numpy([(op, (TensorType((8,), DType.F32),))], [[given]])
    x = np.array([-1, 2, -0.0, 1, -1, 1], np.float32)
    np.testing.assert_array_equal(op.evaluate(x)[0], np.array([0, 2, 0, 0, -1, 1], np.float32))


def test_the_c_is_cpp_too() -> None:
    """One of them too long for a 16-bit index, and for the driver's rows."""
    check_as_cpp([compiled(graph((5,), times=2), name="m"), compiled(graph((70_000,)), name="long_one")])


def test_what_relu_means() -> None:
    x = np.array([-1, -0.0, 0, 2, np.nan, np.inf, -np.inf], np.float32)
    (y,) = Relu().evaluate(x)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, np.array([0, 0, 0, 2, np.nan, np.inf, 0], np.float32))
    np.testing.assert_array_equal(np.maximum(x, np.float32(0)), y)
    assert np.signbit(y[1])


@pytest.mark.parametrize("shape", [(), (4,), (2, 0, 3)])
def test_infer_keeps_the_type(shape: tuple[int, ...]) -> None:
    x = TensorType(shape, DType.F32)
    assert Relu().infer(x) == (x,)
    assert Relu().evaluate(np.ones(shape, np.float32))[0].shape == shape


@pytest.mark.parametrize(
    "inputs", [(), (TensorType((3,), DType.I8),), (TensorType((3,), DType.F32), TensorType((3,), DType.F32))]
)
def test_what_relu_does_not_take(inputs: tuple[TensorType, ...]) -> None:
    with pytest.raises(McugenError, match="relu takes one f32 tensor, not") as caught:
        Relu().infer(*inputs)
    assert caught.value.diagnostics[0].code == "E0201"
