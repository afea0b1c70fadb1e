"""Networks whose layers lose too much in integers of 32 bits become linear ops of 62 bits, one after the other.

One exponent for all of a row costs its smaller features their digits, and so do features far off zero: parts of a sum cancel. The
rows that are known, or those that the network makes up, say whether a probability or a number suffers; of features as they were
measured, of which nothing is known, it is taken for granted. What the layers hand over are
pairs of floats (mcugen/pairs.py).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcugen.boards import Target
from mcugen.fixed import Floats
from mcugen.ir import Graph, Module, Node, Storage
from mcugen.ops.linear import PROMISED, SAFE, Linear, Link
from mcugen.ops.mlp import Mlp
from mcugen.ops.relu import Relu
from mcugen.passes.fold_linear import source_of
from mcugen.rewrite import replaced
from mcugen.rows import single
from mcugen.tables import AVR_OBJECT

MADE = 2_000  # rows


def wide_layers(module: Module, target: Target) -> Module:
    """The module with such networks as linear ops."""
    return module if target.numeric in ("int8", "int16") else module.map(lambda graph: _widened(graph, target))


def _widened(graph: Graph, target: Target) -> Graph:
    for node in graph.nodes:
        if isinstance(node.op, Mlp) and not node.op.form and node.op.output != "label" and _fits(node.op, target):
            unknown = node.op.sizes is None and graph.values[node.inputs[0]].storage is Storage.INPUT
            graph = replaced(graph, node, *_layers(graph, node, node.op)) if unknown or _loses(node.op) else graph
    return graph


def _fits(op: Mlp, target: Target) -> bool:
    """Whether the board's compiler takes tables of so many weights of eight bytes."""
    largest = max(2 * weights.size + len(weights) for weights in op.layers.weights)
    return not target.board.progmem or 8 * largest <= AVR_OBJECT


def _loses(op: Mlp) -> bool:
    """Whether 32 bits leave the numbers of rows further off than a part of what is promised."""
    rows = single(op.probe(MADE, np.random.default_rng(0))[0])
    rows = rows[np.isfinite(rows).all(axis=1)]
    exact, found = (one.answers(rows)[-1].astype(np.float64) for one in (op, replace(op, form="float32")))
    size = 1.0 if op.output == "proba" else min(1.0, float(np.abs(exact).max(initial=0.0)))
    safe = 8 * SAFE if op.output == "transform" else SAFE  # shares of small sums: more is lost then
    return bool((safe * np.abs(found - exact) > PROMISED * np.maximum(np.abs(exact), size)).any())


def _layers(graph: Graph, node: Node, op: Mlp) -> list[Node]:
    """The nodes that do a network's work, a layer and a ReLU at a time; what is between them are pairs. A scaler in front, whose
    numbers are rounded, becomes part of the first layer.
    """
    (first, begin), *others = zip(op.layers.weights, op.layers.biases, strict=True)
    value, first, begin = _unscaled(graph, node.inputs[0], first, begin)
    *hidden, (weights, bias) = (first, begin), *others
    found, x = list[Node](), (value,)
    for i, (some, biases) in enumerate(hidden):
        sums, passed = f"{node.name}.layer{i}", f"{node.name}.relu{i}"
        taken = np.tile(some, 2) if i else some
        layer = Linear(taken, biases, "transform", delicate=True, pairs=True)
        found.append(Node(layer, x, (sums,), node.loc))
        found.append(Node(Relu(pairs=True), (sums,), (passed,), node.loc))
        x = (passed,)
    link: Link = "identity" if op.output != "proba" else "sigmoid" if op.rows == 1 else "softmax"
    last = Linear(np.tile(weights, 2), bias, op.output, link, delicate=True, pairs=op.pairs)
    return [*found, replace(node, op=last, inputs=x)]


def _unscaled(graph: Graph, value: str, weights: Floats, bias: Floats) -> tuple[str, Floats, Floats]:
    """What scalers and picks in front of a first layer take, and its weights and biases for that."""
    source = source_of(graph, value)
    if source is None or source.plain:
        return value, weights, bias
    unscaled = np.zeros((len(weights), graph.values[source.value].type.size))
    np.add.at(unscaled.T, source.at, (weights * source.slope).T)
    moved = bias - weights @ (source.slope * source.origin)
    finite = bool(np.isfinite(unscaled).all() and np.isfinite(moved).all())
    return (source.value, unscaled, moved) if finite else (value, weights, bias)
