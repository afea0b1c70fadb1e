"""conv_rows: every window, in floats and integers, loops and packed words, NumPy against compiled C."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sanitized import check_as_cpp, run_sanitized

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.ir import DType, GraphBuilder, Module, Storage, TensorType
from mcugen.memory.plan import plan
from mcugen.ops.add_scaled import AddScaled
from mcugen.ops.add_steps import AddSteps
from mcugen.ops.conv_rows import ConvRows, packed
from mcugen.passes import run
from mcugen.targets.driver import Unit
from mcugen.windows import Window

CASES = {  # rows, columns, channels, groups, outputs
    "pixels": (Window(3, 1), Window(5, 1), 7, 1, 6),
    "pixels apart": (Window(5, 1, 2), Window(9, 1, 2), 4, 1, 2),
    "one pixel": (Window(1, 1), Window(1, 1), 10, 1, 4),
    "three by three": (Window(6, 3, 1, 1, 1, 1), Window(9, 3, 1, 1, 1, 1), 3, 1, 4),
    "inside": (Window(6, 3), Window(9, 3, 2), 4, 1, 4),
    "apart": (Window(7, 3, 1, 2), Window(9, 2, 1, 3, 2, 1), 5, 1, 2),
    "apart inside": (Window(1, 1), Window(12, 3, 1, 2), 4, 1, 6),
    "tall": (Window(9, 5, 2, 1, 2, 2), Window(4, 2, 1, 1, 1, 1), 1, 1, 8),
    "odd": (Window(4, 2), Window(4, 2), 2, 1, 3),
    "along a line": (Window(1, 1), Window(11, 3, 1, 1, 1, 1), 2, 1, 2),
    "each channel": (Window(5, 3, 1, 1, 1, 1), Window(6, 3, 1, 1, 1, 1), 8, 8, 8),
    "each channel inside": (Window(7, 3, 2), Window(5, 3), 4, 4, 4),
    "each channel apart": (Window(7, 3, 1, 2, 2, 2), Window(7, 3, 2, 1, 0, 1), 4, 4, 4),
    "each channel twice": (Window(4, 2, 1, 1, 1), Window(4, 3), 3, 3, 6),
}
ADDS = ("pixels", "three by three", "one pixel", "odd", "tall")  # which have something added to them
BOARDS = ("uno", "feather_nrf52840", "esp32c3")


def graph_of(name: str, kind: DType, rng: np.random.Generator, by_float: bool = False):
    """A layer of a case with weights of its own; `by_float`: integers that floats bring to another scale."""
    rows, columns, channels, groups, outs = CASES[name]
    shape = (outs, rows.kernel, columns.kernel, channels // groups)
    builder = GraphBuilder(f"run_{name.replace(' ', '_')}")
    x = builder.input("x", TensorType((rows.size, columns.size, channels), kind))
    if kind is DType.F32:
        op = ConvRows(rows, columns, groups, low=0.0 if outs > 3 else -np.inf, high=2.0 if outs == 6 else np.inf)
        tables = [rng.uniform(-1, 1, shape).astype(np.float32), rng.uniform(-1, 1, outs).astype(np.float32)]
    else:
        bounds = {"low": -100.0, "high": 90.0} if outs > 4 else {"low": -128.0, "high": 127.0}
        op = ConvRows(rows, columns, groups, **bounds, zero=int(rng.integers(-128, 127)), to=int(rng.integers(-20, 20)))
        shift = {"odd": 24, "each channel twice": 44}.get(name, 32) if not by_float else 32
        factors = rng.uniform(0.2, 1, outs) / np.prod(shape[1:]) ** 0.5 / 80 * 2.0 ** ((32 - shift) / 2)
        tables = [
            rng.integers(-127, 127, shape, dtype=np.int8, endpoint=True),
            rng.integers(-4000, 4000, outs, dtype=np.int32),
            factors.astype(np.float32) if by_float else np.rint(factors * 2.0**shift).astype(np.int32),
        ]
        op = replace(op, by_float=by_float, shift=shift)
    names = [builder.const(f"t{i}", one) for i, one in enumerate(tables)]
    if name in ADDS:
        scaled = AddScaled(1 << 19, 3 << 18, -12345, 20, low=-90) if kind is DType.I8 else None
        op = replace(op, adds=True, scaled=scaled)
        if by_float:
            op = replace(op, scaled=AddSteps((0.03, 0.04, 0.05), (3, -9, op.to), low=-90))
        names.insert(0, builder.input("added", TensorType((rows.out, columns.out, outs), kind)))
    (y,) = builder.add(op, x, *names)
    builder.output(y)
    return builder.build(), op, tables


def made_for(kind: DType, board: str, by_float: bool = False):
    """Every case for a board: (graph, op, tables), its C, and rows."""
    rng = np.random.default_rng(0)
    target = Target(load_board(board))
    made = [graph_of(name, kind, rng, by_float) for name in CASES]
    modules = [run(Module(f"m{i}", (graph,)), target) for i, (graph, _, _) in enumerate(made)]
    units = [Unit(module, emit(module, plan(module, target), target)) for module in modules]
    inputs = []
    for graph, _, _ in made:
        shapes = [(4, *value.type.shape) for value in graph.of(Storage.INPUT)]
        every = (rng.uniform(-2, 2, s) if kind is DType.F32 else rng.integers(-128, 128, s) for s in shapes)
        inputs.append([values.astype(kind.numpy) for values in every])
    inputs[0][0][0], inputs[0][0][1] = inputs[0][0].max(), inputs[0][0].min()
    return made, units, inputs


def compare(kind: DType, made, units, inputs, results) -> None:
    """Integers bit for bit, floats as near as their sums are."""
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if kind is DType.F32 else {"rtol": 0, "atol": 0}
    for (graph, op, tables), unit, given, (found, *_) in zip(made, units, inputs, results, strict=True):
        layer = next(node for node in unit.module.nodes if node.op.name == "conv_rows")
        constants = [unit.module.predict.values[name].data for name in layer.inputs[len(given) :]]
        for *x, got in zip(*given, found, strict=True):
            wanted = op.evaluate(*x, *tables)[0]
            np.testing.assert_allclose(got, wanted, **tolerance, err_msg=graph.name)
            np.testing.assert_allclose(layer.op.evaluate(*x, *constants)[0], wanted, rtol=1e-6, atol=1e-6)


def check(kind: DType, board: str, by_float: bool = False) -> set[str]:
    """Every case on the host; the forms that were taken."""
    made, units, inputs = made_for(kind, board, by_float)
    compare(kind, made, units, inputs, run_sanitized(units, inputs))
    check_as_cpp(units)
    return {node.op.form for unit in units for node in unit.module.nodes}


@pytest.mark.parametrize("board", BOARDS)
def test_floats(board):
    forms = check(DType.F32, board)
    assert forms == ({"rows", "fpu"} if board == "feather_nrf52840" else {"rows"})


@pytest.mark.parametrize("board", BOARDS)
def test_integers_are_the_same_bits(board):
    forms = check(DType.I8, board)
    assert forms == ({"rows", "dsp"} if board == "feather_nrf52840" else {"rows"})


@pytest.mark.parametrize("board", ["feather_nrf52840", "esp32dev"])
def test_integers_by_floats(board):
    forms = check(DType.I8, board, by_float=True)
    assert forms == ({"rows", "dsp"} if board == "feather_nrf52840" else {"rows"})


def test_weights_that_share_no_word():
    assert packed.fits(np.full((2, 4), 127), np.zeros(2))
    assert not packed.fits(np.int64([[-1], [-128]]), np.zeros(2))
    assert not packed.fits(np.full((2, 600), 127), np.zeros(2))
    assert not packed.fits(np.ones((2, 1)), np.int64([0, 1 << 23]))


def test_multiply_accumulates_are_counted():
    graph, op, _ = graph_of("each channel", DType.F32, np.random.default_rng(0))
    assert op.macc(*graph.types(graph.nodes[0].inputs)) == 5 * 6 * 8 * 9


@pytest.mark.parametrize("wrong", [{"groups": 2}, {"rows": Window(2, 3)}])
def test_what_is_refused(wrong):
    op = replace(ConvRows(Window(3, 1), Window(3, 1)), **wrong)
    types = [TensorType(shape, DType.F32) for shape in ((3, 3, 4), (2, 1, 1, 4), (2,))]
    with pytest.raises(McugenError) as caught:
        op.infer(*types)
    assert caught.value.diagnostics[0].code == "E0201"
