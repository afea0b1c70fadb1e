"""Graphs with integers in them that no quantiser made: what its graphs may have, one thing at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import mcugen
from mcugen.diagnostics import McugenError
from mcugen.ir import DType

BOARDS = ("feather_nrf52840", "esp32c3")


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


def test_floats_bring_sums_where_there_is_an_fpu(tmp_path):
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    model = by_hand(nodes, (1, 4), {"y": TensorProto.FLOAT})
    with pytest.raises(McugenError, match="no FPU") as caught:
        mcugen.compile(model, board="esp32c3", requant="float")
    assert caught.value.diagnostics[0].code == "E0403"


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
