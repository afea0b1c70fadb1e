"""What the cycles (or instructions) of a call depend on: the splits and leaves that a row is expected to pass."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mcugen.boards import Arch
from mcugen.ir import DType
from mcugen.ops.tree_ensemble import code, combined, integers, words
from mcugen.ops.tree_ensemble.splits import WINDOW, Splits
from mcugen.ops.tree_ensemble.trees import Trees

if TYPE_CHECKING:
    from mcugen.ops.tree_ensemble import TreeEnsemble

Found = dict[str, float]


def cycle_features(op: TreeEnsemble, form: str, arch: Arch) -> code.Features:
    """The features of one call, for the expected rows (see Trees.visits)."""
    return code.with_far(_cycle_features(op, form, arch), form)


def _cycle_features(op: TreeEnsemble, form: str, arch: Arch) -> Found:
    leaves, n_trees = op.encodings.leaves, op.trees.n_trees
    found = {f"base {name}": value for name, value in code.kinds(op).items()}
    found |= dict.fromkeys(("tree", f"tree {leaves.kind}", f"tree {leaves.kind} {leaves.total}"), float(n_trees))
    asked = f"{op.output} by {op.trees.combine.link}" if combined.uses_exp(op) else op.output
    outputs = (asked, f"{asked} {leaves.total}", f"{leaves.kind} {asked} {leaves.total}")
    found |= dict.fromkeys((f"outputs {of}" for of in outputs), float(op.trees.n_outputs))
    found |= code.counting(op, form, arch) | _leaves(op, form)
    trees = op.encodings.trees
    if ranks := code.ranks_of(op, form):
        trees = ranks.trees
        if code.searched(form, arch):
            found |= {f"put {ranks.ways}": ranks.used}
            each = 1 if ranks.counts else ranks.used
            lists, is_float = ranks.searches, op.x == DType.F32
            searched = _floats(lists, code.splits_of(op, form)) if is_float else _integers(lists)
            found |= {f"search {name}": each * value for name, value in searched.items()}
        else:
            found |= integers.search_cycles(ranks)
    if form.startswith("table"):
        return found | _table(op, form, trees)
    if op.x != DType.F32 or ranks:
        width = 1 if ranks else op.x.nbytes
        walked = _integers(trees, integers.NEAR[code.isa(arch)] // width)
    else:
        walked = _floats(trees, code.splits_of(op, form) if arch == "avr" else None)
        if form == "branches_float":
            walked |= _by_bits(trees)
    walked |= code.functions(op, form, arch) | {"tree": n_trees}
    return found | code.of_walk(walked, op, form)


def _leaves(op: TreeEnsemble, form: str) -> Found:
    """What is done with the leaves of all trees, where these are more than codes."""
    leaves, trees = op.encodings.leaves, op.encodings.trees
    if leaves.kind in ("numbers", "sums") and not combined.inline(op, form):
        return {f"leaf {leaves.kind} of {leaves.width}": trees.n_trees}
    if leaves.kind == "median":
        return {"halvings": log2(leaves.codes), "halvings of trees": log2(leaves.codes) * trees.n_trees}
    if leaves.kind != "shares":
        return {}
    impure = (leaves.code >= leaves.direct) & (trees.feature < 0)
    visits = trees.visits[impure]
    classes = float((visits * (trees.values[trees.leaf[impure]] > 0).sum(axis=1)).sum())
    kind = f"{leaves.share_bytes}{' counted' if len(leaves.units) else ''}"
    found = {f"impure {of}": float(visits.sum()) for of in ("leaf", leaves.total, kind)}
    return found | {f"share {of}": classes for of in ("each", leaves.total, kind, f"{leaves.total} of {kind}")}


def _table(op: TreeEnsemble, form: str, trees: Trees) -> Found:
    """The splits of a table by its variant, and what more those take that go right or compare negative numbers."""
    table = code.table_of(op, form)
    assert table is not None
    split, seen, right = _seen(trees)
    found = {f"split {kind}": value * float(seen.sum()) for kind, value in code.table_kind(table).items()}
    found["split to the right"] = float(right.sum())
    if "ranks" not in form:
        found["split negative"] = float(seen[np.signbit(trees.threshold[split])].sum())
    return found


def _integers(trees: Trees, near: int = 1 << 30) -> Found:
    """Splits over integers, of which so many are near."""
    split, seen, right = _seen(trees)
    far = float(seen[trees.feature[split] > near].sum())
    return {"left": float((seen - right).sum()), "right": float(right.sum()), "far": far}


def _floats(trees: Trees, splits: Splits | None) -> Found:
    """Splits over floats by sign, by where NaN goes, and by how the halves are compared (see Splits.macro)."""
    split, seen, right = _seen(trees)
    found: Found = {}
    bits = trees.threshold[split].view(np.uint32)
    kind = np.where(trees.numbers[split], "X", np.where(trees.missing_left[split], "L", "R"))
    kind = np.char.add(np.where(bits >> 31, "N", ""), kind)
    if splits and splits.halves:
        rare = (2 * right > seen) | (bits >> 16 == 0)
        last = bits & 0xFFFF == np.where(bits >> 31, 0, 0xFFFF)
        kind = np.char.add(kind, np.where(last, " HIGH", np.where(rare, " RARE", "")))
    for name in np.unique(kind).tolist():
        some = kind == name
        found |= {f"left {name}": float((seen - right)[some].sum()), f"right {name}": float(right[some].sum())}
    most = WINDOW if splits else words.NEAR_FEATURE
    far = trees.feature[split] >= most
    if not splits or not splits.windows:
        found |= {"near": float(seen[~far].sum()), "far": float(seen[far].sum())}
    return found


def _by_bits(trees: Trees) -> Found:
    """The splits that compare bits although there is a unit for floats (see Splits.takes)."""
    split, seen, right = _seen(trees)
    rare = (2 * right > seen) & ~trees.missing_left[split] & ~trees.numbers[split]
    return {"left by bits": float((seen - right)[rare].sum()), "right by bits": float(right[rare].sum())}


def _seen(trees: Trees) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Which nodes are splits, and of each how often it is passed, and how often to the right."""
    split = trees.feature >= 0
    return split, trees.visits[split], trees.visits[trees.right[split]]
