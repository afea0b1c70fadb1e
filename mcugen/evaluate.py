"""A graph worked out in NumPy, by its ops' own meaning."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mcugen.ir import Array, Graph, Storage


def evaluate(graph: Graph, known: Mapping[str, Array], wanted: tuple[str, ...] = ()) -> dict[str, Array]:
    """The values `wanted` (without any: the outputs) from those that are known, which are taken as they are given."""
    found = dict(known)
    found |= {v.name: np.asarray(v.data) for v in graph.of(Storage.CONST) if v.name not in found}
    names = wanted or tuple(v.name for v in graph.of(Storage.OUTPUT))
    needed = _needed(graph, found, names)
    for step, node in enumerate(graph.nodes):
        if step in needed:
            made = node.op.evaluate(*(found[name] for name in node.inputs))
            found |= {name: one for name, one in zip(node.outputs, made, strict=True) if name not in known}
    return {name: found[name] for name in names}


def _needed(graph: Graph, found: Mapping[str, Array], names: tuple[str, ...]) -> set[int]:
    """The nodes that lead from what is known to what is wanted."""
    steps: set[int] = set()
    open = [name for name in names if name not in found]
    while open:
        step = graph.producer[open.pop()]
        if step not in steps:
            steps.add(step)
            open += [name for name in graph.nodes[step].inputs if name not in found]
    return steps
