"""Scalers, imputers and column pickers in front of trees vanish into the trees' thresholds, exactly.

A threshold `f(x) <= t` on a map f that never falls is `x <= u`, where u is the largest float32 that f sends to the left: it
is searched for over the bits of float32 with f's own arithmetic, scikit-learn's on float64, rounded to float32 as its trees
do. What f makes of a missing value decides where missing values go.

Functions that never fall (a logarithm, say) vanish in the same way; what is too small for one is made missing, where trees
tell it from small numbers.

Numbers that are worked out on the device are pairs of floats where trees compare float64, or a scaler follows (pair_chains), and
trees take how many thresholds lie below each. In a smaller number format they are rounded before they are compared: there the
float32 next to the threshold counts, on whichever side of it, so that what is exactly on the threshold becomes that, and goes left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.curves import Curve
from mcugen.ir import DType, Graph, Module, Node, Storage
from mcugen.op import Op
from mcugen.ops.affine import Affine
from mcugen.ops.binarize import Binarize
from mcugen.ops.concat import Concat
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.gather import Gather
from mcugen.ops.impute import Impute
from mcugen.ops.interpolate import Interpolate
from mcugen.ops.lookup import Lookup
from mcugen.ops.power import Power
from mcugen.ops.ranks import Ranks, ranks_of
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.trees import Trees, preorder
from mcugen.passes.trace import Column, trace
from mcugen.rewrite import replaced

Mask = npt.NDArray[np.bool_]
PAIRS = 2.0**-42  # of a number: what a chain of pairs of floats may be off
ALL = -float(np.finfo(np.float32).max)  # the least number, where there is an answer to all
DOUBLES = 2.0**-50  # of the largest of its kind: what the model's own float64 sums may be off


def fold_scaling(module: Module, target: Target) -> Module:
    """The module with every tree ensemble comparing what the maps in front of it take, instead of what they give."""
    return module.map(_folded)


def _folded(graph: Graph) -> Graph:
    for node in graph.nodes:  # first what looks through the others: it has to see them as the model works them out
        if isinstance(node.op, TreeEnsemble) and not node.op.form:
            graph = _with_trees(graph, node, node.op)
    for node in graph.nodes:
        if isinstance(node.op, Binarize):
            graph = _with_limits(graph, node, node.op)
        if isinstance(node.op, Lookup) and not node.op.exact:
            graph = _with_points(graph, node, node.op)
        if isinstance(node.op, Interpolate):
            graph = _with_curves(graph, node, node.op)
    return graph


def _with_limits(graph: Graph, node: Node, op: Binarize) -> Graph:
    """A comparison of what the maps in front of it take, where that is the row itself."""
    columns = [trace(graph, node.inputs[0], i, _is_defined) for i in range(op.features)]
    (x,) = graph.of(Storage.INPUT)[:1]
    of_numbers = all(np.isnan(column.exactly(np.array([np.nan]))[0]) for column in columns)
    from_row = all(column.value == x.name for column in columns) and x.type.dtype is DType.F32
    if (
        not from_row
        or not of_numbers
        or not any(isinstance(map, Affine) for column in columns for map, _ in column.maps)
    ):
        return graph
    limits = np.broadcast_to(np.asarray(op.threshold, np.float64), (op.features,))
    found = [largest_left(column.exactly, limits[i : i + 1]) for i, column in enumerate(columns)]
    if any(none[0] for _, none in found):  # a scaler that clips: every number is above
        return graph
    threshold = np.minimum([limit[0] for limit, _ in found], np.finfo(np.float32).max).astype(np.float64)
    return _picked(graph, node, replace(op, threshold=threshold), x.name, [column.at for column in columns])


def _with_points(graph: Graph, node: Node, op: Lookup) -> Graph:
    """Bins of what the maps in front of them take, where that is the row or what is missing in it."""
    columns = [trace(graph, node.inputs[0], i) for i in range(op.features)]
    roots, maps = {column.value for column in columns}, [map for column in columns for map, _ in column.maps]
    (x,) = graph.of(Storage.INPUT)[:1]
    (root,) = roots if len(roots) == 1 else ("",)
    if not any(isinstance(map, Affine | Elementwise | Power) for map in maps):
        return graph
    if not (root == x.name or _is_filled_in(graph, root)) or graph.values[root].type.dtype is not DType.F32:
        return graph
    found = [largest_left(column.rising, points) for column, points in zip(columns, op.points, strict=True)]
    least = [_least(column) for column in columns]
    filled = any(isinstance(map, Impute) for map in maps)  # which would fill in what a function has no answer to
    if any(none.any() for _, none in found) or None in least or (filled and set(least) != {ALL}):
        return graph
    gone = [column.exactly(np.array([np.nan])) for column in columns]
    missing = np.stack([op.exactly_all(i, one)[0] for i, one in enumerate(gone)])
    points = tuple(np.minimum(below, np.finfo(np.float32).max).astype(np.float64) for below, _ in found)
    new, at = replace(op, points=points, missing=missing), [column.at for column in columns]
    return _picked(graph, node, new, root, at, np.array(least, np.float64))


def _least(column: Column) -> float | None:
    """The least number that a column's maps have an answer to; None where they have none to any."""
    last, none = largest_left(lambda x: np.where(column.lost(x), 0.0, 1.0), np.zeros(1))
    if none[0]:
        return ALL
    return None if np.isinf(last[0]) else float(np.nextafter(last[0], np.float32(np.inf))) + 0.0


def _with_curves(graph: Graph, node: Node, op: Interpolate) -> Graph:
    """Curves over what the scalers in front of them take, where that is the row or what is missing in it."""
    columns = [trace(graph, node.inputs[0], i, _is_defined) for i in range(op.width)]
    roots, maps = {column.value for column in columns}, [map for column in columns for map, _ in column.maps]
    scales = [map for map in maps if isinstance(map, Affine)]
    (x,) = graph.of(Storage.INPUT)[:1]
    root = roots.pop()
    if roots or not scales or any(map.limited for map in scales) or any(isinstance(map, Interpolate) for map in maps):
        return graph
    if graph.values[root].type.dtype is not DType.F32 or not (root == x.name or _is_filled_in(graph, root)):
        return graph
    moved = [_moved(curve, column) for curve, column in zip(op.curves, columns, strict=True)]
    curves = [curve for curve in moved if curve is not None]
    if len(curves) < len(moved):
        return graph
    gone = [op.exactly(i, column.exactly(np.array([np.nan])))[0] for i, column in enumerate(columns)]
    new = replace(op, curves=tuple(curves), missing=np.array(gone))
    return _picked(graph, node, new, root, [column.at for column in columns])


def _moved(curve: Curve, column: Column) -> Curve | None:
    """The curve over what a column's maps take: a knot stays a float32 that becomes it, or lies between two. None where one lies
    beyond all floats.
    """
    left, none = largest_left(column.exactly, curve.knots)
    if none.any() or np.isinf(left).any():
        return None
    low = left.astype(np.float64)
    high = np.nextafter(left, np.float32(np.inf)).astype(np.float64)
    at, after = column.exactly(low), column.exactly(high)
    part = np.where(at == curve.knots, 0.0, np.clip((curve.knots - at) / (after - at), 1e-7, 1 - 1e-7))
    knots, first = np.unique(low + part * (high - low), return_index=True)
    last = np.append(first[1:], len(low)) - 1
    return replace(curve, knots=knots, below=curve.below[first], at=curve.at[last], above=curve.above[last])


def _picked(
    graph: Graph, node: Node, op: Op, root: str, columns: Sequence[int], least: npt.NDArray[np.float64] | None = None
) -> Graph:
    """The graph with a node that takes columns of an earlier value, by an op for these; what is below `least` is missing."""
    size, at, value, steps = graph.values[root].type.size, np.array(columns), root, list[Node]()
    if len(at) != size or (at != np.arange(size)).any():
        steps.append(Node(Gather(size, at), (value,), (f"{node.name}.columns",), node.loc))
        value = f"{node.name}.columns"
    if least is not None and (least > ALL).any():
        mark = Impute(np.full(len(at), np.nan), least=least)
        steps.append(Node(mark, (value,), (f"{node.name}.defined",), node.loc))
        value = f"{node.name}.defined"
    return replaced(graph, node, *steps, replace(node, op=op, inputs=(value,)))


def _is_defined(op: Op) -> bool:
    """Whether an op has an answer to every number; some functions have none."""
    return not isinstance(op, Elementwise)


def _with_trees(graph: Graph, node: Node, op: TreeEnsemble) -> Graph:
    used = np.unique(op.trees.feature[op.trees.feature >= 0]).tolist()
    columns = {i: trace(graph, node.inputs[0], i) for i in used or [0]}  # of one that decides nothing, any will do
    x = {value.name for value in graph.of(Storage.INPUT)}
    worked_out = {
        i for i, column in columns.items() if column.value not in x and not _is_filled_in(graph, column.value)
    }
    rounded = {i for i in worked_out if op.trees.doubles is not None or columns[i].maps}
    if not rounded and not any(column.maps for column in columns.values()):
        return graph
    trees = on_columns(op.trees, columns, rounded)
    marked, columns = _marked(graph, node, trees, columns)
    if any(graph.values[name].type.dtype is not DType.F32 for new in marked for name in new.inputs):
        return graph
    if {name for new in marked for name in new.outputs} & {columns[i].value for i in worked_out}:  # ranks know no NaN
        return graph
    graph = replaced(graph, node, *marked, node)
    roots = [*dict.fromkeys(column.value for column in columns.values())]
    if len(roots) == 1:
        root = graph.values[roots[0]].type
        renamed = _renamed(trees, {i: c.at for i, c in columns.items()}, root.size)
        return replaced(graph, node, replace(node, op=replace(op, trees=renamed, x=root.dtype), inputs=(roots[0],)))
    if any(graph.values[root].type.dtype is not DType.F32 for root in roots):
        return graph
    return _joined(graph, node, trees, columns, roots)


def _marked(
    graph: Graph, node: Node, trees: Trees, columns: Mapping[int, Column]
) -> tuple[list[Node], dict[int, Column]]:
    """Nodes that make NaN of what is too small for the columns' maps, where a split of these trees on them sends NaN to the
    right; and the columns of what they give.
    """
    least = dict[tuple[str, int], npt.NDArray[np.float64]]()
    copies = dict[int, int]()
    for feature, column in columns.items():
        if not trees.takes_nan or not column.maps or trees.missing_left[trees.feature == feature].all():
            continue
        last, none = largest_left(lambda x, c=column: np.where(c.lost(x), 0.0, 1.0), np.zeros(1))  # type: ignore[misc]  # c
        limit = float(np.nextafter(last[0], np.float32(np.inf))) + 0.0
        unsigned = graph.values[column.value].type.dtype is DType.U8 and limit <= 0
        if none[0] or unsigned or np.isinf(last[0]):  # there is an answer to every number, or to none
            continue
        every = np.full(graph.values[column.value].type.size, ALL)
        copies[feature] = next(i for i in count() if least.get((column.value, i), every)[column.at] in (ALL, limit))
        least.setdefault((column.value, copies[feature]), every)[column.at] = limit
    names = {(value, copy): f"{node.name}.{value}.defined{copy}" for value, copy in least}
    nodes = [
        Node(Impute(np.full(len(known), np.nan), least=known), (at[0],), (names[at],), node.loc)
        for at, known in least.items()
    ]
    for (
        feature,
        column,
    ) in columns.items():  # those that need no mark come from where the others do, where that changes nothing
        if feature not in copies and (column.value, 0) in least and least[column.value, 0][column.at] == ALL:
            copies[feature] = 0
    return nodes, {i: replace(c, value=names[c.value, copies[i]]) if i in copies else c for i, c in columns.items()}


def _is_filled_in(graph: Graph, value: str) -> bool:
    """Whether a value is the row itself but for what is missing in it."""
    at = graph.producer.get(value)
    return at is not None and isinstance(graph.nodes[at].op, Impute)


def _joined(graph: Graph, node: Node, trees: Trees, columns: Mapping[int, Column], roots: list[str]) -> Graph:
    """The ensemble on a vector that holds what it uses of several values."""
    assert isinstance(node.op, TreeEnsemble)
    nodes, places, parts = [], dict[int, int](), []
    for number, root in enumerate(roots):
        wanted = [*dict.fromkeys(c.at for c in columns.values() if c.value == root)]
        start = len(set(places.values()))
        places |= {i: start + wanted.index(c.at) for i, c in columns.items() if c.value == root}
        part = f"{node.name}.columns{number}"
        nodes.append(Node(Gather(graph.values[root].type.size, np.array(wanted)), (root,), (part,), node.loc))
        parts.append(part)
    row = f"{node.name}.row"
    nodes.append(Node(Concat(), tuple(parts), (row,), node.loc))
    renamed = _renamed(trees, places, len(set(places.values())))
    return replaced(graph, node, *nodes, replace(node, op=replace(node.op, trees=renamed), inputs=(row,)))


# ---- thresholds -----------------------------------------------------------------------------------------------------


def on_columns(trees: Trees, columns: Mapping[int, Column], rounded: Set[int] = frozenset()) -> Trees:
    """The trees with the thresholds of what the columns' maps take; splits that send everything one way are left out.

    Features keep their numbers. What the maps of those in `rounded` take was rounded to float32, which the model does not do:
    their thresholds as float64 are kept for those who know these numbers with more digits.
    """
    threshold, missing_left = trees.threshold.copy(), trees.missing_left.copy()
    left, right = trees.left.copy(), trees.right.copy()
    compared = trees.threshold if trees.doubles is None else trees.doubles
    doubles = np.full(len(compared), np.nan)
    takes_nan = trees.takes_nan
    for feature, column in columns.items():
        at = np.flatnonzero(trees.feature == feature)
        limit = compared[at]
        threshold[at], none = largest_left(column.rising, limit)
        if feature in rounded:
            if trees.doubles is not None:
                threshold[at] = _nearest(column.rising, threshold[at], limit, none)
            doubles[at] = np.where(none, np.inf, largest_left(column.rising, limit, np.float64)[0])
        filled = column.exactly(np.array([np.nan]))[0]
        if not np.isnan(filled):
            missing_left[at] = _as_compared(filled, limit) <= limit
            takes_nan = True
        # Where no number goes left, all go to the right: as `x <= infinity` with the sides exchanged.
        swapped = at[none]
        threshold[swapped] = np.inf
        left[swapped], right[swapped] = right[swapped], left[swapped]
        missing_left[swapped] = ~missing_left[swapped]
    changed = replace(
        trees, threshold=threshold, left=left, right=right, missing_left=missing_left, takes_nan=takes_nan
    )
    return _without_idle(replace(changed, doubles=doubles if rounded else None))


def largest_left(
    function: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    limits: npt.NDArray[np.float32] | npt.NDArray[np.float64],
    kind: type[np.floating[Any]] = np.float32,
) -> tuple[npt.NDArray[Any], Mask]:
    """For each limit the largest x of a kind of float with float32(f(x)) <= limit (+inf where that is all), and whether there is
    none.

    f never falls. Limits of float64 are compared with f(x) as it is. x is finite; it is searched among all floats at once, in the
    order of their bits.
    """
    bits = np.int32 if kind is np.float32 else np.int64

    def goes_left(keys: npt.NDArray[np.int64]) -> Mask:
        return np.asarray(_as_compared(function(_floats(keys, bits, kind).astype(np.float64)), limits) <= limits)

    top = int(np.finfo(kind).max.view(bits))
    low, high = np.full(len(limits), -top, np.int64), np.full(len(limits), top, np.int64)
    none, every = ~goes_left(low), goes_left(high)
    while (open_ := low + 1 < high).any():
        middle = low // 2 + high // 2 + (low % 2 + high % 2) // 2
        left = goes_left(middle)
        low = np.where(open_ & left, middle, low)
        high = np.where(open_ & ~left, middle, high)
    found = np.where(every, kind(np.inf), _floats(low, bits, kind)).astype(kind)
    return found + kind(0.0), none


def on_ranks(trees: Trees, features: int, sums: bool, off: npt.NDArray[np.float64]) -> tuple[Ranks, Trees]:
    """The op that ranks so many features by the thresholds of trees, before anything is rounded, and the trees that take its ranks.

    A split without a threshold in `doubles` compares its feature as rounded to float32: its limit is the last number that is
    rounded to the threshold. Limits that a library drew are numbers of rows of the training, which pairs reach but for their last
    digits: these lie a little above, by a part of themselves, where features are `sums` also by a part of the largest, and by what
    a feature may be `off` (features,) in any case. scikit-learn's own lie half way between such numbers, and what lies on a limit
    is half way between two floats: a product, which pairs hold whole.
    """
    assert trees.doubles is not None
    splits = np.flatnonzero((trees.feature >= 0) & (trees.threshold < np.inf))
    feature, known = trees.feature[splits], np.isfinite(trees.doubles[splits])
    rounded = largest_left(lambda x: x, trees.threshold[splits], np.float64)[0]
    limits = np.where(known, trees.doubles[splits], rounded)
    largest = np.zeros(features)
    np.maximum.at(largest, feature, np.abs(limits))
    above = limits + PAIRS * np.abs(limits) + (DOUBLES * largest[feature] if sums else 0.0) + off[feature]
    ranks, places = ranks_of(feature, np.where(known & bool(trees.drawn), above, limits), features)
    threshold = trees.threshold.copy()
    threshold[splits] = places
    return ranks, replace(trees, n_features=features, threshold=threshold, doubles=None)


def _nearest(
    function: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    left: npt.NDArray[np.float32],
    limits: npt.NDArray[np.floating],
    none: Mask,
) -> npt.NDArray[np.float32]:
    """The float32 next to each limit on f(x), of the largest that goes left and the one after it."""
    after = np.nextafter(left, np.float32(np.inf))
    middle = left.astype(np.float64) / 2 + after.astype(np.float64) / 2
    nearer = ~none & np.isfinite(after) & (function(middle) < limits)
    return np.where(nearer, after, left) + np.float32(0.0)


def _floats(keys: npt.NDArray[np.int64], bits: type[np.integer[Any]], kind: type[np.floating[Any]]) -> npt.NDArray[Any]:
    """The float of each key: keys are in the order of the numbers, -k is minus the number of k."""
    sizes = np.abs(keys).astype(bits).view(kind)
    return np.where(keys < 0, -sizes, sizes)


def _as_compared(numbers: npt.ArrayLike, limits: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """The numbers as the trees compare them: rounded to the type of their limits."""
    return np.asarray(numbers, np.float64) if limits.dtype == np.float64 else _single(numbers)


def _single(numbers: npt.ArrayLike) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.asarray(numbers, np.float64).astype(np.float32)


# ---- the arrays of trees --------------------------------------------------------------------------------------------


def _without_idle(trees: Trees) -> Trees:
    """Without the splits whose left side gets every number and every missing value."""
    idle = (trees.feature >= 0) & np.isposinf(trees.threshold) & trees.missing_left
    if not idle.any():
        return trees
    goes = np.where(idle, trees.left, np.arange(len(idle), dtype=np.int32))
    while (idle[goes]).any():
        goes = goes[goes]
    moved = replace(trees, left=goes[trees.left], right=goes[trees.right], roots=goes[trees.roots])
    return _compact(moved)


def _compact(trees: Trees) -> Trees:
    """Without the nodes that no root leads to, tree by tree in preorder, and without the leaves' rows that this leaves over."""
    kept = np.array([node for root in trees.roots for node in preorder(trees, int(root))], np.int32)
    place = np.zeros(len(trees.feature), np.int32)
    place[kept] = np.arange(len(kept))
    leaf = trees.leaf[kept]
    rows, numbers = np.unique(leaf[leaf >= 0], return_inverse=True)
    leaf[leaf >= 0] = numbers
    return replace(
        trees,
        feature=trees.feature[kept],
        threshold=trees.threshold[kept],
        left=place[trees.left[kept]],
        right=place[trees.right[kept]],
        missing_left=trees.missing_left[kept],
        leaf=leaf,
        values=trees.values[rows],
        roots=place[trees.roots],
        visits=trees.visits[kept],
        doubles=None if trees.doubles is None else trees.doubles[kept],
    )


def _renamed(trees: Trees, places: Mapping[int, int], features: int) -> Trees:
    """The trees with feature i called places[i], of so many."""
    names = np.full(max(trees.n_features, max(places, default=0) + 1), -1, np.int32)
    for old, new in places.items():
        names[old] = new
    feature = np.where(trees.feature >= 0, names[np.maximum(trees.feature, 0)], trees.feature)
    return replace(trees, n_features=features, feature=feature.astype(np.int32))
