"""Which number formats are tried for a model, and the rows that a smaller one is judged by beside the user's."""

from __future__ import annotations

import numpy as np

from mcugen.boards import Numeric, Target
from mcugen.ir import Array, Module, Storage
from mcugen.targets.host import find_compiler

BETWEEN = 500  # rows made from the user's: a label that changes on one in a thousand rows is found with some luck
SEED = 0


def formats_to_try(module: Module, target: Target, rows: Array | None) -> tuple[Numeric, ...]:
    """The formats for a module on a target, the smallest first; more than one only where `auto` has to find out.

    That takes rows to judge by, a compiler on this computer, a label that may change, and weights.
    """
    if target.numeric != "auto":
        return (target.numeric,)
    weighted = any(node.op.weighted for node in module.nodes)
    labelled = any(v.labels is not None for v in module.predict.of(Storage.OUTPUT))
    judged = rows is not None and len(rows) > 0 and find_compiler() is not None
    if target.board.fpu or not (weighted and labelled and judged):
        return ("float32",)
    return ("int8", "int16", "float32")


def between(rows: Array) -> Array:
    """Rows (500, features) float32, each between two of the user's: as new to the model as rows of the same kind can be."""
    rng = np.random.default_rng(SEED)
    first, second = (rows[rng.integers(len(rows), size=BETWEEN)].astype(np.float64) for _ in range(2))
    share = rng.random((BETWEEN, 1))
    return np.asarray(first + (second - first) * share, np.float32)
