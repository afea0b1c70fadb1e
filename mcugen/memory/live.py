"""Live ranges: over which steps of a function each TEMP and STATE value holds bytes that somebody still needs.

INPUT and OUTPUT are the caller's buffers and CONST is flash, so none of them takes part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mcugen.ir import Graph, Node, Storage
from mcugen.memory.overlap import Shift, shift


@dataclass(frozen=True)
class Range:
    """The steps from `first` to `last`, both included, as positions in the node order."""

    first: int
    last: int

    def meets(self, other: Range) -> bool:
        """Whether some step lies in both."""
        return self.first <= other.last and other.first <= self.last


def views(graph: Graph) -> dict[str, str]:
    """Which values are another one's bytes: the name of each to that of the value whose buffer it is.

    A node that is a view (`Op.view`) costs nothing where one of both can be the other's buffer: a TEMP is what it was made of,
    and what an OUTPUT is made of is made in the caller's buffer, once. Numbers are variables in C, and no buffers.
    """
    owner: dict[str, str] = {}
    for node in graph.nodes:
        if not node.op.view:
            continue
        source, target = graph.values[node.inputs[0]], graph.values[node.outputs[0]]
        root = owner.get(source.name, source.name)
        if () in (source.type.shape, target.type.shape) or graph.values[root].storage is Storage.CONST:
            continue
        if target.storage is Storage.TEMP and graph.values[root].storage in (
            Storage.TEMP,
            Storage.INPUT,
            Storage.OUTPUT,
        ):
            owner[target.name] = root
        elif target.storage is Storage.OUTPUT and graph.values[root].storage is Storage.TEMP:
            moved = [name for name, one in owner.items() if one == root]
            owner |= dict.fromkeys([root, *moved], target.name)
    return owner


def is_free(node: Node, owner: Mapping[str, str]) -> bool:
    """Whether a node is a view whose input and output are one buffer: nothing is left to do."""
    return node.op.view and len({owner.get(name, name) for name in (node.inputs[0], node.outputs[0])}) == 1


def live_ranges(graph: Graph) -> dict[str, Range]:
    """The live range of each TEMP and STATE value that has a buffer of its own, by name, in the order they were declared. A view
    is part of the value whose bytes it is.

    A TEMP lives from the node that makes it to the last that takes it (a result nobody takes is still written, so it lives
    for that one step). STATE outlives the call: it lives from the first step, or the node that makes it, to the last step,
    or for a value that is replaced to its last use.
    """
    owner = views(graph)
    taken = {owner.get(name, name): i for i, node in enumerate(graph.nodes) for name in node.inputs}
    replaced = {old for old, _ in graph.state}
    end = len(graph.nodes) - 1
    ranges = {}
    for value in graph.values.values():
        if value.storage not in (Storage.TEMP, Storage.STATE) or value.name in owner:
            continue
        first = graph.producer.get(value.name, 0)
        stays = value.storage is Storage.STATE and value.name not in replaced
        ranges[value.name] = Range(first, end if stays else taken.get(value.name, first))
    return ranges


def taken_over(graph: Graph, ranges: dict[str, Range]) -> dict[str, str]:
    """Which TEMP result may take over which dying TEMP input's buffer: result's name → input's name.

    That is: the op says so (`in_place`), nobody needs the input later, the node takes it only once, and both are of one
    size. Each input is in one pair at most, since it dies in one node.
    """
    pairs, owner = {}, views(graph)
    for step, node in enumerate(graph.nodes):
        source = _dying_input(node, step, ranges, owner)
        target = node.outputs[0]
        if source is None or target not in ranges or graph.values[target].storage is not Storage.TEMP:
            continue
        if graph.values[source].storage is Storage.TEMP and _nbytes(graph, source) == _nbytes(graph, target):
            pairs[target] = source
    return pairs


def overlaps(graph: Graph, ranges: dict[str, Range]) -> dict[tuple[str, str], Shift]:
    """Which TEMP result may reach into which TEMP input that dies in the same node, and where it may lie: by (input's name,
    result's name). One input per node, that with the most bytes in common; none where a result takes an input's buffer over.
    """
    pairs, owner = taken_over(graph, ranges), views(graph)
    found: dict[tuple[str, str], Shift] = {}
    for step, node in enumerate(graph.nodes):
        target = node.outputs[0]
        if target in pairs or target not in ranges or graph.values[target].storage is not Storage.TEMP:
            continue
        taken = [owner.get(name, name) for name in node.inputs]
        best, most = None, 0
        for at, source in enumerate(taken):
            dies = source in ranges and ranges[source].last == step and taken.count(source) == 1
            if not dies or graph.values[source].storage is not Storage.TEMP:
                continue
            one = shift(graph, node, at)
            saved = one.saves(_nbytes(graph, source), _nbytes(graph, target))
            if saved > most:
                best, most = (source, one), saved
        if best:
            found[best[0], target] = best[1]
    return found


def live_bytes(graph: Graph, overlap: bool = True) -> tuple[int, ...]:
    """For each node the bytes of TEMP that any legal plan holds while it runs: what two values may have in common counts once.
    `overlap`: whether results may reach into inputs, beside taking their place.
    """
    ranges = live_ranges(graph)
    live = [0] * len(graph.nodes)
    for value in (v for v in graph.of(Storage.TEMP) if v.name in ranges):
        span = ranges[value.name]
        for step in range(span.first, span.last + 1):
            live[step] += value.type.nbytes
    for target in taken_over(graph, ranges):
        live[graph.producer[target]] -= _nbytes(graph, target)
    for (source, target), one in overlaps(graph, ranges).items() if overlap else ():
        live[graph.producer[target]] -= one.saves(_nbytes(graph, source), _nbytes(graph, target))
    return tuple(live)


def _dying_input(node: Node, step: int, ranges: dict[str, Range], owner: Mapping[str, str]) -> str | None:
    if node.op.in_place is None or node.op.in_place >= len(node.inputs):
        return None
    taken = [owner.get(name, name) for name in node.inputs]
    name = taken[node.op.in_place]
    dies = name in ranges and ranges[name].last == step
    return name if dies and taken.count(name) == 1 else None


def _nbytes(graph: Graph, name: str) -> int:
    return graph.values[name].type.nbytes
