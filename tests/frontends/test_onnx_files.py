"""ONNX files: what is read, and what is refused with words; damaged ones never crash."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import mcugen
from mcugen.diagnostics import Diagnostic, McugenError
from mcugen.frontends import read
from mcugen.frontends.onnx_file import parsed_shapes
from mcugen.ir import Storage

FLOAT = TensorProto.FLOAT
RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(4, 3)).astype(np.float32)


def info(name: str, shape: Sequence[int | str | None], kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes=None, inputs=None, outputs=None, constants=None, opset: int = 17, domains=()) -> onnx.ModelProto:
    """A small network, or what is asked for."""
    graph = helper.make_graph(
        nodes or [helper.make_node("Gemm", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])],
        "net",
        inputs or [info("x", [1, 4])],
        outputs or [info("y", [1, 3])],
        [numpy_helper.from_array(WEIGHTS, "w")] if constants is None else constants,
    )
    versions = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 1) for name in domains)]
    return helper.make_model(graph, opset_imports=versions, ir_version=8)


def code_of(found: onnx.ModelProto | bytes, **options) -> tuple[str, str]:
    data = found if isinstance(found, bytes) else found.SerializeToString()
    with pytest.raises(McugenError) as caught:
        read(data, **options)
    return caught.value.diagnostics[0].code, caught.value.diagnostics[0].message


def test_a_network_is_compiled_and_proven():
    compiled = mcugen.compile(model().SerializeToString(), board="nano33ble")
    rows = RNG.normal(size=(7, 4)).astype(np.float32)
    (found,) = compiled.run([rows[:, None, :]])
    np.testing.assert_allclose(found[:, 0], np.maximum(rows @ WEIGHTS, 0), rtol=1e-5, atol=1e-6)
    assert compiled.proof.proven
    assert "int model_run(const float x[4], float y[3])" in compiled.files["src/model.h"]


def test_several_inputs_and_outputs_of_several_types():
    nodes = [
        helper.make_node("Add", ["a", "b"], ["s"]),
        helper.make_node("Cast", ["i"], ["f"], to=FLOAT),
        helper.make_node("Mul", ["s", "f"], ["y"]),
        helper.make_node("ArgMax", ["y"], ["k"], axis=1, keepdims=0),
    ]
    inputs = [info("a", [1, 3]), info("b", [3]), info("i", [1], TensorProto.INT32)]
    outputs = [info("y", [1, 3]), info("k", [1], TensorProto.INT64)]
    compiled = mcugen.compile(model(nodes, inputs, outputs, []).SerializeToString(), board="nano33ble")
    assert compiled.proof.proven
    a, b, i = (
        RNG.normal(size=(2, 1, 3)).astype(np.float32),
        RNG.normal(size=(2, 3)).astype(np.float32),
        np.int32([[2], [3]]),
    )
    y, k = compiled.run([a, b, i])
    np.testing.assert_allclose(y, (a + b[:, None]) * i[:, :, None], rtol=1e-6)
    np.testing.assert_array_equal(k, y.argmax(axis=2))


def test_names_of_any_kind():
    nodes = [helper.make_node("Relu", ["in:0"], ["out/π 1"])]
    source = read(model(nodes, [info("in:0", [2])], [info("out/π 1", [2])], []).SerializeToString(), name="net")
    assert [v.name for v in source.module.predict.of(Storage.OUTPUT)] == ["out/π 1"]
    mcugen.compile(
        model(nodes, [info("in:0", [2])], [info("out/π 1", [2])], []).SerializeToString(), board="uno", name="net"
    )


def test_an_input_or_a_constant_is_an_output():
    nodes = [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Identity", ["w"], ["z"])]
    outputs = [info("y", [1, 4]), info("z", [4, 3])]
    compiled = mcugen.compile(model(nodes, outputs=outputs).SerializeToString(), board="nano33ble")
    y, z = compiled.run([np.float32([[[1, 2, 3, 4]]])])
    np.testing.assert_array_equal(y[0], [[1, 2, 3, 4]])
    np.testing.assert_array_equal(z[0], WEIGHTS)


def test_open_shapes_are_asked_for_and_taken():
    network = model(inputs=[info("x", ["batch", 4])])
    code, message = code_of(network)
    assert (code, "input x" in message) == ("E0302", True)
    compiled = mcugen.compile(network.SerializeToString(), board="nano33ble", shapes={"x": (2, 4)})
    assert compiled.run([np.zeros((1, 2, 4), np.float32)])[0].shape == (1, 2, 3)
    assert code_of(network, shapes={"y": (1, 4)})[0] == "E0112"
    assert code_of(network, shapes={"x": (1, 5)})[0] == "E0112"
    assert code_of(network, shapes={"x": (1, 4, 1)})[0] == "E0112"


@pytest.mark.parametrize("text", ["x", "x=", "=1", "x=a", "x=0,3", "x=-1"])
def test_shapes_that_are_none(text):
    with pytest.raises(McugenError) as caught:
        parsed_shapes([text])
    assert caught.value.diagnostics[0].code == "E0112"
    assert parsed_shapes(["a:0=1,3", "b=2"]) == {"a:0": (1, 3), "b": (2,)}


@pytest.mark.parametrize(
    ("nodes", "code", "said"),
    [
        ([helper.make_node("NonZero", ["x"], ["y"])], "E0301", "NonZero is not supported"),
        ([helper.make_node("Reshape", ["x", "s"], ["y"])], "E0302", "known only when the model runs"),
        ([helper.make_node("Conv", ["x", "w"], ["y"])], "E0302", "spatial axes"),
        ([helper.make_node("Softmax", ["x"], ["y"], axis=5)], "E0302", "axis 5"),
        ([helper.make_node("Concat", ["x", "w"], ["y"], axis=1)], "E0201", "cannot join"),
    ],
)
def test_what_cannot_be_compiled_says_where(nodes, code, said):
    inputs = [info("x", [1, 4]), info("s", [2], TensorProto.INT64)]
    nodes[0].name = "the_node"
    found = model(nodes, inputs, [info("y", [1])])
    with pytest.raises(McugenError) as caught:
        read(found.SerializeToString())
    (problem,) = caught.value.diagnostics
    assert problem.code == code
    assert said in problem.message
    assert "the_node" in str(problem.loc)


def test_what_a_quantiser_made_integers_is_known_here():
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["fill"]),
        helper.make_node("Pad", ["x", "pads", "fill"], ["y"]),
    ]
    tables = {"q": np.int8(3), "step": np.float32(0.5), "zero": np.int8(-1), "pads": np.array([0, 1, 0, 0])}
    constants = [numpy_helper.from_array(np.asarray(data), name) for name, data in tables.items()]
    found = read(model(nodes, outputs=[info("y", [1, 5])], constants=constants).SerializeToString()).module
    (pick,) = (node.op for node in found.nodes if node.op.name == "pick")
    assert pick.evaluate(np.ones((1, 4), np.float32))[0].tolist() == [[2, 1, 1, 1, 1]]


def test_all_problems_at_once():
    nodes = [helper.make_node(op, ["x"], [f"y{i}"], name=f"n{i}") for i, op in enumerate(["NonZero", "Unique", "Relu"])]
    nodes.append(helper.make_node("Add", ["y0", "y2"], ["y"]))
    with pytest.raises(McugenError) as caught:
        read(model(nodes, outputs=[info("y", [1])]).SerializeToString())
    assert [str(d.loc) for d in caught.value.diagnostics] == ["n0", "n1"]


@pytest.mark.parametrize(
    ("opset", "right"), [(6, False), (7, True), (17, True), (onnx.defs.onnx_opset_version() + 1, False)]
)
def test_operator_sets(opset, right):
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    found = model(nodes, outputs=[info("y", [1, 4])], constants=[], opset=opset)
    if right:
        read(found.SerializeToString())
    else:
        assert code_of(found) == (
            "E0302",
            f"the model is of operator set {opset}; mcugen reads 7 to {onnx.defs.onnx_opset_version()}",
        )


def test_what_is_not_valid():
    assert code_of(model([helper.make_node("Relu", ["nothing"], ["y"])]))[0] == "E0104"
    loop = [
        helper.make_node("Relu", ["b"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    assert code_of(model(loop))[0] == "E0104"
    assert (
        code_of(model(domains=["com.acme"], nodes=[helper.make_node("Magic", ["x"], ["y"], domain="com.acme")]))[0]
        == "E0301"
    )
    assert code_of(model(inputs=[info("x", [0, 4])]))[0] == "E0201"
    assert code_of(model(inputs=[info("x", [1, 4], TensorProto.FLOAT16)], constants=[]))[0] in ("E0201", "E0104")
    assert code_of(model().SerializeToString(), output="label")[0] == "E0304"


def test_tensors_that_would_fill_the_memory():
    huge = numpy_helper.from_array(np.array([1 << 20, 1 << 20], np.int64), "s")
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["c"]), helper.make_node("Add", ["x", "c"], ["y"])]
    assert code_of(model(nodes, constants=[huge], outputs=[info("y", [1])]))[0] == "E0303"
    pads = numpy_helper.from_array(np.array([0, 0, 0, 1 << 40], np.int64), "p")
    assert (
        code_of(model([helper.make_node("Pad", ["x", "p"], ["y"])], constants=[pads], outputs=[info("y", [1])]))[0]
        == "E0303"
    )


def test_a_graph_without_inputs():
    nodes = [helper.make_node("Identity", ["w"], ["y"])]
    found = model(nodes, outputs=[info("y", [4, 3])])
    del found.graph.input[:]
    assert code_of(found) == ("E0302", "the graph has no inputs: its answers are constants")


def test_rows_of_another_type_are_refused():
    with pytest.raises(McugenError, match="says itself what its inputs are made of"):
        mcugen.compile(model().SerializeToString(), board="nano33ble", input="uint8")


def test_doubles_are_refused_where_there_are_none():
    nodes = [helper.make_node("Cast", ["x"], ["d"], to=TensorProto.DOUBLE), helper.make_node("Exp", ["d"], ["y"])]
    data = model(nodes, outputs=[info("y", [1, 4], TensorProto.DOUBLE)], constants=[]).SerializeToString()
    assert mcugen.compile(data, board="nano33ble").proof.proven
    with pytest.raises(McugenError, match="is of float64, which Arduino Uno R3 does not have") as caught:
        mcugen.compile(data, board="uno")
    assert caught.value.diagnostics[0].code == "E0302"


# ---- data in other files --------------------------------------------------------------------------------------------


def saved(folder: Path, location: str = "weights.bin") -> Path:
    """A model whose weights are in another file."""
    found = model()
    tensor = found.graph.initializer[0]
    (folder / "weights.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    path = folder / "net.onnx"
    path.write_bytes(found.SerializeToString())
    return path


def test_data_of_the_models_own_folder(tmp_path):
    compiled = mcugen.compile(saved(tmp_path), board="nano33ble")
    assert compiled.proof.proven
    rows = RNG.normal(size=(3, 1, 4)).astype(np.float32)
    np.testing.assert_allclose(compiled.run([rows])[0], np.maximum(rows @ WEIGHTS, 0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname", "missing.bin", "", "."])
def test_data_from_elsewhere_are_not_opened(tmp_path, location):
    folder = tmp_path / "inner"
    folder.mkdir()
    path = saved(folder, location)
    with pytest.raises(McugenError) as caught:
        read(path)
    assert caught.value.diagnostics[0].code == "E0101"
    with pytest.raises(McugenError) as caught:
        read(path.read_bytes())
    assert caught.value.diagnostics[0].code == "E0101"


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    path = saved(folder)
    (folder / "weights.bin").rename(tmp_path / "weights.bin")
    (folder / "weights.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(McugenError) as caught:
        read(path)
    assert caught.value.diagnostics[0].code == "E0101"


# ---- damaged files --------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_damaged_files_are_refused_or_read(seed):
    """Bytes changed, cut, and put in: an error in words or a module, nothing else."""
    rng = random.Random(seed)
    data = bytearray(model().SerializeToString())
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data))
        if rng.random() < 0.6:
            data[at] = rng.randrange(256)
        elif rng.random() < 0.5:
            del data[at : at + rng.randint(1, 9)]
        else:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 9)))
    assert all(problem.help for problem in problems_of(bytes(data)))


def problems_of(data: bytes) -> list[Diagnostic]:
    try:
        read(data)
    except McugenError as problem:
        return [*problem.diagnostics]
    return []


def test_outputs_that_no_node_gives_and_sizes_beside_the_tensors():
    """Split in -1 parts has no outputs; a recurrent net whose size is not that of its weights."""
    nodes = [helper.make_node("Split", ["x"], ["y", "z"], axis=1, num_outputs=-1)]
    outputs = [info(name, [2, 4]) for name in "yz"]
    assert code_of(model(nodes, [info("x", [2, 8])], outputs, [], opset=18))[0] == "E0104"
    weights = [numpy_helper.from_array(np.ones((1, 15, n), np.float32), name) for n, name in ((2, "w"), (5, "r"))]
    nodes = [helper.make_node("GRU", ["x", "w", "r"], ["y"], hidden_size=2**31)]
    assert code_of(model(nodes, [info("x", [1, 1, 2])], [info("y", [1, 1, 1, 5])], weights))[0] == "E0303"


def test_tensors_that_no_board_has_room_for():
    """Of a size from a damaged file; and a tall one: no step takes time for each of its rows."""
    nodes, wide = [helper.make_node("Relu", ["x"], ["y"])], [1 << 24, 4]
    assert code_of(model(nodes, [info("x", wide)], [info("y", wide)], []))[0] == "E0303"
    tall, more = [1, 2, 1 << 22, 1], [helper.make_node("GlobalMaxPool", ["r"], ["y"])]
    pooled = [helper.make_node("MaxPool", ["x"], ["r"], kernel_shape=[1, 1]), *more]
    start = time.process_time()
    made = model(pooled, [info("x", tall)], [info("y", [1, 2, 1, 1])], []).SerializeToString()
    mcugen.compile(made, board="host", check_answers=False)
    assert time.process_time() - start < 10


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_weights_that_are_no_numbers(number):
    """As of a training that went astray: a diagnostic, and not a proof that fails."""
    weights = np.ones((4, 3), np.float32)
    weights[2, 1] = number
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    data = model(nodes, [info("x", [1, 4])], [info("y", [1, 3])], [numpy_helper.from_array(weights, "w")])
    with pytest.raises(McugenError) as caught:
        mcugen.compile(data.SerializeToString(), board="nano33ble")
    assert caught.value.diagnostics[0].code == "E0107"
