"""Sums: a tensor that is added to what a convolution gives is added by the convolution, in its own place where it may.

That saves a tensor as large as the result while the layer runs, which is where networks with residuals need most RAM.
"""

from __future__ import annotations

from dataclasses import replace

from mcugen.boards import Target
from mcugen.ir import Graph, Module, Node, Storage
from mcugen.ops.add_scaled import AddScaled
from mcugen.ops.add_steps import AddSteps
from mcugen.ops.conv_rows import ConvRows
from mcugen.ops.elementwise import Elementwise
from mcugen.rewrite import uses


def fuse_sums(module: Module, target: Target) -> Module:
    """The module with sums in the convolutions before them."""
    return module.map(_fused)


def _fused(graph: Graph) -> Graph:
    if not any(isinstance(node.op, ConvRows) for node in graph.nodes):
        return graph
    taken, nodes, values = uses(graph), list(graph.nodes), dict(graph.values)
    place = {name: i for i, node in enumerate(nodes) for name in node.outputs}
    gone: set[int] = set()
    for i, node in enumerate(graph.nodes):
        at = max((place.get(name, -1) for name in node.inputs), default=-1)
        if (
            at < 0
            or nodes[at].name not in node.inputs
            or taken[nodes[at].name] != 1
            or not isinstance(nodes[at].op, ConvRows)
        ):
            continue
        made = _with(nodes[at], node, graph)
        if made is not None:
            del values[nodes[at].name]
            nodes[at] = made
            place[node.name] = at
            gone.add(i)
    return replace(graph, nodes=tuple(node for i, node in enumerate(nodes) if i not in gone), values=values)


def _with(layer: Node, node: Node, graph: Graph) -> Node | None:
    """The layer that does a node's work as well; None where it cannot."""
    op = layer.op
    assert isinstance(op, ConvRows)
    if isinstance(node.op, Elementwise) and node.op.function == "Relu" and op.adds and not op.scaled and op.high > 0:
        return replace(layer, op=replace(op, low=max(op.low, 0.0)), outputs=node.outputs, loc=node.loc)
    if op.adds or op.groups > 1 or len(node.inputs) != 2 or node.inputs[0] == node.inputs[1]:
        return None
    first = node.inputs[0] == layer.name
    other = node.inputs[first]
    if graph.values[other].type != graph.values[layer.name].type or graph.values[other].storage is Storage.CONST:
        return None
    scaled: AddScaled | AddSteps | None = None
    if isinstance(node.op, AddScaled | AddSteps):
        scaled = node.op.swapped() if first else node.op
    elif not isinstance(node.op, Elementwise) or node.op.function != "Add" or (op.low, op.high) != (-_INF, _INF):
        return None
    fused = replace(op, adds=True, scaled=scaled)
    inputs = (layer.inputs[0], other, *layer.inputs[1:])
    return Node(fused, inputs, node.outputs, node.loc)


_INF = float("inf")
