"""order: the nodes in the order that needs the least RAM (mcugen/memory/order.py), the given one where it is as good."""

from __future__ import annotations

from dataclasses import replace

from mcugen.boards import Target
from mcugen.ir import Graph, Module
from mcugen.memory.order import Order, cheapest


def order(module: Module, target: Target) -> Module:
    """The module with the nodes of every function in their cheapest order."""
    return module.map(lambda graph: reordered(graph, cheapest(graph)))


def reordered(graph: Graph, found: Order) -> Graph:
    """The graph with its nodes in an order."""
    return replace(graph, nodes=tuple(graph.nodes[i] for i in found.nodes), order_bound=found.bound)
