"""The checker: replays a plan with a tag on every byte and refuses one in which two live bytes meet.

It knows nothing of live ranges, buffers or how the plan was made; it sees places, steps and what the ops say of themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from mcugen.diagnostics import Diagnostic, McugenError
from mcugen.ir import Array, Graph, Module, Node, Storage, Value
from mcugen.memory.live import is_free, views
from mcugen.memory.rows import Held, Region

if TYPE_CHECKING:
    from mcugen.memory.plan import MemoryPlan, Place

PLACED = (Storage.TEMP, Storage.STATE)


def check(module: Module, plan: MemoryPlan) -> None:
    """Refuse a plan that would lose a byte: E0202 lists every value that is misplaced and every two that meet."""
    problems = [p for graph in module.functions for p in _function(graph, module, plan)]
    if problems:
        raise McugenError(
            Diagnostic("E0202", f"memory plan: {p}", "this is a bug in mcugen: please report it") for p in problems
        )


def _function(graph: Graph, module: Module, plan: MemoryPlan) -> list[str]:
    # A replay of values that lie outside of their memory or of steps that are not there would say nothing.
    problems = [*_place_problems(graph, plan), *_step_problems(graph, plan)]
    return problems or [f"{graph.name}: {p}" for p in _Replay(graph, module, plan).run()]


def _place_problems(graph: Graph, plan: MemoryPlan) -> Iterator[str]:
    sizes = {m.name: m.nbytes for m in plan.memories}
    owner = views(graph)
    for value in graph.values.values():
        if value.storage in PLACED and not _is_the_callers(graph, owner, value.name):
            yield from _misplaced(value, plan.places.get(value.name), sizes, _held(graph, plan).get(value.name))
    for old, new in graph.state:
        if plan.places.get(old) != plan.places.get(new):
            yield f"state %{old} and its next value %{new} lie apart"


def _is_the_callers(graph: Graph, owner: Mapping[str, str], name: str) -> bool:
    """Whether a value is a view of the caller's buffer."""
    return name in owner and graph.values[owner[name]].storage not in PLACED


def _held(graph: Graph, plan: MemoryPlan) -> dict[str, Held]:
    """The values that are some of their rows only."""
    return {name: held for region in plan.regions(graph) for name, held in region.held.items()}


def _misplaced(value: Value, place: Place | None, sizes: dict[str, int], held: Held | None) -> Iterator[str]:
    if place is None:
        yield f"%{value.name} has no place"
        return
    wanted = value.type.nbytes if held is None else value.type.nbytes // value.type.shape[0] * held.rows
    if place.nbytes != wanted:
        yield f"%{value.name} takes {wanted} B and has {place.nbytes} B"
    if place.offset < 0 or place.offset + place.nbytes > sizes.get(place.memory, -1):
        yield f"%{value.name} at {place.offset} lies outside of {place.memory} ({sizes.get(place.memory, 0)} B)"
    if place.offset % value.type.dtype.nbytes:
        yield f"%{value.name} at {place.offset} is not aligned to {value.type.dtype.nbytes} B"


def _step_problems(graph: Graph, plan: MemoryPlan) -> Iterator[str]:
    order = [node for step in plan.of(graph) for node in step.nodes]
    if sorted(order) != list(range(len(graph.nodes))):
        yield f"{graph.name} does not run every node once"
        return
    at = {node: position for position, node in enumerate(order)}
    for before, after in graph.flow.edges:
        if at[before] > at[after]:
            yield f"%{graph.nodes[after].name} is made before %{graph.nodes[before].name}, which it takes"


class _Replay:
    """One function, run step by step over memories whose bytes hold the number of the value that was written there.

    The STATE of the other functions is there too: it must be whole when this one returns.
    """

    def __init__(self, graph: Graph, module: Module, plan: MemoryPlan) -> None:
        self.graph, self.plan = graph, plan
        self.lasting = [*dict.fromkeys(n for g in module.functions for n in _lasting(g))]
        self.views = owner = views(graph)
        placed = [v.name for v in graph.values.values() if v.storage in PLACED]
        mine = (name for name in placed if not _is_the_callers(graph, owner, name))
        self.names = [*dict.fromkeys([*self.lasting, *mine])]
        self.number = {name: i for i, name in enumerate(self.names)}
        # The same bytes have one number, whatever they are called.
        self.number |= {view: self.number[root] for view, root in owner.items() if root in self.number}
        self.tags = {m.name: np.full(m.nbytes, -1, np.int64) for m in plan.memories}

    def run(self) -> Iterator[str]:
        for name in self.lasting:
            self._write(name)
        for step in self.plan.of(self.graph):
            if step.region is not None:
                yield from _Rows(self, step.region).run()
            else:
                yield from self._step(self.graph.nodes[step.nodes[0]], step.backward)
        now = dict(self.graph.state)
        for name in self.lasting:
            yield from self._read(now.get(name, name), "whoever calls next")

    def _step(self, node: Node, backward: bool) -> Iterator[str]:
        inputs = [(i, n) for i, n in enumerate(node.inputs) if n in self.number]
        outputs = [(i, n) for i, n in enumerate(node.outputs) if n in self.number]
        for _, name in inputs:
            yield from self._read(name, node.op.name)
        if is_free(node, self.views):
            return  # nothing is written
        yield from self._overlaps([n for _, n in outputs])
        by_rows = [source for into, source in inputs if self._reached(node, into)]
        if by_rows or backward:
            yield from self._rows(node, backward)
        for out, target in outputs:
            for into, source in inputs:
                if source in by_rows and out == 0:
                    continue
                if self._meet(source, target) and not self._may_take_over(node, into, out):
                    yield f"{node.op.name} may not write %{target} over its input %{source}"
            self._write(target)

    def _reached(self, node: Node, into: int) -> bool:
        """Whether the first output reaches into an input, other than byte for byte as the op allows."""
        source, target = node.inputs[into], node.outputs[0]
        if target not in self.number or not self._meet(source, target) or self._may_take_over(node, into, 0):
            return False
        return bool(node.op.reads(0, *self.graph.types(node.inputs)))

    def _rows(self, node: Node, backward: bool) -> Iterator[str]:
        """The first output, row by row: what a row is made of has to be there until it is written."""
        target, types = node.outputs[0], self.graph.types(node.inputs)
        height = self.graph.values[target].type.shape[0]
        written = self._at(target).reshape(height, -1)
        for row in reversed(range(height)) if backward else range(height):
            written[row] = self.number[target]
            reads = node.op.reads(row, *types)
            for into, (name, type, rows) in enumerate(zip(node.inputs, types, reads, strict=True)):
                if name not in self.number or self._may_take_over(node, into, 0):
                    continue
                here = self._at(name)
                first, end = rows or (0, type.shape[0] if type.shape else 1)
                part = here.reshape(type.shape[0], -1)[first:end] if type.shape else here
                if (part != self.number[name]).any():
                    yield f"{node.op.name} loses %{name} while it writes row {row} of %{target} over it"
                    return

    def _may_take_over(self, node: Node, into: int, out: int) -> bool:
        """Only what the op allows, and byte for byte: a shifted overlap is another matter."""
        names = node.inputs[into], node.outputs[out]
        source, target = (self.plan.places[name] for name in names)
        taken, made = self.graph.types(names)
        in_place = (
            out == 0 and into == node.op.in_place and taken.size == made.size
        )  # else it reads what it has written over
        return source == target and (node.op.updates[out : out + 1] == (into,) or in_place)

    def _overlaps(self, names: list[str]) -> Iterator[str]:
        for left, right in combinations(names, 2):
            if self._meet(left, right):
                yield f"%{left} and %{right} meet"

    def _meet(self, left: str, right: str) -> bool:
        a, b = self.plan.places[left], self.plan.places[right]
        apart = a.memory != b.memory or a.offset + a.nbytes <= b.offset or b.offset + b.nbytes <= a.offset
        return not apart and min(a.nbytes, b.nbytes) > 0

    def _at(self, name: str) -> Array:
        place = self.plan.places[name]
        return self.tags[place.memory][place.offset : place.offset + place.nbytes]

    def _write(self, name: str) -> None:
        self._at(name)[:] = self.number[name]

    def _read(self, name: str, reader: str) -> Iterator[str]:
        here = self._at(name)
        for tag in np.unique(here[here != self.number[name]]):
            if tag == -1:
                yield f"%{name} is read by {reader} and was never written"
            else:
                yield f"%{name} and %{self.names[tag & 0xFFFF_FFFF]} meet: {reader} finds the second where it needs the first"


class _Rows:
    """The nodes of a region, step by step: a row is there from when it is made until its buffer is full and it goes."""

    def __init__(self, replay: _Replay, region: Region) -> None:
        self.replay, self.region, self.graph = replay, region, replay.graph
        self.taken = dict.fromkeys(range(region.begin, region.end), 0)  # steps of each node
        self.made = {self.graph.nodes[at].outputs[0]: 0 for at in self.taken}  # rows of each result

    def run(self) -> Iterator[str]:
        for at in self.taken:
            for name in self.graph.nodes[at].inputs:
                if name in self.replay.number and name not in self.made:
                    yield from self.replay._read(name, self.graph.nodes[at].op.name)
        for at in self.region.schedule:
            problem = self._step(at)
            if problem:
                yield f"{self.graph.nodes[at].op.name}, step {self.taken[at]}: {problem}"
                return
        short = (name for name, rows in self.made.items() if name not in self.region.held and rows < self._height(name))
        yield from (f"%{name} is not made to its last row" for name in short)

    def _step(self, at: int) -> str:
        """One step of a node; what is wrong with it."""
        node, step = self.graph.nodes[at], self.taken[at]
        types = self.graph.types(node.inputs)
        reads = node.op.reads(0 if node.op.running else step, *types)
        if node.op.running:
            reads = ((step, step + 1), *reads[1:])
        rooms = [name for name in node.outputs[1:] if name in self.replay.number]
        if node.op.running and step > 0 and any((self._at(n) != self._tag(n)).any() for n in rooms):
            return "what it keeps from row to row is lost"
        for name in rooms:
            self._at(name)[:] = self._tag(name)
        wanted = list(zip(node.inputs, reads, strict=True))
        before = self._problem(wanted)  # which its scratch may have caused
        made = node.outputs[0]
        if not before and (not node.op.running or step + 1 == types[0].shape[0]):
            self._make(made)
            if any((self._at(n) != self._tag(n)).any() for n in rooms):
                return f"%{made} meets what it is worked out in"
        self.taken[at] += 1
        kept = [one for into, one in enumerate(wanted) if not self._taken_over(node, into)]
        return before or self._problem(kept, f"while it writes %{made} ")

    def _taken_over(self, node: Node, into: int) -> bool:
        """Whether an input's row becomes the output's, byte for byte."""
        both = [self.region.held.get(name) for name in (node.inputs[into], node.outputs[0])]
        rows = all(one is not None and one.rows == 1 for one in both)
        return rows and self.replay._may_take_over(node, into, 0)

    def _make(self, name: str) -> None:
        """The next row of a result, and the rows of its buffer that go for it."""
        row = self.made[name]
        self.made[name] += 1
        if name not in self.replay.number:
            return
        held = self.region.held.get(name)
        rows = self._at(name).reshape(held.rows if held else self._height(name), -1)
        if held is None:
            rows[row] = self._tag(name)
            return
        before, after = held.first(row), held.first(row + 1)
        if after > before:
            rows[: row - after] = rows[after - before : row - before].copy()
        rows[row - after] = self._tag(name, row)

    def _problem(self, wanted: list[tuple[str, tuple[int, int] | None]], when: str = "") -> str:
        """Which row of an input is not there; empty where all are."""
        for name, rows in wanted:
            if name not in self.replay.number:
                continue
            begin, end = rows or (0, self._height(name))
            if name in self.made and end > self.made[name]:
                return f"it reads row {end - 1} of %{name}, which is not made yet"
            held = self.region.held.get(name)
            here = self._at(name).reshape(held.rows if held else self._height(name), -1)
            first = held.first(self.made[name]) if held else 0
            for row in range(begin, end):
                if row < first or (here[row - first] != self._tag(name, row if held else None)).any():
                    return f"{when}row {row} of %{name} is lost"
        return ""

    def _at(self, name: str) -> Array:
        return self.replay._at(name)

    def _height(self, name: str) -> int:
        shape = self.graph.values[name].type.shape
        return shape[0] if shape else 1

    def _tag(self, name: str, row: int | None = None) -> int:
        return self.replay.number[name] + (0 if row is None else (row + 1) << 32)


def _lasting(graph: Graph) -> Iterator[str]:
    return (v.name for v in graph.of(Storage.STATE) if v.name not in graph.producer)
