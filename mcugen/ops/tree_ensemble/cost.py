"""What a tree ensemble costs on a board, before anything is built: sums of features, each with a measured weight.

The weights of an architecture are in cost_<arch>.json, fitted by `python benchmarks/cost_model.py`, which uses the same
features. The tables' bytes are not estimated but counted. AVR's cycles are cycles; on Cortex-M and RISC-V they are
instructions, which is what QEMU counts. Xtensa has no simulator here: its flash and stack are those of the LX106's compiler
(the same base instructions with the call0 ABI), its cycles are not known.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mcugen.boards import Arch, Board
from mcugen.ir import DType
from mcugen.op import Cost
from mcugen.ops.tree_ensemble import forms, integers, words
from mcugen.ops.tree_ensemble.combined import chains
from mcugen.ops.tree_ensemble.layout import Line, Table, joined
from mcugen.ops.tree_ensemble.ranks import Ranks
from mcugen.ops.tree_ensemble.votes import words_of

if TYPE_CHECKING:
    from mcugen.ops.tree_ensemble import TreeEnsemble

Features = Mapping[str, float]
Weights = Mapping[str, Mapping[str, Mapping[str, float]]]  # form -> figure -> feature -> weight
SHORT_JUMP = 126  # bytes that a conditional jump of AVR reaches
SHORT_RETURNS = (
    3  # bytes: three calls deep, and a return address has 2 bytes up to 128 KiB, 3 where the weights were fitted
)
NEAR_FEATURE = 16  # x[15] is the last that a load reaches from x without computing an address
WINDOWS = 96  # bytes: three calls deep, and the ESP32's windowed calls save up to 32 B each where the LX106 saves none
FORMS_AS: Arch = "riscv32"  # whose instructions tell the forms apart where an architecture's own cycles are not known
_SAME: Mapping[Arch, Arch] = {"cortex-m7": "cortex-m4f", "host": "cortex-m4f"}
_ISA: Mapping[Arch, words.Isa] = {
    "cortex-m0plus": "thumb",
    "cortex-m3": "thumb2",
    "cortex-m4f": "thumb2",
    "cortex-m7": "thumb2",
    "riscv32": "riscv",
    "xtensa": "xtensa",
    "host": "thumb2",
}


def estimate(op: TreeEnsemble, form: str, board: Board) -> Cost:
    """Flash of code and tables, cycles (or instructions) of one call, stack: for the expected rows (see Trees.visits)."""
    own = _own(board.arch, form, op.x)
    flash = dot(own["flash"], code_features(op, form, board.arch)) + table_bytes(op, form)
    counted = "cycles" in own
    ran = own if counted else _own(FORMS_AS, form, op.x)
    cycles = dot(ran["cycles"], cycle_features(op, form, board.arch))
    stack = dot(own["stack"], stack_features(op, form, board.arch)) + _calls(board)
    return Cost(max(0, round(flash)), max(1, round(cycles)), max(0, round(stack)), counted)


def known(form: str, x: DType, arch: Arch) -> bool:
    """Whether anything is known of what the form costs there."""
    return key_of(form, x) in weights(arch) or form in weights(arch)


def key_of(form: str, x: DType) -> str:
    """The name under which a form's weights are kept: rows of integers have their own."""
    return form if x == DType.F32 else f"{form} {x.short}"


def _own(arch: Arch, form: str, x: DType) -> Mapping[str, Mapping[str, float]]:
    found = weights(arch)
    return found.get(key_of(form, x)) or found[form]


def _calls(board: Board) -> int:
    """Bytes of stack that calls take on the board, more than where the weights were fitted."""
    if board.arch == "xtensa":
        return WINDOWS
    return -SHORT_RETURNS if board.arch == "avr" and board.flash <= 1 << 17 else 0


def dot(weights: Mapping[str, float], features: Features) -> float:
    """The weighted sum; a feature that no measured model had counts nothing."""
    return sum(weights.get(name, 0.0) * value for name, value in features.items())


def table_bytes(op: TreeEnsemble, form: str) -> int:
    """Bytes of the tables in flash, exactly."""
    ranks, table = _ranks(op, form), _table(op, form)
    return op.encodings.leaves.nbytes + (table.nbytes if table else 0) + (ranks.nbytes if ranks else 0)


def _ranks(op: TreeEnsemble, form: str) -> Ranks | None:
    return op.encodings.ranks if "ranks" in form else None


def _table(op: TreeEnsemble, form: str) -> Table | None:
    if not form.startswith("table"):
        return None
    return op.encodings.ranked_table if "ranks" in form else op.encodings.table


def code_features(op: TreeEnsemble, form: str, arch: Arch) -> Counter[str]:
    """What the size of the code depends on, counted once per form and kind of processor."""
    key = f"{form} {_ISA.get(arch, arch)}"
    if key not in op.encodings.counted:
        op.encodings.counted[key] = _code_features(op, form, arch)
    return op.encodings.counted[key]


def _code_features(op: TreeEnsemble, form: str, arch: Arch) -> Counter[str]:
    found = Counter(_common(op) | _counting(op, form, arch))
    if ranks := _ranks(op, form):
        found.update(integers.search_code(ranks))
    if table := _table(op, form):
        found["pointers"] = op.trees.n_trees  # in `table`, beyond the two bytes that are counted
        return found + Counter(_table_kind(table))
    wide = "32" if op.encodings.literals else "16" if op.encodings.leaves.codes > 256 else ""
    found["tree" + wide] += op.trees.n_trees
    trees = op.encodings.branches(forms.cut(arch), "ranks" in form)
    found.update(_functions(op, form, arch))
    for part in (part for tree in trees for part in tree):
        if "ranks" in form or op.x != DType.F32:
            width = 1 if "ranks" in form else op.x.nbytes
            found.update(integers.part_features(part, "avr" if arch == "avr" else _ISA[arch], width))
        else:
            found.update(
                _part_features(part, wide, form, op.trees.takes_nan)
                if arch == "avr"
                else words.part_features(part, _ISA[arch], op.trees.takes_nan)
            )
    return found


def _functions(op: TreeEnsemble, form: str, arch: Arch) -> dict[str, int]:
    """How many functions there are where one walks several trees."""
    if form.startswith("table"):
        return {}
    trees = op.encodings.branches(forms.cut(arch), "ranks" in form)
    if _is_joined(op, arch):
        return {"joined": len(joined(trees))}
    if op.encodings.packed or op.encodings.literals:
        return {"chained": sum(len(group) for group in chains(trees, forms.cut(arch)))}
    return {}


def _is_joined(op: TreeEnsemble, arch: Arch) -> bool:
    """Whether one function walks several trees there."""
    return forms.joins(op, forms.cut(arch))


def _counting(op: TreeEnsemble, form: str, arch: Arch) -> dict[str, float]:
    """How votes of branches are counted: in one number, in words, or in memory."""
    if form.startswith("table") or op.encodings.leaves.kind != "votes":
        return {}
    if packed := op.encodings.packed:
        kind = f"packed {packed.total} {op.output}"
    elif _is_joined(op, arch) and (words := words_of(op.encodings.leaves, op.trees.n_trees)):
        kind = f"words {words} {op.output}"
    else:
        return {}
    return {
        f"votes {kind}": 1.0,
        f"trees {kind}": float(op.trees.n_trees),
        f"classes {kind}": float(op.trees.n_outputs),
    }


def stack_features(op: TreeEnsemble, form: str, arch: Arch) -> Features:
    """What the deepest stack depends on: the sums are the only array there."""
    leaves = op.encodings.leaves
    found = {"base": 1.0} | _common(op)
    sums = op.trees.n_outputs * leaves.total // 8 if leaves.kind in ("votes", "shares") else 0
    if sums:
        found["sums"] = sums
    if ranks := _ranks(op, form):
        found["row"] = float(ranks.row)
    found |= _counting(op, form, arch)
    return found if arch == "avr" else found | _stack_of_words(op, form, arch, sums)


def cycle_features(op: TreeEnsemble, form: str, arch: Arch) -> Features:
    """What the cycles of a call depend on: the splits and leaves that a row is expected to pass."""
    trees, leaves = op.encodings.trees, op.encodings.leaves
    found: dict[str, float] = {f"base {name}": value for name, value in _common(op).items()}
    found["tree"] = found[f"tree {leaves.kind} {leaves.total}"] = trees.n_trees
    found[f"outputs {op.output}"] = trees.n_outputs
    found |= _counting(op, form, arch) | _functions(op, form, arch)
    split = trees.feature >= 0
    seen = np.where(split, trees.visits, 0.0)
    if ranks := _ranks(op, form):
        trees = replace(ranks.trees, threshold=np.abs(ranks.trees.threshold))
        found |= integers.search_cycles(ranks)
    negative = np.signbit(trees.threshold)
    for name, chosen in (
        ("L", trees.missing_left & ~negative),
        ("R", ~trees.missing_left & ~negative),
        ("N", negative),
    ):
        name += "" if trees.takes_nan else " only numbers"
        found[f"split {name}"] = float(seen[chosen & split].sum())
        found[f"right {name}"] = float(trees.visits[trees.right[chosen & split]].sum())
    found["far"] = float(seen[split & (trees.feature > _near(op, form, arch))].sum())
    if arch != "avr":
        found |= _cycles_of_words(op, form, float(seen.sum()))
    if leaves.kind == "shares":
        impure = (leaves.code >= leaves.direct) & ~split
        found[f"impure {leaves.total}"] = float(trees.visits[impure].sum())
        classes = (trees.values[trees.leaf[impure]] > 0).sum(axis=1)
        found[f"share {leaves.total} of {leaves.share_bytes}"] = float((trees.visits[impure] * classes).sum())
    return found


def _near(op: TreeEnsemble, form: str, arch: Arch) -> int:
    """The last place of a row that a load reaches without computing an address."""
    if "ranks" in form or op.x != DType.F32:
        width = 1 if "ranks" in form else op.x.nbytes
        return integers.NEAR["avr" if arch == "avr" else _ISA[arch]] // width
    return (NEAR_FEATURE if arch == "avr" else words.NEAR_FEATURE) - 1


def _cycles_of_words(op: TreeEnsemble, form: str, splits: float) -> dict[str, float]:
    """More that instructions depend on where registers have 32 bits: soft floats and 64-bit sums cost calls there."""
    leaves, table = op.encodings.leaves, _table(op, form)
    found = {f"outputs {op.output} of {leaves.total}": float(op.trees.n_outputs)}
    if len(leaves.units):
        trees = op.encodings.trees
        impure = (leaves.code >= leaves.direct) & (trees.feature < 0)
        classes = (trees.values[trees.leaf[impure]] > 0).sum(axis=1)
        found[f"counted of {leaves.share_bytes}"] = float((trees.visits[impure] * classes).sum())
        found["counted"] = float(trees.visits[impure].sum())
    if table:
        found |= {f"split {kind}": value * splits for kind, value in _table_kind(table).items()}
    return found


def _stack_of_words(op: TreeEnsemble, form: str, arch: Arch, sums: int) -> dict[str, float]:
    """More that the stack depends on there: what is called, how arrays are rounded, and branches that call branches."""
    leaves = op.encodings.leaves
    several = "forest" if op.trees.n_trees > 1 else "tree"
    counted = " counted" if len(leaves.units) else ""
    found = {f"{several} {op.output} of {leaves.total} and {leaves.share_bytes}{counted}": 1.0}
    found["rounding"] = float(-sums % (16 if arch == "riscv32" else 8))
    if sums > 64:  # cleared by a call
        found[f"large sums of {leaves.total}{counted}"] = 1.0
    if not form.startswith("table"):
        trees = op.encodings.branches(forms.cut(arch), "ranks" in form)
        chain = max((words.deepest(tree) for tree in trees), key=sum)
        found[f"{several} depth"] = len(chain) - 1.0
        found[f"{several} chain"] = float(sum(chain))
        found |= {f"{several} over {some}": 1.0 for some in (8, 16, 24, 64, 256) if max(chain) > some}
        if _is_joined(op, arch):
            most = max(sum(line.feature >= 0 for t in g for part in trees[t] for line in part) for g in joined(trees))
            found |= {f"joined over {some}": 1.0 for some in (0, 16, 32, 64, 128, 256, 512) if most > some}
    return found


def _common(op: TreeEnsemble) -> dict[str, float]:
    leaves = op.encodings.leaves
    several = "forest" if op.trees.n_trees > 1 else "tree"
    kind = f"{several} {leaves.kind}"
    found = {f"{kind} {op.output}": 1.0, f"{kind} sums of {leaves.total}": 1.0}
    if leaves.kind == "shares":
        found[f"shares of {leaves.share_bytes}{' counted' if len(leaves.units) else ''}"] = 1.0
    if leaves.kind in ("numbers", "sums"):
        found[f"{leaves.kind} of {leaves.width}"] = 1.0
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


def _part_features(part: list[Line], wide: str, form: str, takes_nan: bool) -> Iterator[str]:
    yield "function"
    at, place = 0, []
    for line in part:
        place.append(at)
        at += (60 if form == "branches16" else 36) if line.feature >= 0 else 6
    yield from (f"codes{wide}" for _ in {line.code for line in part if line.feature < 0 and line.part < 0})
    for here, line in zip(place, part, strict=True):
        if line.feature >= 0:
            yield from _split_features(line, form, place[line.target] - here, takes_nan)
        else:
            yield "jump" if line.part >= 0 else f"leaf{wide}"


def _split_features(line: Line, form: str, distance: int, takes_nan: bool) -> Iterator[str]:
    kind = ("N" if line.negative else "") + (line.missing if takes_nan else "X")
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
def weights(arch: Arch) -> Weights:
    """The weights of an architecture, or of the one whose code is most like its."""
    file = Path(__file__).parent / f"cost_{_SAME.get(arch, arch)}.json"
    return json.loads(file.read_text())  # type: ignore[no-any-return]
