"""Scalers in front of a neighbour search become part of how a row is brought to the grid of its points.

Distances that are nearly equal change places where the scaled row is rounded to float32; scikit-learn's own is in float64.
Narrow integers round more than that anyway, and keep the scaler.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcugen.boards import Target
from mcugen.ir import Graph, Module, Node
from mcugen.ops.gather import Gather
from mcugen.ops.knn import Knn
from mcugen.passes.fold_linear import source_of
from mcugen.rewrite import replaced


def fold_points(module: Module, target: Target) -> Module:
    """The module with neighbour searches on what their scalers take, where all 32 bits of a coordinate count."""
    return module if target.numeric in ("int16", "int8") else module.map(_folded)


def _folded(graph: Graph) -> Graph:
    for node in graph.nodes:
        if isinstance(node.op, Knn) and not node.op.form and node.op.slope is None:
            graph = _with_points(graph, node, node.op)
    return graph


def _with_points(graph: Graph, node: Node, op: Knn) -> Graph:
    found = source_of(graph, node.inputs[0])
    if found is None or found.plain:
        return graph
    folded = replace(op, slope=found.slope, origin=found.origin)
    if replace(folded, form="float32").grid.scaling is None:
        return graph
    size = graph.values[found.value].type.size
    if len(found.at) == size and (found.at == np.arange(size)).all():
        return replaced(graph, node, replace(node, op=folded, inputs=(found.value,)))
    picked = f"{node.name}.columns"
    gather = Node(Gather(size, found.at), (found.value,), (picked,), node.loc)
    return replaced(graph, node, gather, replace(node, op=folded, inputs=(picked,)))
