"""Scalers, column pickers and projections in front of a linear op become part of its weights, where that is exact enough.

`W (a (x - z)) + b` is `(W a) x + (b - W a z)`. Worked out in float64, it is the same function; what is lost is that the sums
begin with larger numbers, x instead of what it is off z. The bound in `keeps_enough` says when that is too much: then numbers
are summed with all digits, and labels leave the scaler where it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mcugen.boards import Numeric, Target
from mcugen.ir import Graph, Module, Node, Storage
from mcugen.op import Op
from mcugen.ops.affine import Affine
from mcugen.ops.average import Average
from mcugen.ops.concat import Concat
from mcugen.ops.gather import Gather
from mcugen.ops.linear import Linear
from mcugen.passes.trace import Column, trace
from mcugen.rewrite import replaced

Floats = npt.NDArray[np.float64]
SPREAD = 3.0  # standard deviations that scaled features are expected to reach
EXACT = 2.0**-22  # of the spread of the scores: what the rounding of a row may change in a float32 sum
ROUNDED: dict[Numeric, float] = {
    "float32": 2.0**-30,
    "int16": 2.0**-14,
    "int8": 2.0**-14,
}  # of the largest part of a row
NARROW = 4.0  # with rows of 16 bits: how much larger than the scaled features the features may be


@dataclass(frozen=True)
class Source:
    """Where the elements of a vector come from: element i is slope[i] · (value[at[i]] - origin[i])."""

    value: str
    at: npt.NDArray[np.int64]
    slope: Floats
    origin: Floats

    @property
    def plain(self) -> bool:
        """Whether the elements are only picked."""
        return bool((self.slope == 1).all() and (self.origin == 0).all())


def fold_linear(module: Module, target: Target) -> Module:
    """The module with linear ops on what their scalers, pickers and projections take, and the others merged into one each."""
    return module.map(lambda graph: columns_at_once(_maps_at_once(_averaged(_folded(graph, target), target))))


def _folded(graph: Graph, target: Target) -> Graph:
    for change in (_projected, _scaled, _projected, _scaled):
        for node in graph.nodes:
            if isinstance(node.op, Linear) and not node.op.form:
                graph = change(graph, node, node.op, target)
    return graph


# ---- scalers and pickers --------------------------------------------------------------------------------------------


def source_of(graph: Graph, value: str) -> Source | None:
    """Where a vector comes from through affine maps and picks; None where it is of several values, or nothing is in front."""
    columns = [trace(graph, value, i, _passes) for i in range(graph.values[value].type.size)]
    roots = {column.value for column in columns}
    if len(roots) > 1 or value in roots:
        return None
    maps = [_composed(column) for column in columns]
    slope, origin = (np.array([m[side] for m in maps]) for side in (0, 1))
    return Source(roots.pop(), np.array([c.at for c in columns]), slope, origin)


def _passes(op: Op) -> bool:
    return isinstance(op, Gather | Concat) or (isinstance(op, Affine) and not op.limited)


def _composed(column: Column) -> tuple[float, float]:
    slope, origin = 1.0, 0.0
    for op, at in column.maps:
        if isinstance(op, Affine):
            origin += float(op.origin[at]) / slope
            slope *= float(op.slope[at])
    return slope, origin


def _scaled(graph: Graph, node: Node, op: Linear, target: Target) -> Graph:
    found = source_of(graph, node.inputs[0])
    if found is None or found.plain:
        return graph
    enough = keeps_enough(op.weights, found.slope * found.origin, target.numeric)
    if not enough and (op.output == "label" or target.numeric in ("int8", "int16")):
        return graph
    used = np.unique(found.at)
    size = graph.values[found.value].type.size
    if (size - len(used)) * op.rows <= len(used):  # weights of 0 cost less than picking
        used = np.arange(size)
    weights = np.zeros((op.rows, len(used)))
    np.add.at(weights.T, np.searchsorted(used, found.at), (op.weights * found.slope).T)
    bias = op.bias - op.weights @ (found.slope * found.origin)
    # numbers of features that are far off take all digits: a scaler's float32 would lose what is left where they cancel
    folded = replace(op, weights=weights, bias=bias, delicate=op.delicate if enough else True)
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        return graph
    if len(used) == size:
        return replaced(graph, node, replace(node, op=folded, inputs=(found.value,)))
    picked = f"{node.name}.columns"
    gather = Node(Gather(size, used), (found.value,), (picked,), node.loc)
    return replaced(graph, node, gather, replace(node, op=folded, inputs=(picked,)))


def keeps_enough(weights: Floats, offset: Floats, numeric: Numeric) -> bool:
    """Whether sums over features that are `offset` off zero (in scaled units) are as good as over scaled ones.

    A row is rounded to 2**-30 (2**-14) of its largest part, each of n parts of a sum by as much at most. Scaled features are
    of the size of 1, so scores spread by the root of the sum of squared weights.
    """
    reach = np.abs(offset) + SPREAD
    if numeric in ("int16", "int8"):
        return bool(reach.max() <= NARROW)
    largest = (np.abs(weights) * reach).max(axis=1)
    spread = np.sqrt((weights**2).sum(axis=1))
    return bool((weights.shape[1] * largest * ROUNDED["float32"] <= EXACT * spread).all())


# ---- projections ----------------------------------------------------------------------------------------------------


def _projected(graph: Graph, node: Node, op: Linear, target: Target) -> Graph:
    """W (V x + c) + b as (W V) x + (W c + b), where that is not more to add up."""
    step = graph.producer.get(node.inputs[0])
    before = graph.nodes[step] if step is not None else None
    inner = before.op if before is not None else None
    if before is None or not isinstance(inner, Linear) or inner.output != "transform" or inner.pairs:
        return graph
    if not is_less(op, inner):
        return graph
    weights, bias = op.weights @ inner.weights, op.weights @ inner.bias + op.bias
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()) or target.numeric in ("int8", "int16"):
        return graph
    either = op.delicate or inner.delicate  # what the weights that are multiplied say is not seen in their products
    folded = replace(node, op=replace(op, weights=weights, bias=bias, delicate=either), inputs=before.inputs)
    return replaced(graph, node, folded)


def is_less(op: Linear, inner: Linear) -> bool:
    """Whether the product of the weights is not more to add up than both."""
    return bool(op.rows * inner.weights.shape[1] <= inner.weights.size + op.weights.size)


# ---- means ----------------------------------------------------------------------------------------------------------


def _averaged(graph: Graph, target: Target) -> Graph:
    """The linear ones of the numbers that are averaged, of the same row, as one: where they cancel, nothing is lost."""
    if target.numeric in ("int8", "int16"):
        return graph
    for node in graph.nodes:
        if isinstance(node.op, Average) and node.op.output == "value":
            graph = _sum_first(graph, node, node.op)
    return graph


def _sum_first(graph: Graph, node: Node, op: Average) -> Graph:
    members = [_linear_member(graph, name) for name in node.inputs]
    rows = [one[0] for one in members if one is not None]
    x = max(rows, key=rows.count, default="")
    summed = {i: one[1] for i, one in enumerate(members) if one is not None and one[0] == x}
    if len(summed) < 2:
        return graph
    weights = np.stack([op.weights[i] * one.weights for i, one in summed.items()]).sum(axis=0)
    bias = np.stack([op.weights[i] * one.bias for i, one in summed.items()]).sum(axis=0)
    together = Linear(weights, bias, "value", delicate=True)
    others = [i for i in range(len(members)) if i not in summed]
    if not others:
        return replaced(graph, node, replace(node, op=together, inputs=(x,)))
    name = f"{node.name}.linear"
    mean = replace(op, weights=np.concatenate([[1.0], op.weights[others]]))
    inputs = (name, *(node.inputs[i] for i in others))
    return replaced(graph, node, Node(together, (x,), (name,), node.loc), replace(node, op=mean, inputs=inputs))


def _linear_member(graph: Graph, name: str) -> tuple[str, Linear] | None:
    """The row that a linear op takes whose number this is, and the op."""
    at = graph.producer.get(name)
    node = graph.nodes[at] if at is not None else None
    if node is None or not isinstance(node.op, Linear) or node.op.output != "value":
        return None
    return node.inputs[0], node.op


# ---- what stays -----------------------------------------------------------------------------------------------------


def _maps_at_once(graph: Graph) -> Graph:
    """Every chain of affine maps made one."""
    for node in graph.nodes:
        if isinstance(node.op, Affine):
            graph = _one_map(graph, node, node.op)
    return graph


def columns_at_once(graph: Graph) -> Graph:
    """Every concatenation of what comes from one value made by one pick and one affine map."""
    for node in graph.nodes:
        found = source_of(graph, node.name) if isinstance(node.op, Concat) else None
        if found is not None and graph.values[node.name].storage is not Storage.OUTPUT:
            graph = _at_once(graph, node, found)
    return graph


def _one_map(graph: Graph, node: Node, op: Affine) -> Graph:
    step = graph.producer.get(node.inputs[0])
    before = graph.nodes[step] if step is not None else None
    if before is None or not isinstance(before.op, Affine) or before.op.limited:
        return graph
    if before.op.pairs or before.op.of_pairs or op.pairs:
        return graph
    slope, origin = before.op.slope * op.slope, before.op.origin + op.origin / before.op.slope
    both = Affine(origin, np.ones(op.width), slope, low=op.low, high=op.high)
    return replaced(graph, node, replace(node, op=both, inputs=before.inputs))


def _at_once(graph: Graph, node: Node, found: Source) -> Graph:
    size = graph.values[found.value].type.size
    scale = Affine(found.origin, np.ones(len(found.at)), found.slope)
    if len(found.at) == size and (found.at == np.arange(size)).all():
        return replaced(graph, node, replace(node, op=scale, inputs=(found.value,)))
    gather = Gather(size, found.at)
    if found.plain:
        return replaced(graph, node, replace(node, op=gather, inputs=(found.value,)))
    picked = f"{node.name}.columns"
    new = (Node(gather, (found.value,), (picked,), node.loc), replace(node, op=scale, inputs=(picked,)))
    return replaced(graph, node, *new)
