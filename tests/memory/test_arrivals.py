"""arrivals: a network's input in the arena, or row by row: the same answers, what the C does with rows, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from random_networks import network
from sanitized import run_main, run_sanitized

import mcugen
from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.evaluate import evaluate
from mcugen.interface import as_given
from mcugen.ir import DType, Graph, GraphBuilder, Module, Storage, TensorType
from mcugen.memory.plan import plan
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.pool_rows import PoolRows
from mcugen.ops.quantize import Quantize
from mcugen.ops.strided import Strided
from mcugen.passes import run
from mcugen.passes.arrivals import arriving
from mcugen.targets.driver import Unit
from mcugen.windows import Window

WAYS: dict[str, dict[str, Any]] = {
    "whole": {},
    "arena": {"arena_input": True},
    "arena_rows": {"arena_input": True, "by_rows": "always"},
    "streamed": {"stream_input": True, "by_rows": "always"},
}


def unit_of(graph: Graph, way: str, name: str, header: bool = False) -> Unit:
    target = Target(load_board("host"), **WAYS[way])
    module = run(Module(name, (graph,)), target)
    made = plan(module, target)
    return Unit(module, emit(module, made, target, header=header))


@pytest.mark.parametrize("kind", [DType.F32, DType.I8])
def test_answers_are_the_same_wherever_the_input_is(kind: DType) -> None:
    units, inputs = [], []
    for seed in range(6):
        graph = network(seed, kind, layers=8)
        rng = np.random.default_rng(seed)
        x = rng.integers(-128, 128, (2, *graph.values["x"].type.shape)).astype(kind.numpy)
        for way in WAYS:
            units.append(unit_of(graph, way, f"n{seed}_{way}"))
            inputs.append([x])
    found = run_sanitized(units, inputs)
    for at in range(0, len(found), len(WAYS)):
        for other in found[at + 1 : at + len(WAYS)]:
            for wanted, here in zip(found[at], other, strict=True):
                np.testing.assert_array_equal(here, wanted)


def image(kind: DType = DType.F32) -> Graph:
    """An image (1, 3, 6, 4), less a mean for each channel, quantised, as pixels, and pooled."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((1, 3, 6, 4), kind))
    if kind is DType.F32:
        mean = builder.const("mean", np.array([0.5, 0.25, -1], np.float32).reshape(3, 1, 1))
        (x,) = builder.add(Elementwise("Sub"), x, mean)
        scale, zero = builder.const("scale", np.float32(0.02)), builder.const("zero", np.int8(3))
        (x,) = builder.add(Quantize(), x, scale, zero)
    (x,) = builder.add(Strided((6, 4, 3), (4, 1, 24)), x)
    (x,) = builder.add(PoolRows("max", Window(6, 2, 2), Window(4, 2, 2)), x)
    (x,) = builder.add(PoolRows("max", Window(3, 3), Window(2, 2)), x)
    builder.output(x)
    return builder.build()


def test_pixels_come_as_they_are_and_what_was_in_front_goes_on_with_them() -> None:
    graph = arriving(image(), "x", True)
    assert [node.op.name for node in graph.nodes[:4]] == ["arrive", "elementwise", "quantize", "pool_rows"]
    assert graph.types(graph.nodes[0].outputs) == (TensorType((6, 4, 3), DType.F32),)
    x = np.random.default_rng(0).normal(size=(1, 3, 6, 4)).astype(np.float32)
    wanted, found = (evaluate(one, {"x": x})[one.of(Storage.OUTPUT)[0].name] for one in (image(), graph))
    np.testing.assert_array_equal(found, wanted)


def test_the_caller_gives_channels_innermost() -> None:
    unit = unit_of(image(DType.I8), "streamed", "m")
    x = np.arange(144).reshape(2, 1, 3, 6, 4).astype(np.int8)
    (given,) = as_given(unit.module, [x])
    np.testing.assert_array_equal(given.reshape(2, 6, 4, 3), x[:, 0].transpose(0, 2, 3, 1))


MAIN = """
#include <stdio.h>
#include "m.h"

static int8_t image[6][12];

static void push(int rows)
{
    for (int at = 0; at < rows; at++) {
        printf("%d ", m_push_row(image[at]));
    }
}

static void ask(void)
{
    int8_t y[3] = {0};
    const int found = m_run(y);
    if (found == M_E_ROWS) {
        printf("early ");
    } else {
        printf("%d %d %d %d ", found, y[0], y[1], y[2]);
    }
}

int main(void)
{
    for (int at = 0; at < 72; at++) {
        image[at / 12][at % 12] = (int8_t)(at * 7 % 50);
    }
    ask();
    push(M_ROWS);
    ask();
    ask();
    push(4);
    m_restart();
    push(M_ROWS - 1);
    ask();
    printf("%d ", m_push_row(image[M_ROWS - 1]));
    push(M_ROWS);
    ask();
    printf("\\n");
    return 0;
}
"""


@pytest.mark.parametrize("header", [False, True])
def test_rows_are_counted(header: bool) -> None:
    """The last row says so; too early there is no answer; what came can be forgotten, and an answer be left unasked for."""
    unit = unit_of(image(DType.I8), "streamed", "m", header)
    most = (np.arange(72) * 7 % 50).reshape(24, 3).max(axis=0)
    answer = ["0", *map(str, most)]
    early = ["0"] * 5
    expected = ["early", *early, "1", *answer, "early", *["0"] * 4, *early, "early", "1", *early, "1", *answer]
    assert run_main([unit], MAIN).split() == expected


def test_an_input_that_nothing_moves_goes_to_the_arena_as_it_is() -> None:
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((1, 8), DType.F32))
    builder.output(*builder.add(Elementwise("Neg"), x))
    graph = arriving(builder.build(), "x", False)
    assert [node.op.name for node in graph.nodes] == ["arrive", "elementwise"]
    with pytest.raises(McugenError, match="no rows that a first layer takes"):
        arriving(builder.build(), "x", True)


def test_what_has_no_rows_is_refused() -> None:
    from sklearn.datasets import load_iris
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_depth=2).fit(*load_iris(return_X_y=True))
    with pytest.raises(McugenError, match=r"E0302.*--stream-input"):
        mcugen.compile(tree, stream_input=True)
    with pytest.raises(McugenError, match=r"E0302.*--arena-input"):
        mcugen.compile(tree, arena_input=True)
    builder = GraphBuilder("predict")
    x, y = (builder.input(name, TensorType((4, 4, 2), DType.F32)) for name in "xy")
    builder.output(*builder.add(Elementwise("Add"), x, y))
    with pytest.raises(McugenError, match="several inputs"):
        unit_of(builder.build(), "streamed", "m")


@pytest.mark.parametrize("other", [{"arena_input": True}, {"by_rows": "never"}])
def test_options_that_do_not_go_together(other: dict[str, Any]) -> None:
    with pytest.raises(McugenError) as caught:
        Target(load_board("host"), stream_input=True, **other)
    assert caught.value.diagnostics[0].code == "E0112"


def signal() -> onnx.ModelProto:
    """A network over 64 samples of 3 channels: convolutions along the one axis, dense and by channel, a residual, pools, a matrix."""
    rng = np.random.default_rng(0)
    shapes = {"w0": (8, 3, 5), "b0": (8,), "w1": (8, 1, 3), "w2": (6, 8, 1), "w3": (6, 6, 3), "w4": (4, 6)}
    constants = [numpy_helper.from_array((rng.normal(size=s) / 3).astype(np.float32), n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["a"], pads=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w1"], ["c"], pads=[1, 1], group=8, strides=[2]),
        helper.make_node("Conv", ["c", "w2"], ["d"]),
        helper.make_node("Conv", ["d", "w3"], ["e"], pads=[2, 2], dilations=[2]),
        helper.make_node("Add", ["e", "d"], ["f"]),
        helper.make_node("Resize", ["f", "", "twice"], ["g"], mode="nearest", coordinate_transformation_mode="asymmetric"),
        helper.make_node("MaxPool", ["g"], ["h"], kernel_shape=[3], strides=[2]),
        helper.make_node("GlobalAveragePool", ["h"], ["i"]),
        helper.make_node("Flatten", ["i"], ["j"]),
        helper.make_node("Gemm", ["j", "w4"], ["y"], transB=1),
    ]  # fmt: skip
    constants.append(numpy_helper.from_array(np.array([1, 1, 2], np.float32), "twice"))
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [1, 3, 64]), ("y", [1, 4])))
    graph = helper.make_graph(nodes, "signal", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_samples_of_a_signal_come_one_by_one() -> None:
    """What has one axis is rows of one pixel, where layers run row by row."""
    model = signal().SerializeToString()
    whole, rows, streamed = (
        mcugen.compile(model, board="host", name="samples", **way)
        for way in ({"by_rows": "never"}, {"by_rows": "always"}, {"stream_input": True})
    )
    x = np.random.default_rng(1).normal(size=(20, 1, 3, 64)).astype(np.float32)
    for one in (rows, streamed):
        np.testing.assert_array_equal(one.run([x])[0], whole.run([x])[0])
    assert rows.memory.arena < whole.memory.arena / 3
    assert "int samples_push_row(const float x[3])" in streamed.files["src/samples.h"]


def test_a_board_that_is_too_small_says_what_streaming_would_take() -> None:
    """Of a network whose input is most of what it needs."""
    builder = signal()
    builder.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 600
    with pytest.raises(McugenError) as caught:
        mcugen.compile(builder.SerializeToString(), board="uno", name="samples", check_answers=False)
    (problem,) = caught.value.diagnostics
    assert problem.code == "E0501"
    streamed = mcugen.compile(builder.SerializeToString(), board="uno", name="samples", stream_input=True)
    assert f"`--stream-input`): {streamed.report.ram.value:,} B" in problem.help


@pytest.mark.parametrize("first", ["MaxPool", "BatchNormalization", "AveragePool"])
def test_what_is_in_front_of_the_first_layer_takes_pixels_where_its_bits_are_the_same(first: str) -> None:
    """A mean of floats is another sum pixel by pixel, so it stays as it is, and the input is not streamed."""
    rng = np.random.default_rng(3)
    data = {"w": rng.normal(size=(4, 3, 3, 3))} | {name: rng.uniform(0.5, 1, 3) for name in "sbmv"}
    constants = [numpy_helper.from_array(one.astype(np.float32), name) for name, one in data.items()]
    normal = first == "BatchNormalization"
    given, how = (["x", *"sbmv"], {}) if normal else (["x"], {"kernel_shape": [2, 2]})
    nodes = [
        helper.make_node(first, given, ["a"], **how),
        helper.make_node("Conv", ["a", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["y"]),
    ]
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 3, 9, 8]), ("y", [1, 4, 1, 1]))
    )
    graph = helper.make_graph(nodes, "g", [x], [y], constants[: None if normal else 1])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8).SerializeToString()
    ways: list[dict[str, Any]] = [{}, {"arena_input": True}, {"stream_input": True}]
    rows = rng.normal(size=(5, 1, 3, 9, 8)).astype(np.float32)
    for way in ways[: 2 if first == "AveragePool" else 3]:
        found = mcugen.compile(model, board="host", name="net", check_answers=False, **way).run([rows])[0]
        np.testing.assert_array_equal(found, mcugen.compile(model, board="host", name="net").run([rows])[0])
    if first == "AveragePool":
        with pytest.raises(McugenError, match="no rows"):
            mcugen.compile(model, board="host", name="net", **ways[2])
