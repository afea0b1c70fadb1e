"""What the template of trees that are not averaged needs, beyond what all trees do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from mcugen.ops.tree_ensemble.leaves import Leaves
from mcugen.ops.tree_ensemble.trees import Trees, preorder

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
    return replace(leaves, code=code)


def render(op: TreeEnsemble, bits: Callable[[int], int]) -> dict[str, Any]:
    """The values of templates/ops/tree_ensemble/combined.c.j2; `bits` of the type that counts to a number."""
    leaves, combine = op.encodings.leaves, op.trees.combine
    inline = op.encodings.literals is not None and not op.form.startswith("table")
    ends = chain(leaves.first.tolist(), [len(leaves.table)])
    found: dict[str, Any] = {
        "inline": inline,
        "link": combine.link,
        "amount": np.float32(combine.amount),
        "base": np.float32(combine.base[0]),
        "at_zero": combine.at_zero,
        "power": np.float32(combine.factor * leaves.scale),
        "given": {"proba": "p", "decision": "d"}.get(op.output),
        "sum_ctype": f"int{leaves.total}_t",
        "place_bits": bits(max(end for _, end in pairwise(ends)) if leaves.kind == "sums" else 0),
        "unit": f"2^{round(np.log2(leaves.scale))}",
        "half": (int(leaves.weights.sum()) + 1) // 2,
    }
    return found | ({"code_bits": 32} if inline else {})
