"""Numbers that stand for categories become their ranks among the thresholds of the trees behind, where floats leave a side open.

What an encoder worked out in training (a TargetEncoder's means) is known to float64, and so are the thresholds of boosting: a mean
may lie a last digit beside one. There are only so many categories, so the sides are known here: the table holds how many thresholds
lie below each number, and the trees compare that.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Graph, Module, Node
from mcugen.op import Op
from mcugen.ops.concat import Concat
from mcugen.ops.gather import Gather
from mcugen.ops.lookup import Lookup
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.passes.trace import trace
from mcugen.rewrite import replaced, uses

Floats = npt.NDArray[np.float64]
NEAR = 2.0**-20  # of a threshold: nearer numbers may be the same float


def fold_categories(module: Module, target: Target) -> Module:
    """The module with ranks in the tables in front of trees that compare float64, where a number is next to a threshold."""
    return module.map(_folded)


def _folded(graph: Graph) -> Graph:
    for node in graph.nodes:
        if not isinstance(node.op, TreeEnsemble) or node.op.form:
            continue
        for table in _tables(graph, node.inputs[0]):
            graph, node = _with_ranks(graph, table, node)
    return graph


def _tables(graph: Graph, value: str) -> list[Node]:
    """The lookups whose numbers, only picked and joined, a value is made of, and nothing else is."""
    at = graph.producer.get(value)
    if at is None or uses(graph)[value] > 1:
        return []
    node = graph.nodes[at]
    if isinstance(node.op, Lookup):
        return [node]
    inner = node.inputs if isinstance(node.op, Concat | Gather) else ()
    return [table for name in inner for table in _tables(graph, name)]


def _with_ranks(graph: Graph, table: Node, node: Node) -> tuple[Graph, Node]:
    """The graph, and the trees in it, with ranks in a table of which a number is a threshold but for its last digits."""
    assert isinstance(table.op, Lookup)
    assert isinstance(node.op, TreeEnsemble)
    trees, lookup = node.op.trees, table.op
    if trees.doubles is None:  # numbers are compared as floats by the model itself
        return graph, node
    splits = {i: np.flatnonzero(trees.feature == i) for i in np.unique(trees.feature[trees.feature >= 0]).tolist()}
    columns = {i: trace(graph, node.inputs[0], i, _is_pick) for i in splits}
    columns = {i: one for i, one in columns.items() if one.value == table.outputs[0]}
    limits = {at: np.zeros(0) for at in range(lookup.height)}
    for i, column in columns.items():
        limits[column.at] = np.union1d(limits[column.at], trees.doubles[splits[i]])
    if not any(_is_near(_numbers(lookup, at), known) for at, known in limits.items()):
        return graph, node
    doubles = trees.doubles.copy()
    for i, column in columns.items():
        doubles[splits[i]] = np.searchsorted(limits[column.at], trees.doubles[splits[i]])
    new = replace(node, op=replace(node.op, trees=replace(trees, doubles=doubles)))
    ranked = _ranked(lookup, [limits[at] for at in range(lookup.height)])
    return replaced(replaced(graph, table, replace(table, op=ranked)), node, new), new


def _is_pick(op: Op) -> bool:
    return isinstance(op, Concat | Gather)


def _numbers(lookup: Lookup, at: int) -> Floats:
    """All numbers that an element of what it gives may be."""
    feature, output = divmod(at, lookup.outputs)
    more = [one[feature, output] for one in (lookup.missing, lookup.other) if one is not None]
    return np.concatenate([lookup.values[feature][:, output], more])


def _is_near(numbers: Floats, limits: Floats) -> bool:
    apart = np.abs(numbers[:, np.newaxis] - limits)
    return bool((apart <= NEAR * np.abs(limits)).any())


def _ranked(lookup: Lookup, limits: list[Floats]) -> Lookup:
    """The table with how many of its column's limits lie below each number; what is no number stays so."""

    def ranks(numbers: Floats, feature: int) -> Floats:
        """Of numbers (n, outputs)."""
        own = limits[feature * lookup.outputs : (feature + 1) * lookup.outputs]
        found = [
            np.searchsorted(known, column).astype(np.float64) for known, column in zip(own, numbers.T, strict=True)
        ]
        return np.where(np.isnan(numbers), np.nan, np.stack(found, axis=1))

    def of_all(numbers: Floats) -> Floats:
        """Of numbers (features, outputs)."""
        return np.concatenate([ranks(numbers[i : i + 1], i) for i in range(lookup.features)])

    values = tuple(ranks(one, i) for i, one in enumerate(lookup.values))
    other = None if lookup.other is None else of_all(lookup.other)
    return replace(lookup, values=values, missing=of_all(lookup.missing), other=other)
