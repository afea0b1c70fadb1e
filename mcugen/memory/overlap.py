"""Overlap: how far the buffer of a result may reach into that of an input which dies while the result is made.

A kernel that makes one row after the other (`Op.reads`) is done with an input's first rows when it writes later ones. So its
output may begin `Shift.below` bytes before the input and grow over what is no longer read; or, from the last row to the first,
end above it. Writing over the input itself, place for place, is the case of one element at a time (`Op.in_place`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from mcugen.ir import Graph, Node, TensorType
from mcugen.op import Rows


@dataclass(frozen=True)
class Shift:
    """Where an output may lie in relation to an input: at most `-below` bytes from its first byte, or at least `above`; `same`:
    or exactly there. What lies between loses a byte that is still read.
    """

    below: int
    above: int
    same: bool = False

    def allows(self, shift: int) -> bool:
        """Whether an output may begin `shift` bytes after the input's first byte."""
        return shift <= -self.below or shift >= self.above or (self.same and shift == 0)

    def saves(self, taken: int, made: int) -> int:
        """The most bytes that an input of `taken` bytes and an output of `made` may have in common."""
        if self.same:
            return min(taken, made)
        forward = max(made, self.below + taken) if self.below >= 0 else max(taken, made - self.below)
        backward = max(taken, self.above + made) if self.above >= 0 else max(made, taken - self.above)
        return max(0, taken + made - min(forward, backward))


def apart(taken: int, made: int) -> Shift:
    """Of an input and an output that may not have a byte in common."""
    return Shift(made, taken)


def element_by_element(taken: TensorType, made: TensorType) -> bool:
    """Whether an op that works in place makes each element where the one lay that it is made of: four bools in the place of one
    float that is compared with four others would lose the float.
    """
    return taken.nbytes == made.nbytes and taken.size == made.size


def shift(graph: Graph, node: Node, at: int) -> Shift:
    """Where a node's first output may lie in relation to its input number `at`, which dies there and is taken once."""
    inputs, (made, *_) = graph.types(node.inputs), graph.types(node.outputs)
    taken = inputs[at]
    same = node.op.in_place == at and element_by_element(taken, made)
    found = apart(taken.nbytes, made.nbytes)
    reads = rows_read(node, inputs, made)
    if reads and all(one[at] for one in reads) and taken.shape:
        intervals = [one[at] or (0, 0) for one in reads]
        found = _shift(tuple(intervals), taken.nbytes // taken.shape[0], made.nbytes // made.shape[0])
        found = Shift(min(found.below, made.nbytes), min(found.above, taken.nbytes))
    return Shift(found.below, found.above, same)


MOST_ROWS = (1 << 16) - 1  # what the C counts; that are looked at one by one


def rows_read(node: Node, inputs: Sequence[TensorType], made: TensorType) -> list[tuple[Rows | None, ...]]:
    """For each row of the first output the rows of every input that it is made of; empty where the kernel has no rows."""
    if not made.shape or made.shape[0] > MOST_ROWS:
        return []
    found = [node.op.reads(at, *inputs) for at in range(made.shape[0])]
    return [] if () in found else found


@lru_cache(maxsize=4096)
def _shift(reads: tuple[Rows, ...], taken: int, made: int) -> Shift:
    """`taken` and `made` are the bytes of a row of both."""
    starts = [*accumulate((first for first, _ in reversed(reads)), min)][::-1]  # the first row read from here on
    ends = [*accumulate((end for _, end in reads), max)]
    below = max((at + 1) * made - first * taken for at, first in enumerate(starts))
    above = max(end * taken - at * made for at, end in enumerate(ends))
    return Shift(below, above)
