"""Networks with Resize beside onnxruntime: on pixels between layers, channel by channel at the end, bytes where nothing changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import mcugen

RNG = np.random.default_rng(0)
CHANNELS = 3


def model(nodes: list[onnx.NodeProto], shape: tuple[int, ...], **tables: Any) -> bytes:
    """A graph from `x` to `y`."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    constants = [numpy_helper.from_array(np.asarray(data), name) for name, data in tables.items()]
    graph = helper.make_graph(nodes, "net", [x], [y], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return onnx.shape_inference.infer_shapes(made).SerializeToString()


def resized(x: str, sizes: str, y: str, mode: str, **more: str) -> onnx.NodeProto:
    return helper.make_node("Resize", [x, "", "", sizes], [y], mode=mode, **more)


def floats(middle: dict[str, str], last: dict[str, str]) -> bytes:
    """A small image made as large as another one, which it is joined with; and what comes of both, made larger still."""
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["a"], ["b"], kernel_shape=[2, 2], strides=[2, 2]),
        resized("b", "same", "c", **middle),
        helper.make_node("Concat", ["c", "a"], ["d"], axis=1),
        helper.make_node("Conv", ["d", "w1"], ["e"]),
        resized("e", "larger", "f", **last),
        helper.make_node("Sigmoid", ["f"], ["y"]),
    ]
    w0 = RNG.normal(size=(4, CHANNELS, 3, 3)).astype(np.float32)
    w1 = RNG.normal(size=(2, 8, 1, 1)).astype(np.float32)
    sizes = {"same": np.int64([1, 4, 6, 8]), "larger": np.int64([1, 2, 13, 20])}
    return model(nodes, (1, CHANNELS, 6, 8), w0=w0, w1=w1, **sizes)


@pytest.mark.parametrize("by_rows", ["never", "always"])
@pytest.mark.parametrize(
    ("middle", "last", "taps"),
    [
        ({"mode": "linear"}, {"mode": "cubic"}, ["taps=2x2", "taps=4x4 images=2"]),
        (
            {"mode": "cubic", "coordinate_transformation_mode": "align_corners"},
            {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
            ["taps=3x4", "taps=2x2 images=2"],
        ),
        ({"mode": "nearest"}, {"mode": "linear"}, ["nearest", "taps=2x2 images=2"]),
    ],
)
def test_layers_and_what_is_between_them(middle, last, taps, by_rows):
    compiled = mcugen.compile(floats(middle, last), board="feather_nrf52840", by_rows=by_rows)
    nodes = [*compiled.module.nodes]
    assert [node.op.describe() for node in nodes if node.op.name == "resize_rows"] == taps
    assert not [node for node in nodes if node.op.name in ("contract", "pick")]
    # The input, and what is made larger at the end: no large tensor goes from one order to the other.
    assert [node.op.name for node in nodes].count("strided") == 2
    assert compiled.verify(RNG.normal(size=(20, CHANNELS * 48)).astype(np.float32)).proven


def quantised(kind: type, to: str) -> bytes:
    """A convolution, twice as many rows and columns, and another one, all quantised; of the second scale is what `to` says."""
    steps = ["QuantizeLinear", "DequantizeLinear"]
    pairs = [("x", "a", "s"), ("b", "c", "s"), ("d", "e", to), ("f", "y", "s")]
    q = [
        helper.make_node(op, [before, scale, "z"], [after])
        for x, y, scale in pairs
        for op, before, after in zip(steps, (x, f"q_{y}"), (f"q_{y}", y), strict=True)
    ]
    weights = helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["f0"])
    nodes = [
        *q[:2], weights, helper.make_node("Conv", ["a", "f0"], ["b"], pads=[1, 1, 1, 1]), *q[2:4],
        resized("c", "twice", "d", "nearest"), *q[4:6], helper.make_node("Conv", ["e", "f0"], ["f"]), *q[6:],
    ]  # fmt: skip
    tables = {"s": np.float32(0.03), "t": np.float32(0.04), "sw": np.float32(0.01), "zw": np.int8(0)}
    tables |= {"z": kind(3), "twice": np.int64([1, CHANNELS, 10, 12])}
    w = RNG.integers(-127, 128, (CHANNELS, CHANNELS, 3, 3), np.int8)
    return model(nodes, (1, CHANNELS, 5, 6), w=w, **tables)


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_bytes_are_moved(kind):
    compiled = mcugen.compile(quantised(kind, "s"), board="feather_nrf52840")
    (node,) = (node for node in compiled.module.nodes if node.op.name == "resize_rows")
    assert str(compiled.module.predict.values[node.name].type) == "10x12x3:i8"
    x = RNG.normal(size=(20, CHANNELS * 30)).astype(np.float32)
    assert compiled.verify(x).proven
    assert {one.op: one.largest for one in compiled.reference.layers(x[:4])}["resize_rows"] == 0


def test_another_scale_behind_it_is_one_of_floats():
    compiled = mcugen.compile(quantised(np.int8, "t"), board="feather_nrf52840")
    names = [node.op.name for node in compiled.module.nodes]
    at = names.index("resize_rows")
    assert names[at - 1 : at + 2] == ["dequantize", "resize_rows", "quantize"]
    assert names.count("strided") == 2  # those of the input and the output
    assert compiled.verify(RNG.normal(size=(20, CHANNELS * 30)).astype(np.float32)).proven


@pytest.mark.parametrize(
    ("size", "out", "how"),
    [
        (5, 1, {"mode": "cubic", "coordinate_transformation_mode": "pytorch_half_pixel"}),
        (10, 14, {"mode": "nearest", "nearest_mode": "ceil"}),
        (7, 9, {"mode": "nearest", "nearest_mode": "floor"}),
        (7, 9, {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "half_pixel_symmetric"}),
    ],
)
def test_places_that_rounding_decides(size: int, out: int, how: dict[str, str]) -> None:
    """Sizes say exactly where an element lies; a scale made of them does not."""
    onnxruntime = pytest.importorskip("onnxruntime")
    made = model([resized("x", "sizes", "y", **how)], (1, 1, size, 2), sizes=np.int64([1, 1, out, 2]))
    x = np.random.default_rng(0).normal(size=(1, 1, size, 2)).astype(np.float32)
    (wanted,) = onnxruntime.InferenceSession(made).run(None, {"x": x})
    (found,) = mcugen.compile(made, board="host", check_answers=False).run([x[None]])
    np.testing.assert_allclose(found[0], wanted, atol=1e-6)
