"""Scores that isotonic calibration looks up are pairs of floats (mcugen/pairs.py) where a classifier knows as many digits.

Such a curve may rise steeply between two scores of its training that float32 does not tell apart: sums that nearly cancel,
probabilities next to 1. Linear models, kernel machines and normal distributions hand over their sums as pairs, and
probabilities are made of such (`softmax_pairs`). A curve that rises too much between scores that are still not told apart is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.curves import Curve
from mcugen.diagnostics import Loc, error
from mcugen.ir import Graph, Module, Node
from mcugen.op import Op
from mcugen.ops.affine import Affine
from mcugen.ops.gather import Gather
from mcugen.ops.gaussian_nb import GaussianNB
from mcugen.ops.interpolate import Interpolate
from mcugen.ops.kernel_values import KernelValues
from mcugen.ops.linear import Linear
from mcugen.ops.mlp import Mlp
from mcugen.ops.one_vs_one import OneVsOne
from mcugen.ops.quadratic import Quadratic
from mcugen.ops.softmax_pairs import SoftmaxPairs
from mcugen.ops.svm import Svm
from mcugen.ops.svm.sums import can_be_pairs, sums_of_values
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.rewrite import replaced

Floats = npt.NDArray[np.float64]
APART = 2.0**-22  # of a score: what a float of it may be off
OF_PAIRS = 2.0**-44  # and a pair of floats
OF_CHANCES = 2.0**-23  # of a probability, or of what it is less than 1: one next to 1 has no more digits
SMALL = 2.0**-126  # the least float with all its digits
STEEP = 0.01  # of a probability: a curve that rises by less is left to the proof on rows


@dataclass(frozen=True, eq=False)
class Scores:
    """Nodes of which the last makes scores (2 n,) as pairs, and what such a score may be off."""

    steps: tuple[Node, ...]
    off: Callable[[Floats], Floats]


def pair_scores(module: Module, target: Target) -> Module:
    """The module with pairs in front of calibrations. E0302 for one that rises by more than STEEP between scores that are not told apart."""
    small = target.numeric in ("int8", "int16")
    return module.map(lambda graph: _paired(graph, small))


def _paired(graph: Graph, small: bool) -> Graph:
    for node in graph.nodes:
        op = node.op
        if not isinstance(op, Interpolate) or not op.scores or op.of_pairs:
            continue
        made = None if small else _in_pairs(graph, node)
        for curve in op.curves if made is None or op.scores == "float64" else ():
            _check_steepness(curve, made.off if made else _of_floats, node.loc)
        if made is not None:
            graph = _taking(graph, node, op, made.steps)
    return graph


def _taking(graph: Graph, node: Node, op: Interpolate, steps: tuple[Node, ...]) -> Graph:
    """The graph with curves that take pairs, or what these are as floats where the model rounds them to such."""
    pairs = steps[-1].outputs[-1:]
    if op.scores == "float64":
        return replaced(graph, node, *steps, replace(node, op=replace(op, of_pairs=True), inputs=pairs))
    rounded = Node(Gather(2 * op.height, np.arange(op.height)), pairs, (f"{node.name}.rounded",), node.loc)
    return replaced(graph, node, *steps, rounded, replace(node, inputs=rounded.outputs))


def _in_pairs(graph: Graph, node: Node) -> Scores | None:
    """The scores of a calibration as pairs; None where nothing knows more of them than floats."""
    pick, source = None, graph.nodes[graph.producer[node.inputs[0]]]
    if isinstance(source.op, Gather):
        pick, source = source.op, graph.nodes[graph.producer[source.inputs[0]]]
    assert isinstance(node.op, Interpolate)
    found = _of_classifier(source, node.op)
    if found is None or pick is None:
        return found
    both = Gather(2 * pick.features, np.concatenate([pick.indices, pick.features + pick.indices]))
    last = Node(both, found.steps[-1].outputs[-1:], (f"{node.name}.picked",), node.loc)
    return replace(found, steps=(*found.steps, last))


def _of_classifier(node: Node, op: Interpolate) -> Scores | None:
    """The scores of a classifier whose decisions, or probabilities, curves `op` look up."""
    boosted = isinstance(node.op, TreeEnsemble) and node.op.output == "proba" and node.op.trees.combine.how != "mean"
    if boosted and op.scores == "float32":  # a library that works out its probabilities in float32, its own way
        return None
    steps = _sums(node)
    averaged = isinstance(node.op, TreeEnsemble) and not boosted
    if not steps or averaged or getattr(node.op, "output", "") == "decision":
        return Scores(steps, _of_sums) if steps else None
    scores = _scores_of(node.op)
    softmax = Node(SoftmaxPairs(scores), steps[-1].outputs[-1:], (f"{node.name}.chances",), node.loc)
    return Scores((*steps, softmax), _of_chances)


def _scores_of(op: Op) -> int:
    """How many numbers probabilities are the softmax of."""
    if isinstance(op, GaussianNB):
        return len(op.mean) if len(op.mean) > 2 else 1
    return op.trees.n_outputs if isinstance(op, TreeEnsemble) else op.rows  # type: ignore[attr-defined]  # Linear, Mlp


def _sums(node: Node) -> tuple[Node, ...]:
    """Nodes whose last output is the scores, or what probabilities are the softmax of, as pairs; none where there are no such."""
    op, name, pairs, loc = node.op, node.name, f"{node.name}.pairs", node.loc
    asked = getattr(op, "output", "")
    if isinstance(op, Svm) and asked == "decision" and can_be_pairs(op):
        values = Node(KernelValues(op.kernel, op.vectors), node.inputs, (f"{name}.values",), loc)
        sums = Node(sums_of_values(op), values.outputs, (pairs,), loc)
        return values, *_of_linear(sums, sums_of_values(op), name)
    if isinstance(op, Linear) and asked in ("decision", "proba"):
        return _of_linear(replace(node, outputs=(pairs,)), op, name)
    if isinstance(op, GaussianNB | Quadratic) and asked == ("proba" if isinstance(op, GaussianNB) else "decision"):
        return (replace(node, op=replace(op, output="decision", pairs=True), outputs=(f"{name}.index", pairs)),)
    if isinstance(op, Mlp) and asked == "proba":
        return (replace(node, op=replace(op, output="transform", pairs=True), outputs=(pairs,)),)
    if isinstance(op, TreeEnsemble) and asked in ("decision", "proba"):
        return _of_trees(node, op)
    return ()


def _of_trees(node: Node, op: TreeEnsemble) -> tuple[Node, ...]:
    """Means of what leaves hold, or sums of it; those that probabilities are made of times the link's factor."""
    combine, name, pairs = op.trees.combine, node.name, f"{node.name}.pairs"
    if combine.link == "isolation":
        return ()
    outputs = (f"{name}.index", pairs)
    if op.output == "decision" or combine.how == "mean":
        return (replace(node, op=replace(op, pairs=True), outputs=outputs),)
    if combine.link not in ("sigmoid", "softmax"):
        return ()
    sums = replace(node, op=replace(op, output="decision", pairs=True), outputs=outputs)
    if combine.factor == 1:
        return (sums,)
    n = op.trees.n_outputs
    factor = Affine(np.zeros(n), np.ones(n), np.full(n, combine.factor), of_pairs=True, pairs=True)
    return sums, Node(factor, (pairs,), (f"{name}.scaled",), node.loc)


def _of_linear(node: Node, op: Linear, name: str) -> tuple[Node, ...]:
    """Sums as pairs; of one for each pair of classes, whose votes count too, what they make of each class."""
    if op.output == "proba" and op.link not in ("sigmoid", "softmax"):
        return ()
    sums = replace(op, output="transform", link="identity", pairs=True, delicate=True)
    if not op.added:
        return (replace(node, op=sums),)
    against = replace(sums, weights=-op.weights, bias=-op.bias)  # above 0 for the second class
    scores = replace(node, op=against, outputs=(f"{name}.scores",))
    votes = OneVsOne(op.classes, "decision", pairs=True)
    return scores, Node(votes, scores.outputs, (f"{name}.index", *node.outputs), node.loc)


def _of_floats(scores: Floats) -> Floats:
    return APART * np.abs(scores)


def _of_sums(scores: Floats) -> Floats:
    return OF_PAIRS * np.abs(scores)


def _of_chances(scores: Floats) -> Floats:
    return OF_CHANCES * np.minimum(np.abs(scores), np.abs(1 - scores))


def _check_steepness(curve: Curve, off: Callable[[Floats], Floats], loc: Loc) -> None:
    width = np.maximum(off(curve.knots), SMALL)
    ends = [(curve.knots - width, curve.knots), (curve.knots, curve.knots + width)]
    rises = np.abs([curve.of(high) - curve.of(low) for low, high in ends])
    if rises.max() > STEEP:
        at = float(curve.knots[np.unravel_index(rises.argmax(), rises.shape)[1]])
        text = f"the isotonic calibration rises by {rises.max():.3g} at {at:.9g}, between scores that the C does not tell apart"
        help = "fit with `method='sigmoid'`, or calibrate a classifier whose scores are farther apart, as those of LinearSVC"
        raise error("E0302", text, help=help, loc=loc)
