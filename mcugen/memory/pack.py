"""The packer: gives each buffer an offset such that no two that live at once meet, biggest first.

Greedy by size is the order of Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net Inference" (2020).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mcugen.ir import Graph, Storage
from mcugen.memory.live import Range, live_ranges, taken_over


@dataclass(frozen=True)
class Buffer:
    """One stretch of the arena: the values that live in it one after the other, its bytes, alignment and live range."""

    values: tuple[str, ...]
    nbytes: int
    align: int
    live: Range


def buffers(graph: Graph) -> tuple[Buffer, ...]:
    """One buffer per chain of TEMP values that take each other's place, in the order they are first written."""
    ranges = live_ranges(graph)
    pairs = taken_over(graph, ranges)
    after = {source: target for target, source in pairs.items()}
    heads = [v.name for v in graph.of(Storage.TEMP) if v.name in ranges and v.name not in pairs]
    return tuple(_buffer(graph, tuple(_chain(head, after)), ranges) for head in heads)


def pack(wanted: Sequence[Buffer]) -> tuple[int, ...]:
    """The offset of each buffer, in bytes: the lowest aligned one where it meets no buffer that is placed and lives with it.

    Big ones first, then by first use: the result depends on nothing but the arguments. O(n² log n).
    """
    offsets: dict[int, int] = {}
    for i in sorted(range(len(wanted)), key=lambda i: (-wanted[i].nbytes, wanted[i].live.first, i)):
        mine = wanted[i]
        taken = [(at, at + wanted[j].nbytes) for j, at in offsets.items() if wanted[j].live.meets(mine.live)]
        offsets[i] = _lowest_gap(mine.nbytes, mine.align, taken)
    return tuple(offsets[i] for i in range(len(wanted)))


def _lowest_gap(nbytes: int, align: int, taken: Iterable[tuple[int, int]]) -> int:
    offset = 0
    for start, end in sorted(taken):
        if offset + nbytes <= start:
            break
        offset = max(offset, -(-end // align) * align)
    return offset


def _chain(head: str, after: dict[str, str]) -> Iterator[str]:
    name: str | None = head
    while name is not None:
        yield name
        name = after.get(name)


def _buffer(graph: Graph, values: tuple[str, ...], ranges: dict[str, Range]) -> Buffer:
    types = graph.types(values)
    live = Range(ranges[values[0]].first, ranges[values[-1]].last)
    return Buffer(values, types[0].nbytes, max(t.dtype.nbytes for t in types), live)
