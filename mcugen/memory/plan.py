"""The memory plan: where in RAM every value lives, and the steps that a function takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar

from mcugen.boards import Target
from mcugen.ir import Graph, Module, Storage
from mcugen.memory.check import check
from mcugen.memory.live import live_bytes, views
from mcugen.memory.pack import among, buffers, pack, shifts
from mcugen.memory.place import spread
from mcugen.memory.regions import regions
from mcugen.memory.rows import MOST_NODES, Region, counter, is_streamed
from mcugen.ram import Ram

ARENA, STATE = "arena", "state"


@dataclass(frozen=True)
class Memory:
    """One stretch of RAM that the model owns: `arena` for what dies with the call, or several of other names, and `state` for what
    outlives it. `live`: the most of its bytes that are live in one step; `limit`: how many there are, where that was said.
    """

    name: str
    nbytes: int
    align: int
    live: int = 0
    limit: int | None = None

    @property
    def missing(self) -> int:
        """Bytes that it has too few."""
        return 0 if self.limit is None else max(0, self.nbytes - self.limit)


@dataclass(frozen=True)
class Place:
    """Where a value lives: `nbytes` from `offset` in a memory."""

    memory: str
    offset: int
    nbytes: int


@dataclass(frozen=True)
class Call:
    """A step that runs one whole node: its function, its position there, and the bytes of TEMP live while it runs. `backward`: its
    output reaches over its input's end, so that its rows are made from the last to the first.
    """

    function: str
    node: int
    live: int
    backward: bool = False

    region: ClassVar[None] = None

    @property
    def nodes(self) -> range:
        """The nodes of the step: this one."""
        return range(self.node, self.node + 1)


@dataclass(frozen=True, eq=False)
class Rows:
    """A step that runs nodes row by row: a region of its function, and the bytes of TEMP live while it runs."""

    function: str
    region: Region
    live: int
    backward: ClassVar[bool] = False

    @property
    def nodes(self) -> range:
        """Their positions in the function."""
        return range(self.region.begin, self.region.end)


Step = Call | Rows


@dataclass(frozen=True, eq=False)
class MemoryPlan:
    """The memories, the place of each TEMP and STATE value by name, and the steps of all functions, one after the other. What is
    a view of an INPUT or OUTPUT lies in the caller's buffer and has no place (`views` of memory/live.py).
    """

    memories: tuple[Memory, ...]
    places: Mapping[str, Place]
    steps: tuple[Step, ...]

    def memory(self, name: str) -> Memory:
        """The memory of this name."""
        return next(m for m in self.memories if m.name == name)

    def of(self, graph: Graph) -> tuple[Step, ...]:
        """The steps of one function."""
        return tuple(s for s in self.steps if s.function == graph.name)

    def regions(self, graph: Graph) -> tuple[Region, ...]:
        """What runs row by row in one function."""
        return tuple(step.region for step in self.of(graph) if step.region is not None)

    def counts(self, graph: Graph) -> int:
        """Bytes of what a streamed input needs from row to row: how many rows each node has made, and the turns they have had."""
        if not is_streamed(graph):
            return 0
        region = self.regions(graph)[0]
        return (region.end - region.begin) * counter(graph, region) + (2 if len(region.schedule) < 1 << 16 else 4)

    @property
    def arenas(self) -> tuple[Memory, ...]:
        """The memories of TEMP: one, or several, the fastest first."""
        return tuple(memory for memory in self.memories if memory.name != STATE)

    @property
    def arena(self) -> int:
        """Bytes of all of these."""
        return sum(memory.nbytes for memory in self.arenas)

    @property
    def missing(self) -> int:
        """Bytes that these have too few."""
        return sum(memory.missing for memory in self.arenas)

    @property
    def state(self) -> int:
        """Bytes of STATE."""
        return self.memory(STATE).nbytes

    @property
    def lower_bound(self) -> int:
        """Bytes that no arena for this order of nodes can do without: the most that is live in one step."""
        return max((s.live for s in self.steps), default=0)

    @property
    def proven(self) -> bool:
        """Whether no plan with this order of nodes needs less, wherever its parts lie."""
        return self.arena == self.lower_bound


def plan(module: Module, target: Target, overlap: bool = True, layers: int | None = None) -> MemoryPlan:
    """A checked plan for every function of the module on the target; `overlap`: whether results may reach into inputs that die;
    `layers`: how many layers may run row by row together, by default any number where the target asks for it.

    Functions never run at once, so their TEMP values share one arena, or one in each memory of the target. STATE lies apart, and a new STATE value at its old
    one's address. Every value is aligned to its element size on every board, because the same C must run on the host.
    """
    most = MOST_NODES if target.by_rows == "always" else 0
    return plans(module, target, (most if layers is None else layers,), overlap)[0]


def plans(module: Module, target: Target, layers: Sequence[int], overlap: bool = True) -> tuple[MemoryPlan, ...]:
    """A plan as `plan` makes it for each number of layers that may run row by row together."""
    ways = {graph.name: regions(graph, layers) for graph in module.functions}
    made: list[MemoryPlan] = []
    for number in range(len(layers)):
        found = {name: way[number] for name, way in ways.items()}
        same = (at for at in range(number) if found == {name: way[at] for name, way in ways.items()})
        at = next(same, None)
        made.append(_planned(module, target, found, overlap) if at is None else made[at])
    return tuple(made)


def _planned(module: Module, target: Target, found: Mapping[str, Sequence[Region]], overlap: bool) -> MemoryPlan:
    arenas, temps = _arenas(module, overlap, found, target.ram)
    state, states = _state(module)
    places = {**temps, **states}
    steps = tuple(step for graph in module.functions for step in _steps(graph, overlap, found[graph.name], places))
    result = MemoryPlan((*arenas, state), MappingProxyType(places), steps)
    check(module, result)
    return result


def _steps(graph: Graph, overlap: bool, regions: Sequence[Region], places: Mapping[str, Place]) -> Iterator[Step]:
    live = live_bytes(graph, overlap, regions)
    first = {region.begin: region for region in regions}
    at = 0
    while at < len(live):
        region = first.get(at)
        if region:
            yield Rows(graph.name, region, max(live[at : region.end]))
        else:
            yield Call(graph.name, at, live[at], _is_backward(graph, at, places))
        at = region.end if region else at + 1


def _arenas(
    module: Module, overlap: bool, found: Mapping[str, Sequence[Region]], ram: Sequence[Ram]
) -> tuple[tuple[Memory, ...], dict[str, Place]]:
    memories = [Memory(one.name, 0, 1, limit=one.nbytes) for one in ram] or [Memory(ARENA, 0, 1)]
    places: dict[str, Place] = {}
    for graph in module.functions:
        by_rows = found[graph.name]
        wanted = buffers(graph, by_rows)
        reaching = shifts(graph, wanted, by_rows) if overlap else {}
        where = spread(graph, wanted, reaching, ram) if ram else (0,) * len(wanted)
        for number, memory in enumerate(memories):
            some = [i for i, one in enumerate(where) if one == number]
            names = frozenset(name for i in some for name in wanted[i].values)
            live = max(live_bytes(graph, overlap, by_rows, names), default=0)
            offsets = pack([wanted[i] for i in some], among(reaching, some), live)
            size, align = memory.nbytes, memory.align
            for buffer, offset in zip((wanted[i] for i in some), offsets, strict=True):
                places |= dict.fromkeys(buffer.values, Place(memory.name, offset, buffer.nbytes))
                size, align = max(size, offset + buffer.nbytes), max(align, buffer.align)
            memories[number] = replace(memory, nbytes=size, align=align, live=max(live, memory.live))
        places |= {view: places[owner] for view, owner in views(graph).items() if owner in places}
    return tuple(memories), places


def _is_backward(graph: Graph, at: int, places: Mapping[str, Place]) -> bool:
    """Whether a node's output begins inside of an input and behind its first byte, and so has to be made from its end."""
    node = graph.nodes[at]
    target = places.get(node.outputs[0])
    taken = [places[name] for name in node.inputs if name in places]
    if target is None or graph.values[node.outputs[0]].type.shape[:1] in ((), (1,)):
        return False  # one row has no other end to begin at
    return any(one.memory == target.memory and one.offset < target.offset < one.offset + one.nbytes for one in taken)


def _state(module: Module) -> tuple[Memory, dict[str, Place]]:
    """STATE one after the other, widest elements first, so that there are no gaps; new values where their old ones are."""
    kept = {
        v.name: v.type for graph in module.functions for v in graph.of(Storage.STATE) if v.name not in graph.producer
    }
    places, offset = {}, 0
    for name, type in sorted(kept.items(), key=lambda item: -item[1].dtype.nbytes):
        places[name] = Place(STATE, offset, type.nbytes)
        offset += type.nbytes
    for graph in module.functions:
        places |= {new: places[old] for old, new in graph.state}
    return Memory(STATE, offset, max((t.dtype.nbytes for t in kept.values()), default=1)), places
