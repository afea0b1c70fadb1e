"""The packer: gives each buffer an offset such that no two that live at once lose a byte of each other.

Greedy by size is the order of Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net Inference" (2020). Where it needs
more than is live at some step, buffers are placed step by step (sweep.py), then in orders near by, until one reaches that bound. Where
that leaves more than a hundredth, a solver goes on, if it is installed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from types import MappingProxyType

from mcugen.ir import Graph, Storage
from mcugen.memory.live import Range, live_ranges, overlaps, size_of, taken_over
from mcugen.memory.overlap import Shift, apart
from mcugen.memory.rows import Region
from mcugen.memory.solve import is_installed, solved
from mcugen.memory.sweep import Sweep

TRIES = 400  # orders of buffers, at most
LOOKS = 1_000_000  # at pairs of buffers by these
SLACK, PART = 32, 100  # bytes above the bound, and one of so many parts of it, that no solver is started for
MOST_PAIRS = 5_000  # of buffers that meet: with more a solver finds nothing in its time


@dataclass(frozen=True)
class Buffer:
    """One stretch of the arena: the values that live in it one after the other, its bytes, alignment and live range."""

    values: tuple[str, ...]
    nbytes: int
    align: int
    live: Range
    # In regions, by where they begin: the turns in which it is needed, a bit for each.
    busy: Mapping[int, int] = field(default_factory=dict)

    def meets(self, other: Buffer) -> bool:
        """Whether both are needed at once."""
        if not self.live.meets(other.live):
            return False
        begin = max(self.live.first, other.live.first)
        return begin not in self.busy or begin not in other.busy or self.busy[begin] & other.busy[begin] != 0

    @property
    def begins(self) -> int:
        """The turn of its first region in which it is needed first; 0 where that is always."""
        turns = self.busy.get(self.live.first, 0)
        return (turns & -turns).bit_length()


Shifts = Mapping[tuple[int, int], Shift]  # which buffer (made) may reach into which (taken), by (taken, made)


def buffers(graph: Graph, regions: Sequence[Region] = ()) -> tuple[Buffer, ...]:
    """One buffer per chain of TEMP values that take each other's place, in the order they are first written."""
    ranges = live_ranges(graph, regions)
    pairs = taken_over(graph, ranges, regions)
    after = {source: target for target, source in pairs.items()}
    heads = [v.name for v in graph.of(Storage.TEMP) if v.name in ranges and v.name not in pairs]
    return tuple(_buffer(graph, tuple(_chain(head, after)), ranges, regions) for head in heads)


def shifts(graph: Graph, wanted: Sequence[Buffer], regions: Sequence[Region] = ()) -> Shifts:
    """Which of a function's buffers may reach into which."""
    number = {name: i for i, buffer in enumerate(wanted) for name in buffer.values}
    found = overlaps(graph, live_ranges(graph, regions), regions)
    return {(number[source], number[made]): one for (source, made), one in found.items()}


def among(shifts: Shifts, some: Sequence[int]) -> Shifts:
    """The shifts between some of the buffers, by their places there."""
    at = {number: place for place, number in enumerate(some)}
    return {(at[taken], at[made]): one for (taken, made), one in shifts.items() if taken in at and made in at}


def pack(wanted: Sequence[Buffer], shifts: Shifts = MappingProxyType({}), bound: int | None = None) -> tuple[int, ...]:
    """The offset of each buffer, in bytes: placed one after the other, each at the lowest place that is left, the biggest first.
    With a `bound`, in other orders too, until all end there or enough were tried. It depends on nothing but the arguments.
    """
    problem = _Problem(tuple(wanted), shifts)
    if bound is None:
        return problem.placed(next(problem.orders))
    best = min((problem.placed(order) for order in problem.orders), key=problem.height)
    if problem.height(best) > bound:
        best = problem.swept(best, bound)
    if problem.height(best) > bound:
        best = problem.climbed(best, bound)
    near = bound + max(SLACK, bound // PART)
    hard = problem.height(best) > near and problem.pairs <= MOST_PAIRS
    return problem.solved(best, bound) if hard and is_installed() else best


@dataclass(eq=False)
class _Problem:
    """Which buffers each one meets, and where it may not begin in relation to them."""

    buffers: tuple[Buffer, ...]
    shifts: Shifts
    apart: list[list[tuple[int, int, int, bool]]] = field(init=False)  # (other, from, to, but for its very place)

    def __post_init__(self) -> None:
        buffers = self.buffers
        self.apart = [[] for _ in buffers]
        first = sorted(range(len(buffers)), key=lambda i: buffers[i].live.first)
        for at, i in enumerate(first):
            for j in first[at + 1 :]:
                if buffers[j].live.first > buffers[i].live.last:
                    break
                if buffers[i].meets(buffers[j]):
                    self._keep_apart(i, j)

    def _keep_apart(self, i: int, j: int) -> None:
        """Say where each of both may not begin, in bytes from the other's first one; the limits themselves are fine."""
        taken, made = (j, i) if (j, i) in self.shifts else (i, j)
        shift = self.shifts.get((taken, made)) or apart(self.buffers[taken].nbytes, self.buffers[made].nbytes)
        self.apart[made].append((taken, -shift.below, shift.above, shift.same))
        self.apart[taken].append((made, -shift.above, shift.below, shift.same))

    @property
    def pairs(self) -> int:
        """How many pairs of buffers meet."""
        return sum(map(len, self.apart)) // 2

    @property
    def orders(self) -> Iterator[list[int]]:
        """Orders to place buffers in: the biggest first, those that live long and are big, as they are written, and back."""
        buffers = self.buffers
        every = range(len(buffers))
        spans = [b.live.last - b.live.first + 1 for b in buffers]
        yield sorted(every, key=lambda i: (-buffers[i].nbytes, buffers[i].live.first, i))
        yield sorted(every, key=lambda i: (-buffers[i].nbytes * spans[i], buffers[i].live.first, i))
        yield sorted(every, key=lambda i: (buffers[i].live.first, -buffers[i].nbytes, i))
        yield sorted(every, key=lambda i: (-buffers[i].live.last, -buffers[i].nbytes, i))

    def placed(self, order: Sequence[int]) -> tuple[int, ...]:
        """The offsets where each buffer in turn gets the lowest place that those before it leave."""
        found = self.placed_below(order, math.inf)
        assert found is not None
        return found

    def placed_below(self, order: Sequence[int], most: float) -> tuple[int, ...] | None:
        """The same; None where one ends above `most`."""
        offsets: dict[int, int] = {}
        for i in order:
            near = [(offsets[j], low, high, same) for j, low, high, same in self.apart[i] if j in offsets]
            offsets[i] = _lowest(near, self.buffers[i].align)
            if offsets[i] + self.buffers[i].nbytes > most:
                return None
        return tuple(offsets[i] for i in range(len(self.buffers)))

    def height(self, offsets: Sequence[int]) -> int:
        """Bytes of an arena for these offsets."""
        return max((o + b.nbytes for o, b in zip(offsets, self.buffers, strict=True)), default=0)

    def swept(self, offsets: tuple[int, ...], bound: int) -> tuple[int, ...]:
        """Offsets that are no worse, step by step; in a region, where all steps are one, the biggest first."""
        buffers = self.buffers
        order = sorted(
            range(len(buffers)), key=lambda i: (buffers[i].live.first, -buffers[i].nbytes, buffers[i].begins, i)
        )
        sizes, aligns = tuple(b.nbytes for b in buffers), tuple(b.align for b in buffers)
        found = Sweep(sizes, aligns, tuple(map(tuple, self.apart)), tuple(order)).placed(bound, self.height(offsets))
        return offsets if found is None else found

    def climbed(self, offsets: tuple[int, ...], bound: int) -> tuple[int, ...]:
        """Offsets that are no worse: what ends highest is placed earlier, and two places in the order are exchanged at random."""
        chance = random.Random(len(offsets))
        buffers = self.buffers
        order = sorted(range(len(buffers)), key=lambda i: (offsets[i], -buffers[i].nbytes, i))
        best = here = offsets
        for _ in range(min(TRIES, LOOKS // max(self.pairs, 1)) if len(buffers) > 1 else 0):
            changed, height = [*order], self.height(here)
            highest = [i for i in order if here[i] + buffers[i].nbytes == height]
            moved = chance.choice(highest if chance.random() < 0.5 else order)
            changed.remove(moved)
            changed.insert(chance.randrange(len(order)), moved)
            if chance.random() < 0.5:
                a, b = chance.randrange(len(order)), chance.randrange(len(order))
                changed[a], changed[b] = changed[b], changed[a]
            found = self.placed_below(changed, height)
            if found is not None:
                here, order = found, changed
            if self.height(here) < self.height(best):
                best = here
            if self.height(best) <= bound:
                break
        return best

    def solved(self, offsets: tuple[int, ...], bound: int) -> tuple[int, ...]:
        """Offsets that are no worse, by a solver."""
        pairs = [(i, j, low, high, same) for j, near in enumerate(self.apart) for i, low, high, same in near if i < j]
        sizes, aligns = [b.nbytes for b in self.buffers], [b.align for b in self.buffers]
        return solved(sizes, aligns, pairs, offsets, bound)


def _lowest(near: Sequence[tuple[int, int, int, bool]], align: int) -> int:
    """The lowest aligned offset that none of the buffers near by forbids: each at an offset, from and to which in relation to it
    nothing may begin, but for the very place.
    """
    offset = 0
    for start, end, exempt in sorted((at + low, at + high, at if same else -1) for at, low, high, same in near):
        if start < offset < end and offset != exempt:
            offset = -(-end // align) * align
    return offset if _free(near, offset) else _lowest_slowly(near, align)


def _free(near: Sequence[tuple[int, int, int, bool]], offset: int) -> bool:
    return all(not low < offset - at < high or (same and offset == at) for at, low, high, same in near)


def _lowest_slowly(near: Sequence[tuple[int, int, int, bool]], align: int) -> int:
    """The same by trying every offset at which some limit lies."""
    ends = {0} | {at + high for at, _, high, _ in near} | {at for at, *_, same in near if same}
    rounded = sorted(-(-end // align) * align for end in ends if end >= 0)
    return next(offset for offset in rounded if _free(near, offset))


def _chain(head: str, after: Mapping[str, str]) -> Iterator[str]:
    name: str | None = head
    while name is not None:
        yield name
        name = after.get(name)


def _buffer(graph: Graph, values: tuple[str, ...], ranges: Mapping[str, Range], regions: Sequence[Region]) -> Buffer:
    align = max(t.dtype.nbytes for t in graph.types(values))
    live = Range(ranges[values[0]].first, ranges[values[-1]].last)
    busy = {}
    for region in regions:
        here = [n for n in values if ranges[n].first < region.end and ranges[n].last >= region.begin]
        turns = [region.turns(name, ranges[name].last >= region.end) for name in here]
        if turns and None not in turns:
            busy[region.begin] = reduce(or_, (one for one in turns if one is not None))
    return Buffer(values, size_of(graph, values[0], regions), align, live, busy)
