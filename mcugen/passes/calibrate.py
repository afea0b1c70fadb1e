"""Calibration: ops that round are shown what the user's rows look like where they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mcugen.boards import Target
from mcugen.ir import Array, Graph, Module, Node, Storage

MOST = 500  # rows; more say little more, and every op is worked out in Python for each


def calibrate(module: Module, target: Target) -> Module:
    """The module with every weighted op having seen its inputs for the target's rows; the module itself without rows.

    What an op makes of them changes no answer: only how many bits the parts of a sum have, and how fast it is.
    """
    rows = target.rows
    if rows is None or not len(rows) or not any(node.op.weighted for node in module.nodes):
        return module
    return replace(module, functions=(_calibrated(module.predict, rows[:MOST]), *module.functions[1:]))


def _calibrated(graph: Graph, rows: Array) -> Graph:
    (x,) = graph.of(Storage.INPUT)
    known = {x.name: [row.astype(x.type.dtype.numpy) for row in rows]}
    constants = {v.name: v.data for v in graph.of(Storage.CONST) if v.data is not None}
    last = max(i for i, node in enumerate(graph.nodes) if node.op.weighted)
    nodes = list(graph.nodes)
    for i, node in enumerate(graph.nodes[: last + 1]):
        inputs = [_values(name, known, constants, len(rows)) for name in node.inputs]
        if node.op.weighted:
            nodes[i] = replace(node, op=node.op.seen(*(np.stack(one) for one in inputs)))
        if i < last:
            _evaluate(node, inputs, known)
    return replace(graph, nodes=tuple(nodes))


def _values(name: str, known: Mapping[str, list[Array]], constants: Mapping[str, Array], count: int) -> list[Array]:
    return known[name] if name in known else [constants[name]] * count


def _evaluate(node: Node, inputs: Sequence[Sequence[Array]], known: dict[str, list[Array]]) -> None:
    made = [node.op.evaluate(*row) for row in zip(*inputs, strict=True)]
    known |= {name: [np.asarray(row[k]) for row in made] for k, name in enumerate(node.outputs)}
