"""Networks whose input comes row by row, on simulated boards that could not hold it, and in arenas as large as the plan says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from lenet import digits, trained
from onnx import TensorProto, helper, numpy_helper
from test_networks_on_cores import run_on
from test_rows_on_boards import TOOLS, size_of

import mcugen
from mcugen.cli import cli
from mcugen.deploy import build, typed
from mcugen.ir import Array
from mcugen.measure import measure_layers
from mcugen.targets import toolchain_for

ROWS = 60


@pytest.mark.long
def test_a_lenet_of_28_by_28_runs_on_the_uno(require: Any, tmp_path: Path) -> None:
    """2 kB of SRAM: the image alone would take 784 bytes, or 3,136 as floats."""
    require("avr-gcc", "simavr", "python:onnxruntime")
    x, test, y, wanted = digits()
    model = trained(x, y).SerializeToString()
    how = {"numeric": "int8", "data": x[:200].reshape(200, -1), "max_disagreement": 0.02, "name": "lenet"}
    whole = mcugen.compile(model, board="host", by_rows="never", check_answers=False, **how)
    found = mcugen.compile(model, board="uno", stream_input=True, **how)
    assert found.report.fits
    assert found.report.ram.value < 1400
    scores, here = (np.asarray(one.run([test])[0]).reshape(len(test), -1) for one in (whole, found))
    np.testing.assert_array_equal(here, scores)
    assert (here.argmax(axis=1) == wanted).mean() > 0.93
    np.testing.assert_array_equal(run_on(found, test[:ROWS]).reshape(ROWS, -1), scores[:ROWS])
    tools = toolchain_for(found.target.board)
    program = tools.link([found.unit], found.target.board, tmp_path)
    assert size_of(program, "lenet_arena") == found.memory.arena
    assert size_of(program, "lenet_state_made") + size_of(program, "lenet_state_turns") == found.memory.counts(
        found.module.predict
    )


def eye() -> tuple[onnx.ModelProto, Array]:
    """A convolution and a pool of everything over images (1, 3, 10, 8), and some of them."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
        for name, shape in (("w", (5, 3, 3, 3)), ("b", (5,)))
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["y"]),
    ]
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 3, 10, 8]), ("y", [1, 5, 1, 1]))
    )
    graph = helper.make_graph(nodes, "eye", [x], [y], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return made, rng.normal(size=(3, 1, 3, 10, 8)).astype(np.float32)


def test_rows_of_an_image_with_three_channels(require: Any, tmp_path: Path) -> None:
    """On a Cortex-M4F: the planes of the model's input come as pixels."""
    require(*TOOLS["feather_nrf52840"])
    model, x = eye()
    answers = []
    for way in ({}, {"arena_input": True}, {"stream_input": True}):
        found = mcugen.compile(model.SerializeToString(), board="feather_nrf52840", name="eye", **way)
        answers += [run_on(found, x), np.asarray(found.run([x])[0])]
    for one in answers:
        np.testing.assert_array_equal(one, answers[0])
    program = toolchain_for(found.target.board).link([found.unit], found.target.board, tmp_path)
    assert size_of(program, "eye_arena") == found.memory.arena < 10 * 8 * 3 * 4


@pytest.mark.long
@pytest.mark.parametrize("way", ["stream_input", "arena_input"])
def test_a_sketch_takes_pixels_row_by_row(way: str, require: Any, tmp_path: Path) -> None:
    """What the sketch answers to typed lines is what the model answers; a line that is wrong leaves nothing behind."""
    require("avr-gcc", "simavr", "platformio")
    model, x = eye()
    compiled = mcugen.compile(model.SerializeToString(), board="uno", name="eye", **{way: True})
    built = build(compiled, tmp_path / "project", sample=x[0].ravel().tolist())
    lines = typed(compiled, x.reshape(len(x), -1)).splitlines(True)
    third = 2 * len(lines) // 3
    sent = b"".join([lines[0], b"1,2,3,4,5\n", *lines[1:third], b"x" + lines[third], *lines[third:]])
    said = toolchain_for(compiled.target.board).run(built.elf, compiled.target.board, sent).serial.decode().splitlines()
    wanted = compiled.run([x])[0].reshape(len(x), -1)
    answers = [line.partition("  (")[0].removeprefix("sample row: ").split() for line in said if line.endswith("us)")]
    numbers = np.array(answers, np.float64)
    np.testing.assert_allclose(numbers, wanted[[0, 0, 1, 2]], atol=1e-6)
    assert [line for line in said if line.startswith("error")] == [
        f"error: a row has {24 if way == 'stream_input' else 240} numbers, this one 5",
        "error: a field is not a number",
    ]


def test_layers_are_counted_where_each_fits_the_board(require: Any, tmp_path: Path) -> None:
    """Alone, with whole tensors; a network whose layers do so row by row only is reported without."""
    require("avr-gcc", "simavr", "platformio", "python:elftools")
    model, _ = eye()
    compiled = mcugen.compile(model.SerializeToString(), board="uno", name="eye", stream_input=True)
    counts = measure_layers(compiled)
    assert [*counts] == [layer.name for layer in compiled.report.layers if layer.op in ("conv_rows", "pool_rows")]
    wide = model.graph.input[0].type.tensor_type.shape.dim
    wide[2].dim_value, wide[3].dim_value = 24, 10
    (tmp_path / "eye.onnx").write_bytes(model.SerializeToString())
    said = CliRunner().invoke(cli, ["report", str(tmp_path / "eye.onnx"), "-b", "uno", "--stream-input", "--built"])
    assert said.exit_code == 0, said.output
    assert "not counted layer by layer" in said.output
