"""Layers of networks: convolutions, matrices and pools become ops on pixel-major tensors (H, W, C), integers where the graph says
so, with what follows a layer in it: batch normalisation, activation, rescaling.

ONNX's tensors lie channel by channel. Each that a layer makes has a pixel-major twin, and what comes after takes the twin where it
can; the transposes that nobody needs are left to `dead_code`. One walk from front to back: a layer is made as soon as its node is
seen, and again, larger, with every node that can be taken into it.
"""

from __future__ import annotations

from mcugen.boards import Target
from mcugen.ir import Graph, Module, Node, Storage
from mcugen.ops.contract import Contract
from mcugen.ops.conv import Conv
from mcugen.ops.dequantize import Dequantize
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.join import Join
from mcugen.ops.pool import Pool
from mcugen.ops.quantize import Quantize
from mcugen.passes.layers.dense import convolution, matrix
from mcugen.passes.layers.follow import follow
from mcugen.passes.layers.integers import quantised
from mcugen.passes.layers.pools import pool
from mcugen.passes.layers.resizes import resize
from mcugen.passes.layers.signed import signed
from mcugen.passes.layers.walk import Walk, is_planes

LAYERS = (Conv, Contract, Pool)


def layers(module: Module, target: Target) -> Module:
    """The module with its layers on pixel-major tensors."""
    return module.map(lambda graph: _graph(graph, target))


def _graph(graph: Graph, target: Target) -> Graph:
    if not any(isinstance(node.op, LAYERS) for node in graph.nodes):
        return graph
    graph = signed(graph)
    walk = Walk(graph, target.requant == "float", target.by_rows == "always")
    if target.stream_input or target.arena_input:  # what comes first goes on with pixels, too
        for value in graph.of(Storage.INPUT):
            if is_planes(value.type.shape) and _is_same_on_pixels(graph, value.name):
                walk.rows_of(value.name)
    for node in graph.nodes:
        if not _changed(walk, node):
            walk.work.keep(node)
    return walk.work.graph()


def _is_same_on_pixels(graph: Graph, name: str) -> bool:
    """Whether what is done to a value in front of the first convolutions has the same bits pixel by pixel: sums would not."""
    seen, left = {name}, [name]
    while left:
        for node in graph.nodes:
            if left[-1] not in node.inputs or isinstance(node.op, Conv):
                continue
            picks = isinstance(node.op, Pool) and node.op.function == "max"
            if not picks and not isinstance(node.op, Dequantize | Elementwise | Join | Quantize):
                return False
            left[:0] = [one for one in node.outputs if one not in seen]
            seen.update(node.outputs)
        left.pop()
    return True


def _changed(walk: Walk, node: Node) -> bool:
    """Whether the node was replaced."""
    ways = (convolution, resize, matrix, pool, quantised, follow)
    return any(way(walk, node) for way in ways)
