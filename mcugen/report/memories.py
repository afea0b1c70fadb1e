"""What lies in each memory that `--ram` named: bytes, how many of them one step needs, and what makes that peak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mcugen.ir import Graph, Storage
from mcugen.memory.live import live_bytes, live_ranges, size_of
from mcugen.memory.plan import Memory, MemoryPlan


def memories(graph: Graph, plan: MemoryPlan) -> list[dict[str, Any]]:
    """Every memory of a plan's temporaries, where they were named; bytes: in use, the most that are live at one step of the function,
    and how many temporaries may take.
    """
    return [_memory(graph, plan, one) for one in plan.arenas if one.limit is not None]


def _memory(graph: Graph, plan: MemoryPlan, memory: Memory) -> dict[str, Any]:
    live = live_in(graph, plan, memory.name)
    peak = max(range(len(live)), key=lambda at: live[at], default=None)
    used = peak is not None and live[peak] > 0
    return {
        "name": memory.name,
        "bytes": memory.nbytes,
        "live": memory.live,
        "limit": memory.limit,
        "peak_at": graph.nodes[peak].name if peak is not None and used else "",
        "peak": [*live_at(graph, plan, peak, memory.name)] if peak is not None and used else [],
    }


def live_in(graph: Graph, plan: MemoryPlan, memory: str) -> tuple[int, ...]:
    """For each node the bytes of a memory that any plan with this choice of memories holds while it runs."""
    names = frozenset(name for name, place in plan.places.items() if place.memory == memory)
    return live_bytes(graph, regions=plan.regions(graph), names=names)


def live_at(graph: Graph, plan: MemoryPlan, node: int, memory: str | None = None) -> Iterator[dict[str, Any]]:
    """The temporaries that are live at a node; `memory`: of those in it."""
    regions = plan.regions(graph)
    for name, span in live_ranges(graph, regions).items():
        value = graph.values[name]
        here = memory is None or plan.places[name].memory == memory
        if here and value.storage is Storage.TEMP and span.first <= node <= span.last:
            yield {"name": name, "type": str(value.type), "nbytes": size_of(graph, name, regions)}


def missing(memory: dict[str, Any]) -> int:
    """Bytes that a memory has too few."""
    return max(0, int(memory["bytes"]) - int(memory["limit"]))
