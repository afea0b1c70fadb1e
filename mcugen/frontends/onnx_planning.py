"""ONNX graphs for planning only: what their tensors take in the order and the form in which they were exported, and graphs whose
weights are inputs without values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

WEIGHTS: Mapping[str, tuple[int, ...]] = {  # which inputs of an operator are weights
    "BatchNormalization": (1, 2, 3, 4),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (1, 2),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "MatMul": (1,),
    "PRelu": (1,),
}
VIEWS = ("Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")
BOUNDS = ("Clip", "Relu")
SOME = 0.01  # any number that is not 0: what no input changes is left out of the C


def with_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with every input that is nothing but weights as a constant without meaning; the inputs that are left are its own."""
    import onnx

    found = onnx.ModelProto()
    found.CopyFrom(model)
    weights, others = _slots(found.graph)
    known = {one.name for one in found.graph.initializer}
    for value in [*found.graph.input]:
        if value.name in weights - others - known:
            shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            data = np.full(shape, SOME, onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
            found.graph.initializer.append(onnx.numpy_helper.from_array(data, value.name))
            found.graph.input.remove(value)
    return found


def _slots(graph: onnx.GraphProto) -> tuple[set[str], set[str]]:
    """What is taken as weights, and what is taken as something else."""
    weights: set[str] = set()
    others = {one.name for one in graph.output}
    for node in graph.node:
        for at, name in enumerate(node.input):
            (weights if at in WEIGHTS.get(node.op_type, ()) else others).add(name)
    return weights, others


def exported_live(model: onnx.ModelProto, element: int = 0) -> int:
    """The most bytes of activations, inputs and outputs of the graph among them, that are live at one node in the order of the file:
    whole tensors, none in another's place, views free. `element`: bytes of every element, for planning; by default a tensor's own,
    where one that is quantised at once, or was until now, counts as what it is quantised to.
    """
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model).graph
    values = [*inferred.input, *inferred.value_info, *inferred.output]
    sizes = {one.name: _nbytes(one, element) for one in values if one.type.HasField("tensor_type")}
    weights, others = _slots(inferred)
    constant = {one.name for one in inferred.initializer} | (weights - others)
    outside = {one.name for one in (*inferred.input, *inferred.output)}
    owner: dict[str, str] = {}
    nodes = []
    for node in inferred.node:
        if all(name in constant for name in node.input if name):
            constant.update(node.output)
        else:
            nodes.append(node)
    for node in nodes:
        steps = node.op_type == "DequantizeLinear" and node.output[0] not in outside
        if node.op_type in VIEWS or steps:
            owner[node.output[0]] = owner.get(node.input[0], node.input[0])
    uses = Counter(name for node in nodes for name in node.input)
    quantised = set()
    for node in reversed(nodes):  # a float that is only bounded and quantised is not kept beside what it becomes
        into = node.op_type == "QuantizeLinear" or (node.op_type in BOUNDS and node.output[0] in quantised)
        if into and uses[node.input[0]] == 1 and node.input[0] not in (*owner, *outside):
            owner[node.input[0]] = owner.get(node.output[0], node.output[0])
            quantised.add(node.input[0])
    return _most_live(nodes, sizes, owner, constant, inferred)


def _most_live(
    nodes: list[onnx.NodeProto],
    sizes: Mapping[str, int],
    owner: Mapping[str, str],
    constant: set[str],
    graph: onnx.GraphProto,
) -> int:
    first: dict[str, int] = {owner.get(v.name, v.name): 0 for v in graph.input if v.name not in constant}
    last: dict[str, int] = {}
    for at, node in enumerate(nodes):
        for name in (owner.get(one, one) for one in (*node.input, *node.output) if one and one not in constant):
            first.setdefault(name, at)
            last[name] = at
    last |= {owner.get(v.name, v.name): len(nodes) - 1 for v in graph.output}
    live = [0] * (len(nodes) + 1)
    for name, begin in first.items():
        live[begin] += sizes.get(name, 0)
        live[last.get(name, begin) + 1] -= sizes.get(name, 0)
    return int(max(np.cumsum(live), default=0))


def _nbytes(value: onnx.ValueInfoProto, element: int) -> int:
    from onnx import helper

    kind = value.type.tensor_type
    count: int = prod(dim.dim_value for dim in kind.shape.dim)
    try:
        return count * (element or int(np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type)).itemsize))
    except KeyError:  # what no node makes may be said to be of any type
        return 0
