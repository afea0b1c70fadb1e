"""Trees whose thresholds are numbers of their training are refused behind steps that are worked out in float32.

Rows in use are on such thresholds, or as near as the rounding of the training: a last digit says which side they take. The passes
before this one have moved functions into the thresholds and given pairs of floats to the trees where they can; what is left
gives other answers than the model, which rows that are made would not show.
"""

from __future__ import annotations

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Graph, Module, Node, Storage
from mcugen.ops.affine import Affine
from mcugen.ops.concat import Concat
from mcugen.ops.cosines import Cosines
from mcugen.ops.distances import Distances
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.gather import Gather
from mcugen.ops.impute import Impute
from mcugen.ops.interpolate import Interpolate
from mcugen.ops.kernel_values import KernelValues
from mcugen.ops.linear import Linear
from mcugen.ops.lookup import Lookup
from mcugen.ops.normalize import Normalize
from mcugen.ops.polynomial import Polynomial
from mcugen.ops.power import Power
from mcugen.ops.ranks import Ranks
from mcugen.ops.spline import Spline
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.trees import Trees

NEAR = (
    2.0**-22
)  # of a feature's largest threshold: nearer to 0, or to each other, are thresholds in what rounding leaves
WHOLE = ("Abs", "Ceil", "Floor", "Neg", "Round", "Sign")
ROUNDED_ONCE = ("Mul", "Reciprocal", "Sqrt")  # as a processor does, and so as float64 rounded to a float


def sure_sides(module: Module, target: Target) -> Module:
    """The module as it is; E0302 for trees behind a step that leaves the sides of rows open."""
    for graph in module.functions:
        for node in graph.nodes:
            if isinstance(node.op, TreeEnsemble) and (node.op.trees.drawn == "at" or _in_noise(node.op.trees)):
                _check(graph, node, node.op.trees)
            if isinstance(node.op, Interpolate | Lookup | Spline) and _jumps(node.op):
                _check_jumps(graph, node)
    return module


def _jumps(op: Interpolate | Lookup | Spline) -> bool:
    """Whether what it gives jumps at numbers of its training."""
    if isinstance(op, Lookup):
        return not op.exact
    if isinstance(op, Interpolate):
        return not op.scores and any((one.below != one.at).any() or (one.at != one.above).any() for one in op.curves)
    return op.jumps


def _check_jumps(graph: Graph, node: Node) -> None:
    (value,) = node.inputs
    found = _rounding(graph, value, doubles=True)
    if found is None and isinstance(node.op, Lookup | Spline):
        found = _scaled(graph, value)
    if found is not None:
        text = "the step behind it jumps at numbers of its training, and so what this step gives is not known to enough digits"
        help = (
            "put quantiles, bins or splines first in the pipeline, which need no scaler or function in front; or use "
            "`SplineTransformer(knots='uniform')`"
        )
        raise error("E0302", text, help=help, loc=found.loc)


def _scaled(graph: Graph, value: str) -> Node | None:
    """The scaler or projection on the way to a value."""
    at = graph.producer.get(value)
    if at is None:
        return None
    node = graph.nodes[at]
    if isinstance(node.op, Affine | Linear | Normalize | Polynomial):
        return node
    return next((one for name in node.inputs if (one := _scaled(graph, name))), None)


def _in_noise(trees: Trees) -> bool:
    """Whether thresholds between numbers are between such as differ by what rounding leaves."""
    for feature in np.unique(trees.feature[trees.feature >= 0]) if trees.drawn else ():
        known = np.unique(trees.threshold[(trees.feature == feature) & np.isfinite(trees.threshold)])
        largest = float(np.abs(known).max(initial=0.0))
        if ((known != 0) & (np.abs(known) < NEAR * largest)).any() or (np.diff(known) < NEAR * largest).any():
            return True
    return False


def _check(graph: Graph, node: Node, trees: Trees) -> None:
    found = _rounding(graph, node.inputs[0], trees.doubles is not None)
    if found is not None:
        text = (
            "the trees behind it compare it with numbers of their own training, which rows in use are, too: "
            "what this step gives is not known to as many digits"
        )
        help = (
            "train the trees on the features themselves, which need no such step; or put a linear model behind it, or a "
            "RandomForest or GradientBoosting of scikit-learn, whose thresholds are half way between numbers"
        )
        raise error("E0302", text, help=help, loc=found.loc)


def _rounding(graph: Graph, value: str, doubles: bool) -> Node | None:
    """The transformer on the way to a value that is worked out in float32; None where there is none. What is rounded once is exact where
    float64 is not asked for.
    """
    at = graph.producer.get(value)
    if at is None:
        return None
    node = graph.nodes[at]
    op = node.op
    if isinstance(op, Elementwise):
        once = op.function in WHOLE or (op.function in ROUNDED_ONCE and not doubles)
        return None if once and all(_is_row(graph, name) for name in node.inputs) else node
    if isinstance(op, Distances | Interpolate | Power | Spline) or (isinstance(op, Cosines) and not op.pairs):
        return node
    if isinstance(op, Affine) and op.limited:
        return node
    if isinstance(
        op, Affine | Concat | Cosines | Gather | Impute | KernelValues | Linear | Normalize | Polynomial | Ranks
    ):
        return next((one for name in node.inputs if (one := _rounding(graph, name, doubles))), None)
    return None


def _is_row(graph: Graph, value: str) -> bool:
    """Whether a value is numbers of the row, or what is filled in."""
    at = graph.producer.get(value)
    if at is None:
        return graph.values[value].storage is Storage.INPUT
    node = graph.nodes[at]
    return isinstance(node.op, Concat | Gather | Impute) and all(_is_row(graph, name) for name in node.inputs)
