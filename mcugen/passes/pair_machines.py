"""Kernel machines keep the digits of their scalers where scores need these.

Kernel values, which are pairs of floats (mcugen/pairs.py) because sums of them cancel, take pairs from their scaler: its rounding
is moved by the sums as theirs is. A machine that would be integers becomes kernel values where the rounding of its scaler alone
moves its scores: features far off zero, which the scaler does not centre; or numbers that were pairs before they were rounded.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mcugen.boards import AVR_NEAR, Target
from mcugen.ir import Graph, Module, Node
from mcugen.made_rows import next_to_changes
from mcugen.ops.affine import Affine
from mcugen.ops.gather import Gather
from mcugen.ops.kernel_values import KernelValues
from mcugen.ops.svm import Svm
from mcugen.ops.svm.machine import scores
from mcugen.ops.svm.sums import can_be_pairs, sums_of_values
from mcugen.passes.pair_terms import pick_and_scale, source_or_self
from mcugen.rewrite import replaced
from mcugen.rows import single

Floats = npt.NDArray[np.float64]
FEW = 50  # rows on either side of 0
ROWS = 500  # of the vectors, that say whether pairs are needed
MOVED = 1e-6  # of a machine's score: what rounding may move it by where a class is asked for: what a near tie is
MOVED_NUMBERS = 5e-6  # and where the score is


def pair_machines(module: Module, target: Target) -> Module:
    """The module with pairs in front of the kernel machines whose scores need them."""
    if target.numeric in ("int8", "int16"):
        return module
    return module.map(lambda graph: _paired(graph, target))


def _paired(graph: Graph, target: Target) -> Graph:
    for node in graph.nodes:
        if isinstance(node.op, Svm) and not node.op.form and node.op.output != "proba":
            graph = _as_values(graph, node, node.op, target)
    for node in graph.nodes:
        if isinstance(node.op, KernelValues) and not node.op.of_pairs:
            graph = _of_pairs(graph, node, node.op)
    return graph


def _as_values(graph: Graph, node: Node, op: Svm, target: Target) -> Graph:
    if target.board.progmem and 8 * op.vectors.size > AVR_NEAR:
        return graph
    rounded, source = _rounded(graph, node.inputs[0]), source_or_self(graph, node.inputs[0])
    if (source.plain and rounded is None) or not can_be_pairs(op) or not (source.slope != 0).all():
        return graph
    exact = op.vectors[:ROWS] if op.output == "label" else np.concatenate([op.vectors[:ROWS], _next_to_nothing(op)])
    if rounded is None:
        given = single(exact / source.slope + source.origin).astype(np.float64)
        exact = (given - source.origin) * source.slope
    wanted, found = (
        scores(op.values(rows), op.coefficients, op.intercepts, op.counts) for rows in (exact, single(exact))
    )
    kept = MOVED if op.output == "label" else MOVED_NUMBERS
    if not np.isfinite(wanted).all() or (np.abs(found - wanted) <= kept * np.maximum(np.abs(wanted), 1)).all():
        return graph
    name = f"{node.name}.values"
    steps, x = rounded or ((), node.inputs[0])
    kernel = KernelValues(op.kernel, op.vectors, of_pairs=rounded is not None)
    values = Node(kernel, (x,), (name,), node.loc)
    return replaced(graph, node, *steps, values, replace(node, op=sums_of_values(op), inputs=(name,)))


def _next_to_nothing(op: Svm) -> Floats:
    """Rows between those that are usual where a score is next to 0, and every digit of it is asked for."""
    (usual,) = op.probe(ROWS, np.random.default_rng(0))
    rows = next_to_changes(usual, lambda rows: op.scores(rows)[:, 0] > 0, FEW)
    return rows.astype(np.float64)


def _rounded(graph: Graph, value: str) -> tuple[tuple[Node, ...], str] | None:
    """Of numbers that were pairs before they were rounded the pairs, and what makes them; None of others."""
    at = graph.producer.get(value)
    node = graph.nodes[at] if at is not None else None
    if node is None:
        return None
    if isinstance(node.op, Gather) and (before := graph.producer.get(node.inputs[0])) is not None:
        pairs = getattr(graph.nodes[before].op, "pairs", False)
        halves = 2 * node.op.height == node.op.width and (node.op.indices == np.arange(node.op.height)).all()
        return ((), node.inputs[0]) if pairs and halves else None
    if isinstance(node.op, Affine) and node.op.of_pairs and not node.op.pairs:
        name = f"{value}.pairs"
        return (Node(replace(node.op, pairs=True), node.inputs, (name,), node.loc),), name
    return None


def _of_pairs(graph: Graph, node: Node, op: KernelValues) -> Graph:
    source = source_or_self(graph, node.inputs[0])
    if source.plain:
        return graph
    new = pick_and_scale(graph, node, source)
    return replaced(graph, node, *new, replace(node, op=replace(op, of_pairs=True), inputs=new[-1].outputs))
