"""What of the arena, or of several, is dead when a kernel is called: bytes that nobody reads any more as what they hold.

Worked out by a replay of the plan that knows of no live ranges, buffers or overlaps: which bytes each call of a kernel reads, moves and
writes, and then, from the last call to the first, which of them somebody still wants. The generated C can be compiled so that it spoils
the dead ones (`emit.check_header`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mcugen.ir import Graph, Node, Storage
from mcugen.memory.live import is_free, views
from mcugen.memory.rows import Region, is_given

if TYPE_CHECKING:
    from mcugen.memory.plan import MemoryPlan

NOBODY = -1  # as a tag: never written, or wanted by nobody
Stretch = tuple[int, int]  # from the first byte to the one after the last
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Before:
    """The arena before a call of a kernel; several memories lie one after the other (`parted`).

    dead  what has died since the call before; before the first one, all that holds nothing
    used  all that the kernel reads or writes, and what moves to make room for what it writes; and what comes into the arena before the
          next call, that of the next input behind the last one
    """

    dead: tuple[Stretch, ...]
    used: tuple[Stretch, ...]


@dataclass
class _Call:
    """A call of a kernel, or an input that the caller writes. A tag says which bytes are meant: a value's number, and of rows
    that move, which one.
    """

    reads: list[tuple[slice, int]] = field(default_factory=list)
    moves: list[tuple[slice, slice]] = field(default_factory=list)  # from and to, before all else
    writes: list[tuple[slice, int]] = field(default_factory=list)
    buffers: list[slice] = field(default_factory=list)  # in which rows move
    arrives: bool = False

    @property
    def touched(self) -> list[slice]:
        """Where it reads or writes."""
        return [*(at for at, _ in self.reads), *(at for at, _ in self.writes), *self.buffers]


def before_calls(graph: Graph, plan: MemoryPlan) -> tuple[Before, ...]:
    """The arena before each call of a kernel in a function, in the order of calls."""
    calls = [*_Trace(graph, plan).calls()]
    holds = np.full(plan.arena, NOBODY, np.int64)
    lost = [_run(call, holds) for call in calls]  # what each call has written over
    wanted = np.full(plan.arena, NOBODY, np.int64)
    changed, used = _touched(calls, plan.arena)
    found = []
    for at in reversed(range(len(calls))):
        for part, old in reversed(lost[at]):
            holds[part] = old
        _want(calls[at], wanted)
        if at in used:
            dead = (stretch for part in changed[at] for stretch in _dead(holds, wanted, part))
            found.append(Before(_merged(dead), _merged((part.start, part.stop) for part in used[at])))
    return tuple(reversed(found))


def _touched(calls: Sequence[_Call], arena: int) -> tuple[dict[int, list[slice]], dict[int, list[slice]]]:
    """For each call of a kernel what was touched since the one before, and what will be until the next one."""
    kernels = [at for at, call in enumerate(calls) if not call.arrives]
    touched = [
        [part for call in calls[begin:end] for part in call.touched] for begin, end in pairwise([*kernels, len(calls)])
    ]
    changed = dict(zip(kernels, [[slice(0, arena)], *touched], strict=False))
    if kernels:
        touched[-1] += [part for call in calls[: kernels[0]] for part in call.touched]
    return changed, dict(zip(kernels, touched, strict=True))


def parted(stretch: Stretch, plan: MemoryPlan) -> Iterator[tuple[int, int, int]]:
    """The same bytes in the arrays of the C, which has none for a memory without a byte: the array's number, from where to where there."""
    arrays = [one for one in plan.arenas if one.nbytes]
    base = 0
    for number, memory in enumerate(arrays):
        begin, end = (min(max(at - base, 0), memory.nbytes) for at in stretch)
        if begin < end:
            yield number, begin, end
        base += memory.nbytes


def _run(call: _Call, holds: npt.NDArray[np.int64]) -> list[tuple[slice, npt.NDArray[np.int64]]]:
    """A call's bytes put into place; what was there before."""
    lost = []
    for source, target in call.moves:
        lost.append((target, holds[target].copy()))
        holds[target] = holds[source].copy()
    for part, tag in call.writes:
        lost.append((part, holds[part].copy()))
        holds[part] = tag
    return lost


def _want(call: _Call, wanted: npt.NDArray[np.int64]) -> None:
    """From what is wanted after a call to what is wanted before it."""
    for part, _ in call.writes:
        wanted[part] = NOBODY
    for part, tag in call.reads:
        wanted[part] = tag
    for source, target in reversed(call.moves):
        moved = wanted[target].copy()
        wanted[target] = NOBODY
        wanted[source] = np.where(moved == NOBODY, wanted[source], moved)


def _dead(holds: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64], part: slice) -> list[Stretch]:
    """The stretches of a part in which nobody wants what is there."""
    gone = (wanted[part] == NOBODY) | (holds[part] != wanted[part])
    edges = np.flatnonzero(np.diff(np.concatenate(([False], gone, [False])).astype(np.int8)))
    return [(part.start + int(a), part.start + int(b)) for a, b in edges.reshape(-1, 2)]


def _merged(found: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """The same bytes in as few stretches as can be, from the first to the last."""
    merged: list[Stretch] = []
    for first, end in sorted(one for one in found if one[0] < one[1]):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((first, end))
    return tuple(merged)


class _Trace:
    """The calls of kernels of one function, in their order."""

    def __init__(self, graph: Graph, plan: MemoryPlan) -> None:
        self.graph, self.plan = graph, plan
        self.owner = views(graph)
        sizes = [memory.nbytes for memory in plan.arenas]
        self.base = {memory.name: sum(sizes[:at]) for at, memory in enumerate(plan.arenas)}
        inside = [v for v in graph.of(Storage.TEMP) if v.name in plan.places and v.type.shape != ()]
        roots = [self.owner.get(value.name, value.name) for value in inside]
        number = {name: i for i, name in enumerate(dict.fromkeys(roots))}
        self.number = {value.name: number[root] for value, root in zip(inside, roots, strict=True)}

    def calls(self) -> Iterator[_Call]:
        """All of them."""
        for step in self.plan.of(self.graph):
            node = self.graph.nodes[step.nodes[0]]
            if step.region is not None:
                yield from self._region(step.region)
            elif step.backward:
                yield from (self._row(node, row) for row in reversed(range(self._height(node.outputs[0]))))
            elif not is_free(node, self.owner):
                yield _Call(
                    [one for name in node.inputs for one in self._whole(name)],
                    writes=[one for name in node.outputs for one in self._whole(name)],
                    arrives=is_given(node),
                )

    def _row(self, node: Node, row: int) -> _Call:
        """A node that makes one row, all of whose inputs are whole."""
        call = _Call(writes=[*self._rows(node.outputs[0], row, row + 1)])
        call.writes += [one for name in node.outputs[1:] for one in self._whole(name)]
        for name, rows in zip(node.inputs, node.op.reads(row, *self.graph.types(node.inputs)), strict=True):
            call.reads += self._rows(name, *rows) if rows else self._whole(name)
        return call

    def _region(self, region: Region) -> Iterator[_Call]:
        """Nodes that make their rows in turn."""
        steps = dict.fromkeys(range(region.begin, region.end), 0)
        made = {self.graph.nodes[at].outputs[0]: 0 for at in steps}
        for at in region.schedule:
            node, step = self.graph.nodes[at], steps[at]
            steps[at] += 1
            yield self._turn(region, node, step, made)

    def _turn(self, region: Region, node: Node, step: int, made: dict[str, int]) -> _Call:
        types, (target, *rooms) = self.graph.types(node.inputs), node.outputs
        running = node.op.running
        reads = node.op.reads(0 if running else step, *types)
        if running:
            reads = ((step, step + 1), *reads[1:])
        kept = [one for name in rooms for one in self._whole(name)]
        call = _Call(kept if running and step else [], writes=kept)
        for name, rows in zip(node.inputs, reads, strict=True):
            held = region.held.get(name)
            if held and rows:
                call.reads += self._rows(name, *rows, held.first(made[name]), moving=True)
            else:
                call.reads += self._rows(name, *rows) if rows else self._whole(name)
        if not running or step + 1 == types[0].shape[0]:
            self._make(call, region, target, made)
        return call

    def _make(self, call: _Call, region: Region, name: str, made: dict[str, int]) -> None:
        """A row of a node's result, and what goes and moves for it."""
        row, held = made[name], region.held.get(name)
        made[name] += 1
        if held is None:
            call.writes += self._rows(name, row, row + 1)
            return
        before, after = held.first(row), held.first(row + 1)
        call.writes += self._rows(name, row, row + 1, after, moving=True)
        call.buffers += [part for part, _ in self._whole(name)]
        if before < after < row:
            sources, targets = (self._rows(name, after, row, first, moving=True) for first in (before, after))
            call.moves += [(source, target) for (source, _), (target, _) in zip(sources, targets, strict=True)]

    def _whole(self, name: str) -> Iterator[tuple[slice, int]]:
        """All bytes of a value, where they are in the arena."""
        if name in self.number:
            begin = self._begin(name)
            yield slice(begin, begin + self.plan.places[name].nbytes), self.number[name]

    def _begin(self, name: str) -> int:
        """Where a value begins."""
        place = self.plan.places[name]
        return self.base[place.memory] + place.offset

    def _rows(
        self, name: str, begin: int, end: int, first: int = 0, moving: bool = False
    ) -> Iterator[tuple[slice, int]]:
        """The same of some rows in a buffer that begins with row `first`; each has a tag of its own where they are `moving`."""
        begin = max(begin, first)  # of a plan that is wrong others may be gone
        if name not in self.number or begin >= end:
            return
        height = self._height(name)
        start, size = self._begin(name), self.graph.values[name].type.nbytes // height
        parts = [(row, row + 1) for row in range(begin, end)] if moving else [(begin, end)]
        for row, after in parts:
            tag = self.number[name] + (row + 1 << 32 if moving else 0)
            yield slice(start + (row - first) * size, start + (after - first) * size), tag

    def _height(self, name: str) -> int:
        shape = self.graph.values[name].type.shape
        return shape[0] if shape else 1
