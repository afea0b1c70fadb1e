"""Which number formats are tried for a model, and the rows that a smaller one is judged by beside the user's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mcugen.boards import Numeric, Target
from mcugen.diagnostics import error
from mcugen.interface import signature
from mcugen.ir import Array, DType, Module, Storage
from mcugen.targets.host import find_compiler

BETWEEN = 2_000  # rows made from the user's: a label that changes on one row in a thousand is nearly always found
SEED = 0


def formats_to_try(module: Module, target: Target, rows: Array | None) -> tuple[Numeric, ...]:
    """The formats for a module on a target, the smallest first; more than one only where `auto` has to find out.

    That takes rows to judge by, a compiler on this computer, a label that may change, and weights. E0302 for 16 bits of a
    network: it keeps its own format, or is in int8 by now.
    """
    if target.numeric == "int16" and signature(module, module.predict).does == "run":
        help = "use --numeric int8 with --data, or leave --numeric out"
        raise error("E0302", "networks are not brought to int16", help=help, loc=module.loc)
    if target.numeric != "auto":
        return (target.numeric,)
    weighted = any(node.op.weighted for node in module.nodes)
    judged = rows is not None and len(rows) > 0 and find_compiler() is not None
    if target.board.fpu or not (weighted and _labelled(module) and judged):
        return ("float32",)
    return ("int8", "int16", "float32")


def why(module: Module, target: Target, rows: Array | None, changed: Mapping[Numeric, int], data: str) -> str:
    """Why a format has been settled on, in words; empty where there is nothing to choose.

    changed  the formats that were tried, each with the rows whose answers it changes, the one settled on last
    data     what the rows are called
    """
    if not any(node.op.weighted for node in module.nodes):
        return ""
    if target.numeric != "auto":
        return f"{target.numeric}: as asked for"
    if not changed:
        return f"auto: float32, because {_reason(module, target, rows)}"
    judges = f"{len(rows) if rows is not None else 0:,} {data} and {BETWEEN:,} between them"
    chosen = list(changed)[-1]
    if chosen != "float32":
        numbers = any(not v.tables for v in module.predict.of(Storage.OUTPUT))
        also = ", nor a number by over 1 % of its range," if numbers else ""
        return f"auto: {chosen} changes no label{also} on {judges}"
    lost = " and ".join(f"{name} changes {count:,}" for name, count in changed.items() if count)
    return f"auto: float32; of {judges} {lost or 'none could be compared'}"


def _reason(module: Module, target: Target, rows: Array | None) -> str:
    if target.board.fpu:
        return "the board has a unit for floats"
    if not _labelled(module):
        return "every smaller format changes numbers"
    if rows is None or not len(rows):
        return "without --data nothing shows whether a smaller format changes a label"
    return "there is no C compiler here to try smaller ones with"


def _labelled(module: Module) -> bool:
    return any(v.tables for v in module.predict.of(Storage.OUTPUT))


def between(rows: Array, dtype: DType = DType.F32) -> Array:
    """Rows (2000, features) float32 that a type of input holds, each between two of the user's: as new to the model as rows of
    the same kind can be.
    """
    rng = np.random.default_rng(SEED)
    first, second = (rows[rng.integers(len(rows), size=BETWEEN)].astype(np.float64) for _ in range(2))
    share = rng.random((BETWEEN, 1))
    made = first + (second - first) * share
    return np.asarray(made if dtype is DType.F32 else np.rint(made), np.float32)
