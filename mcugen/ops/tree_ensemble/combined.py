"""What the template of trees that are not averaged needs, beyond what all trees do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from mcugen.ops.tree_ensemble.layout import Line
from mcugen.ops.tree_ensemble.leaves import Leaves
from mcugen.ops.tree_ensemble.trees import Trees, preorder
from mcugen.pairs import pair_of

if TYPE_CHECKING:
    from mcugen.ops.tree_ensemble import TreeEnsemble


def uses_exp(op: TreeEnsemble) -> bool:
    """Whether the C calls expf."""
    link = op.trees.combine.link
    return {"value": link == "exp", "decision": link == "isolation", "proba": op.trees.combine.how != "mean"}.get(
        op.output, False
    )


def literals(trees: Trees, leaves: Leaves) -> Leaves | None:
    """The leaves with their numbers themselves as codes, modulo 2**32; None where these are no 32-bit sums."""
    if leaves.kind != "sums" or leaves.total != 32:
        return None
    code = np.full(len(trees.feature), -1, np.int64)
    for root, first in zip(trees.roots, leaves.first, strict=True):
        nodes = np.array([node for node in preorder(trees, int(root)) if trees.feature[node] < 0])
        code[nodes] = leaves.table[first + leaves.code[nodes]] & 0xFFFFFFFF
    return replace(leaves, code=code, codes=1 << 32)


def inline(op: TreeEnsemble, form: str) -> bool:
    """Whether what a tree gives is the number itself, not the place of one in a table."""
    if form.startswith("table"):
        table = op.encodings.ranked_table if "ranks" in form else op.encodings.table
        return table is not None and table.numbers
    return op.encodings.literals is not None


def render(op: TreeEnsemble, bits: Callable[[int], int]) -> dict[str, Any]:
    """The values of templates/ops/tree_ensemble/combined.c.j2; `bits` of the type that counts to a number."""
    leaves, combine = op.encodings.leaves, op.trees.combine
    ends = chain(leaves.first.tolist(), [len(leaves.table)])
    found: dict[str, Any] = {
        "inline": inline(op, op.form),
        "link": combine.link,
        "amount": np.float32(combine.amount),
        "base": np.float32(combine.base[0]),
        "base_pair": pair_of(combine.base[0]) if leaves.kind == "weights" else None,
        "at_zero": combine.at_zero,
        "power": np.float32(combine.factor * leaves.scale),
        "given": {"proba": "p", "decision": "d"}.get(op.output),
        "sum_ctype": f"int{leaves.total}_t",
        "place_bits": bits(max(end for _, end in pairwise(ends)) if leaves.kind == "sums" else 0),
        "unit": f"2^{round(np.log2(leaves.scale))}",
        "half": (int(leaves.weights.sum()) + 1) // 2,
    }
    chained = found["inline"] and not op.form.startswith("table")
    return found | (_chained(op) if chained else {"of_score": [()] * op.trees.n_outputs})


Function = list[list[Line]]  # the trees that it walks, or one part of a tree


def _chained(op: TreeEnsemble) -> dict[str, Any]:
    """The trees grouped into functions of at most `op.cut` splits, none of which adds to two scores."""
    trees = op.encodings.branches(op.cut, "ranks" in op.form)
    groups: list[list[Function]] = []
    of_score: list[list[int]] = []
    per = len(trees) // op.trees.n_outputs
    for first in range(0, len(trees), per):
        begin = len(groups)
        groups += chains(trees[first : first + per], op.cut)
        of_score.append([*range(begin, len(groups))])
    return {"groups": groups, "of_score": of_score, "number": _number, "chained": "int32_t"}


def chains(trees: list[list[list[Line]]], most: int) -> Iterator[list[Function]]:
    """Groups: a function that walks several trees, or all functions of one that is too large for that."""
    together, splits = Function(), 0
    for parts in trees:
        own = sum(line.feature >= 0 for line in parts[0])
        if together and (len(parts) > 1 or splits + own > most):
            yield [together]
            together, splits = Function(), 0
        if len(parts) > 1:
            yield [[part] for part in parts]
        else:
            together.append(parts[0])
            splits += own
    if together:
        yield [together]


def _number(line: Line) -> int:
    """The number of a leaf whose code is modulo 2**32."""
    return line.code - (1 << 32) if line.code >> 31 else line.code
