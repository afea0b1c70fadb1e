"""Which nodes run row by row: dynamic programming over the order of nodes, so that the largest step takes the least RAM.

A step is a node, or a region (mcugen/memory/rows.py). Bytes of a region: whole tensors from before it, whole tensors that it leaves,
and the rows that lie in between. These hardly depend on where a region begins and ends, so they are found once for every run of nodes
that go from row to row; the regions chosen are then simulated alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from mcugen.ir import Graph, Storage
from mcugen.memory.live import live_bytes, live_ranges, rows_taken_over, views
from mcugen.memory.overlap import Shift
from mcugen.memory.rows import MOST_NODES, Held, Region, Taken, is_streamed, outside, run_by_rows, steps_of

Rows = npt.NDArray[np.int64]  # a number of rows for each step of a node
Regions = tuple[Region, ...]
LAYERS = ("conv_rows", "pool_rows")
LOOKS = 6  # at what the regions chosen really take


def regions(graph: Graph, layers: Sequence[int]) -> tuple[Regions, ...]:
    """For each number of layers the regions with which the most that is live is least; of such choices the one with the fewest rows
    inside of regions. None where whole tensors take no more, but for what the caller gives row by row. `layers`: how many of a region's
    nodes may be more than functions of single elements and joins; with one, a layer's input is put together, or its output goes on, row by
    row.
    """
    if not any(layers) and not is_streamed(graph):
        return ((),) * len(layers)
    search = _Search(graph, live_bytes(graph))
    return tuple(_regions(search, most) for most in layers)


def _regions(search: _Search, layers: int) -> Regions:
    graph = search.graph
    first = (search.simulated(0, 1),) if is_streamed(graph) else ()
    if len(search.alone) < 2 or not layers:
        return first
    found: Regions = ()
    costs = search.estimates(layers)
    exact: dict[tuple[int, int], int] = {}  # bytes of regions that were simulated alone
    for _ in range(LOOKS):
        found = tuple(search.simulated(begin, end) for begin, end in search.chosen(costs | exact))
        found = found if found and found[0].begin == 0 else (*first, *found)
        live = live_bytes(graph, regions=found)
        now = {(region.begin, region.end): live[region.begin] for region in found}
        if now.items() <= exact.items():
            break
        exact |= now
    return found if max(live_bytes(graph, regions=found)) < max(search.alone) else first


@dataclass(eq=False)
class _Search:
    graph: Graph
    alone: tuple[int, ...]  # live bytes of each node as a step of its own
    steps: list[Taken | None] = field(init=False)
    sizes: dict[str, int] = field(init=False)  # of every value with a buffer, whole
    rows: dict[str, int] = field(init=False)  # of those that could be rows
    scratch: list[int] = field(init=False)  # bytes that each node needs for itself alone
    across: list[int] = field(init=False)  # bytes of whole values that live before a node and in it or later
    first: dict[str, int] = field(init=False)  # the node that makes a value
    last: dict[str, int] = field(init=False)  # the last one that takes it
    kept: frozenset[str] = field(init=False)  # values that are rows nowhere
    regions: dict[tuple[int, int], Region] = field(default_factory=dict)
    read: dict[tuple[int, int], tuple[Rows, Rows]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        graph = self.graph
        ranges = live_ranges(graph)
        self.steps = [steps_of(graph, node) for node in graph.nodes]
        if is_streamed(graph):  # the caller's outputs are there once all rows have come
            owner = views(graph)
            for at, node in enumerate(graph.nodes):
                made = graph.values[owner.get(node.outputs[0], node.outputs[0])]
                self.steps[at] = self.steps[at] if made.storage is Storage.TEMP else None
        self.sizes = {n: graph.values[n].type.nbytes for n in ranges if graph.values[n].storage is Storage.TEMP}
        self.first = {name: ranges[name].first for name in self.sizes}
        self.last = {name: ranges[name].last for name in self.sizes}
        change = [0] * (len(graph.nodes) + 2)
        for name, size in self.sizes.items():
            change[ranges[name].first + 1] += size
            change[ranges[name].last + 1] -= size
        self.across = [*accumulate(change)]
        self.scratch = [0 if node.op.running else self._room(at) for at, node in enumerate(graph.nodes)]
        self.kept = self._read_whole()
        self.rows = {}
        for begin, end in self._runs():
            region = self.simulated(begin, end)
            self.rows |= {name: self._bytes(name, one) for name, one in region.held.items()}
            self._look_at_brief(region)

    def _look_at_brief(self, region: Region) -> None:
        """Rows that are there for some turns only: their bytes belong to the nodes that run then, at most."""
        brief = [
            name for name, held in region.held.items() if held.rows == 1 and _is_brief(region.is_busy(name, False))
        ]
        found = np.zeros(len(region.schedule), np.int64)
        for name in brief:
            found += self.rows[name] * region.is_busy(name, False)
        for made, taken in rows_taken_over(self.graph, region).items():
            if made in brief and taken in brief:
                found -= self.rows[made] * (region.is_busy(made, False) & region.is_busy(taken, False))
        nodes = np.array(region.schedule)
        for at in range(region.begin, region.end):
            self.scratch[at] += int(found[nodes == at].max(initial=0))
        self.rows |= dict.fromkeys(brief, 0)

    def _room(self, at: int) -> int:
        node = self.graph.nodes[at]
        names = node.outputs[len(node.outputs) - node.op.scratch :] if node.op.scratch else ()
        return sum(self.sizes.get(name, 0) for name in names)

    def _read_whole(self) -> frozenset[str]:
        """Values that some node reads whole, at any time, or that are seen under another type."""
        whole = {name for name in self.sizes if name not in self.graph.producer}
        for at, node in enumerate(self.graph.nodes):
            taken = self.steps[at]
            reads = taken.reads[0] if taken else (None,) * len(node.inputs)
            whole |= {name for name, rows in zip(node.inputs, reads, strict=True) if rows is None}
        return frozenset(whole)

    def _runs(self) -> Iterator[tuple[int, int]]:
        """The longest runs of nodes that go from row to row."""
        begin = 0
        for at, taken in enumerate([*self.steps, None]):
            if taken is None:
                if at - begin > 1:
                    yield begin, at
                begin = at + 1

    def simulated(self, begin: int, end: int) -> Region:
        """The region of these nodes."""
        if (begin, end) not in self.regions:
            whole = outside(self.graph, begin, end)
            self.regions[begin, end] = run_by_rows(self.graph, self.steps, begin, end, whole)
        return self.regions[begin, end]

    def spans(self, at: int, into: int) -> tuple[Rows, Rows]:
        """For each step of a node the first row of an input that it or a later one reads, and the last one that it or one before has
        read, and one.
        """
        if (at, into) not in self.read:
            taken = self.steps[at]
            assert taken is not None
            rows = np.array([one[into] or (0, 0) for one in taken.reads])
            self.read[at, into] = np.minimum.accumulate(rows[::-1, 0])[::-1], np.maximum.accumulate(rows[:, 1])
        return self.read[at, into]

    def _bytes(self, name: str, held: Held) -> int:
        return self.sizes.get(name, 0) // held.height * held.rows

    def costs(self, begin: int, most: int, most_layers: int) -> Iterator[tuple[int, int]]:
        """(end, bytes) of every region from a node on that takes less than `most`."""
        rows = scratch = running = layers = 0
        waiting: dict[str, int] = {}  # made inside, and when it is read last
        lags = [
            _Lag(self, name, at)
            for name, at in self.last.items()
            if self.first[name] < begin <= at and name not in self.kept and self.sizes[name] * 16 > most
        ]
        for at in range(begin, min(len(self.graph.nodes), begin + MOST_NODES)):
            node, taken = self.graph.nodes[at], self.steps[at]
            if taken is None or any(n in waiting and n in self.kept for n in node.inputs):
                return
            layers += node.op.name in LAYERS
            if layers > most_layers:
                return
            made = node.outputs[0]
            if made in self.sizes:
                waiting[made] = self.last[made]
            for lag in lags:
                lag.add(at)
            for name in {*node.inputs, made}:
                if name in waiting and waiting[name] <= at:
                    rows += self.rows.get(name, self.sizes[name])
                    del waiting[name]
            running += self._room(at) if node.op.running else 0
            scratch = max(scratch, self.scratch[at])
            if rows + running >= most:
                return
            if at > begin:
                whole = self.across[begin] + sum(map(self.sizes.__getitem__, waiting))
                cost = whole + rows + scratch + running
                dead = [lag for lag in lags if lag.last <= at]
                if (
                    dead
                    and waiting
                    and cost - min(max(one.size for one in dead), max(map(self.sizes.__getitem__, waiting))) < most
                ):
                    cost -= max(lag.saves(name) for lag in dead for name in waiting)
                if cost < most:
                    yield at + 1, cost

    def estimates(self, layers: int) -> dict[tuple[int, int], int]:
        """The bytes of every region that might take less than whole tensors do, by (begin, end)."""
        most = max(self.alone)
        begins = range(len(self.graph.nodes))
        return {(begin, end): cost for begin in begins for end, cost in self.costs(begin, most, layers)}

    def chosen(self, costs: Mapping[tuple[int, int], int]) -> list[tuple[int, int]]:
        """Of regions that take so many bytes those to run by rows, first to last."""
        count = len(self.graph.nodes)
        most = max(self.alone)
        ways: list[list[tuple[int, int]]] = [[] for _ in range(count + 1)]  # to each position: (from, bytes)
        for begin, cost in enumerate(self.alone):
            ways[begin + 1].append((begin, cost))
        for (begin, end), cost in costs.items():
            ways[end].append((begin, cost))
        peak = [0, *([most] * count)]
        for end in range(1, count + 1):
            peak[end] = min(max(peak[begin], cost) for begin, cost in ways[end])
        return self._cheapest(ways, peak[count])

    def _cheapest(self, ways: Sequence[Sequence[tuple[int, int]]], peak: int) -> list[tuple[int, int]]:
        """Of the ways to the end that never take more than `peak` one with the fewest steps of nodes inside of regions."""
        effort: list[tuple[int, int]] = [(0, 0)]  # and from where
        for end in range(1, len(ways)):
            found = [(effort[begin][0] + self._effort(begin, end), begin) for begin, cost in ways[end] if cost <= peak]
            effort.append(min(found, default=(1 << 60, end - 1)))
        chosen, end = [], len(ways) - 1
        while end:
            begin = effort[end][1]
            if end - begin > 1:
                chosen.append((begin, end))
            end = begin
        return chosen[::-1]

    def _effort(self, begin: int, end: int) -> int:
        return self._steps_before[end] - self._steps_before[begin] if end - begin > 1 else 0

    @cached_property
    def _steps_before(self) -> list[int]:
        """The steps of all nodes before each position."""
        return [*accumulate((taken.count if taken else 0 for taken in self.steps), initial=0)]


def _is_brief(busy: npt.NDArray[np.bool_]) -> bool:
    """Whether it is so in less than half of the time from first to last."""
    turns = np.flatnonzero(busy)
    return turns.size > 0 and 2 * turns.size < turns[-1] - turns[0] + 1


class _Lag:
    """How far the nodes of a region, from its first on, leave a whole input behind that dies in it: what a result may reach into."""

    def __init__(self, search: _Search, name: str, last: int) -> None:
        self.search, self.name, self.last = search, name, last
        type = search.graph.values[name].type
        self.height, self.row, self.size = type.shape[0], type.nbytes // type.shape[0], type.nbytes
        self.saved: dict[str, int] = {}
        self.new: list[int] = []  # nodes that are not looked at yet: most are asked for nothing
        # Of what a node makes: for each of its steps the first row of the input read from then on.
        self.needs: dict[str, Rows] = {}

    def add(self, at: int) -> None:
        """The next node."""
        self.new.append(at)

    def _look(self, at: int) -> None:
        taken = self.search.steps[at]
        assert taken is not None
        found = np.full(taken.count + 1, self.height)
        for into, name in enumerate(taken.node.inputs):
            starts, ends = self.search.spans(at, into)
            if name == self.name:
                found[:-1] = np.minimum(found[:-1], starts)
            elif name in self.needs:
                needs = self.needs[name]
                found[:-1] = np.minimum(found[:-1], needs[np.minimum(ends, len(needs) - 1)])
        if not taken.node.op.running:
            self.needs[taken.node.outputs[0]] = found

    def saves(self, made: str) -> int:
        """The bytes that a result and the input may have in common."""
        for at in self.new:
            self._look(at)
        self.new = []
        if made not in self.saved:
            self.saved[made] = self._saves(made) if made in self.needs else 0
        return self.saved[made]

    def _saves(self, made: str) -> int:
        type = self.search.graph.values[made].type
        needs, row = self.needs[made][:-1], type.nbytes // type.shape[0]
        below = int((np.arange(1, len(needs) + 1) * row - needs * self.row).max())
        return Shift(below, self.size).saves(self.size, type.nbytes) if below < type.nbytes else 0
