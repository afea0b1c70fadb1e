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
from mcugen.ops.affine import Affine
from mcugen.ops.concat import Concat
from mcugen.ops.gather import Gather
from mcugen.ops.lookup import Lookup
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.passes.trace import Column, trace
from mcugen.rewrite import replaced, uses
from mcugen.rows import single

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
    """The lookups whose numbers, only scaled, picked and joined, a value is made of, and nothing else is."""
    at = graph.producer.get(value)
    if at is None or uses(graph)[value] > 1:
        return []
    node = graph.nodes[at]
    if isinstance(node.op, Lookup):
        return [node]
    inner = node.inputs if isinstance(node.op, Affine | Concat | Gather) else ()
    return [table for name in inner for table in _tables(graph, name)]


def _with_ranks(graph: Graph, table: Node, node: Node) -> tuple[Graph, Node]:
    """The graph, and the trees in it, with ranks in a table of which a number is a threshold but for its last digits."""
    assert isinstance(table.op, Lookup)
    assert isinstance(node.op, TreeEnsemble)
    trees, lookup = node.op.trees, table.op
    compared = trees.threshold if trees.doubles is None else trees.doubles
    splits = {i: np.flatnonzero(trees.feature == i) for i in np.unique(trees.feature[trees.feature >= 0]).tolist()}
    columns = {i: trace(graph, node.inputs[0], i, _is_plain) for i in splits}
    columns = {i: one for i, one in columns.items() if one.value == table.outputs[0]}
    maps = {one.at: one for one in columns.values()}
    if trees.doubles is None and not any(one.maps for one in columns.values()):  # compared as floats by the model, too
        return graph, node
    if any(one.maps != maps[one.at].maps for one in columns.values()):
        return graph, node
    limits = [np.zeros(0, compared.dtype) for _ in range(lookup.height)]
    for i, column in columns.items():
        limits[column.at] = np.union1d(limits[column.at], compared[splits[i]])
    given = [_given(lookup, at, maps.get(at), compared.dtype) for at in range(lookup.height)]
    if not any(_is_near(numbers, known) for numbers, known in zip(given, limits, strict=True)):
        return graph, node
    moved = compared.astype(np.float64)
    for i, column in columns.items():  # between two ranks, as scalers behind have them
        places = np.searchsorted(limits[column.at], compared[splits[i]])
        moved[splits[i]] = column.exactly(places.astype(np.float64) + 0.5)
    kept = replace(trees, threshold=single(moved)) if trees.doubles is None else replace(trees, doubles=moved)
    new = replace(node, op=replace(node.op, trees=kept))
    ranks = [
        np.where(np.isnan(numbers), np.nan, np.searchsorted(known, numbers))
        for numbers, known in zip(given, limits, strict=True)
    ]
    return replaced(replaced(graph, table, replace(table, op=_ranked(lookup, ranks))), node, new), new


def _is_plain(op: Op) -> bool:
    return isinstance(op, Affine | Concat | Gather)


def _given(lookup: Lookup, at: int, column: Column | None, dtype: np.dtype[np.floating]) -> Floats:
    """All numbers that trees are given of an element of what the table gives, as they compare them: of its entries, of what is missing,
    and of all others.
    """
    feature, output = divmod(at, lookup.outputs)
    more = [one[feature, output] for one in (lookup.missing, lookup.other) if one is not None]
    numbers = np.concatenate([lookup.values[feature][:, output], more])
    found = numbers if column is None else column.exactly(numbers)
    return found if dtype == np.float64 else single(found).astype(np.float64)


def _is_near(numbers: Floats, limits: Floats) -> bool:
    apart = np.abs(numbers[:, np.newaxis] - limits)
    return bool((apart <= NEAR * np.abs(limits)).any())


def _ranked(lookup: Lookup, ranks: list[Floats]) -> Lookup:
    """The table with these numbers of each element, in the order of `_given`."""
    columns = [np.stack(ranks[i : i + lookup.outputs], axis=1) for i in range(0, lookup.height, lookup.outputs)]
    entries = [len(one) for one in lookup.values]
    values = tuple(column[:count] for column, count in zip(columns, entries, strict=True))
    missing = np.stack([column[count] for column, count in zip(columns, entries, strict=True)])
    other = None if lookup.other is None else np.stack([column[-1] for column in columns])
    return replace(lookup, values=values, missing=missing, other=other)
