"""Votes of branches: what a leaf adds to the counts of all classes at once, in registers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mcugen.ops.tree_ensemble.leaves import Leaves

WIDTHS = (8, 16)  # bits that a function returns in registers without ado, on AVR too
MOST_WORDS = 4  # that a 32-bit processor keeps in registers beside all else


@dataclass(frozen=True, eq=False)
class Packed:
    """A leaf's vote as a number: class k > 0 counts 1 at bit (k - 1)·bits, class 0 has what no other class has.

    bits    of one class's count
    total   of the counts of all classes
    leaves  with these numbers as codes
    """

    bits: int
    total: int
    leaves: Leaves


def packed(leaves: Leaves, n_trees: int) -> Packed | None:
    """The votes of a forest in one number; None where they are no votes, or too many classes."""
    if leaves.kind != "votes" or n_trees < 2:
        return None
    for total in WIDTHS:
        for bits in (8, n_trees.bit_length()):  # whole bytes need no shifts
            if n_trees < 1 << bits and (leaves.codes - 1) * bits <= total:
                return Packed(bits, total, replace(leaves, code=_numbers(leaves, bits)))
    return None


def words_of(leaves: Leaves, n_trees: int) -> int:
    """How many words hold the counts of all classes, four in each; 0 where they are too many or a byte is too small."""
    found = -(-leaves.codes // 4)
    return found if leaves.kind == "votes" and found <= MOST_WORDS and n_trees < 256 else 0


def _numbers(leaves: Leaves, bits: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    votes = np.array([0, *(1 << (k - 1) * bits for k in range(1, leaves.codes))])
    return np.where(leaves.code < 0, -1, votes[leaves.code]).astype(np.int32)
