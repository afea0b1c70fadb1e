"""Constant folding: what depends on constants alone is worked out here, by the op's own meaning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcugen.boards import Target
from mcugen.ir import Array, Graph, Module, Node, Storage, Value


def fold_constants(module: Module, target: Target) -> Module:
    """The module with every node whose inputs are all CONST replaced by CONST values.

    A node stays where it makes an OUTPUT or STATE value, because somebody has to write that one at run time.
    """
    return module.map(_fold)


def _fold(graph: Graph) -> Graph:
    values, nodes = dict(graph.values), []
    for node in graph.nodes:
        if _is_constant(node, values):
            values |= _folded(node, values)
        else:
            nodes.append(node)
    return replace(graph, values=values, nodes=tuple(nodes))


def _is_constant(node: Node, values: dict[str, Value]) -> bool:
    return all(values[n].storage is Storage.CONST for n in node.inputs) and all(
        values[n].storage is Storage.TEMP for n in node.outputs
    )


def _folded(node: Node, values: dict[str, Value]) -> dict[str, Value]:
    results = node.op.evaluate(*(_data(values[n]) for n in node.inputs))
    return {
        name: replace(values[name], storage=Storage.CONST, data=np.asarray(result))
        for name, result in zip(node.outputs, results, strict=True)
    }


def _data(value: Value) -> Array:
    assert value.data is not None, "the verifier lets no CONST without data through"
    return value.data
