"""Selection: each op that can be emitted in several exact ways gets the one that suits the target best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mcugen.boards import Target
from mcugen.ir import Graph, Module, Node
from mcugen.op import Form


def select(module: Module, target: Target) -> Module:
    """The module with every op that has forms decided for the target, its constants packed by `Op.with_form`."""
    return module.map(lambda graph: _decided(graph, target))


def choose(forms: Sequence[Form], target: Target) -> Form:
    """The form that the target asks for, of those that fit the board's free flash: `size` the least flash, `speed` the fewest
    cycles, `auto` the least product of both. Where none fits, the least flash. Ties go by name.
    """
    fitting = [f for f in forms if f.cost.flash <= target.board.flash_free]
    if target.optimize == "size" or not fitting:
        return min(forms, key=lambda f: (f.cost.flash, f.name))
    if target.optimize == "speed":
        return min(fitting, key=lambda f: (f.cost.cycles, f.name))
    return min(fitting, key=lambda f: (f.cost.flash * f.cost.cycles, f.name))


def _decided(graph: Graph, target: Target) -> Graph:
    nodes = [_with_best_form(node, target) for node in graph.nodes]
    return replace(graph, nodes=tuple(_within_reach(graph, nodes, target) if target.board.progmem else nodes))


def _within_reach(graph: Graph, nodes: list[Node], target: Target) -> list[Node]:
    """The nodes with the largest tables read through far addresses, where near ones do not reach the tables of all."""
    near = [_near(graph, node, target) for node in nodes]
    for i in sorted(range(len(nodes)), key=lambda i: -near[i]):
        if sum(near) <= target.near:
            break
        moved = _with_best_form(graph.nodes[i], replace(target, near=0))
        less = _near(graph, moved, target)
        if less < near[i]:
            nodes[i], near[i] = moved, less
    return nodes


def _near(graph: Graph, node: Node, target: Target) -> int:
    return node.op.cost(target, *graph.types(node.inputs)).near


def _with_best_form(node: Node, target: Target) -> Node:
    forms = node.op.forms(target)
    if not forms:
        return node
    return replace(node, op=node.op.with_form(choose(forms, target), target))
