"""The picture of a memory plan: steps from left to right, addresses from top to bottom, a box for every value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mcugen.ir import Graph
from mcugen.memory.live import live_ranges
from mcugen.memory.plan import Memory, MemoryPlan
from mcugen.report.memories import live_in
from mcugen.templating import environment

WIDE, HIGH = 960, 420  # of the drawing, in pixels
COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#b07aa1", "#edc948", "#9c755f")


@dataclass(frozen=True)
class Box:
    """A value: where it is drawn, what is written on it, and what is said where the mouse is over it."""

    x: float
    y: float
    wide: float
    high: float
    colour: str
    text: str
    says: str


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


def memory_map(graph: Graph, plan: MemoryPlan) -> str:
    """The temporaries of a function as SVG, self-contained, a drawing for each memory; empty where there are none."""
    used = [one for one in plan.arenas if one.nbytes and graph.nodes]
    titles = [one.name if one.limit is not None else "" for one in used]
    drawn = (_drawing(graph, plan, one) for one in used)
    return "".join(f"<h3>{name}</h3>\n{svg}" if name else svg for name, svg in zip(titles, drawn, strict=True))


def _drawing(graph: Graph, plan: MemoryPlan, memory: Memory) -> str:
    step, byte = WIDE / len(graph.nodes), HIGH / memory.nbytes
    live = [(at * step, size * byte) for at, size in enumerate(live_in(graph, plan, memory.name))]
    return (
        environment()
        .get_template("report/memory_map.svg.j2")
        .render(
            wide=WIDE,
            high=HIGH,
            boxes=list(_boxes(graph, plan, memory, step, byte)),
            rows=[Tick(size * byte, f"{size:,} B") for size in _marks(memory.nbytes, 6)],
            columns=[
                Tick((i + 0.5) * step, graph.nodes[i].name)
                for i in range(0, len(graph.nodes), len(graph.nodes) // 24 + 1)
            ],
            live=" ".join(f"{x:.1f},{y:.1f} {x + step:.1f},{y:.1f}" for x, y in live),
        )
    )


def _boxes(graph: Graph, plan: MemoryPlan, memory: Memory, step: float, byte: float) -> Iterator[Box]:
    ranges = live_ranges(graph, plan.regions(graph))
    for number, (name, span) in enumerate(ranges.items()):
        place = plan.places.get(name)
        if place is None or place.memory != memory.name:
            continue
        wide, high = (span.last - span.first + 1) * step, place.nbytes * byte
        first, last = graph.nodes[span.first].name, graph.nodes[span.last].name
        lives = (
            f"steps {span.first} to {span.last} ({first} to {last})"
            if span.first < span.last
            else f"step {span.first} ({first})"
        )
        says = f"{name}: {graph.values[name].type}, {place.nbytes:,} B at {place.offset:,}; {lives}"
        fits = wide > 7 * len(name) and high > 12
        yield Box(
            span.first * step,
            place.offset * byte,
            wide,
            high,
            COLOURS[number % len(COLOURS)],
            name if fits else "",
            says,
        )


def _marks(most: int, count: int) -> list[int]:
    """About so many round numbers of bytes up to `most`."""
    size = 1
    while most / size > count:
        size *= 2
    return [*range(0, most + 1, size)]
