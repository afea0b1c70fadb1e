"""Networks that run row by row in simulators: the bits of whole tensors, and an arena as large as the plan says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from test_networks_on_cores import MODELS, run_on

import mcugen
from mcugen.boards import Target, load_board
from mcugen.compile import Compiled
from mcugen.emit import emit
from mcugen.ir import DType, GraphBuilder, Module, Storage, TensorType
from mcugen.memory.plan import plan
from mcugen.ops.conv_rows import ConvRows
from mcugen.ops.join import Join
from mcugen.ops.pool_rows import PoolRows
from mcugen.passes import run
from mcugen.targets import elf, host, toolchain_for
from mcugen.targets.driver import Unit
from mcugen.windows import Window

TOOLS = {
    "mega2560": ("avr-gcc", "simavr"),
    "feather_nrf52840": ("arm-none-eabi-gcc", "qemu-system-arm", "python:elftools"),
}


def by_rows(model: Any, board: str) -> tuple[Compiled, Compiled]:
    """With whole tensors, and row by row."""
    whole, rows = (
        mcugen.compile(model, board=board, by_rows=way, check_answers=False, check_fit=False)
        for way in ("never", "always")
    )
    assert rows.memory.regions(rows.module.predict)
    assert rows.memory.arena < whole.memory.arena
    return whole, rows


def size_of(program: Path, name: str) -> int:
    return next(one.size for one in elf.symbols(program) if one.name == name)


@pytest.mark.long
@pytest.mark.parametrize(
    ("net", "board"), [("kws", "mega2560"), ("kws", "feather_nrf52840"), ("ic", "feather_nrf52840")]
)
def test_mlperf_tiny_row_by_row(net: str, board: str, require: Any) -> None:
    path = MODELS / net / f"{net}_int8_qdq.onnx"
    if not path.is_file():
        pytest.skip("the networks of MLPerf Tiny are no part of the project")
    require(*TOOLS[board])
    golden = np.load(MODELS / net / f"{net}_int8_golden.npz")
    x = golden["x"]
    whole, rows = by_rows(path, board)
    shape = whole.module.predict.of(Storage.INPUT)[0].type.shape
    wanted, here = (np.asarray(one.run([x.reshape(-1, *shape)])[0]) for one in (whole, rows))
    np.testing.assert_array_equal(here, wanted)
    flat = here.reshape(len(x), -1)
    np.testing.assert_array_equal(flat.argmax(axis=1), golden["y_qdq"].reshape(len(x), -1).argmax(axis=1))
    some = x if board == "mega2560" else x[:2]
    np.testing.assert_array_equal(run_on(rows, some), wanted[: len(some)])
    assert rows.report.fits or board != "mega2560"


def dense(name: str, blocks: int = 4) -> Module:
    """A small DenseNet in integers: each layer reads all before it, joined, and everything is pooled at last."""
    rng = np.random.default_rng(3)
    builder = GraphBuilder("predict")
    number = iter(range(100))

    def conv(x: str, outs: int, kernel: int) -> str:
        high, wide, channels = builder.type_of(x).shape
        pad = kernel // 2
        factors = np.full(outs, 2**32 * 0.02 / np.sqrt(kernel * kernel * channels))
        tables = (
            rng.integers(-127, 128, (outs, kernel, kernel, channels)).astype(np.int8),
            rng.integers(-3000, 3000, outs).astype(np.int32),
            np.rint(factors).astype(np.int32),
        )
        windows = [Window(size, kernel, 1, 1, pad, pad) for size in (high, wide)]
        names = [builder.const(f"c{next(number)}", table) for table in tables]
        return builder.add(ConvRows(*windows, low=-128, zero=-128, to=-128), x, *names)[0]

    image = builder.input("x", TensorType((24, 24, 4), DType.I8))
    pieces = [conv(image, 16, 3)]
    for _ in range(blocks):
        joined = builder.add(Join(2), *pieces)[0] if len(pieces) > 1 else pieces[0]
        pieces.append(conv(conv(joined, 24, 1), 8, 3))
    (joined,) = builder.add(Join(2), *pieces)
    builder.output(*builder.add(PoolRows("average", Window(24, 24), Window(24, 24), 1 / 576, -128, -128), joined))
    return Module(name, (builder.build(),))


def test_a_small_densenet_joins_as_it_loads(require: Any, tmp_path: Path) -> None:
    require(*TOOLS["feather_nrf52840"])
    units, arenas = [], []
    for way in ("never", "always"):
        target = Target(load_board("feather_nrf52840"), by_rows=way)  # type: ignore[arg-type]
        module = run(dense(f"dense_{way}"), target)
        made = plan(module, target)
        units.append(Unit(module, emit(module, made, target)))
        arenas.append(made.arena)
    assert arenas[1] < arenas[0] / 3
    x = np.random.default_rng(4).integers(-128, 128, (3, 24, 24, 4)).astype(np.int8)
    library = host.compile_for_host(units, [*host.STRICT, "-O1"])
    wanted, here = (library.run([x], model=i)[0] for i in range(2))
    np.testing.assert_array_equal(here, wanted)
    tools = toolchain_for(target.board)
    program = tools.link([units[1]], target.board, tmp_path)
    (done,) = tools.run_program(program, [units[1]], [[x]], target.board)
    np.testing.assert_array_equal(done.outputs[0], wanted)
    assert size_of(program, "dense_always_arena") == arenas[1]


def test_the_arena_in_the_linked_program_is_the_plans(require: Any, tmp_path: Path) -> None:
    """A float network with a layer per channel, odd sizes and a stride: pixels beside blocks of four have the sums of these."""
    require(*TOOLS["feather_nrf52840"])
    rng = np.random.default_rng(5)
    shapes = {"w0": (8, 3, 3, 3), "w1": (8, 1, 3, 3), "w2": (8, 8, 1, 1), "b2": (8,)}
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Conv", ["a", "w1"], ["b"], pads=[1, 1, 1, 1], group=8),
        helper.make_node("Conv", ["b", "w2", "b2"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 31, 29))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 8, 1, 1))],
        [numpy_helper.from_array(rng.standard_normal(s).astype(np.float32), n) for n, s in shapes.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    whole, rows = by_rows(model.SerializeToString(), "feather_nrf52840")
    x = rng.standard_normal((2, 1, 3, 31, 29)).astype(np.float32)
    wanted = whole.run([x])[0]
    np.testing.assert_array_equal(rows.run([x])[0], wanted)
    tools = toolchain_for(rows.target.board)
    program = tools.link([rows.unit], rows.target.board, tmp_path)
    (done,) = tools.run_program(program, [rows.unit], [[x]], rows.target.board)
    np.testing.assert_array_equal(done.outputs[0], wanted)
    assert size_of(program, f"{rows.module.name}_arena") == rows.memory.arena


def preactivated(blocks: int = 3) -> onnx.ModelProto:
    """A DenseNet as it is published: batch normalisation and ReLU in front of each convolution, on all that came before, joined."""
    rng, constants, nodes = np.random.default_rng(5), [], []

    def named(name: str, data: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(data, np.float32), name))
        return name

    def conv(x: str, taken: int, made: int, kernel: int) -> str:
        name = f"c{len(nodes)}"
        weights = rng.normal(size=(made, taken, kernel, kernel)) * np.sqrt(2 / (taken * kernel * kernel))
        nodes.append(helper.make_node("Conv", [x, named(f"w_{name}", weights)], [name], pads=[kernel // 2] * 4))
        return name

    def active(x: str, channels: int) -> str:
        name = f"n{len(nodes)}"
        ranges = {"s": (0.5, 1.5), "b": (-0.5, 0.5), "m": (-0.5, 0.5), "v": (0.5, 1.5)}
        given = [named(f"{which}_{name}", rng.uniform(*limits, channels)) for which, limits in ranges.items()]
        nodes.append(helper.make_node("BatchNormalization", [x, *given], [name]))
        nodes.append(helper.make_node("Relu", [name], [f"{name}_r"]))
        return f"{name}_r"

    pieces, channels = conv("x", 3, 12, 3), 12
    for block in range(blocks):
        grown = conv(active(conv(active(pieces, channels), channels, 16, 1), 16), 16, 8, 3)
        nodes.append(helper.make_node("Concat", [pieces, grown], [f"all{block}"], axis=1))
        pieces, channels = f"all{block}", channels + 8
    nodes.append(helper.make_node("GlobalAveragePool", [active(pieces, channels)], ["y"]))
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 3, 16, 16]), ("y", [1, channels, 1, 1]))
    )
    graph = helper.make_graph(nodes, "dense", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.long
def test_a_densenet_normalises_as_it_loads(require: Any, tmp_path: Path) -> None:
    """Joined for each reader, normalised and quantised, all row by row: no joined tensor is there, nor one of floats."""
    require(*TOOLS["feather_nrf52840"], "python:onnxruntime")
    model = preactivated().SerializeToString()
    x = np.random.default_rng(6).normal(size=(8, 1, 3, 16, 16)).astype(np.float32)
    how = {"numeric": "int8", "data": x.reshape(8, -1), "max_disagreement": 1.0, "name": "dense", "check_fit": False}
    whole, rows = (mcugen.compile(model, board="feather_nrf52840", by_rows=way, **how) for way in ("never", "always"))
    assert rows.memory.arena < whole.memory.arena / 4
    assert {"join", "dequantize", "elementwise", "quantize"} <= {
        rows.module.predict.nodes[at].op.name for step in rows.memory.steps if step.region for at in step.nodes
    }
    wanted = np.asarray(whole.run([x])[0])
    np.testing.assert_array_equal(rows.run([x])[0], wanted)
    np.testing.assert_array_equal(run_on(rows, x[:2]), wanted[:2])
    program = toolchain_for(rows.target.board).link([rows.unit], rows.target.board, tmp_path)
    assert size_of(program, "dense_arena") == rows.memory.arena
