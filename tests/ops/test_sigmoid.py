"""sigmoid: NumPy against compiled C."""

from __future__ import annotations

import numpy as np
import pytest
from sanitized import check_as_cpp, check_on_avr, compiled, hard_floats, run_sanitized

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, Graph, GraphBuilder, TensorType
from mcugen.ops.sigmoid import Sigmoid

SHAPES = [(1,), (3,), (2, 3), (255,), (256,)]


def graph(shape: tuple[int, ...], times: int = 1) -> Graph:
    builder = GraphBuilder("run")
    name = builder.input("x", TensorType(shape, DType.F32))
    for _ in range(times):
        (name,) = builder.add(Sigmoid(), name)
    builder.output(name)
    return builder.build()


def test_the_c_gives_numpys_numbers() -> None:
    """To 2e-7: four times the last digit of 1, for the C library's own error and the roundings after it."""
    graphs = [*(graph(shape) for shape in SHAPES), graph((5,), times=2)]
    units = [compiled(g, name=f"m{i}") for i, g in enumerate(graphs)]
    rng = np.random.default_rng(0)
    types = [g.values["x"].type.shape for g in graphs]
    inputs = [
        np.concatenate([hard_floats(rng, 30, s), rng.normal(size=(30, *s)).astype(np.float32) * 3]) for s in types
    ]
    for unit, x, (y,) in zip(units, inputs, run_sanitized(units, [[x] for x in inputs]), strict=True):
        wanted = x
        for _ in unit.module.predict.nodes:
            (wanted,) = Sigmoid().evaluate(wanted)
        np.testing.assert_allclose(y, wanted, rtol=0, atol=2.4e-7)


def test_the_c_is_cpp_and_avr_too() -> None:
    units = [compiled(graph((5,), times=2), name="m"), compiled(graph((300,)), name="long_one")]
    check_as_cpp(units)
    check_on_avr(units)


def test_what_it_takes() -> None:
    x = TensorType((2, 3), DType.F32)
    assert Sigmoid().infer(x) == (x,)
    with pytest.raises(McugenError, match="sigmoid takes one f32 tensor, not 3:i8"):
        Sigmoid().infer(TensorType((3,), DType.I8))
