"""What the size of a tree ensemble's code and the depth of its stack depend on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mcugen.boards import Arch
from mcugen.ir import DType
from mcugen.ops.tree_ensemble import avr, combined, forms, integers, words
from mcugen.ops.tree_ensemble.combined import chains
from mcugen.ops.tree_ensemble.joints import Joints
from mcugen.ops.tree_ensemble.layout import Table, distinct, joined
from mcugen.ops.tree_ensemble.ranks import Ranks
from mcugen.ops.tree_ensemble.splits import Splits, windows
from mcugen.ops.tree_ensemble.trees import Trees
from mcugen.ops.tree_ensemble.votes import words_of

if TYPE_CHECKING:
    from mcugen.ops.tree_ensemble import TreeEnsemble

Features = Mapping[str, float]
CROWDS = (50, 150)  # splits of a function
LEAST_SPLIT, LEAST_LEAF = 6, 2  # bytes: a load, a comparison and a jump of two each, and the way from a leaf
_ISA: Mapping[Arch, words.Isa] = {
    "cortex-m0plus": "thumb",
    "cortex-m3": "thumb2",
    "cortex-m4f": "thumb2",
    "cortex-m7": "thumb2",
    "riscv32": "riscv",
    "xtensa": "xtensa",
    "host": "thumb2",
}


def isa(arch: Arch) -> integers.Isa:
    """The instructions that an architecture has."""
    return "avr" if arch == "avr" else _ISA[arch]


def ranks_of(op: TreeEnsemble, form: str) -> Ranks | None:
    """The ranks that a form needs."""
    return op.encodings.ranks if "ranks" in form else None


def table_of(op: TreeEnsemble, form: str) -> Table | None:
    """The table that a form has."""
    if not form.startswith("table"):
        return None
    return op.encodings.ranked_table if "ranks" in form else op.encodings.table


def table_bytes(op: TreeEnsemble, form: str, arch: Arch) -> int:
    """Bytes of the tables in flash, exactly."""
    ranks, table = ranks_of(op, form), table_of(op, form)
    lists = ranks.nbytes if ranks and not searched(form, arch) else 0
    return _leaf_bytes(op, form) + (table.nbytes if table else 0) + lists


def near_bytes(op: TreeEnsemble, form: str) -> int:
    """Bytes of the tables that a form reads through an AVR's near addresses."""
    table = table_of(op, form) if form.endswith("_far") else None
    return table_bytes(op, form, "avr") - (table.nbytes if table else 0)


def least_code(op: TreeEnsemble, form: str) -> int:
    """Bytes that code of branches has at least, whatever was measured: where several trees are one function, a compiler may
    follow what one of them has shown into the next, and writes splits again.
    """
    if form.startswith("table"):
        return 0
    splits = op.encodings.distinct_splits
    return LEAST_SPLIT * splits + LEAST_LEAF * (splits + op.trees.n_trees)


def _leaf_bytes(op: TreeEnsemble, form: str) -> int:
    """Bytes of what leaves mean, where that is not in the code."""
    leaves, several = op.encodings.leaves, op.trees.n_trees > 1
    in_loop = form.startswith("table") and not form.endswith("far") and several
    found = 4 * len(leaves.weights) if leaves.kind == "median" or in_loop else 0
    if combined.inline(op, form):
        return found
    places = 1 if len(leaves.table) < 256 else 2 if len(leaves.table) < 65536 else 4
    found += places * len(leaves.first) if in_loop else 0
    return found + len(leaves.table) * leaves.width + 8 * len(leaves.units)


def code_features(op: TreeEnsemble, form: str, arch: Arch) -> Features:
    """What the size of the code depends on, counted once per form and kind of processor."""
    key = f"{form} {_ISA.get(arch, arch)}"
    if key not in op.encodings.counted:
        op.encodings.counted[key] = with_far(_code_features(op, form, arch), form)
    return op.encodings.counted[key]


def with_far(found: Features, form: str) -> Features:
    """The same for tables that are read through far addresses: what is more there has weights of its own."""
    return {**found, **{f"far {name}": value for name, value in found.items()}} if form.endswith("_far") else found


def _code_features(op: TreeEnsemble, form: str, arch: Arch) -> Counter[str]:
    found = Counter(kinds(op) | counting(op, form, arch))
    if ranks := ranks_of(op, form):
        found.update(_search_code(op, ranks, form, arch))
    if table := table_of(op, form):
        found["pointers"] = op.trees.n_trees  # in `table`, beyond the two bytes that are counted
        return found + Counter(table_kind(table))
    wide, walked = leaf_bits(op, arch), Counter(functions(op, form, arch))
    walked["tree" + wide] += op.trees.n_trees
    for part in distinct(op.encodings.branches(forms.cut(arch), "ranks" in form)):
        if "ranks" in form or op.x != DType.F32:
            width = 1 if "ranks" in form else op.x.nbytes
            walked.update(integers.part_features(part, isa(arch), width, wide))
        elif arch == "avr":
            walked.update(avr.part_features(part, wide, splits_of(op, form)))
        else:
            walked.update(words.part_features(part, _ISA[arch], wide, form == "branches_float"))
    if arch != "avr":
        walked.update(_joints(op, form, arch))
        walked.update(_crowded(op, form, arch))
    return found + of_walk(walked, op, form)


def of_walk(found: Mapping[str, float], op: TreeEnsemble, form: str) -> Counter[str]:
    """Features of the code of splits, which no two forms share; ranks are the same bytes for all types."""
    compared = "ranks" if "ranks" in form else form if op.x == DType.F32 else op.x.short
    return Counter({f"{compared}: {name}": value for name, value in found.items()})


def leaf_bits(op: TreeEnsemble, arch: Arch) -> str:
    """What a leaf of branches does: adds a number of so many bits to a sum or counts, votes, or returns a code of 8 or 16."""
    if op.encodings.literals:
        return " added 32"
    if packed := op.encodings.packed:
        return f" added {packed.total}"
    if _is_joined(op, arch):
        return " voted"
    return " 16" if op.encodings.leaves.codes > 256 else ""


def splits_of(op: TreeEnsemble, form: str) -> Splits:
    """How AVR's branches compare floats: in the trees, or where ranks are searched for."""
    return Splits(form != "branches", 1 if "ranks" in form else windows(op.trees.n_features, op.trees.n_trees))


def searched(form: str, arch: Arch) -> bool:
    """Whether ranks are found by branches."""
    return form == "branches_ranks" and arch == "avr"


def _search_code(op: TreeEnsemble, ranks: Ranks, form: str, arch: Arch) -> Counter[str]:
    if not searched(form, arch):
        return Counter(integers.search_code(ranks))
    found = Counter({f"put {ranks.ways}": ranks.used, f"puts {ranks.ways}": 1})
    for part in (part for tree in op.encodings.searches(forms.cut(arch)) for part in tree):
        if op.x == DType.F32:
            found.update(f"search {name}" for name in avr.part_features(part, "", splits_of(op, form)))
        else:
            found.update(f"search {name}" for name in integers.part_features(part, "avr", op.x.nbytes, ""))
    return found


def functions(op: TreeEnsemble, form: str, arch: Arch) -> dict[str, int]:
    """How many functions there are where one walks several trees."""
    kind = "joined" if _is_joined(op, arch) else "chained"
    return {kind: found} if (found := len(together(op, form, arch))) else {}


def together(op: TreeEnsemble, form: str, arch: Arch) -> list[list[int]]:
    """The numbers of the trees that one function walks, of every such function; none where each tree is a function."""
    if form.startswith("table"):
        return []
    trees = op.encodings.branches(forms.cut(arch), "ranks" in form)
    if _is_joined(op, arch):
        return joined(trees)
    if not op.encodings.packed and not op.encodings.literals:
        return []
    found: list[list[int]] = []
    each = len(trees) if op.encodings.packed else len(trees) // op.trees.n_outputs
    for first in range(0, len(trees), each):
        number = first
        for group in chains(trees[first : first + each], forms.cut(arch)):
            several = len(group[0]) if len(group) == 1 else 1
            found += [[*range(number, number + several)], *([number] for _ in group[1:])]
            number += several
    return found


def _joints(op: TreeEnsemble, form: str, arch: Arch) -> Counter[str]:
    """What is found where one function walks several trees (see Joints)."""
    ranks = ranks_of(op, form)
    trees = ranks.trees if ranks else op.encodings.trees
    found = Joints(trees, _followed(trees, form))
    for numbers in together(op, form, arch):
        found.count(numbers)
    return found.found


def _crowded(op: TreeEnsemble, form: str, arch: Arch) -> dict[str, int]:
    """The splits of functions beyond so many: there jumps are longer, constants further away and registers fewer."""
    trees = op.encodings.branches(forms.cut(arch), "ranks" in form)
    own = [[sum(line.feature >= 0 for line in part) for part in tree] for tree in trees]
    groups = together(op, form, arch)
    sizes = (
        [sum(sum(own[number]) for number in group) for group in groups] if groups else [n for tree in own for n in tree]
    )
    return {f"over {some}": sum(max(0, size - some) for size in sizes) for some in CROWDS}


def _followed(trees: Trees, form: str) -> npt.NDArray[np.bool_]:
    """Which splits compare integers."""
    splits = trees.feature >= 0
    if form != "branches_float":
        return splits
    rare = trees.visits[trees.left] < trees.visits[trees.right]
    return splits & (trees.numbers | (rare & ~trees.missing_left))


def _is_joined(op: TreeEnsemble, arch: Arch) -> bool:
    """Whether one function walks several trees there."""
    return forms.joins(op, forms.cut(arch))


def counting(op: TreeEnsemble, form: str, arch: Arch) -> dict[str, float]:
    """How votes of branches are counted: in one number, in words, or in memory."""
    if form.startswith("table") or op.encodings.leaves.kind != "votes":
        return {}
    if packed := op.encodings.packed:
        kind = f"packed {packed.total} {op.output}{' majority' if op.trees.n_outputs == 2 else ''}"
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
    found = {"base": 1.0} | kinds(op)
    sums = op.trees.n_outputs * leaves.total // 8 if leaves.kind in ("votes", "shares") else 0
    if sums:
        found["sums"] = sums
    if ranks := ranks_of(op, form):
        found["row"] = float(ranks.row)
    found |= counting(op, form, arch)
    return with_far(found if arch == "avr" else found | _stack_of_words(op, form, arch, sums), form)


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


def kinds(op: TreeEnsemble) -> dict[str, float]:
    """What kind of leaves there are, what is done with them, and what is asked for."""
    leaves, link = op.encodings.leaves, op.trees.combine.link
    several = "forest" if op.trees.n_trees > 1 else "tree"
    kind = f"{several} {leaves.kind}"
    one = " one" if leaves.kind in ("sums", "weights") and op.trees.n_outputs == 1 else ""
    asked = f"{op.output}{f' by {link}' if combined.uses_exp(op) else ''}{one}"
    found = dict.fromkeys((asked, f"{several} {asked}", kind, f"{kind} {asked}", f"{kind} sums of {leaves.total}"), 1.0)
    if leaves.kind == "shares":
        found[f"shares of {leaves.share_bytes}{' counted' if len(leaves.units) else ''}"] = 1.0
    if leaves.kind in ("numbers", "sums"):
        found[f"{leaves.kind} of {leaves.width}"] = 1.0
    if leaves.codes > 256:
        found["wide codes"] = 1.0
    return found


def table_kind(table: Table) -> dict[str, float]:
    """Which of its variants a table is."""
    return {
        f"head {table.head}": 1.0,
        f"threshold {table.threshold}{' ranked' if table.ranked else ''}{' halves' if table.halves else ''}": 1.0,
        f"leaf {table.leaf}{' or direct' if table.leaf and table.direct else ''}": 1.0,
        f"features listed {bool(table.features)}": 1.0,
        "numbers": float(table.numbers),
        "escapes": float(table.escapes),
        "negative": float((table.keys < 0).any()),
    }
