"""Small networks as ONNX graphs, and onnxruntime's quantiser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

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
