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
    return replace(graph, nodes=tuple(_with_best_form(node, target) for node in graph.nodes))


def _with_best_form(node: Node, target: Target) -> Node:
    forms = node.op.forms(target)
    if not forms:
        return node
    return replace(node, op=node.op.with_form(choose(forms, target), target))
