"""What ops are held to that apply one curve to a tensor, element by element: NumPy against compiled C."""

from __future__ import annotations

import numpy as np
import pytest
from sanitized import check_as_cpp, check_on_avr, compiled, hard_floats, run_sanitized

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, Graph, GraphBuilder, TensorType
from mcugen.op import Op

SHAPES = [(1,), (3,), (2, 3), (255,), (256,)]
CLOSE = 2.4e-7  # four times the last digit of 1, for the C library's own error and the roundings after it


def graph(op: Op, shape: tuple[int, ...], times: int = 1) -> Graph:
    """The op on an input of a shape, several times in a row."""
    builder = GraphBuilder("run")
    name = builder.input("x", TensorType(shape, DType.F32))
    for _ in range(times):
        (name,) = builder.add(op, name)
    builder.output(name)
    return builder.build()


def check_numbers(op: Op) -> None:
    """The C gives NumPy's numbers, of every shape."""
    graphs = [*(graph(op, shape) for shape in SHAPES), graph(op, (5,), times=2)]
    units = [compiled(g, name=f"m{i}") for i, g in enumerate(graphs)]
    rng = np.random.default_rng(0)
    types = [g.values["x"].type.shape for g in graphs]
    inputs = [
        np.concatenate([hard_floats(rng, 30, s), rng.normal(size=(30, *s)).astype(np.float32) * 3]) for s in types
    ]
    for unit, x, (y,) in zip(units, inputs, run_sanitized(units, [[x] for x in inputs]), strict=True):
        wanted = x
        for _ in unit.module.predict.nodes:
            (wanted,) = op.evaluate(wanted)
        np.testing.assert_allclose(y, wanted, rtol=0, atol=CLOSE)


def check_elsewhere(op: Op) -> None:
    """The C is C++ and compiles for AVR."""
    units = [compiled(graph(op, (5,), times=2), name="m"), compiled(graph(op, (300,)), name="long_one")]
    check_as_cpp(units)
    check_on_avr(units)


def check_types(op: Op) -> None:
    """It takes floats of any shape, and nothing else."""
    x = TensorType((2, 3), DType.F32)
    assert op.infer(x) == (x,)
    with pytest.raises(McugenError, match=f"{op.name} takes one f32 tensor, not 3:i8"):
        op.infer(TensorType((3,), DType.I8))
