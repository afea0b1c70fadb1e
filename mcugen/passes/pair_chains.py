"""Transformers that mix features hand over pairs of floats where their rounding would move the answer.

Products of features, rows divided by their norms and projections are numbers that scikit-learn has with twice the digits of a
float, and some ops tell such numbers apart: a neighbour's distance is 0 where a row is a point, a split's threshold is a number
of its training, a kernel falls steeply. There every transformer of the chain gives sums of two floats (mcugen/pairs.py), and what
the op is given is rounded once, at the end; relative to where its rows are, where the op only sees differences. Ops that know
sums of two floats take them as they are. The user's rows say whether that is needed, or some that the first transformer makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.diagnostics import McugenError
from mcugen.evaluate import evaluate
from mcugen.gaussian import AROUND
from mcugen.gaussian_wide import has_room
from mcugen.ir import Array, DType, Graph, Module, Node, Storage
from mcugen.layers import Layers
from mcugen.made_rows import next_to_changes, rows_behind
from mcugen.op import Op
from mcugen.ops.affine import Affine
from mcugen.ops.cosines import Cosines
from mcugen.ops.distances import Distances
from mcugen.ops.gather import Gather
from mcugen.ops.gaussian_nb import GaussianNB
from mcugen.ops.impute import Impute
from mcugen.ops.kernel_values import KernelValues
from mcugen.ops.knn import Knn
from mcugen.ops.linear import Linear
from mcugen.ops.mlp import Mlp
from mcugen.ops.normalize import Normalize
from mcugen.ops.polynomial import Polynomial
from mcugen.ops.quadratic import Quadratic
from mcugen.ops.svm import Svm
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.pairs import pair_of
from mcugen.passes.fold_linear import Source, columns_at_once, is_less, source_of
from mcugen.passes.fold_scaling import on_ranks
from mcugen.quadratic import Forms
from mcugen.rewrite import replaced
from mcugen.rows import single

SEED = 0
ROWS = 200  # that say whether pairs are needed
MOVED = 3e-6  # of a number: what rounding may move it by
ROUNDED = 2.0**-22  # of a number: what is its own rounding
OF_COSINES = 2.0**-40  # of their amplitude: what they may be off, their angles being sums of some turns
OF_KERNELS = 2.0**-42  # of 1: what a kernel's value may be off
SMALL = 0.01  # the part of the numbers that are smaller than what the others' rounding is held against
CHANGES = 20  # of the label, next to which there are more
MISSING = 0.2  # of the features of rows, where missing ones are filled in

Chain = tuple[Node, ...]
Floats = npt.NDArray[np.float64]


def pair_chains(module: Module, target: Target) -> Module:
    """The module with pairs between the transformers whose rounding would move an answer."""
    small = target.numeric in ("int8", "int16")
    return module.map(lambda graph: _paired(columns_at_once(graph), target.rows, small))


def _paired(graph: Graph, rows: Array | None, small: bool) -> Graph:
    for node in graph.nodes:
        chain = _chain(graph, node)
        if _is_step(graph, node) or (small and any(step.op.weighted for step in (*chain, node))):
            continue
        if not _rounds(node.op, chain):
            graph = _centred(graph, node, chain)
            continue
        ways = [graph, *_ways(graph, node, chain)]
        told_apart = (
            _told_apart(node.op) or _hands_over(node.op) or (isinstance(node.op, Linear) and _fills_behind(chain))
        )
        graph = ways[-1] if len(ways) == 1 or told_apart else _first_enough(ways, chain, rows)
    return graph


def _chain(graph: Graph, node: Node) -> Chain:
    """The transformers that lead to the only input of a node, from the first; where all digits count cosines, too."""
    found: list[Node] = []
    trees = isinstance(node.op, TreeEnsemble) or _hands_over(node.op)
    while len(node.inputs) == 1 and (at := graph.producer.get(node.inputs[0])) is not None:
        node = graph.nodes[at]
        if not (_gives_pairs(node.op) or (trees and isinstance(node.op, Cosines))):
            break
        found.insert(0, node)
    return tuple(found)


def _gives_pairs(op: Op) -> bool:
    """Whether an op is a transformer that gives, and takes, floats and may as well give and take pairs."""
    if isinstance(op, Linear):
        return op.output == "transform" and not op.pairs and not op.form
    if isinstance(op, Affine | Impute | Normalize | Polynomial):
        return not (op.pairs or op.of_pairs or (isinstance(op, Affine) and op.limited))
    return isinstance(op, Gather)


def _rounds(op: Op, chain: Chain) -> bool:
    """Whether transformers make numbers that floats do not hold; scalers and projections in front of sums become part of their
    weights, unless something is filled in behind them, or that is more to add up.
    """
    kinds = Normalize | Polynomial if isinstance(op, Linear) else Cosines | Linear | Normalize | Polynomial
    if isinstance(op, Linear) and op.pairs:
        kinds = kinds | Cosines
    if isinstance(op, Linear) and (_fills_behind(chain) or not _multiplied(op, chain)):
        kinds = kinds | Affine | Linear
    fills = (step.op.fill for step in chain if isinstance(step.op, Impute))
    return any(isinstance(step.op, kinds) for step in chain) or any(
        (single(fill) < fill).any() or (single(fill) > fill).any() for fill in fills
    )


def _fills_behind(chain: Chain) -> bool:
    """Whether an imputer takes what was worked out."""
    worked_out = False
    for step in chain:
        if isinstance(step.op, Impute) and worked_out:
            return True
        worked_out |= isinstance(step.op, Affine | Linear)
    return False


def _multiplied(op: Linear, chain: Chain) -> bool:
    """Whether the projections in front of sums become part of their weights."""
    return all(is_less(op, step.op) for step in chain if isinstance(step.op, Linear))


def _is_step(graph: Graph, node: Node) -> bool:
    """Whether a node is only on the way to another."""
    return _gives_pairs(node.op) and graph.values[node.name].storage is not Storage.OUTPUT


def _hands_over(op: Op) -> bool:
    """Whether an op's sums are pairs, all digits of which something behind it looks at (`pair_scores`)."""
    return isinstance(op, GaussianNB | Linear | Mlp | Quadratic) and op.pairs


def _told_apart(op: Op) -> bool:
    """Whether an op tells numbers of its training from those next to them, which rows that were made do not show."""
    return isinstance(op, TreeEnsemble) or (isinstance(op, Knn) and op.weighed == "distance")


# ---- ways to give an op more digits ---------------------------------------------------------------------------------


def _ways(graph: Graph, node: Node, chain: Chain) -> Iterator[Graph]:
    """The graph with pairs up to this node, from what costs least to what keeps most."""
    op = node.op
    if _gives_pairs(op):
        yield _as_output(graph, node, (*chain, node))
        return
    if isinstance(op, TreeEnsemble) and op.trees.doubles is not None and np.isfinite(op.trees.doubles).any():
        yield _with_ranks(graph, node, op, chain)
        return
    if not isinstance(op, Linear | Mlp | KernelValues):
        yield _with_floats(graph, node, chain)
    made, pairs = _in_pairs(graph, chain)
    if isinstance(op, Linear) and not op.form:
        twice = replace(op, weights=np.tile(op.weights, 2), delicate=True)
        yield replaced(made, node, replace(node, op=twice, inputs=(pairs,)))
    elif isinstance(op, Mlp):
        first, *others = op.layers.weights
        layers = Layers((np.tile(first, 2), *others), op.layers.biases)
        yield replaced(made, node, replace(node, op=replace(op, layers=layers), inputs=(pairs,)))
    elif isinstance(op, KernelValues):
        yield replaced(made, node, replace(node, op=replace(op, of_pairs=True), inputs=(pairs,)))
    elif isinstance(op, GaussianNB | Quadratic):
        forms = op.as_forms() if isinstance(op, GaussianNB) else op.model
        sizes = np.zeros(2 * forms.features, np.int64)
        wide = Quadratic(forms.of_pairs(), sizes, op.output, delicate=True, pairs=op.pairs)
        yield replaced(made, node, replace(node, op=wide, inputs=(pairs,)))


def _with_floats(graph: Graph, node: Node, chain: Chain) -> Graph:
    """Numbers that are rounded once before the node takes them, relative to its middle where it has one."""
    last, op, middle, name = chain[-1], node.op, _middle(node.op), f"{node.name}.rounded"
    scales = isinstance(last.op, Affine) and not isinstance(op, Knn) and bool((last.op.slope != 0).all())
    made, pairs = _in_pairs(graph, chain[:-1] if scales else chain)
    size = graph.values[last.name].type.size
    if not scales and middle is None:
        rounding: Op = Gather(2 * size, np.arange(size))
    else:
        none = Affine(np.zeros(size), np.ones(size))
        scaler = last.op if scales and isinstance(last.op, Affine) else none
        moved = np.zeros(size) if middle is None else middle
        rounding = Affine(scaler.origin + moved / scaler.slope, np.ones(size), scaler.slope, of_pairs=True)
        op = op if middle is None else _moved(op, middle)
    return replaced(made, node, Node(rounding, (pairs,), (name,), last.loc), replace(node, op=op, inputs=(name,)))


def _with_ranks(graph: Graph, node: Node, op: TreeEnsemble, chain: Chain) -> Graph:
    """Trees that compare numbers as they are before any rounding take how many thresholds lie below each."""
    made, pairs = _in_pairs(graph, chain)
    sums, size = any(isinstance(step.op, Linear) for step in chain), made.values[pairs].type.size // 2
    ranks, trees = on_ranks(op.trees, size, sums, _off(graph, chain, size))
    name = f"{node.name}.ranks"
    found = Node(ranks, (pairs,), (name,), node.loc)
    return replaced(made, node, found, replace(node, op=replace(op, trees=trees, x=ranks.type), inputs=(name,)))


def _off(graph: Graph, chain: Chain, size: int) -> Floats:
    """What cosines and sums of kernel values may be off as pairs, (size,): 0 of what is off by a part of itself."""
    first = graph.producer.get(chain[0].inputs[0])
    kernels = first is not None and isinstance(graph.nodes[first].op, KernelValues)
    off: Floats | None = np.full(graph.values[chain[0].inputs[0]].type.size, OF_KERNELS / 2) if kernels else None
    for node in chain:
        op = node.op
        if isinstance(op, Cosines):
            off = np.full(op.numbers, OF_COSINES * op.amplitude)
        elif off is not None and isinstance(op, Linear):
            off = np.abs(op.weights) @ off
        elif off is not None and isinstance(op, Gather):
            off = off[op.indices]
    return np.zeros(size) if off is None or len(off) != size else off


def _as_output(graph: Graph, node: Node, chain: Chain) -> Graph:
    """What a chain gives as an output, rounded once."""
    made, pairs = _in_pairs(graph, chain)
    size = made.values[pairs].type.size // 2
    return replaced(made, node, replace(node, op=Gather(2 * size, np.arange(size)), inputs=(pairs,)))


def _in_pairs(graph: Graph, chain: Chain) -> tuple[Graph, str]:
    """The graph with a chain's steps beside those that are there, and the value that they make: pairs."""
    value, paired = chain[0].inputs[0], False
    for node in chain:
        op, x = _step(graph, node, value, paired)
        if op is node.op:
            value = node.name
            continue
        name = f"{node.name}.pairs"
        if name not in graph.values:  # another node has the same transformers in front
            graph = replaced(graph, node, Node(op, (x,), (name,), node.loc), node)
        value, paired = name, True
    return graph, value


def _step(graph: Graph, node: Node, value: str, paired: bool) -> tuple[Op, str]:
    """A transformer that gives pairs, and what it takes; a pick of floats stays as it is."""
    op = node.op
    if isinstance(op, Gather):
        both = Gather(2 * op.features, np.concatenate([op.indices, op.features + op.indices]))
        return (both if paired else op), value
    if isinstance(op, Linear):
        source = source_of(graph, node.inputs[0])
        if source is not None:  # scalers and picks alone: a part of the weights
            weights = np.zeros((op.rows, graph.values[source.value].type.size))
            np.add.at(weights.T, source.at, (op.weights * source.slope).T)
            bias = op.bias - op.weights @ (source.slope * source.origin)
            if np.isfinite(weights).all() and np.isfinite(bias).all():
                value = _pairs_of(graph, source.value)
                taken = np.tile(weights, 2) if value != source.value else weights
                return replace(op, weights=taken, bias=bias, pairs=True, delicate=True), value
        return replace(op, weights=np.tile(op.weights, 2) if paired else op.weights, pairs=True, delicate=True), value
    if isinstance(op, Cosines):  # it takes pairs in any case
        return replace(op, pairs=True), value
    assert isinstance(op, Affine | Impute | Normalize | Polynomial)
    return replace(op, pairs=True, of_pairs=paired), value


def _pairs_of(graph: Graph, value: str) -> str:
    """The pairs of a value where it has some."""
    return f"{value}.pairs" if f"{value}.pairs" in graph.values else value


def _centred(graph: Graph, node: Node, chain: Chain) -> Graph:
    """A scaler in front of an op that sees only differences takes its middle off, too, where features stay far off zero; one in
    front of normal distributions becomes part of these.
    """
    middle = _middle(node.op)
    source = source_of(graph, node.inputs[0]) if chain else None
    if isinstance(node.op, GaussianNB | Quadratic) and source is not None and (source.slope != 0).all():
        return _folded(graph, node, node.op, source)
    if middle is None or source is None or source.plain or not (source.slope != 0).all():
        return graph
    if isinstance(node.op, Knn) or (isinstance(node.op, Svm) and node.op.output != "proba"):
        return graph  # of which other passes take care
    size, name, loc = graph.values[source.value].type.size, f"{node.name}.centred", chain[-1].loc
    pick = Node(Gather(size, source.at), (source.value,), (f"{name}.columns",), loc)
    picked = size != len(source.at) or (source.at != np.arange(size)).any()
    scaler = Affine(source.origin + middle / source.slope, np.ones(len(middle)), source.slope)
    new = Node(scaler, pick.outputs if picked else (source.value,), (name,), loc)
    moved = replace(node, op=_moved(node.op, middle), inputs=(name,))
    return replaced(graph, node, *([pick] if picked else []), new, moved)


def _folded(graph: Graph, node: Node, op: GaussianNB | Quadratic, source: Source) -> Graph:
    """Classes as normal distributions of what their scaler takes."""
    if source.plain:
        return graph
    size, x = graph.values[source.value].type.size, source.value
    with np.errstate(all="ignore"):
        if isinstance(op, GaussianNB):
            mean, variance = op.mean / source.slope + source.origin, op.variance / source.slope**2
            folded: Op = replace(op, mean=mean, variance=variance)
            good = has_room(mean, variance)
        else:
            folded = _sized(op, op.model.scaled(source.slope, source.origin))
            good = all(np.isfinite(a).all() for a in (*folded.model.matrices, *folded.model.offsets))
    if not good:
        return graph
    pick = Node(Gather(size, source.at), (x,), (f"{node.name}.columns",), node.loc)
    picked = size != len(source.at) or bool((source.at != np.arange(size)).any())
    new = replace(node, op=folded, inputs=pick.outputs if picked else (x,))
    return replaced(graph, node, *([pick] if picked else []), new)


def _sized(op: Quadratic, model: Forms) -> Quadratic:
    """Quadratic forms with what features reach in them."""
    reach = np.abs(model.middles).max(axis=0) + AROUND * model.deviations.max(axis=0)
    return replace(op, model=model, sizes=np.frexp(reach)[1].astype(np.int64) + 126)


# ---- ops that see only differences ----------------------------------------------------------------------------------


def _middle(op: Op) -> Floats | None:
    """Where the rows of an op are that only sees how far they are from something, as float32 holds it; None of others."""
    points: Floats | None = None
    if isinstance(op, Distances) or (isinstance(op, Knn) and op.slope is None):
        points = op.points
    elif isinstance(op, GaussianNB):
        points = op.mean
    elif isinstance(op, Svm) and op.kernel.name == "rbf":
        points = op.vectors
    elif isinstance(op, Quadratic):
        points = op.model.middles
    if points is None:
        return None
    middle = single(points.mean(axis=0)).astype(np.float64)
    far = (np.abs(middle) > np.ptp(points, axis=0)).any()
    return middle if far or isinstance(op, Knn) or _rounds_vectors(op) else None


def _rounds_vectors(op: Op) -> bool:
    """Whether support vectors are rounded as rows are: where these cannot be taken as pairs."""
    return isinstance(op, Svm) and op.output == "proba"


def _moved(op: Op, by: Floats) -> Op:
    """The op for rows that are so much less. Points of neighbours are rounded as the same row is: at distance 0."""
    if isinstance(op, Knn):
        return replace(op, points=_shifted(op.points, by))
    if isinstance(op, Svm) and _rounds_vectors(op):
        return replace(op, vectors=_shifted(op.vectors, by))
    if isinstance(op, Quadratic):
        return _sized(op, op.model.moved(by))
    if isinstance(op, Distances):
        return replace(op, points=op.points - by)
    if isinstance(op, GaussianNB):
        return replace(op, mean=op.mean - by)
    assert isinstance(op, Svm)
    return replace(op, vectors=op.vectors - by)


def _shifted(points: Floats, by: Floats) -> Floats:
    """Points as rows are that went through the shift."""
    shift, pairs = Affine(by, np.ones(len(by)), of_pairs=True), np.concatenate(pair_of(points), axis=1)
    return np.stack([shift.evaluate(row)[0] for row in pairs]).astype(np.float64)


# ---- whether it is needed -------------------------------------------------------------------------------------------


def _first_enough(ways: list[Graph], chain: Chain, rows: Array | None) -> Graph:
    """The first graph whose answers are as those of the last; the last where no rows are known."""
    seen = _rows_for(ways[0], chain[0], rows)
    if seen is None:
        return ways[-1]
    try:
        seen = np.concatenate([seen, _next_to_changes(ways[-1], seen)])
        *others, best = [_answers(way, seen) for way in ways]
    except McugenError:  # of ops that are too large, which say so later
        return ways[0]
    return next((way for way, one in zip(ways, others, strict=False) if _same(one, best)), ways[-1])


def _rows_for(graph: Graph, first: Node, rows: Array | None) -> Array | None:
    """The user's rows, with missing features, too, where those are filled in; else such as a scaler or a projection makes; None
    where nothing says how large features are. Where those are filled in that says what a label needs: numbers may be next to 0.
    """
    (x,) = graph.of(Storage.INPUT)
    rng = np.random.default_rng(SEED)
    begins = first.inputs == (x.name,)
    if rows is not None:
        seen = rows[:ROWS]
        if not (begins and isinstance(first.op, Impute)):
            return seen
        gone = rng.random(seen.shape) < MISSING
        return np.concatenate([seen, np.where(gone, np.float32(first.op.missing), seen)])
    numbers = any(value.type.dtype is DType.F32 for value in graph.of(Storage.OUTPUT))
    kinds = Affine | Linear if numbers else Affine | Impute | Linear
    if isinstance(first.op, Affine) and numbers and not first.op.origin.any():  # says nothing of where features are
        return None
    if x.type.dtype is not DType.F32 or not begins or not isinstance(first.op, kinds):
        return None
    return np.concatenate([first.op.probe(ROWS, rng)[0], rows_behind(graph, ROWS)])


def _next_to_changes(graph: Graph, rows: Array) -> Array:
    """Rows between these next to which the label changes; none where there is no label."""
    (x,), (label, *_) = graph.of(Storage.INPUT), graph.of(Storage.OUTPUT)
    if label.labels is None or x.type.dtype is not DType.F32:
        return rows[:0]

    def said(given: Array) -> Array:
        return np.array([evaluate(graph, {x.name: row}, (label.name,))[label.name] for row in single(given)])

    return next_to_changes(rows, said, CHANGES)


def _answers(graph: Graph, rows: Array) -> list[Array]:
    """What each output of the graph is for rows of its input."""
    (x,) = graph.of(Storage.INPUT)
    found = [evaluate(graph, {x.name: row.astype(x.type.dtype.numpy)}) for row in rows]
    return [np.stack([one[name] for one in found]) for name in found[0]]


def _same(some: list[Array], best: list[Array]) -> bool:
    """Whether answers agree: classes all of them, numbers to a part of what is promised."""
    for one, exact in zip(some, best, strict=True):
        if exact.dtype.kind != "f":
            if not np.array_equal(one, exact):
                return False
            continue
        wanted = exact.astype(np.float64)
        sizes = np.abs(wanted)
        small = max(
            min(1.0, float(sizes.max(initial=0.0))), float(np.quantile(sizes, SMALL))
        )  # others may come as near to 0
        if not (np.abs(one.astype(np.float64) - wanted) <= np.maximum(MOVED * small, ROUNDED * sizes)).all():
            return False
    return True
