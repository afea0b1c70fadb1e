"""Row-by-row execution of some nodes: whichever row a later node needs next is made next, and a tensor between them is only as many
rows as are still read. No row is made twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from mcugen.ir import Graph, Node, Storage
from mcugen.memory.overlap import Shift, rows_read
from mcugen.op import Rows
from mcugen.ops.arrive import Arrive

MOST_NODES = 256  # of a region: the schedule is one of bytes


@dataclass(frozen=True)
class Held:
    """Of a tensor of `height` rows its last ones, at most `rows`; where they are that many and one more is made, the first `step` go."""

    height: int
    rows: int
    step: int

    def first(self, made: int) -> int:
        """The row that the buffer begins with when so many were made."""
        return max(0, -(-(made - self.rows) // self.step) * self.step)


@dataclass(frozen=True)
class Region:
    """Nodes that make their rows in turn.

    begin, end  their positions in the order of nodes, from the first, up to and without the second
    schedule    positions: who makes a row, or takes one, next
    held        of what is made and read inside only, by name
    reaches     where what is made may lie in relation to a whole input, by (input's name, result's name): over rows that nobody in
                here reads any more
    busy        of what is read or made here, scratch too: the turns of the schedule in which it holds what is needed, a bit for each
    given       what of that comes from before
    """

    begin: int
    end: int
    schedule: tuple[int, ...]
    held: Mapping[str, Held]
    reaches: Mapping[tuple[str, str], Shift]
    busy: Mapping[str, int]
    given: frozenset[str]

    def turns(self, name: str, lasts: bool) -> int | None:
        """The turns in which a value is busy, a bit for each; None where that is always. `lasts`: it is needed after the region, too."""
        return None if lasts and name in self.given else self.busy.get(name)

    def is_busy(self, name: str, lasts: bool) -> npt.NDArray[np.bool_]:
        """The same as an array. It is always, where it `lasts` and comes from before, or nothing is known of it."""
        count = len(self.schedule)
        if self.turns(name, lasts) is None:
            return np.ones(count, np.bool_)
        whole = np.frombuffer(self.busy[name].to_bytes(count // 8 + 1, "little"), np.uint8)
        return np.unpackbits(whole, count=count, bitorder="little").astype(np.bool_)


@dataclass(frozen=True)
class Taken:
    """A node as one that takes steps: those of an output row each, or, where it is `running`, of an input row.

    reads  for each step the rows of every input; None for one that is read whole
    """

    node: Node
    reads: Sequence[tuple[Rows | None, ...]]

    @property
    def count(self) -> int:
        """How many steps it takes."""
        return len(self.reads)

    def made(self, steps: int) -> int:
        """The rows of its output that are there after so many."""
        return steps if not self.node.op.running else int(steps == self.count)


def steps_of(graph: Graph, node: Node) -> Taken | None:
    """How a node goes from row to row; None for one that does not."""
    inputs, outputs = graph.types(node.inputs), graph.types(node.outputs)
    if not inputs or not outputs or node.op.view:
        return None
    found = rows_read(node, inputs, outputs[0])
    if not found:
        return None
    if node.op.running:
        found = [((at, at + 1), *found[0][1:]) for at in range(inputs[0].shape[0])]
    return Taken(node, found)


def run_by_rows(graph: Graph, steps: Sequence[Taken | None], begin: int, end: int, whole: frozenset[str]) -> Region:
    """The nodes from `begin` to `end` run row by row, each value in `whole` kept from its first row to its last: a row is made when it
    is needed, or, where that takes less, by some nodes before.
    """
    ways = (Simulation(graph, steps, begin, end, whole, eager) for eager in (False, True))
    return min((way.region for way in ways), key=lambda region: _room(graph, region))


def _room(graph: Graph, region: Region) -> int:
    types = ((graph.values[name].type, held) for name, held in region.held.items())
    return sum(type.nbytes // held.height * held.rows for type, held in types)


# A node, which of its inputs, and for each step the first row that it or a later one reads.
Reader = tuple[int, int, list[int]]


@dataclass
class Simulation:
    """The nodes of a region, run. `eager`: where rows of a tensor wait for one of its readers, and that makes less of them, it does."""

    graph: Graph
    steps: Sequence[Taken | None]
    begin: int
    end: int
    whole: frozenset[str]
    eager: bool

    def __post_init__(self) -> None:
        self.done = dict.fromkeys(range(self.begin, self.end), 0)
        self.events: list[int] = []
        self.makers = {self.graph.nodes[at].outputs[0]: at for at in self.done}
        self.readers: dict[str, list[Reader]] = {name: [] for name in self.makers}
        self.given: dict[str, list[Reader]] = {}  # the readers of what comes from before
        # What is read whole, at any time, or has other names.
        unruly = {name for node in self.graph.nodes if node.op.view for name in (*node.inputs, *node.outputs)}
        for at in self.done:
            for into, name in enumerate(self.graph.nodes[at].inputs):
                if self._at(at).reads[0][into] is None:
                    unruly.add(name)
                else:
                    readers = self.readers if name in self.makers else self.given
                    readers.setdefault(name, []).append((at, into, self._starts(at, into)))
        self.given = {n: r for n, r in self.given.items() if n not in unruly and self._is_temp(n)}
        # Of what is kept as rows: for each row made, the first one that is still read then.
        self.needs: dict[str, list[int]] = {name: [] for name in self.makers if name not in self.whole}
        # For each row made, the first one of each input that is still read then.
        self.left: dict[str, list[tuple[int, ...]]] = {n: [] for n in self.makers if self._is_temp(n)}

    def _at(self, at: int) -> Taken:
        found = self.steps[at]
        assert found is not None
        return found

    def _is_temp(self, name: str) -> bool:
        value = self.graph.values[name]
        return value.storage is Storage.TEMP and value.type.shape != ()

    def _starts(self, at: int, into: int) -> list[int]:
        """For each step of a node the first row of an input that it or a later one reads."""
        firsts = [(one[into] or (0, 0))[0] for one in self._at(at).reads]
        return [*accumulate(reversed(firsts), min)][::-1]

    @cached_property
    def region(self) -> Region:
        """What comes out."""
        sinks = [at for name, at in self.makers.items() if name in self.whole or not self.readers[name]]
        while left := [at for at in sinks if self.done[at] < self._at(at).count]:
            self._demand(min(left, key=lambda at: (self.done[at] / self._at(at).count, at)))
        while is_streamed(self.graph, self.begin) and self.done[self.begin] < self._at(self.begin).count:
            self._run(self.begin)  # rows of the caller's that no layer reads
        held = {
            name: _held(self.graph.values[name].type.shape[0], needs) for name, needs in self.needs.items() if needs
        }
        return Region(
            self.begin, self.end, tuple(self.events), held, dict(self._reaches()), self._busy(), frozenset(self.given)
        )

    def _busy(self) -> dict[str, int]:
        """When each buffer holds what is needed: a row from when it is made until it is read for the last time."""
        busy: dict[str, int] = {}
        count = len(self.events)
        begun: dict[str, int] = {}
        since: dict[str, dict[int, int]] = {name: {} for name in self.needs}  # turns in which rows were made
        done = dict.fromkeys(self.done, 0)
        for turn, at in enumerate(self.events):
            taken, step = self._at(at), done[at]
            done[at] += 1
            for name, rows in zip(taken.node.inputs, taken.reads[step], strict=True):
                for row in range(*rows) if rows and name in since else ():
                    busy[name] = busy.get(name, 0) | _turns(since[name][row], turn)
                if name in self.given:
                    busy[name] = _turns(0, turn)
            made = taken.node.outputs[0]
            if made in since and taken.made(step + 1) > taken.made(step):
                since[made][taken.made(step)] = turn
                busy[made] = busy.get(made, 0) | _turns(turn, turn)
            for name in (made,) if made in self.whole else () if not taken.node.op.running else taken.node.outputs[1:]:
                begun.setdefault(name, turn)
                busy[name] = _turns(begun[name], count - 1)
            for name in taken.node.outputs[1:] if not taken.node.op.running else ():
                busy[name] = busy.get(name, 0) | _turns(turn, turn)
        return busy

    def _reaches(self) -> Iterator[tuple[tuple[str, str], Shift]]:
        """How far below an input a result may begin, and grow over what is read no longer. It never begins above: rows come from the
        first to the last. What is some rows only has to lie where nothing is read any more when the first is made.
        """
        for made, left in ((made, left) for made, left in self.left.items() if left):
            for number, taken in enumerate(self.given):
                types = self.graph.types((taken, made))
                rows = [type.nbytes // type.shape[0] for type in types]
                size = types[1].nbytes
                if made in self.whole:
                    below = max((at + 1) * rows[1] - one[number] * rows[0] for at, one in enumerate(left))
                else:
                    size = rows[1] * _held(types[1].shape[0], self.needs[made]).rows
                    below = size - left[0][number] * rows[0]
                if below < size:
                    yield (taken, made), Shift(below, types[0].nbytes)

    def _demand(self, at: int) -> None:
        """One step of a node, after all that it needs."""
        wanted = [(at, self.done[at])]  # and which step
        while wanted:
            at, step = wanted[-1]
            missing = self._missing(at) if self.done[at] == step else None
            if missing is not None:
                wanted.append((missing, self.done[missing]))
                continue
            wanted.pop()
            if self.done[at] == step:  # else it ran at once
                self._run(at)

    def _missing(self, at: int) -> int | None:
        """A node that has to make a row before the next step of this one."""
        taken = self._at(at)
        for name, rows in zip(taken.node.inputs, taken.reads[self.done[at]], strict=True):
            maker = self.makers.get(name)
            if maker is not None and rows and self._at(maker).made(self.done[maker]) < rows[1]:
                return maker
        return None

    def _run(self, at: int) -> None:
        if self.eager:
            self._make_room(at)
        taken, name = self._at(at), self.graph.nodes[at].outputs[0]
        row = taken.made(self.done[at])
        if name in self.needs and taken.made(self.done[at] + 1) > row:
            self.needs[name].append(min(row, self._needed(self.readers[name], row)))
        if name in self.left and taken.made(self.done[at] + 1) > row:
            rows = (self.graph.values[given].type.shape[0] for given in self.given)
            self.left[name].append(
                tuple(self._needed(one, most) for one, most in zip(self.given.values(), rows, strict=True))
            )
        self.done[at] += 1
        self.events.append(at)

    def _make_room(self, at: int) -> None:
        """Run whoever keeps rows from going that nobody else needs, and makes less of them, before a node makes another one."""
        name = self.graph.nodes[at].outputs[0]
        readers = self.readers[name]
        if len(readers) < 2 or name in self.whole:
            return
        least = max(
            rows[1] - rows[0] for reader, into, _ in readers for one in self._at(reader).reads if (rows := one[into])
        )
        row = self._at(at).made(self.done[at])
        for reader, _, starts in readers:
            made, given = self.graph.types((self.graph.nodes[reader].outputs[0], name))
            while (
                made.nbytes < given.nbytes
                and self.done[reader] < self._at(reader).count
                and starts[self.done[reader]] < row + 1 - least
                and self._missing(reader) is None
            ):
                self._run(reader)

    def _needed(self, readers: Sequence[Reader], none: int) -> int:
        """The first row that is still read; `none` where there is none."""
        return min((starts[self.done[at]] for at, _, starts in readers if self.done[at] < len(starts)), default=none)


def _turns(first: int, last: int) -> int:
    """The bits of these turns, both counted."""
    return (1 << (last + 1)) - (1 << first)


def _held(height: int, needs: list[int]) -> Held:
    """The least rows, and the largest step, with which none goes that is still read."""
    rows = max(at + 1 - need for at, need in enumerate(needs))
    return next(one for step in range(rows, 0, -1) if _lasts(one := Held(height, rows, step), needs))


def _lasts(held: Held, needs: list[int]) -> bool:
    return all(held.first(at + 1) <= need for at, need in enumerate(needs))


def counter(graph: Graph, region: Region) -> int:
    """Bytes of what counts the rows of a region's tensors."""
    tall = (
        graph.values[name].type.shape[0]
        for node in graph.nodes[region.begin : region.end]
        for name in (node.outputs[0], *node.inputs[: 1 if node.op.running else 0])
    )
    return 1 if max(tall) < 256 else 2


def is_streamed(graph: Graph, at: int = 0) -> bool:
    """Whether a node takes the network's input row by row from the caller."""
    op = graph.nodes[at].op if graph.nodes else None
    return isinstance(op, Arrive) and op.streamed


def is_given(node: Node) -> bool:
    """Whether a node stands for what the caller has written into the arena, and does nothing."""
    return isinstance(node.op, Arrive) and not node.op.streamed


def is_given_late(graph: Graph, name: str) -> bool:
    """Whether a result that the caller gets may be made while rows of a streamed input still come, and has to wait in the arena."""
    at = graph.producer.get(name)
    if at is None or not is_streamed(graph):
        return False
    return graph.nodes[at].op.running or graph.values[name].type.shape[:1] > (1,)


def outside(graph: Graph, begin: int, end: int) -> frozenset[str]:
    """What the nodes from `begin` to `end` make and somebody else takes, or the caller gets."""
    later = {name for node in graph.nodes[end:] for name in node.inputs}
    made = [name for node in graph.nodes[begin:end] for name in node.outputs]
    return frozenset(name for name in made if name in later or graph.values[name].storage is not Storage.TEMP)
