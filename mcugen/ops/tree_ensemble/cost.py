"""What a tree ensemble costs on a board, before anything is built: sums of features, each with a measured weight.

The weights of an architecture are in cost_<arch>.json, fitted by `python benchmarks/cost_model.py`, which uses the same
features. The tables' bytes are not estimated but counted. cost_cortex-m.json serves every 32-bit board: its flash is fitted to
Thumb-2 code, its cycles and stack are set by hand from the core's instruction timings and not measured.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mcugen.boards import Board
from mcugen.op import Cost
from mcugen.ops.tree_ensemble.layout import Line, Table

if TYPE_CHECKING:
    from mcugen.ops.tree_ensemble import TreeEnsemble

Features = Mapping[str, float]
Weights = Mapping[str, Mapping[str, Mapping[str, float]]]  # form -> figure -> feature -> weight
SHORT_JUMP = 126  # bytes that a conditional jump of AVR reaches
SHORT_RETURNS = (
    3  # bytes: three calls deep, and a return address has 2 bytes up to 128 KiB, 3 where the weights were fitted
)
NEAR_FEATURE = 16  # x[15] is the last that a load reaches from x without computing an address


def estimate(op: TreeEnsemble, form: str, board: Board) -> Cost:
    """Flash of code and tables, cycles of one call, stack: for the expected rows (see Trees.visits)."""
    weights = _weights(board.arch)[form]
    flash = dot(weights["flash"], code_features(op, form)) + table_bytes(op, form)
    cycles = dot(weights["cycles"], cycle_features(op, form))
    stack = dot(weights["stack"], stack_features(op, form)) - (
        SHORT_RETURNS if board.arch == "avr" and board.flash <= 1 << 17 else 0
    )
    return Cost(max(0, round(flash)), max(1, round(cycles)), max(0, round(stack)))


def dot(weights: Mapping[str, float], features: Features) -> float:
    """The weighted sum; a feature that no measured model had counts nothing."""
    return sum(weights.get(name, 0.0) * value for name, value in features.items())


def table_bytes(op: TreeEnsemble, form: str) -> int:
    """Bytes of the tables in flash, exactly."""
    table = op.encodings.table if form.startswith("table") else None
    return op.encodings.leaves.nbytes + (table.nbytes if table else 0)


def code_features(op: TreeEnsemble, form: str) -> Counter[str]:
    """What the size of the code depends on, counted once per form."""
    if form not in op.encodings.counted:
        op.encodings.counted[form] = _code_features(op, form)
    return op.encodings.counted[form]


def _code_features(op: TreeEnsemble, form: str) -> Counter[str]:
    found = Counter(_common(op))
    if form.startswith("table"):
        assert op.encodings.table is not None
        found["pointers"] = op.trees.n_trees  # in `table`, beyond the two bytes that are counted
        return found + Counter(_table_kind(op.encodings.table))
    wide = "16" if op.encodings.leaves.codes > 256 else ""
    found["tree" + wide] += op.trees.n_trees
    for tree in op.encodings.branches:
        for part in tree:
            found.update(_part_features(part, wide, form))
    return found


def stack_features(op: TreeEnsemble, form: str) -> Features:
    """What the deepest stack depends on: the sums are the only array there."""
    leaves = op.encodings.leaves
    found = {"base": 1.0} | _common(op)
    if leaves.kind in ("votes", "shares"):
        found["sums"] = op.trees.n_outputs * leaves.total // 8
    return found


def cycle_features(op: TreeEnsemble, form: str) -> Features:
    """What the cycles of a call depend on: the splits and leaves that a row is expected to pass."""
    trees, leaves = op.encodings.trees, op.encodings.leaves
    found: dict[str, float] = {f"base {name}": value for name, value in _common(op).items()}
    found["tree"] = found[f"tree {leaves.kind} {leaves.total}"] = trees.n_trees
    found[f"outputs {op.output}"] = trees.n_outputs
    split = trees.feature >= 0
    seen = np.where(split, trees.visits, 0.0)
    negative = np.signbit(trees.threshold)
    for name, chosen in (
        ("L", trees.missing_left & ~negative),
        ("R", ~trees.missing_left & ~negative),
        ("N", negative),
    ):
        found[f"split {name}"] = float(seen[chosen & split].sum())
        found[f"right {name}"] = float(trees.visits[trees.right[chosen & split]].sum())
    found["far"] = float(seen[split & (trees.feature >= NEAR_FEATURE)].sum())
    if leaves.kind == "shares":
        impure = (leaves.code >= leaves.direct) & ~split
        found[f"impure {leaves.total}"] = float(trees.visits[impure].sum())
        classes = (trees.values[trees.leaf[impure]] > 0).sum(axis=1)
        found[f"share {leaves.total} of {leaves.share_bytes}"] = float((trees.visits[impure] * classes).sum())
    return found


def _common(op: TreeEnsemble) -> dict[str, float]:
    leaves = op.encodings.leaves
    several = "forest" if op.trees.n_trees > 1 else "tree"
    kind = f"{several} {leaves.kind}"
    found = {f"{kind} {op.output}": 1.0, f"{kind} sums of {leaves.total}": 1.0}
    if leaves.kind == "shares":
        found[f"shares of {leaves.share_bytes}{' counted' if len(leaves.units) else ''}"] = 1.0
    if leaves.kind == "numbers":
        found[f"numbers of {leaves.width}"] = 1.0
    if leaves.codes > 256:
        found["wide codes"] = 1.0
    return found


def _table_kind(table: Table) -> dict[str, float]:
    return {
        f"head {table.head}": 1.0,
        f"threshold {table.threshold}{' ranked' if table.ranked else ''}{' halves' if table.halves else ''}": 1.0,
        f"leaf {table.leaf}{' or direct' if table.leaf and table.direct else ''}": 1.0,
        f"features listed {bool(table.features)}": 1.0,
        "negative": float(bool((table.keys < 0).any() and table.halves)),
    }


def _part_features(part: list[Line], wide: str, form: str) -> Iterator[str]:
    yield "function"
    at, place = 0, []
    for line in part:
        place.append(at)
        at += (60 if form == "branches16" else 36) if line.feature >= 0 else 6
    yield from (f"codes{wide}" for _ in {line.code for line in part if line.feature < 0 and line.part < 0})
    for here, line in zip(place, part, strict=True):
        if line.feature >= 0:
            yield from _split_features(line, form, place[line.target] - here)
        else:
            yield "jump" if line.part >= 0 else f"leaf{wide}"


def _split_features(line: Line, form: str, distance: int) -> Iterator[str]:
    kind = ("N" if line.negative else "") + line.missing
    yield f"split {kind}"
    if line.feature >= NEAR_FEATURE:
        yield f"far {kind}"
    if distance > SHORT_JUMP:
        yield f"long {kind}"
    if form == "branches16":
        if line.bits & 0xFFFF:
            yield f"low {kind}"
        if line.bits & 0xFF:
            yield f"lowest {kind}"
        return
    compared = line.bits if line.negative else line.bits + 1  # x > t is compared as x >= t + 1
    yield from (f"byte {i} {kind}" for i in (0, 1, 2) if (compared >> (8 * i)) & 0xFF)


@cache
def _weights(arch: str) -> Weights:
    folder = Path(__file__).parent
    file = folder / f"cost_{arch}.json"
    return json.loads((file if file.is_file() else folder / "cost_cortex-m.json").read_text())  # type: ignore[no-any-return]
