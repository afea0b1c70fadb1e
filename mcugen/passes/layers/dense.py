"""Convolutions and matrices of floats, and what follows them: bias, batch normalisation, bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, Node
from mcugen.ops.contract import Contract
from mcugen.ops.conv import Conv
from mcugen.ops.conv_rows import ConvRows
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.reshape import Reshape
from mcugen.passes.layers.walk import Floats, Layer, Walk, is_planes
from mcugen.windows import Window

ONE = Window(1, 1)


def convolution(walk: Walk, node: Node) -> bool:
    """A convolution with known weights, over one or two axes, dense or with a group for each channel."""
    if not isinstance(node.op, Conv) or len(node.op.windows) > 2 or not is_planes(walk.shape(node.inputs[0])):
        return False
    found = _parameters(walk, node)
    channels = walk.shape(node.inputs[0])[1]
    if found is None or node.op.groups not in (1, channels) or walk.work.type_of(node.name).dtype is not DType.F32:
        return False
    weights, bias = found
    rows, columns = walk.sides(node.op.windows, ONE)
    kernel = np.moveaxis(weights.reshape(*weights.shape[:2], rows.kernel, columns.kernel), 1, 3)
    layer = Layer(node.inputs[0], rows, columns, node.op.groups, kernel, bias, node.inputs[1], True)
    return emitted(walk, node, layer)


def _parameters(walk: Walk, node: Node) -> tuple[Floats, Floats] | None:
    given = [walk.constant(name) for name in node.inputs[1:]]
    known = [np.asarray(one, np.float64) for one in given if one is not None]
    if len(known) != len(given):
        return None
    return known[0], known[1] if len(known) > 1 else np.zeros(len(known[0]))


def matrix(walk: Walk, node: Node) -> bool:
    """A product with a known matrix on its right."""
    if (
        not isinstance(node.op, Contract)
        or len(node.op.letters) != 2
        or walk.work.type_of(node.name).dtype is not DType.F32
    ):
        return False
    (left, right), out = node.op.letters, node.op.out
    known = walk.constant(node.inputs[1])
    summed = left[-1:]
    if (
        known is None
        or walk.constant(node.inputs[0]) is not None
        or len(right) != 2
        or summed not in right
        or summed in out
    ):
        return False
    free = right.replace(summed, "")
    shape = walk.shape(node.inputs[0])
    if len(free) != 1 or out != left[:-1] + free or len({*left}) != len(left) or free in left:
        return False
    weights = np.asarray(known, np.float64)
    weights = weights if right[1] == summed else weights.T
    if weights.shape[1] != shape[-1]:  # repeated
        return False
    count = int(np.prod(shape[:-1]))
    kernel = weights[:, None, None, :]
    window = replace(ONE, size=count)
    layer = Layer(node.inputs[0], ONE, window, 1, kernel, np.zeros(len(weights)), node.inputs[1], False)
    return emitted(walk, node, layer)


def emitted(walk: Walk, node: Node, layer: Layer) -> bool:
    """The layer as what the node gives; it may still grow with what follows. E0107 where its numbers are none."""
    if not (np.isfinite(layer.weights).all() and np.isfinite(layer.bias).all()):
        text = f"the weights or biases behind %{node.name} have NaN or infinities"
        raise error("E0107", text, help="train or export the network anew", loc=node.loc)
    walk.layers[node.name] = layer
    x, weights = placed(walk, layer.x, layer)
    op = ConvRows(layer.rows, layer.columns, layer.groups, layer.low, layer.high)
    tables = [
        walk.work.const(f"{node.name}_{what}", np.asarray(one, np.float32))
        for what, one in (("weights", weights), ("bias", layer.bias))
    ]
    (rows, *_) = walk.work.add(op, x, *tables, loc=node.loc, stem=f"{node.name}_rows")
    given(walk, node, layer, rows)
    return True


def placed(walk: Walk, x: str, layer: Layer) -> tuple[str, Floats]:
    """The pixel-major value that a layer on x takes, and its weights in the order of that."""
    if layer.planes:
        return walk.rows_of(x), layer.weights
    found, before = walk.matrix_of(x)
    if before is None:
        return found, layer.weights
    moved = layer.weights.reshape(len(layer.weights), *before).transpose(0, 2, 1)
    return found, moved.reshape(layer.weights.shape)


def given(walk: Walk, node: Node, layer: Layer, rows: str) -> None:
    """The pixel-major result as what the node gives."""
    if layer.planes:
        walk.gives(node, rows)
    else:
        walk.work.make(Node(Reshape(walk.shape(node.name)), (rows,), (node.name,), node.loc))


def grown(walk: Walk, node: Node) -> Layer | None:
    """The layer before a function of single elements with that function in it; None where it cannot be."""
    if not isinstance(node.op, Elementwise):
        return None
    place = next((i for i, name in enumerate(node.inputs) if name in walk.layers and walk.once(name)), None)
    if place is None or walk.shape(node.inputs[place]) != walk.shape(node.name):
        return None
    layer, bounded = walk.layers[node.inputs[place]], (-np.inf, np.inf)
    if node.op.function == "Relu":
        return replace(layer, low=max(layer.low, 0.0), high=max(layer.high, 0.0))
    other = walk.constant(node.inputs[1 - place]) if len(node.inputs) == 2 else None
    if other is None:
        return None
    if node.op.function in ("Min", "Max") and other.size == 1:
        bound = float(other.ravel()[0])
        if not np.isfinite(bound):
            return None
        if node.op.function == "Min":
            return replace(layer, low=min(layer.low, bound), high=min(layer.high, bound))
        return replace(layer, low=max(layer.low, bound), high=max(layer.high, bound))
    each = _by_channel(walk, other, node.name, layer)
    if each is None or (layer.low, layer.high) != bounded:
        return None
    if node.op.function == "Add":
        return replace(layer, bias=layer.bias + each)
    if node.op.function == "Sub" and place == 0:
        return replace(layer, bias=layer.bias - each)
    if node.op.function in ("Mul", "Div") and (node.op.function == "Mul" or (place == 0 and each.all())):
        factor = each if node.op.function == "Mul" else 1 / each
        scaled = layer.weights * factor[:, None, None, None]
        if not np.isfinite(scaled).all():
            return None
        return replace(layer, weights=scaled, bias=layer.bias * factor, weights_from="")
    return None


def _by_channel(walk: Walk, other: Array, name: str, layer: Layer) -> Floats | None:
    """A constant that is repeated over pixels, as a number for each output channel, (M,); None for others."""
    shape = walk.shape(name)
    axis = 1 if layer.planes else len(shape) - 1
    padded = (1,) * (len(shape) - other.ndim) + other.shape
    if other.ndim > len(shape) or any(n != 1 for i, n in enumerate(padded) if i != axis):
        return None
    return np.array(np.broadcast_to(np.asarray(other, np.float64).ravel(), (len(layer.bias),)))
