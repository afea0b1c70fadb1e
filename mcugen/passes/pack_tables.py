"""Tables: ops whose constants are inputs get them as the target's kernels want them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcugen.boards import Target
from mcugen.ir import Array, Graph, Module, Node, Storage
from mcugen.rewrite import Rewriting


def pack_tables(module: Module, target: Target) -> Module:
    """The module with every op that `packs` decided for the target (`Op.packed`)."""
    return module.map(lambda graph: _packed(graph, target))


def _packed(graph: Graph, target: Target) -> Graph:
    if not any(node.op.packs for node in graph.nodes):
        return graph
    work = Rewriting(graph)
    for node in graph.nodes:
        if node.op.packs:
            _pack(work, graph, node, target)
        else:
            work.keep(node)
    return work.graph()


def _pack(work: Rewriting, graph: Graph, node: Node, target: Target) -> None:
    given = [name for name in node.inputs if graph.values[name].storage is not Storage.CONST]
    names = node.inputs[len(given) :]
    tables = tuple(_data(graph, name) for name in names)
    op, made = node.op.packed(target, graph.types(tuple(given)), tables)
    known = {id(data): name for name, data in zip(names, tables, strict=True)}
    stem = names[0] if names else node.name
    inputs = [known.get(id(data)) or work.const(f"{stem}_{op.form}", data) for data in made]
    work.make(replace(node, op=op, inputs=(*given, *inputs)))


def _data(graph: Graph, name: str) -> Array:
    data = graph.values[name].data
    assert data is not None, "the verifier lets no CONST without data through"
    return np.asarray(data)
