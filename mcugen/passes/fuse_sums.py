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
    return module.map(lambda graph: _fused(graph, target.by_rows == "always"))


def _fused(graph: Graph, by_rows: bool) -> Graph:
    if not any(isinstance(node.op, ConvRows) for node in graph.nodes):
        return graph
    taken, nodes, values = uses(graph), list(graph.nodes), dict(graph.values)
    place = {name: i for i, node in enumerate(nodes) for name in node.outputs}
    gone: set[int] = set()
    for i, node in enumerate(graph.nodes):
        made = None
        for at in sorted(
            {place.get(name, -1) for name in node.inputs} - {-1}, key=lambda p: _rank(nodes[p], p, by_rows)
        ):
            if nodes[at].name in node.inputs and taken[nodes[at].name] == 1 and isinstance(nodes[at].op, ConvRows):
                made = _with(nodes[at], node, graph)
            if made is not None or not by_rows:
                break
        if made is not None:
            del values[nodes[at].name]
            nodes[i] = made
            gone.add(at)
    return replace(graph, nodes=tuple(node for i, node in enumerate(nodes) if i not in gone), values=values)


def _rank(node: Node, place: int, by_rows: bool) -> tuple[int, int]:
    """What adds, first: the last; where rows are made in turn, the one that lags behind furthest, so that the other one's rows are
    made as soon as they can be.
    """
    op = node.op
    return -op.rows.reach if by_rows and isinstance(op, ConvRows) else 0, -place


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
