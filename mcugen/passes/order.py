"""order: the nodes in the order that needs the least RAM (mcugen/memory/order.py), the given one where it is as good."""

from __future__ import annotations

from dataclasses import replace

from mcugen.boards import Target
from mcugen.ir import Graph, Module
from mcugen.memory.order import cheapest


def order(module: Module, target: Target) -> Module:
    """The module with the nodes of every function in their cheapest order."""
    return module.map(_graph)


def _graph(graph: Graph) -> Graph:
    return replace(graph, nodes=tuple(graph.nodes[i] for i in cheapest(graph).nodes))
