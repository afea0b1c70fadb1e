"""Networks whose weights are unknown, with random ones: int8 throughout, input and output too, as deployed networks are.

A graph in which weights are inputs without values has all that RAM, instructions and flash depend on but for the numbers. These are
drawn once (He's initialisation, batch normalisations near 1), and onnxruntime quantises the network on random rows.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mcugen.frontends.onnx_planning import with_weights
from mcugen.frontends.onnx_quantise import folded

ROWS = 4  # random rows that ranges are taken from


def quantised(path: Path, folder: Path) -> Path:
    """The network of a file without values, in int8 with random ones, written to `folder`."""
    from onnxruntime import quantization

    model, rng = with_weights(onnx.load(path)), np.random.default_rng(0)
    for at, one in enumerate(model.graph.initializer):
        data = _drawn(model, one.name, tuple(one.dims), rng)
        model.graph.initializer[at].CopyFrom(numpy_helper.from_array(data.astype(np.float32), one.name))
    (given,) = model.graph.input
    shape = [dim.dim_value for dim in given.type.tensor_type.shape.dim]

    class Rows(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = [{given.name: rng.normal(size=shape).astype(np.float32)} for _ in range(ROWS)]

        def get_next(self) -> object:
            return self.left.pop() if self.left else None

    with tempfile.TemporaryDirectory(prefix="mcugen-random-") as made:
        plain, done = Path(made) / "float.onnx", Path(made) / "int8.onnx"
        plain.write_bytes(folded(model))
        quantization.quantize_static(plain, done, Rows(), per_channel=True)
        network = _in_int8(onnx.load(done))
    file = folder / f"{path.name.split('.')[0]}_random.onnx"
    onnx.save(network, file)
    return file


def _drawn(model: onnx.ModelProto, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Weights of a layer, its bias, or the numbers of a batch normalisation."""
    node, at = next((n, [*n.input].index(name)) for n in model.graph.node if name in n.input)
    if node.op_type == "BatchNormalization":
        return rng.uniform(0.8, 1.2, shape) if at in (1, 4) else rng.normal(size=shape) * 0.1
    if len(shape) < 2:
        return rng.normal(size=shape) * 0.1
    return rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))


def _in_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """A quantised network without the quantisation of its input and what makes floats of its output."""
    graph = model.graph
    first = next(n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0] == graph.input[0].name)
    last = next(n for n in graph.node if n.op_type == "DequantizeLinear" and n.output[0] == graph.output[0].name)
    for value, name in ((graph.input[0], first.output[0]), (graph.output[0], last.input[0])):
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        value.CopyFrom(helper.make_tensor_value_info(name, TensorProto.INT8, shape))
    for node in (first, last):
        graph.node.remove(node)
    return model
