"""What a tree ensemble costs on a board, before anything is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcugen.boards import Board
from mcugen.op import Cost

if TYPE_CHECKING:
    from mcugen.ops.tree_ensemble import TreeEnsemble


def estimate(op: TreeEnsemble, form: str, board: Board) -> Cost:
    """Flash, cycles of one call and stack of the ensemble in this form."""
    splits = int((op.trees.feature >= 0).sum())
    if form == "table":
        assert op.encodings.table is not None
        return Cost(op.encodings.table.nbytes + 250, splits * 60, 30)
    return Cost(splits * (68 if form == "branches16" else 45), splits * 20, 20)
