"""The terms of polynomials keep all their digits where sums of them need these.

Products of features as they were measured are far apart, and parts of a sum of them cancel: their rounding to float32 alone
may be more than is left. There a linear op takes them as pairs of floats (mcugen/pairs.py), from a scaler that gives pairs, too,
where there is one in front. A scaler behind the terms becomes part of the weights. Terms of what other transformers give are left to
pair_chains.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.evaluate import evaluate
from mcugen.ir import Array, DType, Graph, Module, Node, Storage
from mcugen.ops.affine import Affine
from mcugen.ops.gather import Gather
from mcugen.ops.linear import Linear
from mcugen.ops.polynomial import Polynomial
from mcugen.pairs import summed
from mcugen.passes.fold_linear import Source, source_of
from mcugen.rewrite import replaced

SEED = 0
ROWS = 500  # that say whether pairs are needed


def pair_terms(module: Module, target: Target) -> Module:
    """The module with pairs in front of the linear ops whose sums need them."""
    if target.numeric in ("int8", "int16"):
        return module
    return module.map(lambda graph: _paired(graph, target.rows))


def _paired(graph: Graph, rows: Array | None) -> Graph:
    for node in graph.nodes:
        if isinstance(node.op, Linear) and not node.op.form:
            graph = _with_pairs(graph, node, node.op, rows)
    return graph


def _with_pairs(graph: Graph, node: Node, op: Linear, rows: Array | None) -> Graph:
    behind = source_or_self(graph, node.inputs[0])
    made = graph.producer.get(behind.value)
    inner = graph.nodes[made] if made is not None else None
    if inner is None or not isinstance(inner.op, Polynomial):
        return graph
    source = source_or_self(graph, inner.inputs[0])
    if source.value in graph.producer:  # rounded before: pair_chains begins there
        return graph
    new = _steps(graph, inner, inner.op, source)
    (pairs,) = new[-1].outputs
    weights = np.zeros((op.rows, inner.op.terms))
    np.add.at(weights.T, behind.at, (op.weights * behind.slope).T)
    bias = op.bias - op.weights @ (behind.slope * behind.origin)
    twice = replace(op, weights=np.tile(weights, 2), bias=bias, delicate=True)
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        return graph
    better = replaced(_with(graph, inner, new), node, replace(node, op=twice, inputs=(pairs,)))
    seen = _rows_for(graph, rows, new)
    if seen is None:
        return better
    exact = summed(_values(better, seen, pairs)) @ weights.T + bias
    rounded = _values(graph, seen, node.inputs[0]).astype(np.float64) @ op.weights.T + op.bias
    return better if op.loses(rounded - exact, exact) else graph


def source_or_self(graph: Graph, value: str) -> Source:
    """Where a vector comes from through affine maps and picks; from itself where there are none."""
    n = graph.values[value].type.size
    return source_of(graph, value) or Source(value, np.arange(n), np.ones(n), np.zeros(n))


def _steps(graph: Graph, node: Node, op: Polynomial, source: Source) -> list[Node]:
    """The terms as pairs, and what has to come before: a pick, a scaler that gives pairs."""
    found, scaled = pick_and_scale(graph, node, source), not source.plain
    x = found[-1].outputs if found else (source.value,)
    return [*found, Node(replace(op, pairs=True, of_pairs=scaled), x, (f"{node.name}.pairs",), node.loc)]


def pick_and_scale(graph: Graph, node: Node, source: Source) -> list[Node]:
    """The pick of what a node is to take, and the scaler that gives it in pairs; neither where it is as it should be."""
    found, x, name, n = list[Node](), source.value, f"{node.name}.pairs", len(source.at)
    if n != graph.values[x].type.size or (source.at != np.arange(n)).any():
        found.append(Node(Gather(graph.values[x].type.size, source.at), (x,), (f"{name}.columns",), node.loc))
        x = f"{name}.columns"
    if not source.plain:
        scaler = Affine(source.origin, np.ones(n), source.slope, pairs=True)
        found.append(Node(scaler, (x,), (f"{name}.scaled",), node.loc))
    return found


def _with(graph: Graph, node: Node, steps: list[Node]) -> Graph:
    """The graph with these steps before a node, unless they are there for another consumer of what it makes."""
    return graph if steps[-1].outputs[0] in graph.values else replaced(graph, node, *steps, node)


def _rows_for(graph: Graph, rows: Array | None, steps: list[Node]) -> Array | None:
    """The user's rows, and some that a scaler says of, or of the size of 1; None where nothing says how large features are."""
    first, rng = steps[0], np.random.default_rng(SEED)
    (x,) = graph.of(Storage.INPUT)
    scaled = isinstance(first.op, Affine) and first.inputs == (x.name,)
    if x.type.dtype is not DType.F32:
        return rows[:ROWS] if rows is not None else None
    if rows is None and not scaled:
        return None
    made = first.op.probe(ROWS, rng)[0] if scaled else rng.standard_normal((ROWS, x.type.size))
    return made if rows is None else np.concatenate([rows[:ROWS], made])


def _values(graph: Graph, rows: Array, name: str) -> npt.NDArray[np.float32]:
    """What a value is for rows of the graph's input."""
    (x,) = graph.of(Storage.INPUT)
    return np.stack([evaluate(graph, {x.name: row.astype(x.type.dtype.numpy)}, (name,))[name] for row in rows])
