"""Ops that take and give vectors, one by one: graphs of a single node, NumPy against compiled C."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sanitized import assert_same_floats, check_as_cpp, check_on_avr, compiled, run_sanitized

from mcugen.ir import Array, Graph, GraphBuilder, TensorType
from mcugen.op import Op
from mcugen.targets.driver import Unit


def alone(op: Op, *types: TensorType) -> Graph:
    """A graph of this op; a class's index is labelled, so that the C returns it."""
    builder = GraphBuilder("predict")
    inputs = [builder.input(f"x{i}", type) for i, type in enumerate(types)]
    for value in builder.add(op, *inputs):
        index = builder.type_of(value).dtype.short == "i32"
        builder.output(value, labels=tuple(range(300)) if index else None)
    return builder.build()


def units_of(ops: Sequence[tuple[Op, tuple[TensorType, ...]]]) -> list[Unit]:
    """The C of each."""
    return [compiled(alone(op, *types), name=f"m{i}") for i, (op, types) in enumerate(ops)]


def assert_c_is_numpy(ops: Sequence[tuple[Op, tuple[TensorType, ...]]], inputs: Sequence[Sequence[Array]]) -> None:
    """Under the sanitizers every op's C gives what `evaluate` does, bit for bit, on all rows; the C is C++ and fits AVR."""
    units = units_of(ops)
    for (op, _), given, found in zip(ops, inputs, run_sanitized(units, inputs), strict=True):
        for row in range(len(given[0])):
            with np.errstate(all="ignore"):
                wanted = op.evaluate(*(one[row] for one in given))
            for out, one in zip(found, wanted, strict=True):
                if one.dtype.kind == "f":
                    assert_same_floats(out[row], one, f"{op.name} ({op.describe()}), row {row}")
                else:
                    assert np.array_equal(out[row], one), f"{op.name} ({op.describe()}), row {row}"
    check_as_cpp(units)
    check_on_avr(units)
