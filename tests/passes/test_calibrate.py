"""Calibration: weighted ops see the rows that reach them, and nothing else changes."""

from __future__ import annotations

import numpy as np

from mcugen.boards import Target, load_board
from mcugen.ir import DType, GraphBuilder, Module, TensorType
from mcugen.ops.linear import Linear
from mcugen.passes.calibrate import calibrate


def two_layers() -> Module:
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((2,), DType.F32))
    (hidden,) = builder.add(Linear(np.full((3, 2), 8.0), np.zeros(3), "transform"), x)
    (label,) = builder.add(Linear(np.eye(3), np.ones(3), "label"), hidden)
    builder.output(label, labels=(0, 1, 2))
    return Module("m", (builder.build(),))


def seen(rows: np.ndarray | None) -> list[object]:
    module = calibrate(two_layers(), Target(load_board("uno"), rows=rows))
    assert str(module) == str(two_layers())
    return [node.op.sizes for node in module.nodes]  # type: ignore[attr-defined]


def test_each_op_sees_what_reaches_it() -> None:
    rows = np.array([[1, 0], [-4, 0.5]], np.float32)
    first, second = seen(rows)
    np.testing.assert_array_equal(first, [[127, 0], [129, 126]])  # the biased exponents of 1, 0, 4 and 0.5
    np.testing.assert_array_equal(second, [[130] * 3, [131] * 3])  # of 8, and of 28 = 8 * 3.5


def test_without_rows_nothing_is_known() -> None:
    assert seen(None) == [None, None]
    assert seen(np.zeros((0, 2), np.float32)) == [None, None]
