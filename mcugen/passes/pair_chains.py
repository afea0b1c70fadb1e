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
from mcugen.ir import Array, DType, Graph, Module, Node, Storage
from mcugen.layers import Layers
from mcugen.made_rows import rows_behind
from mcugen.op import Op
from mcugen.ops.affine import Affine
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
from mcugen.ops.tree_ensemble.trees import Trees
from mcugen.pairs import pair_of
from mcugen.passes.fold_linear import source_of
from mcugen.rewrite import replaced
from mcugen.rows import single

SEED = 0
ROWS = 200  # that say whether pairs are needed
MOVED = 3e-6  # of a number: what rounding may move it by
ROUNDED = 2.0**-22  # of a number: what is its own rounding
SMALL = 0.01  # the part of the numbers that are smaller than what the others' rounding is held against
MISSING = 0.2  # of the features of rows, where missing ones are filled in

Chain = tuple[Node, ...]
Floats = npt.NDArray[np.float64]


def pair_chains(module: Module, target: Target) -> Module:
    """The module with pairs between the transformers whose rounding would move an answer."""
    if target.numeric in ("int8", "int16"):
        return module
    return module.map(lambda graph: _paired(graph, target.rows))


def _paired(graph: Graph, rows: Array | None) -> Graph:
    for node in graph.nodes:
        chain = _chain(graph, node)
        if _is_step(graph, node):
            continue
        if not _rounds(node.op, chain):
            graph = _centred(graph, node, chain)
            continue
        ways = [graph, *_ways(graph, node, chain)]
        graph = ways[-1] if len(ways) == 1 or _told_apart(node.op) else _first_enough(ways, chain, rows)
    return graph


def _chain(graph: Graph, node: Node) -> Chain:
    """The transformers that lead to the only input of a node, from the first."""
    found: list[Node] = []
    while len(node.inputs) == 1 and (at := graph.producer.get(node.inputs[0])) is not None:
        node = graph.nodes[at]
        if not _gives_pairs(node.op):
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
    """Whether transformers make numbers that floats do not hold; projections in front of sums become part of their weights."""
    kinds = Normalize | Polynomial if isinstance(op, Linear) else Linear | Normalize | Polynomial
    fills = (step.op.fill for step in chain if isinstance(step.op, Impute))
    return any(isinstance(step.op, kinds) for step in chain) or any((single(fill) != fill).any() for fill in fills)


def _is_step(graph: Graph, node: Node) -> bool:
    """Whether a node is only on the way to another."""
    return _gives_pairs(node.op) and graph.values[node.name].storage is not Storage.OUTPUT


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
    assert isinstance(op, Affine | Impute | Normalize | Polynomial)
    return replace(op, pairs=True, of_pairs=paired), value


def _pairs_of(graph: Graph, value: str) -> str:
    """The pairs of a value where it has some."""
    return f"{value}.pairs" if f"{value}.pairs" in graph.values else value


def _centred(graph: Graph, node: Node, chain: Chain) -> Graph:
    """A scaler in front of an op that sees only differences takes its middle off, too, where features stay far off zero."""
    middle = _middle(node.op)
    source = source_of(graph, node.inputs[0]) if chain and middle is not None else None
    if middle is None or source is None or source.plain or not (source.slope != 0).all():
        return graph
    if isinstance(node.op, Knn | TreeEnsemble) or (isinstance(node.op, Svm) and node.op.output != "proba"):
        return graph  # of which other passes take care
    size, name, loc = graph.values[source.value].type.size, f"{node.name}.centred", chain[-1].loc
    pick = Node(Gather(size, source.at), (source.value,), (f"{name}.columns",), loc)
    picked = size != len(source.at) or (source.at != np.arange(size)).any()
    scaler = Affine(source.origin + middle / source.slope, np.ones(len(middle)), source.slope)
    new = Node(scaler, pick.outputs if picked else (source.value,), (name,), loc)
    moved = replace(node, op=_moved(node.op, middle), inputs=(name,))
    return replaced(graph, node, *([pick] if picked else []), new, moved)


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
    elif isinstance(op, TreeEnsemble):
        return _middle_of_thresholds(op.trees)
    if points is None:
        return None
    middle = single(points.mean(axis=0)).astype(np.float64)
    far = (np.abs(middle) > np.ptp(points, axis=0)).any()
    return middle if far or isinstance(op, Knn) or _rounds_vectors(op) else None


def _middle_of_thresholds(trees: Trees) -> Floats | None:
    """Where a tree's features are that stay far off zero beside how far their thresholds are apart; 0 of the others."""
    middle = np.zeros(trees.n_features)
    known = np.full(len(trees.feature), np.nan) if trees.doubles is None else trees.doubles
    for i in np.unique(trees.feature[np.isfinite(known)]):
        thresholds = known[(trees.feature == i) & np.isfinite(known)]
        centre = (thresholds.min() + thresholds.max()) / 2
        middle[i] = centre if abs(centre) > np.ptp(thresholds) else 0.0
    return single(middle).astype(np.float64) if middle.any() else None


def _rounds_vectors(op: Op) -> bool:
    """Whether support vectors are rounded as rows are: where these cannot be taken as pairs."""
    return isinstance(op, Svm) and op.output == "proba"


def _moved(op: Op, by: Floats) -> Op:
    """The op for rows that are so much less. Points of neighbours are rounded as the same row is: at distance 0."""
    if isinstance(op, Knn):
        return replace(op, points=_shifted(op.points, by))
    if isinstance(op, Svm) and _rounds_vectors(op):
        return replace(op, vectors=_shifted(op.vectors, by))
    if isinstance(op, TreeEnsemble):
        return replace(op, trees=_shifted_trees(op.trees, by))
    if isinstance(op, Quadratic):
        model = op.model.moved(by)
        reach = np.abs(model.middles).max(axis=0) + AROUND * model.deviations.max(axis=0)
        return replace(op, model=model, sizes=np.frexp(reach)[1].astype(np.int64) + 126)
    if isinstance(op, Distances):
        return replace(op, points=op.points - by)
    if isinstance(op, GaussianNB):
        return replace(op, mean=op.mean - by)
    assert isinstance(op, Svm)
    return replace(op, vectors=op.vectors - by)


def _shifted_trees(trees: Trees, by: Floats) -> Trees:
    """Trees for rows that are so much less: each threshold is the float next to it, as the numbers that it is compared with are."""
    assert trees.doubles is not None
    less = by[np.maximum(trees.feature, 0)]
    moved = (trees.feature >= 0) & (less != 0) & np.isfinite(trees.doubles)
    with np.errstate(invalid="ignore"):
        return replace(trees, threshold=np.where(moved, single(trees.doubles - less), trees.threshold) + np.float32(0))


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
