"""Live ranges: over which steps of a function each TEMP and STATE value holds bytes that somebody still needs.

INPUT and OUTPUT are the caller's buffers and CONST is flash, so none of them takes part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from mcugen.ir import Graph, Node, Storage
from mcugen.memory.overlap import Shift, element_by_element, shift
from mcugen.memory.rows import Region, is_given_late


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
    and what an OUTPUT is made of is made in the caller's buffer, once, where that is there by then. Numbers are variables in C, and no buffers.
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
        elif (
            target.storage is Storage.OUTPUT
            and graph.values[root].storage is Storage.TEMP
            and not is_given_late(graph, root)
        ):
            moved = [name for name, one in owner.items() if one == root]
            owner |= dict.fromkeys([root, *moved], target.name)
    return owner


def is_free(node: Node, owner: Mapping[str, str]) -> bool:
    """Whether a node is a view whose input and output are one buffer: nothing is left to do."""
    return node.op.view and len({owner.get(name, name) for name in (node.inputs[0], node.outputs[0])}) == 1


def live_ranges(graph: Graph, regions: Sequence[Region] = ()) -> dict[str, Range]:
    """The live range of each TEMP and STATE value that has a buffer of its own, by name, in the order they were declared. A view
    is part of the value whose bytes it is.

    A TEMP lives from the node that makes it to the last that takes it (a result nobody takes is still written, so it lives
    for that one step). STATE outlives the call: it lives from the first step, or the node that makes it, to the last step,
    or for a value that is replaced to its last use. Where nodes run row by row, what one of them takes or makes lives as long as
    their region, in some turns of it (`Region.busy`).
    """
    owner = views(graph)
    inside = {at: region for region in regions for at in range(region.begin, region.end)}
    taken = {owner.get(name, name): i for i, node in enumerate(graph.nodes) for name in node.inputs}
    replaced = {old for old, _ in graph.state}
    end = len(graph.nodes) - 1
    ranges = {}
    for value in graph.values.values():
        if value.storage not in (Storage.TEMP, Storage.STATE) or value.name in owner:
            continue
        first = graph.producer.get(value.name, 0)
        stays = value.storage is Storage.STATE and value.name not in replaced
        last = end if stays else taken.get(value.name, first)
        first = inside[first].begin if first in inside else first
        last = inside[last].end - 1 if last in inside else last
        ranges[value.name] = Range(first, last)
    return ranges


def size_of(graph: Graph, name: str, regions: Sequence[Region] = ()) -> int:
    """Bytes of a value's buffer: those of some rows, where it is made and read row by row."""
    type = graph.values[name].type
    held = next((region.held[name] for region in regions if name in region.held), None)
    return type.nbytes if held is None else type.nbytes // held.height * held.rows


def taken_over(graph: Graph, ranges: dict[str, Range], regions: Sequence[Region] = ()) -> dict[str, str]:
    """Which TEMP result may take over which dying TEMP input's buffer: result's name → input's name.

    That is: the op says so (`in_place`), nobody needs the input later, the node takes it only once, and both are of as many
    elements of one size. Each input is in one pair at most, since it dies in one node. Where nodes run row by row, of tensors that are one row.
    """
    owner = views(graph)
    pairs: dict[str, str] = {}
    for region in regions:
        pairs |= rows_taken_over(graph, region)
    for step, node in _alone(graph, regions):
        source = _dying_input(node, step, ranges, owner)
        target = node.outputs[0]
        if source is None or target not in ranges or graph.values[target].storage is not Storage.TEMP:
            continue
        if graph.values[source].storage is Storage.TEMP and element_by_element(*graph.types((source, target))):
            pairs[target] = source
    return pairs


def rows_taken_over(graph: Graph, region: Region) -> dict[str, str]:
    """The same in a region: a row that is read once, and made anew in its place, which nobody needs before the next one comes."""
    nodes = graph.nodes[region.begin : region.end]
    turns = np.array(region.schedule)
    readers = Counter(name for node in nodes for name in node.inputs)
    pairs: dict[str, str] = {}
    for number, node in enumerate(nodes, region.begin):
        at, target = node.op.in_place, node.outputs[0]
        source = node.inputs[at] if at is not None and at < len(node.inputs) else ""
        both = {region.held[name].rows for name in (source, target) if name in region.held}
        if readers[source] == 1 and {source, target} <= region.held.keys() and both == {1}:
            types = graph.types((source, target))
            alike = element_by_element(*types) and types[0].shape[0] == types[1].shape[0]
            both_busy = region.is_busy(source, False) & region.is_busy(target, False)
            if alike and bool((turns[both_busy] == number).all()):
                pairs[target] = source
    return pairs


def overlaps(graph: Graph, ranges: dict[str, Range], regions: Sequence[Region] = ()) -> dict[tuple[str, str], Shift]:
    """Which TEMP result may reach into which TEMP input that dies in the same node, and where it may lie: by (input's name,
    result's name). One input per node, that with the most bytes in common; none where a result takes an input's buffer over. One
    input per region, too: what it leaves whole, and rows that begin late beside that.
    """
    pairs, owner = taken_over(graph, ranges, regions), views(graph)
    found: dict[tuple[str, str], Shift] = {}
    for region in regions:
        found |= _reaching(graph, ranges, pairs, region)
    for step, node in _alone(graph, regions):
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


def _reaching(
    graph: Graph, ranges: Mapping[str, Range], taken: Mapping[str, str], region: Region
) -> dict[tuple[str, str], Shift]:
    """What may reach into an input of a region, of that with which a whole result has most bytes in common."""
    chained = {*taken, *taken.values()}
    usable = {
        (source, target): one
        for (source, target), one in region.reaches.items()
        if {source, target} <= ranges.keys()
        and ranges[source].last < region.end
        and not (target in region.held and target in chained)
    }
    whole = [pair for pair in usable if pair[1] not in region.held]
    if not whole:
        return {}
    best = max(whole, key=lambda pair: usable[pair].saves(*(_nbytes(graph, name) for name in pair)))
    return {pair: one for pair, one in usable.items() if pair == best or (pair[0] == best[0] and pair not in whole)}


def _room_beside(
    region: Region,
    found: Mapping[tuple[str, str], Shift],
    common: Mapping[tuple[str, str], int],
    sizes: Mapping[str, int],
) -> int:
    """The bytes that rows of a region may have in common with its input, beside a whole result: what that leaves between its
    beginning and the input's, or what is read no longer when rows begin and the result leaves alone.
    """
    late = [pair for pair in found if pair[1] in region.held]
    whole = [pair for pair in found if late and pair[0] == late[0][0] and pair not in late]
    dead = max((sizes[pair[1]] - found[pair].below for pair in late), default=0)
    if not whole:  # it lies in another memory
        return dead
    most = max((0, *(-found[pair].below for pair in whole), *(dead - common[pair] for pair in whole)))
    return min(most, dead)


def live_bytes(
    graph: Graph, overlap: bool = True, regions: Sequence[Region] = (), names: Set[str] | None = None
) -> tuple[int, ...]:
    """For each node the bytes of TEMP that any legal plan holds while it runs: what two values may have in common counts once.
    `overlap`: whether results may reach into inputs, beside taking their place; `names`: of these values alone, which have a memory for
    themselves.
    """
    ranges = live_ranges(graph, regions)
    live = [0] * len(graph.nodes)
    sizes = {v.name: size_of(graph, v.name, regions) for v in graph.of(Storage.TEMP) if v.name in ranges}
    sizes = {name: size for name, size in sizes.items() if names is None or name in names}
    for name, size in sizes.items():
        for step in range(ranges[name].first, ranges[name].last + 1):
            live[step] += size
    pairs = ((source, target) for target, source in taken_over(graph, ranges, regions).items())
    common = {pair: sizes[pair[1]] for pair in pairs if sizes.keys() >= {*pair}}
    found = overlaps(graph, ranges, regions) if overlap else {}
    found = {pair: one for pair, one in found.items() if sizes.keys() >= {*pair}}
    common |= {pair: one.saves(sizes[pair[0]], sizes[pair[1]]) for pair, one in found.items()}
    for (_, target), size in common.items():
        live[graph.producer[target]] -= size
    for region in regions:
        room = _room_beside(region, found, common, sizes)
        most = _live_in(region, ranges, sizes, common, {pair for pair in found if pair[1] in region.held}, room)
        live[region.begin : region.end] = [most] * (region.end - region.begin)
    return tuple(live)


def _live_in(
    region: Region,
    ranges: Mapping[str, Range],
    sizes: Mapping[str, int],
    common: Mapping[tuple[str, str], int],
    late: Set[tuple[str, str]],
    room: int,
) -> int:
    """The most that is live in one turn of a region; `common`: what two values have in common while both are there, and those that come
    late no more than `room`.
    """
    here = [name for name in sizes if ranges[name].first < region.end and ranges[name].last >= region.begin]
    found = np.zeros(len(region.schedule), np.int64)
    busy = {name: region.is_busy(name, ranges[name].last >= region.end) for name in here}
    for name in here:
        found += sizes[name] * busy[name]
    beside = np.zeros_like(found)
    for (source, target), size in common.items():
        if source in here and target in here:
            both = size * (busy[source] & busy[target])
            if (source, target) in late:
                beside += both
            else:
                found -= both
    return int((found - np.minimum(beside, room)).max())


def _alone(graph: Graph, regions: Sequence[Region]) -> Iterator[tuple[int, Node]]:
    """The nodes that run whole, with their positions."""
    inside = {at for region in regions for at in range(region.begin, region.end)}
    return ((at, node) for at, node in enumerate(graph.nodes) if at not in inside)


def _dying_input(node: Node, step: int, ranges: dict[str, Range], owner: Mapping[str, str]) -> str | None:
    if node.op.in_place is None or node.op.in_place >= len(node.inputs):
        return None
    taken = [owner.get(name, name) for name in node.inputs]
    name = taken[node.op.in_place]
    dies = name in ranges and ranges[name].last == step
    return name if dies and taken.count(name) == 1 else None


def _nbytes(graph: Graph, name: str) -> int:
    return graph.values[name].type.nbytes
