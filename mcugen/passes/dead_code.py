"""Dead code: what no OUTPUT and no STATE needs is left out."""

from __future__ import annotations

from dataclasses import replace

from mcugen.boards import Target
from mcugen.ir import Graph, Module, Node, Storage


def dead_code(module: Module, target: Target) -> Module:
    """The module without the nodes that no OUTPUT or STATE value depends on, and without the values that are left over; nodes
    of which only the first output is used give no other, where that is less work.

    INPUT and STATE stay even if nobody uses them: the first is the function's signature, the second another function's.
    """
    return module.map(_needed_part)


def _needed_part(graph: Graph) -> Graph:
    needed = _needed_nodes(graph)
    alive = [node for i, node in enumerate(graph.nodes) if i in needed]
    used = {name for node in alive for name in node.inputs}
    used |= {n for n, v in graph.values.items() if v.storage in (Storage.OUTPUT, Storage.STATE)}
    nodes = tuple(_first_alone(node) if used.isdisjoint(node.outputs[1:]) else node for node in alive)
    named = {name for node in nodes for name in (*node.inputs, *node.outputs)}
    stays = (Storage.INPUT, Storage.OUTPUT, Storage.STATE)
    values = {n: v for n, v in graph.values.items() if n in named or v.storage in stays}
    return replace(graph, nodes=nodes, values=values)


def _first_alone(node: Node) -> Node:
    op = node.op.first_alone() if len(node.outputs) > 1 else node.op
    return node if op is node.op else replace(node, op=op, outputs=node.outputs[:1])


def _needed_nodes(graph: Graph) -> set[int]:
    import networkx as nx

    roots = {step for n, step in graph.producer.items() if graph.values[n].storage in (Storage.OUTPUT, Storage.STATE)}
    return roots.union(*(nx.ancestors(graph.flow, root) for root in roots))
