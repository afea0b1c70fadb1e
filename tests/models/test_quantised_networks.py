"""Networks that onnxruntime quantised: integers from end to end, each layer within a step of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import mcugen
from mcugen.diagnostics import McugenError
from mcugen.frontends.onnx_layers import LayerReference
from mcugen.ir import DType, Storage
from mcugen.ops.conv_rows import ConvRows

BOARDS = ("feather_nrf52840", "esp32c3")
Graph = tuple[list[onnx.NodeProto], dict[str, np.ndarray], tuple[int, ...], tuple[int, ...]]


def weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def image(rng: np.random.Generator) -> Graph:
    """Convolutions with a residual, one per channel, a pool, and a matrix behind a flattened image."""
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["r0"]),
        helper.make_node("Conv", ["r0", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1], group=8),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"]),
        helper.make_node("Add", ["r0", "c2"], ["s0"]),
        helper.make_node("Relu", ["s0"], ["r2"]),
        helper.make_node("MaxPool", ["r2"], ["p0"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p0", "w3", "b3"], ["c3"], strides=[2, 2], pads=[0, 0, 1, 1]),
        helper.make_node("Flatten", ["c3"], ["f0"]),
        helper.make_node("Gemm", ["f0", "w4", "b4"], ["y"], transB=1),
    ]
    shapes = [(8, 3, 3, 3), (8, 1, 3, 3), (8, 8, 1, 1), (6, 8, 3, 3), (5, 12)]
    tables = {f"w{i}": weights(rng, *shape) for i, shape in enumerate(shapes)}
    tables |= {
        f"b{i}": rng.standard_normal(shape[0]).astype(np.float32) * np.float32(0.2) for i, shape in enumerate(shapes)
    }
    return nodes, tables, (1, 3, 8, 7), (1, 5)


def line(rng: np.random.Generator) -> Graph:
    """Convolutions along a line, a mean over it, and a matrix."""
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], pads=[2, 2], strides=[2]),
        helper.make_node("Relu", ["c0"], ["r0"]),
        helper.make_node("Conv", ["r0", "w1"], ["c1"], dilations=[2]),
        helper.make_node("Clip", ["c1", "low", "high"], ["r1"]),
        helper.make_node("GlobalAveragePool", ["r1"], ["g0"]),
        helper.make_node("Flatten", ["g0"], ["f0"]),
        helper.make_node("MatMul", ["f0", "w2"], ["m0"]),
        helper.make_node("Add", ["m0", "b2"], ["y"]),
    ]
    tables = {"w0": weights(rng, 4, 2, 5), "w1": weights(rng, 6, 4, 3), "w2": weights(rng, 6, 3)}
    tables |= {"b0": weights(rng, 4), "b2": weights(rng, 3), "low": np.float32(0), "high": np.float32(6)}
    return nodes, tables, (1, 2, 20), (1, 3)


def model_of(graph: Graph) -> onnx.ModelProto:
    nodes, tables, given, wanted = graph
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", given), ("y", wanted))]
    constants = [numpy_helper.from_array(np.asarray(data), name) for name, data in tables.items()]
    made = helper.make_graph(nodes, "net", infos[:1], infos[1:], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def quantised(model: onnx.ModelProto, folder: Path, rng: np.random.Generator, **how: Any) -> Path:
    """The model quantised by onnxruntime on random rows."""
    from onnxruntime import quantization

    class Rows(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
            self.rows: Iterator[Any] = iter([{"x": rng.standard_normal(shape).astype(np.float32)} for _ in range(20)])

        def get_next(self) -> Any:
            return next(self.rows, None)

    onnx.save(model, folder / "float.onnx")
    quantization.quantize_static(folder / "float.onnx", folder / "net.onnx", Rows(), **how)
    return folder / "net.onnx"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [image, line])
@pytest.mark.parametrize("per_channel", [False, True])
def test_what_onnxruntime_quantised_becomes_integers(make, per_channel, tmp_path):
    rng = np.random.default_rng(int(per_channel))
    path = quantised(model_of(make(rng)), tmp_path, rng, per_channel=per_channel)
    for board in (*BOARDS, "mega2560"):
        compiled = mcugen.compile(path, board=board)  # which proves it
        layers = [n for n in compiled.module.nodes if isinstance(n.op, ConvRows)]
        types = {compiled.module.predict.values[n.name].type.dtype.short for n in layers}
        assert types == {"i8"}, f"{board}: {compiled.module}"
        assert isinstance(compiled.reference, LayerReference)
        found = compiled.reference.layers(rng.standard_normal((4, compiled.module.features)).astype(np.float32))
        assert len(found) >= len(layers)
        assert max(one.largest for one in found) <= 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("board", BOARDS)
def test_channels_that_say_nothing_are_not_computed(board, tmp_path):
    """Four of eight channels that ReLU lets nothing of through; the C has to give the bits of the whole network."""
    rng = np.random.default_rng(11)
    nodes, tables, *ends = image(rng)
    tables["w0"][1::2], tables["b0"][1::2] = 0, -1
    tables["w1"][1::2], tables["b1"][1::2] = 0, -1
    tables["w2"][1::2], tables["b2"][1::2] = 0, -1
    path = quantised(model_of((nodes, tables, *ends)), tmp_path, rng, per_channel=True)
    compiled = mcugen.compile(path, board=board)
    outs = [n.op.outs for n in compiled.module.nodes if isinstance(n.op, ConvRows)]
    assert outs == [4, 4, 4, 6, 5]
    found = compiled.verify(rng.standard_normal((20, compiled.module.features)).astype(np.float32))
    assert found.proven


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["unsigned", "operators"])
def test_other_ways_to_quantise_are_right(how, tmp_path):
    from onnxruntime import quantization

    rng = np.random.default_rng(3)
    given = (
        {"activation_type": quantization.QuantType.QUInt8}
        if how == "unsigned"
        else {"quant_format": quantization.QuantFormat.QOperator}
    )
    path = quantised(model_of(line(rng)), tmp_path, rng, **given)
    mcugen.compile(path, board="feather_nrf52840")


def by_hand(nodes: list[onnx.NodeProto], given: tuple[int, ...], ends: dict[str, int], **tables: Any) -> bytes:
    """A graph with QuantizeLinear and DequantizeLinear in it; of `ends`, outputs, the element types."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, given)
    infos = [helper.make_tensor_value_info(name, kind, None) for name, kind in ends.items()]
    constants = [numpy_helper.from_array(np.asarray(data), name) for name, data in tables.items()]
    graph = helper.make_graph(nodes, "net", [x], infos, constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    return onnx.shape_inference.infer_shapes(made).SerializeToString()


def steps(name: str, to: str, scale: str, zero: str) -> list[onnx.NodeProto]:
    """A tensor quantised as q_... and back."""
    quantise = helper.make_node("QuantizeLinear", [name, scale, zero], [f"q_{to}"])
    return [quantise, helper.make_node("DequantizeLinear", [f"q_{to}", scale, zero], [to])]


def compiled_layers(model: bytes, folder: Path, board: str) -> list[str]:
    """The ops with integers, after the proof."""
    (folder / "net.onnx").write_bytes(model)
    graph = mcugen.compile(folder / "net.onnx", board=board).module
    return [n.op.name for n in graph.nodes if graph.predict.values[n.name].type.dtype is DType.I8]


STEPS: dict[str, Any] = {"s": np.float32(0.02), "z": np.int8(3), "t": np.float32(0.05), "sw": np.float32(0.01)}
STEPS |= {"zw": np.int8(0)}


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("bounds", [(5, 9), (-9, -5), (4, 4)])
def test_bounds_that_no_integer_reaches(bounds, board, tmp_path):
    nodes = [
        *steps("x", "a", "s", "z"),
        helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["f"]),
        helper.make_node("Conv", ["a", "f"], ["c"]),
        helper.make_node("Clip", ["c", "low", "high"], ["d"]),
        *steps("d", "y", "s", "z"),
    ]
    low, high = np.float32(bounds)
    w = np.random.default_rng(0).integers(-127, 128, (4, 4, 2, 2), np.int8)
    model = by_hand(nodes, (1, 4, 3, 6), {"y": TensorProto.FLOAT}, w=w, low=low, high=high, **STEPS)
    assert "conv_rows" in compiled_layers(model, tmp_path, board)


@pytest.mark.parametrize("scale", [2.0, 300.0, 1e-7])
def test_factors_that_are_no_part_of_a_half(scale, tmp_path):
    """Of sums that are small beside the steps of the result, or that a bias outweighs."""
    nodes = [
        *steps("x", "a", "s", "z"),
        helper.make_node("DequantizeLinear", ["w", "big", "zw"], ["f"]),
        helper.make_node("DequantizeLinear", ["b", "bs"], ["g"]),
        helper.make_node("Conv", ["a", "f", "g"], ["c"]),
        *steps("c", "y", "t", "z"),
    ]
    rng = np.random.default_rng(0)
    w, b = rng.integers(-2, 3, (4, 4, 1, 1), np.int8), rng.integers(-2, 3, 4).astype(np.int32) * int(1 + 20 / scale)
    tables = {"w": w, "b": b, "big": np.float32(scale), "bs": np.float32(np.float32(0.02) * np.float32(scale))}
    model = by_hand(nodes, (1, 4, 3, 6), {"y": TensorProto.FLOAT}, **tables, **STEPS)
    for board in BOARDS:
        assert "conv_rows" in compiled_layers(model, tmp_path, board)


def test_a_product_with_several_rows(tmp_path):
    """Whose tensors have three axes, and are no planes."""
    nodes = steps("x", "a", "s", "z")
    for i, (before, after) in enumerate(("ab", "by")):
        nodes.append(helper.make_node("DequantizeLinear", [f"w{i}", "sw", "zw"], [f"f{i}"]))
        nodes.append(helper.make_node("MatMul", [before, f"f{i}"], [f"c{i}"]))
        nodes += steps(f"c{i}", after, "t", "z")
    rng = np.random.default_rng(0)
    w0, w1 = rng.integers(-127, 128, (8, 6), np.int8), rng.integers(-127, 128, (6, 4), np.int8)
    model = by_hand(nodes, (1, 5, 8), {"y": TensorProto.FLOAT}, w0=w0, w1=w1, **STEPS)
    assert compiled_layers(model, tmp_path, "feather_nrf52840").count("conv_rows") == 2


def test_a_relu_of_the_integers_of_a_sum_stays_behind_it(tmp_path):
    nodes = [
        *steps("x", "a", "s", "z"),
        helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["f"]),
        helper.make_node("Conv", ["a", "f"], ["c"]),
        *steps("c", "d", "t", "z"),
        helper.make_node("Add", ["d", "a"], ["e"]),
        helper.make_node("QuantizeLinear", ["e", "t", "z"], ["q"]),
        helper.make_node("Relu", ["q"], ["y"]),
    ]
    w = np.random.default_rng(0).integers(-127, 128, (4, 4, 1, 1), np.int8)
    model = by_hand(nodes, (1, 4, 3, 6), {"y": TensorProto.INT8}, w=w, **STEPS)
    assert "conv_rows" in compiled_layers(model, tmp_path, "esp32c3")


def test_a_layer_quantised_twice(tmp_path):
    nodes = [
        *steps("x", "a", "s", "z"),
        helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["f"]),
        helper.make_node("Conv", ["a", "f"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "s", "z"], ["y"]),
        helper.make_node("QuantizeLinear", ["c", "t", "z"], ["v"]),
    ]
    w = np.random.default_rng(0).integers(-127, 128, (4, 4, 3, 3), np.int8)
    model = by_hand(nodes, (1, 4, 5, 6), {"y": TensorProto.INT8, "v": TensorProto.INT8}, w=w, **STEPS)
    assert compiled_layers(model, tmp_path, "esp32c3").count("conv_rows") == 2


@pytest.mark.parametrize("board", BOARDS)
def test_sums_of_floats_halfway_between_two_steps(board, tmp_path):
    """Tenths, of which sums are rounded one way by onnxruntime and another way here: no C is wrong for that."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "s", "z"], ["y"]),
    ]
    w, b = ((rng.integers(-9, 10, shape) / 10).astype(np.float32) for shape in ((8, 8, 3, 3), 8))
    model = by_hand(nodes, (1, 8, 8, 8), {"y": TensorProto.INT8}, w=w, b=b, s=np.float32(0.2), z=np.int8(0))
    compiled = mcugen.compile(model, board=board)
    x = np.where(np.arange(30)[:, None] % 5, rng.normal(0, 0.2, (30, 512)), rng.integers(-5, 6, (30, 512)) / 10)
    proof = compiled.verify(x.astype(np.float32))
    assert proof.proven
    assert 6 <= proof.blurred < 10
    assert 0 < proof.forgiven <= 6


@pytest.mark.parametrize("keepdims", [0, 1])
def test_a_join_of_other_steps_and_a_mean_over_all_pixels(keepdims, tmp_path):
    nodes = [
        *steps("x", "a", "s", "z"),
        helper.make_node("DequantizeLinear", ["w", "sw", "zv"], ["f"]),
        helper.make_node("Conv", ["a", "f"], ["c"]),
        *steps("c", "d", "t", "z"),
        helper.make_node("Concat", ["d", "a"], ["e"], axis=1),
        *steps("e", "g", "s", "zw"),
        helper.make_node("ReduceMean", ["g"], ["h"], axes=[2, 3], keepdims=keepdims),
        *steps("h", "y", "s", "z"),
    ]
    w = np.random.default_rng(0).integers(-120, 121, (4, 4, 1, 1), np.int8)
    model = by_hand(nodes, (1, 4, 3, 6), {"y": TensorProto.FLOAT}, w=w, zv=np.int8(5), **STEPS)
    found = compiled_layers(model, tmp_path, "feather_nrf52840")
    assert [name for name in found if name not in ("quantize", "strided", "reshape")] == [
        "conv_rows",
        "add_scaled",
        "add_scaled",
        "join",
        "pool_rows",
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [image, line])
@pytest.mark.parametrize("signed", [False, True])
def test_operators_become_integers(make, signed, tmp_path):
    """QGemm behind a Flatten of integers, whose elements lie pixel by pixel; QLinearMatMul."""
    from onnxruntime import quantization

    kind = quantization.QuantType.QInt8 if signed else quantization.QuantType.QUInt8

    rng = np.random.default_rng(1)
    how = {"quant_format": quantization.QuantFormat.QOperator, "activation_type": kind}
    path = quantised(model_of(make(rng)), tmp_path, rng, **how)
    compiled = mcugen.compile(path, board="esp32c3")
    layers = [n for n in compiled.module.nodes if isinstance(n.op, ConvRows)]
    assert {compiled.module.predict.values[n.name].type.dtype for n in layers} == {DType.I8}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [image, line])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("operators", [False, True])
def test_floats_bring_sums_to_onnxruntimes_bits(make, per_channel, operators, tmp_path):
    """QLinearConv, QLinearMatMul and QGemm work as we do; of QDQ, floats are rounded as often as here."""
    from onnxruntime import quantization

    rng = np.random.default_rng(7 + per_channel)
    how = {"per_channel": per_channel, "activation_type": quantization.QuantType.QInt8}
    if operators:
        how["quant_format"] = quantization.QuantFormat.QOperator
    path = quantised(model_of(make(rng)), tmp_path, rng, **how)
    compiled = mcugen.compile(path, board="feather_nrf52840", requant="float")
    layers = [n for n in compiled.module.nodes if isinstance(n.op, ConvRows)]
    assert all(node.op.by_float for node in layers)
    x = rng.standard_normal((60, compiled.module.features)).astype(np.float32)
    assert all(one.largest == 0 for one in compiled.reference.layers(x[:20]))
    np.testing.assert_array_equal(
        compiled.run([x.reshape(-1, *compiled.module.predict.of(Storage.INPUT)[0].type.shape)])[0].reshape(len(x), -1),
        compiled.source.reference.numbers("y", x).astype(np.float32),
    )


def test_floats_bring_sums_where_there_is_an_fpu(tmp_path):
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    model = by_hand(nodes, (1, 4), {"y": TensorProto.FLOAT})
    with pytest.raises(McugenError, match="no FPU") as caught:
        mcugen.compile(model, board="esp32c3", requant="float")
    assert caught.value.diagnostics[0].code == "E0403"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [image, line])
def test_unsigned_integers_become_signed_ones(make, tmp_path):
    from onnxruntime import quantization

    rng = np.random.default_rng(5)
    path = quantised(model_of(make(rng)), tmp_path, rng, activation_type=quantization.QuantType.QUInt8)
    compiled = mcugen.compile(path, board="feather_nrf52840")
    kinds = {compiled.module.predict.values[n.name].type.dtype for n in compiled.module.nodes}
    assert DType.U8 not in kinds
    layers = [n for n in compiled.module.nodes if isinstance(n.op, ConvRows)]
    assert {compiled.module.predict.values[n.name].type.dtype for n in layers} == {DType.I8}
    found = compiled.reference.layers(rng.standard_normal((4, compiled.module.features)).astype(np.float32))
    assert len(found) >= len(layers)
    assert max(one.largest for one in found) <= 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [image, line])
def test_unsigned_integers_of_the_caller_become_signed_ones(make, tmp_path):
    """The graph without its first QuantizeLinear and its last DequantizeLinear."""
    from onnxruntime import quantization

    rng = np.random.default_rng(5)
    model = onnx.load(quantised(model_of(make(rng)), tmp_path, rng, activation_type=quantization.QuantType.QUInt8))
    first = next(node for node in model.graph.node if node.input[0] == "x")
    last = next(node for node in model.graph.node if node.output[0] == "y")
    for node, value, name in (
        (first, model.graph.input[0], first.output[0]),
        (last, model.graph.output[0], last.input[0]),
    ):
        model.graph.node.remove(node)
        value.name, value.type.tensor_type.elem_type = name, TensorProto.UINT8
    compiled = mcugen.compile(model.SerializeToString(), board="esp32c3")
    layers = [n for n in compiled.module.nodes if isinstance(n.op, ConvRows)]
    assert {compiled.module.predict.values[n.name].type.dtype for n in layers} == {DType.I8}
    assert compiled.row is DType.U8
    x = rng.integers(0, 256, (20, compiled.module.features), np.uint8)
    assert compiled.verify(x).proven
    found = compiled.reference.layers(x[:4])
    assert len(found) >= len(layers)
    assert max(one.largest for one in found) <= 1


@pytest.mark.filterwarnings("ignore")
def test_a_layer_that_is_another_is_found(tmp_path):
    rng = np.random.default_rng(0)
    path = quantised(model_of(line(rng)), tmp_path, rng)
    compiled = mcugen.compile(path, board="esp32c3", check_answers=False)
    lowered = compiled.reference.lowered
    name = next(
        n for n in lowered.nodes if isinstance(n.op, ConvRows) and lowered.predict.values[n.name].type.dtype is DType.I8
    )
    data = lowered.predict.values[name.inputs[1]].data
    data.setflags(write=True)
    data[...] = -data
    with pytest.raises(McugenError, match="of 4 integer layers are more than 1 step") as caught:
        compiled.verify()
    assert caught.value.diagnostics[0].code == "E0801"


def test_layers_beside_onnxruntimes(tmp_path):
    from click.testing import CliRunner

    from mcugen.cli import cli

    path = tmp_path / "net.onnx"
    onnx.save(model_of(image(np.random.default_rng(5))), path)
    done = CliRunner().invoke(cli, ["verify", str(path), "--board", "feather_nrf52840", "--layers"])
    assert done.exit_code == 0, done.output
    assert all(name in done.output for name in ("r0", "r1", "c2", "p0", "c3", "steps"))
    found = mcugen.compile(path, board="esp32c3", check_answers=False).layers()
    assert [one.op for one in found].count("conv_rows") == 5
    assert all(one.largest < 1e-5 and one.differ == 0 for one in found)


@pytest.fixture
def float_net(tmp_path) -> Path:
    """The image network in floats, with a normalisation behind its first convolution."""
    nodes, tables, *shapes = image(np.random.default_rng(8))
    for i, value in enumerate(np.random.default_rng(9).uniform(0.5, 1.5, (4, 8)).astype(np.float32)):
        tables[f"n{i}"] = value
    nodes[0] = helper.make_node("Conv", ["x", "w0", "b0"], ["plain"], pads=[1, 1, 1, 1])
    nodes.insert(1, helper.make_node("BatchNormalization", ["plain", "n0", "n1", "n2", "n3"], ["c0"]))
    onnx.save(model_of((nodes, tables, *shapes)), tmp_path / "float.onnx")
    return tmp_path / "float.onnx"


def rows_for(count: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, 3 * 8 * 7)).astype(np.float32)


def test_a_float_network_in_int8(float_net):
    compiled = mcugen.compile(float_net, board="esp32c3", numeric="int8", data=rows_for(60), max_disagreement=0.1)
    layers = [node for node in compiled.module.nodes if isinstance(node.op, ConvRows)]
    assert {compiled.module.predict.values[node.name].type.dtype for node in layers} == {DType.I8}
    assert len(layers) == 5
    (note,) = compiled.source.notes
    assert "rows are answered otherwise in int8" in note
    assert "the worst layer is" in note
    floats = mcugen.compile(float_net, board="esp32c3")
    given = rows_for(20).reshape(-1, 1, 3, 8, 7)
    found, wanted = compiled.run([given])[0], floats.run([given])[0]
    assert np.abs(found - wanted).max() < 0.05 * np.ptp(wanted)
    assert compiled.report.flash.value < floats.report.flash.value


@pytest.mark.filterwarnings("ignore")
def test_ranges_are_found_in_three_ways(float_net):
    """One number far out: all of the range, or what most of the numbers are in."""
    rows = rows_for(60)
    rows[3, 7] = 40.0
    scales = {}
    for calibration in ("minmax", "entropy", "percentile"):
        how = {"numeric": "int8", "data": rows, "calibration": calibration}
        compiled = mcugen.compile(float_net, board="esp32c3", **how, max_disagreement=0.5)
        (first,) = [n for n in compiled.module.nodes if n.op.name == "quantize"]
        scales[calibration] = float(compiled.module.predict.values[first.inputs[1]].data)
    assert scales["minmax"] == pytest.approx(43.5 / 255, rel=0.05)
    assert scales["entropy"] < scales["minmax"]
    assert scales["percentile"] < scales["minmax"]
    with pytest.raises(McugenError, match="did you mean 'entropy'") as caught:
        mcugen.compile(float_net, board="esp32c3", numeric="int8", data=rows, calibration="entropie")
    assert caught.value.diagnostics[0].code == "E0112"


def test_int8_that_changes_too_much_is_refused(float_net):
    path = float_net.with_name("steep.onnx")
    model = onnx.load(float_net)
    for table in model.graph.initializer:
        if table.name == "b4":  # far from 0, and nearly alike: what tells the outputs apart is below their steps
            table.CopyFrom(numpy_helper.from_array(np.linspace(1000, 1000.1, 5, dtype=np.float32), "b4"))
    onnx.save(model, path)
    with pytest.raises(McugenError, match="rows are answered otherwise in int8") as caught:
        mcugen.compile(path, board="esp32c3", numeric="int8", data=rows_for(40))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0802"
    assert "--max-disagreement" in diagnostic.help


def test_int8_without_rows_and_int16_are_refused(float_net):
    for numeric, message in (
        ("int8", "a network is quantised on data"),
        ("int16", "networks are not brought to int16"),
    ):
        with pytest.raises(McugenError, match=message) as caught:
            mcugen.compile(float_net, board="esp32c3", numeric=numeric)
        assert caught.value.diagnostics[0].code == "E0302"


def test_uint8_planes_that_are_joined_are_compared_as_planes() -> None:
    """No layer takes pixels here, so the signed result has the order of the uint8 one."""
    names = [("s", np.float32(0.5)), ("z", np.uint8(128)), ("t", np.float32(0.7)), ("u", np.uint8(120))]
    names += [("w", np.ones((2, 4, 1, 1), np.int8)), ("o", np.int8(0))]
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "s", "z"], ["f"]),
        helper.make_node("Concat", ["f", "f"], ["g"], axis=1),
        helper.make_node("QuantizeLinear", ["g", "t", "u"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "t", "u"], ["h"]),
        helper.make_node("DequantizeLinear", ["w", "s", "o"], ["v"]),
        helper.make_node("Conv", ["h", "v"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "t", "u"], ["nobody_takes_it"]),
        helper.make_node("Concat", ["f", "h"], ["i"], axis=1),
        helper.make_node("QuantizeLinear", ["i", "s", "u"], ["y"]),
    ]
    infos = [helper.make_tensor_value_info(n, TensorProto.UINT8, (1, c, 4, 3)) for n, c in (("x", 2), ("y", 6))]
    constants = [numpy_helper.from_array(np.asarray(data), name) for name, data in names]
    made = helper.make_graph(nodes, "net", infos[:1], infos[1:], constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    assert mcugen.compile(model.SerializeToString(), board="feather_nrf52840").proof.proven
