"""The exact ways to walk the trees, and which of them a board can have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mcugen.boards import AVR_NEAR, Arch, Board
from mcugen.diagnostics import error
from mcugen.ir import DType
from mcugen.ops.tree_ensemble.combined import inline
from mcugen.ops.tree_ensemble.splits import WITH_UNIT

if TYPE_CHECKING:
    from mcugen.ops.tree_ensemble import TreeEnsemble

CUT_ON_AVR = 32  # splits of a function, at most 80 B each: far under the 4 KiB that every short jump reaches
CUT = 1_000  # elsewhere only so that compilers need not take minutes
AVR_OBJECT = 32_767  # bytes: avr-gcc refuses larger objects


def cut(arch: Arch) -> int:
    """How many splits one function may have."""
    return CUT_ON_AVR if arch == "avr" else CUT


def joins(op: TreeEnsemble, cut: int) -> bool:
    """Whether a function walks several trees and counts their votes: not on AVR, where functions are short."""
    return cut > CUT_ON_AVR and op.trees.n_trees > 1 and op.encodings.leaves.kind == "votes"


def available(op: TreeEnsemble, board: Board, near: int = AVR_NEAR) -> list[str]:
    """The names of the forms, with tables of so many bytes through near addresses; E0303 where a board can have none."""
    found = [name for name in (*_branches(op, board), *_tables(op, board, near)) if _is_addressed(op, name, board.arch)]
    if not found:
        help = "fewer trees or `max_depth`; a board with a 32-bit processor has no such limit"
        raise error("E0303", "the tables of the model are larger than an 8-bit AVR can address", help=help)
    return found


def _is_addressed(op: TreeEnsemble, form: str, arch: Arch) -> bool:
    """Whether what the leaves mean, where that is a table, is not too large for one object."""
    leaves = op.encodings.leaves
    return (
        arch != "avr" or inline(op, form) or max(len(leaves.table) * leaves.width, 8 * len(leaves.units)) <= AVR_OBJECT
    )


def _branches(op: TreeEnsemble, board: Board) -> Iterator[str]:
    yield "branches"
    if op.x == DType.F32 and board.arch == "avr":
        yield "branches16"
    if op.x == DType.F32 and board.fpu and _compares_floats(op, cut(board.arch)):
        yield "branches_float"
    if op.encodings.ranks:
        yield "branches_ranks"


def _compares_floats(op: TreeEnsemble, cut: int) -> bool:
    """Whether a unit for floats is quicker with any split; where not, `branches` is the same."""
    lines = (line for tree in op.encodings.branches(cut) for part in tree for line in part if line.feature >= 0)
    return any(not WITH_UNIT.takes(line) for line in lines)


def _tables(op: TreeEnsemble, board: Board, most: int) -> Iterator[str]:
    leaves, ranks = op.encodings.leaves.nbytes, op.encodings.ranks
    walked = {"table": op.encodings.table, "table_ranks": op.encodings.ranked_table}
    for name, table in walked.items():
        if table:
            near = (
                (0 if table.numbers else leaves)
                + table.nbytes
                + (ranks.nbytes if ranks and name == "table_ranks" else 0)
            )
            yield f"{name}_far" if board.arch == "avr" and near > most else name
