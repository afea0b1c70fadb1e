"""The pass by_rows: what a network needs to run row by row in little room, where the target asks for it.

Tensors that are joined are joined row by row, for whoever reads the whole: each reader has its own join, of what is none itself, so that
no joined tensor has to be kept for a later reader. Pools of everything take rows as they come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mcugen.boards import Target
from mcugen.ir import Graph, Module, Node, Storage, Value
from mcugen.ops.join import MOST, Join
from mcugen.ops.pool_rows import PoolRows


def by_rows(module: Module, target: Target) -> Module:
    """The module with joins for each reader, and running pools."""
    return module.map(lambda graph: _running(_joined(graph))) if target.by_rows == "always" else module


def _running(graph: Graph) -> Graph:
    """Every pool of everything as one that takes its input's rows one by one."""
    values, nodes = dict(graph.values), []
    for node in graph.nodes:
        if isinstance(node.op, PoolRows) and node.op.can_run and not node.op.runs:
            op = replace(node.op, runs=True)
            name = f"{node.outputs[0]}_sums"
            *_, type = op.infer(*graph.types(node.inputs))
            values[name] = Value(name, type, Storage.TEMP)
            nodes.append(replace(node, op=op, outputs=(*node.outputs, name)))
        else:
            nodes.append(node)
    return replace(graph, values=values, nodes=tuple(nodes))


def _joined(graph: Graph) -> Graph:
    """Every reader of a join with one of its own, of what is no join itself."""
    joins = {node.outputs[0]: node for node in graph.nodes if _joins_channels(graph, node)}
    joins = joins if all(len([*_pieces(name, joins)]) <= MOST for name in joins) else {}
    values = dict(graph.values)
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.outputs[0] in joins:
            continue
        inputs = []
        for name in node.inputs:
            inputs.append(name if name not in joins else f"{name}_for_{node.outputs[0]}")
            if name in joins and inputs[-1] not in values:
                values[inputs[-1]] = replace(graph.values[name], name=inputs[-1])
                nodes.append(replace(joins[name], inputs=tuple(_pieces(name, joins)), outputs=(inputs[-1],)))
        nodes.append(replace(node, inputs=tuple(inputs)))
    kept = {name: value for name, value in values.items() if name not in joins}
    return replace(graph, values=kept, nodes=tuple(nodes))


def _joins_channels(graph: Graph, node: Node) -> bool:
    made = graph.values[node.outputs[0]]
    pixels = isinstance(node.op, Join) and node.op.axis == 2 and len(made.type.shape) == 3
    return pixels and made.storage is Storage.TEMP


def _pieces(name: str, joins: Mapping[str, Node]) -> Iterator[str]:
    """What a join is made of, to the last."""
    if name not in joins:
        yield name
        return
    for one in joins[name].inputs:
        yield from _pieces(one, joins)
