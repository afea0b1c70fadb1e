"""Layers of networks: convolutions, matrices and pools become ops on pixel-major tensors (H, W, C), integers where the graph says
so, with what follows a layer in it: batch normalisation, activation, rescaling.

ONNX's tensors lie channel by channel. Each that a layer makes has a pixel-major twin, and what comes after takes the twin where it
can; the transposes that nobody needs are left to `dead_code`. One walk from front to back: a layer is made as soon as its node is
seen, and again, larger, with every node that can be taken into it.
"""

from __future__ import annotations

from mcugen.boards import Target
from mcugen.ir import Graph, Module, Node
from mcugen.ops.contract import Contract
from mcugen.ops.conv import Conv
from mcugen.ops.pool import Pool
from mcugen.passes.layers.dense import convolution, matrix
from mcugen.passes.layers.follow import follow
from mcugen.passes.layers.integers import quantised
from mcugen.passes.layers.pools import pool
from mcugen.passes.layers.resizes import resize
from mcugen.passes.layers.signed import signed
from mcugen.passes.layers.walk import Walk

LAYERS = (Conv, Contract, Pool)


def layers(module: Module, target: Target) -> Module:
    """The module with its layers on pixel-major tensors."""
    return module.map(lambda graph: _graph(graph, target))


def _graph(graph: Graph, target: Target) -> Graph:
    if not any(isinstance(node.op, LAYERS) for node in graph.nodes):
        return graph
    graph = signed(graph)
    walk = Walk(graph, target.requant == "float", target.by_rows == "always")
    for node in graph.nodes:
        if not _changed(walk, node):
            walk.work.keep(node)
    return walk.work.graph()


def _changed(walk: Walk, node: Node) -> bool:
    """Whether the node was replaced."""
    ways = (convolution, resize, matrix, pool, quantised, follow)
    return any(way(walk, node) for way in ways)
