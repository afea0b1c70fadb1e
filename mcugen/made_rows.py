"""Rows such as the ops behind transformers were fitted on, made of their own constants.

An op that takes the row says what is hard for it (`Op.probe`). One behind a scaler or a projection knows what those gave when it
was fitted: means, points, support vectors, thresholds. Led back through the transformers (`Op.back`), such rows become rows of the
model that are as large, and as near to each other, as those in use: where numbers cancel in a transformer, they show it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mcugen.ir import Array, Graph, Storage
from mcugen.rows import single

HALVED = 18  # times, at most, that the distance to a change is


def rows_behind(graph: Graph, limit: int) -> Array:
    """Rows (n, features) float32 of a graph with one input, at most `limit`, from all ops that do not take the row itself; the
    same at every call.
    """
    inputs = graph.of(Storage.INPUT)
    nothing = np.zeros((0, sum(one.type.size for one in inputs)), np.float32)
    inner = [node for node in graph.nodes if node.inputs and node.inputs[0] in graph.producer]
    if len(inputs) > 1 or not inner:
        return nothing
    rng, found = np.random.default_rng(0), [nothing]
    for node in inner:
        usual = node.op.usual(max(1, limit // len(inner)), rng)
        rows = (
            _back(graph, node.inputs[0], usual[0].astype(np.float64))
            if len(usual) == 1 and usual[0].ndim == 2
            else None
        )
        if rows is not None:
            given = single(np.where(np.isnan(rows), 0.0, rows))
            found.append(given[np.isfinite(given).all(axis=1)])
    return np.concatenate(found)[:limit]


def next_to_changes(rows: Array, label: Callable[[Array], Array], count: int) -> Array:
    """Rows (n, features) float32 between these, next to where what `label` says of rows (n, features) changes and at all distances
    from there: `count` on either side, or fewer. The same at every call.
    """
    rng, known = np.random.default_rng(0), single(rows)
    known = known[np.isfinite(known).all(axis=1)]
    if not len(known):
        return known
    known = known[rng.integers(len(known), size=4 * count)]
    said, other = label(known), rng.permutation(len(known))
    apart = np.flatnonzero(said != said[other])[:count]
    low, high, said = known[apart], known[other[apart]], said[apart]
    for step in range(HALVED if len(apart) else 0):
        middle = single(low.astype(np.float64) / 2 + high.astype(np.float64) / 2)
        still = (rng.permutation(len(said)) % HALVED >= step)[:, np.newaxis]
        same = (label(middle) == said)[:, np.newaxis]
        low, high = np.where(still & same, middle, low), np.where(still & ~same, middle, high)
    return np.concatenate([low, high])


def takers_know(graph: Graph) -> bool:
    """Whether an op that takes the row says what is hard for it."""
    names, rng = {x.name for x in graph.of(Storage.INPUT)}, np.random.default_rng(0)
    return any(node.op.probe(1, rng) for node in graph.nodes if names & {*node.inputs})


def _back(graph: Graph, value: str, rows: Array) -> Array | None:
    """Rows of the graph's input that give a value these rows, with NaN where any number does; None where nothing says which."""
    at = graph.producer.get(value)
    if at is None:
        return rows if graph.values[value].storage is Storage.INPUT else None
    node = graph.nodes[at]
    given = node.op.back(rows, *graph.types(node.inputs)) if node.outputs[0] == value else ()
    parts = [_back(graph, name, part) for name, part in zip(node.inputs, given, strict=False)]
    merged: Array | None = None
    for part in parts:
        if part is None:
            return None
        merged = part if merged is None else np.where(np.isnan(merged), part, merged)
    return merged
