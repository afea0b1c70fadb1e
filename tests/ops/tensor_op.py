"""Ops on tensors, many at once: graphs of a single node, NumPy against compiled C."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sanitized import check_as_cpp, check_on_avr, compiled, run_sanitized

from mcugen.ir import Array, DType, Graph, GraphBuilder, Storage, TensorType
from mcugen.op import Op

ROWS = 4


@dataclass(frozen=True, eq=False)
class Case:
    """An op with the shapes and types of its inputs; those at `constant` are constants in flash. Numbers come from `low` to
    `high`."""

    op: Op
    inputs: tuple[TensorType, ...]
    constant: frozenset[int] = frozenset()
    low: float = -3.0
    high: float = 3.0


def case(
    op: Op, *shapes: tuple[int, ...], dtype: DType = DType.F32, constant: Iterable[int] = (), **more: float
) -> Case:
    """A case whose inputs are all of one type."""
    return Case(op, tuple(TensorType(shape, dtype) for shape in shapes), frozenset(constant), **more)


def numbers(rng: np.random.Generator, type: TensorType, one: Case, rows: int | None = None) -> Array:
    """Numbers of a type, some of them equal, (rows, *shape) or of the shape alone."""
    shape = type.shape if rows is None else (rows, *type.shape)
    if type.dtype is DType.BOOL:
        return rng.random(shape) < 0.5
    if type.dtype.limits is None:
        found = rng.uniform(one.low, one.high, shape)
        return np.asarray(np.where(rng.random(shape) < 0.2, np.rint(found), found), type.dtype.numpy)
    low, high = type.dtype.limits
    return rng.integers(max(low, int(one.low)), min(high, int(one.high)), shape, dtype=type.dtype.numpy, endpoint=True)


def graph_of(one: Case, constants: Sequence[Array | None]) -> Graph:
    """A graph of this op, every output its own, but for what is only room to work in."""
    builder = GraphBuilder("run")
    names = [
        builder.input(f"x{i}", type) if data is None else builder.const(f"c{i}", data)
        for i, (type, data) in enumerate(zip(one.inputs, constants, strict=True))
    ]
    made = builder.add(one.op, *names)
    for value in made[: len(made) - one.op.scratch]:
        builder.output(value)
    return builder.build()


def check(cases: Sequence[Case], rtol: float = 1e-5, atol: float = 1e-6, seed: int = 0) -> None:
    """Under the sanitizers every op's C gives what `evaluate` does; the same C is C++, and C for AVR where there is no double."""
    rng = np.random.default_rng(seed)
    constants = [
        [numbers(rng, type, one) if i in one.constant else None for i, type in enumerate(one.inputs)] for one in cases
    ]
    graphs = [graph_of(one, data) for one, data in zip(cases, constants, strict=True)]
    units = [compiled(graph, name=f"m{i}") for i, graph in enumerate(graphs)]
    given = [
        [numbers(rng, type, one, ROWS) for type, data in zip(one.inputs, fixed, strict=True) if data is None]
        for one, fixed in zip(cases, constants, strict=True)
    ]
    for one, fixed, graph, inputs, found in zip(
        cases, constants, graphs, given, run_sanitized(units, given), strict=True
    ):
        for row in range(len(found[0])):
            rows = iter(data[row] for data in inputs)
            wanted = one.op.evaluate(*(next(rows) if data is None else data for data in fixed))
            for value, got, expected in zip(graph.of(Storage.OUTPUT), found, wanted, strict=False):
                text = f"{one.op.name} {one.op.describe()} of {', '.join(map(str, one.inputs))}, %{value.name}"
                assert expected.dtype == value.type.dtype.numpy, text
                assert expected.shape == value.type.shape, text
                np.testing.assert_allclose(got[row], expected, rtol=rtol, atol=atol, err_msg=text)
    check_as_cpp(units)
    if on_avr := [u for u, one in zip(units, cases, strict=True) if all(t.dtype is not DType.F64 for t in one.inputs)]:
        check_on_avr(on_avr)
