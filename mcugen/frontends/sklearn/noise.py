"""Scalers that blow up rounding: numbers that hardly vary behind a step that rounds them are noise in scikit-learn, too."""

from __future__ import annotations

import numpy as np

from mcugen.diagnostics import Loc, McugenError, error
from mcugen.fixed import Floats
from mcugen.ir import Graph, Node
from mcugen.ops.affine import Affine
from mcugen.ops.gather import Gather
from mcugen.ops.impute import Impute
from mcugen.ops.linear import Linear
from mcugen.ops.normalize import Normalize
from mcugen.ops.polynomial import Polynomial

ROUNDS = 2.0**-52  # of a number: what the steps of a pipeline lose of it in float64
MOST = 1e-6  # of what a feature spreads by: more of it may not be rounding
HELP = (
    "leave such features out: fewer components (`n_components`), a VarianceThreshold or SelectKBest behind that step, or a "
    "PCA without `whiten`"
)


def check_noise(graph: Graph) -> None:
    """E0302 for a scaler that makes features of what the step in front of it rounds."""
    for node in graph.nodes:
        before = _maker(graph, node) if isinstance(node.op, Affine) else None
        if before is None or not isinstance(node.op, Affine) or (node.op.slope <= 0).any():
            continue
        scaled = node.op.slope != 1  # else it says nothing of how far a feature varies
        spread, origin = 1 / node.op.slope, np.where(scaled, np.abs(node.op.origin), 0.0)
        if isinstance(before, Linear) and before.output == "transform":
            require_spread(spread, origin + np.where(scaled, spread, 0.0).max(), node.loc)
        elif isinstance(before, Normalize | Polynomial):
            require_spread(spread, origin, node.loc)


def require_spread(spread: Floats, size: Floats, loc: Loc, help: str = HELP) -> None:
    """E0302 where features that spread by so much were made of numbers of such sizes."""
    lost = ROUNDS * size > MOST * spread
    if lost.any():
        raise _noise(int(np.flatnonzero(lost)[0]), spread, size, loc, help)


def _noise(i: int, spread: Floats, size: Floats, loc: Loc, help: str) -> McugenError:
    text = (
        f"number {i} varies by {spread[i]:.3g} beside numbers of {size[i]:.3g}: scaled, it is what scikit-learn's own float64 "
        "rounds, and differs from computer to computer"
    )
    return error("E0302", text, help=help, loc=loc)


def _maker(graph: Graph, node: Node) -> object:
    """The op whose numbers a scaler takes, seen through picks and imputers."""
    while (at := graph.producer.get(node.inputs[0])) is not None:
        node = graph.nodes[at]
        if not isinstance(node.op, Gather | Impute):
            return node.op
    return None
