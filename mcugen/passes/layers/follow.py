"""What follows layers: it is taken into them, or goes on with the pixel-major twins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcugen.ir import Node
from mcugen.ops.dequantize import Dequantize
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.join import Join
from mcugen.ops.quantize import Quantize
from mcugen.passes.layers.dense import emitted, grown
from mcugen.passes.layers.walk import Walk, is_planes


def follow(walk: Walk, node: Node) -> bool:
    """Whether the node went into the layer before it, or was done on twins."""
    layer = grown(walk, node)
    if layer is not None:
        return emitted(walk, node, layer)
    if isinstance(node.op, Elementwise):
        return _elementwise(walk, node)
    if isinstance(node.op, Join):
        return _join(walk, node)
    if isinstance(node.op, Dequantize | Quantize):
        return _stepped(walk, node)
    return False


def _elementwise(walk: Walk, node: Node) -> bool:
    """On twins, where one of the operands has one, and the others are of its shape or numbers for each channel."""
    shape = walk.shape(node.name)
    if not is_planes(shape) or not any(walk.twin(name) for name in node.inputs if walk.shape(name) == shape):
        return False
    operands = []
    for name in node.inputs:
        known = walk.constant(name)
        if walk.shape(name) == shape and known is None:
            operands.append(walk.rows_of(name))
            continue
        padded = (1,) * (len(shape) - len(walk.shape(name))) + walk.shape(name)
        if known is None or any(n != 1 for i, n in enumerate(padded) if i != 1):
            return False
        flat = np.array(known).reshape(-1) if known.size > 1 else np.array(known).reshape(())
        operands.append(walk.work.const(f"{name}_flat", flat))
    (rows,) = walk.work.add(node.op, *operands, loc=node.loc, stem=f"{node.name}_rows")
    walk.gives(node, rows)
    return True


def _stepped(walk: Walk, node: Node) -> bool:
    """Integers as floats and back, with one scale for all, on the twin, where a layer further on takes pixels."""
    x, *steps = node.inputs
    for_all = all(walk.shape(name) in ((), (1,)) for name in steps)
    if not (is_planes(walk.shape(x)) and walk.twin(x) and walk.on_pixels(node.name) and for_all):
        return False
    (rows,) = walk.work.add(node.op, walk.rows_of(x), *steps, loc=node.loc, stem=f"{node.name}_rows")
    walk.gives(node, rows)
    return True


def _join(walk: Walk, node: Node) -> bool:
    """Channels after channels."""
    assert isinstance(node.op, Join)
    if not is_planes(walk.shape(node.name)) or node.op.axis != 1 or not all(walk.twin(name) for name in node.inputs):
        return False
    twins = [walk.rows_of(name) for name in node.inputs]
    (rows,) = walk.work.add(replace(node.op, axis=2), *twins, loc=node.loc, stem=f"{node.name}_rows")
    walk.gives(node, rows)
    return True
