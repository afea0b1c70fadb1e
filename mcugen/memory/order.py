"""The cheapest execution sequence: of all orders of a graph's nodes, one whose largest step holds the fewest bytes.

Exact search over the sets of nodes that have run, after Liberis & Lane, "Neural networks on microcontrollers: saving memory at
inference via operator reordering" (2019) and Ahn et al., "Ordering Chaos" (Serenity, 2020). Nodes that every other one comes
before or after (separators) cut the graph into pieces that are searched one by one. A bound that holds in every order ends the
search where an order reaches it; a beam finds an order to begin with; and from a set of nodes, a chain of nodes that ends at no
more bytes than it begins with, and needs no more on the way than was needed before, can run at once: no order gets worse by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mcugen.ir import Graph, Storage
from mcugen.memory.live import live_ranges, views
from mcugen.memory.overlap import shift

Bytes = npt.NDArray[np.int64]  # one number a task
STATES = 40_000  # sets of nodes that are looked at in a piece before the search gives up and says what it knows
STATES_PER_BYTE = 32  # and for every byte that there might be to save: a search may cost no more than it is worth
BEAM = 32
LOOKS = 6_000_000  # at single tasks, by the beam: in wide graphs only those that could run next and leave the fewest bytes are tried
LOOKS_PER_STATE = 32  # and by the search: a set after which many tasks run, or could run next, counts for several
PRECISE = 1_000  # a bound is looked for to such a part of it
CHAIN = 24  # nodes


@dataclass(frozen=True)
class Task:
    """One node as the search sees it: which buffers it takes and makes, and of which dying one (one at a time) its result may write over how
    many bytes."""

    takes: tuple[int, ...]
    makes: tuple[int, ...]
    shares: tuple[tuple[int, int], ...] = ()
    after: tuple[int, ...] = ()  # tasks that have to run before it


@dataclass(frozen=True)
class Order:
    """Positions of nodes in the order that they run, the bytes of the largest step, and a bound: no order needs fewer."""

    nodes: tuple[int, ...]
    peak: int
    bound: int

    @property
    def proven(self) -> bool:
        """Whether no order needs less."""
        return self.peak == self.bound

    @property
    def gap(self) -> float:
        """By what part the peak is above the bound: another order might save as much, and none more."""
        return self.peak / self.bound - 1 if self.bound else 0.0


def cheapest(graph: Graph, states: int = STATES) -> Order:
    """The order of a graph's nodes with the least peak that could be found, the given one where it is as good. `states`: the budget
    of the search, per piece of the graph; what it gives depends on nothing else.
    """
    tasks, sizes = problem(graph)
    return search(tasks, sizes, states)


def problem(graph: Graph) -> tuple[list[Task], list[int]]:
    """The tasks of a graph's nodes, and the bytes of every buffer."""
    owner = views(graph)
    named = {name: i for i, name in enumerate(n for n in live_ranges(graph) if graph.values[n].storage is Storage.TEMP)}
    sizes = [graph.values[name].type.nbytes for name in named]
    roots = [[owner.get(name, name) for name in node.inputs] for node in graph.nodes]
    tasks = []
    for i, node in enumerate(graph.nodes):
        takes = dict.fromkeys(named[one] for one in roots[i] if one in named)
        made = [owner.get(name, name) for name in node.outputs]
        makes = [named[one] for one in made if one in named and named[one] not in takes]
        shares = []
        if makes and made[0] in named and named[made[0]] in makes:
            for at, root in enumerate(roots[i]):
                if root in named and roots[i].count(root) == 1:
                    found = shift(graph, node, at).saves(sizes[named[root]], sizes[named[made[0]]])
                    shares += [(named[root], found)] if found else []
        after = {*graph.flow.predecessors(i), *_readers(graph, i)}
        tasks.append(Task(tuple(takes), tuple(makes), tuple(shares), tuple(sorted(after))))
    return tasks, sizes


def _readers(graph: Graph, at: int) -> set[int]:
    """The nodes that take STATE which node `at` replaces."""
    gone = {old for old, new in graph.state if graph.producer.get(new) == at}
    return {i for i, node in enumerate(graph.nodes) if i != at and gone.intersection(node.inputs)} if gone else set()


def search(tasks: Sequence[Task], sizes: Sequence[int], states: int = STATES) -> Order:
    """The cheapest order of tasks; see `cheapest`. The piece that needs most is searched first: the others need be no better."""
    graph = _Tasks(tuple(tasks), tuple(sizes))
    pieces, done = [], 0
    for tasks_of in graph.pieces:
        pieces.append(_Piece(graph, done, tuple(tasks_of), states))
        done = pieces[-1].goal
    enough = max((piece.floor for piece in pieces), default=0)
    found: dict[int, Order] = {}
    for at in sorted(range(len(pieces)), key=lambda at: -pieces[at].quick.peak):
        found[at] = pieces[at].solved(enough)
        enough = max(enough, found[at].peak)
    order = tuple(i for at in range(len(pieces)) for i in found[at].nodes)
    return Order(order, enough if pieces else 0, max((one.bound for one in found.values()), default=0))


@dataclass(frozen=True)
class _Tasks:
    """What is known of all tasks before the search: who comes before and after whom, as sets of bits."""

    tasks: tuple[Task, ...]
    sizes: tuple[int, ...]

    @cached_property
    def before(self) -> tuple[int, ...]:
        """Everything that has to run before each task."""
        found = [0] * len(self.tasks)
        for i, task in enumerate(self.tasks):  # given in an order that can run
            for one in task.after:
                found[i] |= found[one] | 1 << one
        return tuple(found)

    @cached_property
    def behind(self) -> tuple[int, ...]:
        """Everything that can only run after each task."""
        found = [0] * len(self.tasks)
        for i in reversed(range(len(self.tasks))):
            for one in self.tasks[i].after:
                found[one] |= found[i] | 1 << i
        return tuple(found)

    @cached_property
    def needs(self) -> tuple[int, ...]:
        """What each task waits for."""
        return tuple(sum(1 << one for one in task.after) for task in self.tasks)

    @cached_property
    def next(self) -> tuple[tuple[int, ...], ...]:
        """The tasks that wait for each."""
        found: list[list[int]] = [[] for _ in self.tasks]
        for i, task in enumerate(self.tasks):
            for one in task.after:
                found[one].append(i)
        return tuple(map(tuple, found))

    @cached_property
    def users(self) -> tuple[int, ...]:
        """The tasks that take each buffer."""
        found = [0] * len(self.sizes)
        for i, task in enumerate(self.tasks):
            for one in task.takes:
                found[one] |= 1 << i
        return tuple(found)

    @cached_property
    def makers(self) -> tuple[int, ...]:
        """The task that makes each buffer, as a bit; 0 where it is there from the start."""
        found = [0] * len(self.sizes)
        for i, task in enumerate(self.tasks):
            for one in task.makes:
                found[one] = 1 << i
        return tuple(found)

    @property
    def pieces(self) -> Iterator[list[int]]:
        """The tasks, cut behind every one that all others come before or after."""
        all_tasks = (1 << len(self.tasks)) - 1
        piece: list[int] = []
        for i in range(len(self.tasks)):
            piece.append(i)
            if self.before[i] | self.behind[i] | 1 << i == all_tasks:
                yield piece
                piece = []
        if piece:
            yield piece

    def bytes_after(self, done: int) -> int:
        """Bytes that are held when a set of tasks has run."""
        return sum(
            size
            for size, maker, users in zip(self.sizes, self.makers, self.users, strict=True)
            if (maker == 0 or maker & done) and users & ~done
        )

    def step(self, i: int, done: int, held: int) -> tuple[int, int]:
        """Bytes of the step that runs a task, and bytes held after it."""
        later = ~(done | 1 << i)
        freed = shared = 0
        for users, size, share in self._takes[i]:
            if not users & later:
                freed += size
                shared = share if share > shared else shared
        made, stays = self._made[i]
        return held + made - (shared if shared < made else made), held + stays - freed

    @cached_property
    def _takes(self) -> tuple[tuple[tuple[int, int, int], ...], ...]:
        """Of what each task takes: who else does, its bytes, and how many of them the result may be written over."""
        shares = [dict(task.shares) for task in self.tasks]
        return tuple(
            tuple((self.users[one], self.sizes[one], shares[i].get(one, 0)) for one in task.takes)
            for i, task in enumerate(self.tasks)
        )

    @cached_property
    def _made(self) -> tuple[tuple[int, int], ...]:
        """Bytes that each task makes, and those of them that somebody takes."""
        found = []
        for task in self.tasks:
            sizes = [(self.sizes[one], bool(self.users[one])) for one in task.makes]
            found.append((sum(size for size, _ in sizes), sum(size for size, used in sizes if used)))
        return tuple(found)

    @cached_property
    def floors(self) -> tuple[int, ...]:
        """For each task the bytes of its step that no order can do without."""
        return tuple(self.floor(i, 0) for i in range(len(self.tasks)))

    def made(self, done: int) -> int:
        """The buffers that a set of tasks has made, and those that were there before."""
        found = self._given
        for i, buffers in enumerate(self._makes):
            if done >> i & 1:
                found |= buffers
        return found

    def floor(self, i: int, made: int) -> int:
        """Bytes of the step of a task that has not run, which no order can do without when these buffers have been made."""
        held = self._kept[i] & (made | self._early[i])
        found = self._more[i]
        for size, buffers in self._classes:
            found += size * (held & buffers).bit_count()
        return found

    def rise(self, ran: int, i: int) -> int:
        """How much of what a task makes has to be held in the step of another one from then on, which not every order holds there."""
        held = self._kept[i] & ~self._early[i]
        return sum(self.sizes[one] for one in self.tasks[ran].makes if held >> one & 1)

    @cached_property
    def _makes(self) -> tuple[int, ...]:
        return tuple(sum(1 << one for one in task.makes) for task in self.tasks)

    @cached_property
    def _given(self) -> int:
        return sum(1 << one for one, maker in enumerate(self.makers) if not maker)

    @cached_property
    def _classes(self) -> tuple[tuple[int, int], ...]:
        """The buffers of each size."""
        found: dict[int, int] = {}
        for one, size in enumerate(self.sizes):
            found[size] = found.get(size, 0) | 1 << one
        return tuple(found.items())

    @cached_property
    def _kept(self) -> tuple[int, ...]:
        """The buffers that a task, or one that runs after it in every order, takes."""
        return tuple(
            sum(1 << one for one, users in enumerate(self.users) if users & (self.behind[i] | 1 << i))
            for i in range(len(self.tasks))
        )

    @cached_property
    def _early(self) -> tuple[int, ...]:
        """The buffers that are made before a task in every order."""
        return tuple(self.made(before) for before in self.before)

    @cached_property
    def _more(self) -> tuple[int, ...]:
        """What a task makes, less what of it may lie in inputs that die with it."""
        found = []
        for i, task in enumerate(self.tasks):
            made = sum(self.sizes[one] for one in task.makes)
            shares = [size for one, size in task.shares if not self.users[one] & self.behind[i]]
            found.append(made - min(max(shares, default=0), made))
        return tuple(found)


class _State(NamedTuple):
    """A set of tasks that have run: bytes held, the largest step so far, what can run next, and the order, as a chain of what came
    before.
    """

    done: int
    held: int
    peak: int
    ready: tuple[int, ...]
    last: int = -1
    earlier: _State | None = None

    @property
    def order(self) -> tuple[int, ...]:
        """The tasks in the order they ran."""
        found, one = [], self
        while one.earlier is not None:
            found.append(one.last)
            one = one.earlier
        return tuple(reversed(found))


@dataclass(eq=False)
class _Piece:
    """The tasks between two separators: what runs before them all has run."""

    graph: _Tasks
    done: int
    tasks: tuple[int, ...]
    states: int
    start: _State = field(init=False)
    goal: int = field(init=False)
    floor: int = field(init=False)

    def __post_init__(self) -> None:
        ready = tuple(i for i in self.tasks if not self.graph.needs[i] & ~self.done)
        self.start = _State(self.done, self.graph.bytes_after(self.done), 0, ready)
        self.goal = self.done | sum(1 << i for i in self.tasks)
        self.floor = max(self.graph.floors[i] for i in self.tasks)

    @cached_property
    def quick(self) -> _State:
        """The end of the given order where it is at the floor, else of the beam's where that is better."""
        given = self.start
        for i in self.tasks:
            given = self._ran(given, i)
        return given if given.peak <= self.floor else min(given, self._beam(), key=lambda state: state.peak)

    def solved(self, enough: int) -> Order:
        """An order that needs at most `enough` bytes, or else the least that the search finds, with what is proven."""
        enough = max(enough, self.floor)
        best, bound = self._search(self.quick, enough) if self.quick.peak > enough else (self.quick, self.floor)
        return Order(best.order, best.peak, bound)

    def _ran(self, state: _State, i: int) -> _State:
        peak, held = self.graph.step(i, state.done, state.held)
        done = state.done | 1 << i
        ready = [one for one in state.ready if one != i]
        ready += [one for one, needs in self._next[i] if not needs & ~done]
        return _State(done, held, peak if peak > state.peak else state.peak, tuple(ready), i, state)

    @cached_property
    def _next(self) -> dict[int, tuple[tuple[int, int], ...]]:
        """The tasks of the piece that wait for each, and what these wait for."""
        graph = self.graph
        return {i: tuple((one, graph.needs[one]) for one in graph.next[i] if self.goal >> one & 1) for i in self.tasks}

    def _beam(self) -> _State:
        """An order that is good, by keeping the best few sets of each size."""
        layer, best = [self.start], None
        while layer:
            found: dict[int, _State] = {}
            for state in layer:
                for i in self._tried(state):
                    one = self._committed(self._ran(state, i), max(state.peak, self.floor))
                    if one.done == self.goal:
                        best = one if best is None or one.peak < best.peak else best
                    elif one.done not in found or (one.peak, one.held) < (found[one.done].peak, found[one.done].held):
                        found[one.done] = one
            layer = sorted(found.values(), key=lambda s: (max(s.peak, self.floor), -s.done.bit_count(), s.held, s.done))
            layer = layer[:BEAM]
        assert best is not None  # every task runs at some time
        return best

    def _tried(self, state: _State) -> Sequence[int]:
        """Of the tasks that could run next as many as the beam has time for."""
        most = max(1, LOOKS // (len(self.tasks) * BEAM * len(state.ready)))
        if len(state.ready) <= most:
            return state.ready
        return sorted(state.ready, key=lambda i: (*self.graph.step(i, state.done, state.held), i))[:most]

    def _committed(self, state: _State, peak: int) -> _State:
        """The state after every chain that costs nothing: it ends at no more bytes, and needs no more than `peak` on the way."""
        peak = max(peak, state.peak)
        waiting = [*state.ready]
        while waiting:
            chain = self._chain(waiting.pop(), state.done, state.held, state.held, peak, 1)
            for one in chain:
                state = self._ran(state, one)
            if chain:
                waiting = [*state.ready]
        return state

    def _chain(self, i: int, done: int, held: int, most: int, peak: int, length: int) -> list[int]:
        """From task i on, each the next one's maker, until no more than `most` bytes are held; empty where that cannot be."""
        step, after = self.graph.step(i, done, held)
        if step > peak:
            return []
        if after <= most:
            return [i]
        done |= 1 << i
        for one, needs in self._next[i] if length < CHAIN else ():
            if not needs & ~done:
                rest = self._chain(one, done, after, most, peak, length + 1)
                if rest:
                    return [i, *rest]
        return []

    def _search(self, best: _State, enough: int) -> tuple[_State, int]:
        """An order of the least peak, or of one that is enough, and what no order of these can do without."""
        budget, bound = min(self.states, STATES_PER_BYTE * (best.peak - enough)), self.floor
        left = budget
        while best.peak > enough:
            found, used = self._reached(max(best.peak - 1, enough), left)
            left -= used
            if found is not None:
                best = found
            elif left > 0:
                return best, best.peak
            else:
                return best, self._impossible(bound, best.peak, budget // 20)
        return best, bound

    def _impossible(self, bound: int, peak: int, budget: int) -> int:
        """A bound that halving the way to `peak` proves with so many states each time."""
        high = peak
        while high - bound > bound // PRECISE:
            middle = (bound + high) // 2
            found, used = self._reached(middle, budget)
            if found is None and used < budget:
                bound = middle + 1
            else:
                high = middle
        return bound

    def _reached(self, peak: int, budget: int) -> tuple[_State | None, int]:
        """The end of an order that needs at most `peak` bytes, None where there is none or the budget ended; and how many states
        were looked at. From a state with few bytes first.
        """
        if self.floor > peak:
            return None, 0
        begin = self._committed(self.start, peak)
        waiting = [(begin, self._risen(self._floors, begin.done & ~self.done))]
        seen = {begin.done}
        count = 0
        while waiting and count < budget:
            state, floors = waiting.pop()
            if state.done == self.goal:
                return state, count
            looks, after = len(state.ready), []
            for i in state.ready:
                done = state.done | 1 << i
                if done in seen or self.graph.step(i, state.done, state.held)[0] > peak:
                    continue
                seen.add(done)
                one = self._committed(self._ran(state, i), peak)
                looks += (one.done & ~state.done).bit_count() * len(one.ready)
                if one.done == done or one.done not in seen:
                    seen.add(one.done)
                    risen = self._risen(floors, one.done & ~state.done)
                    if risen.max() <= peak:  # else some task cannot run any more, because of what has been made already
                        after.append((one, risen))
            after.sort(key=lambda s: (-s[0].held, s[0].done))
            waiting += after
            count += max(1, looks // LOOKS_PER_STATE)
        return None, count

    def _risen(self, floors: Bytes, ran: int) -> Bytes:
        """What each task needs at least, when a set of tasks has run, too; next to nothing for those that have run."""
        new = []
        while ran:
            new.append(self._number[(ran & -ran).bit_length() - 1])
            ran &= ran - 1
        return np.asarray(floors + self._rises[new].sum(axis=0))

    @cached_property
    def _number(self) -> dict[int, int]:
        """The tasks, counted from 0."""
        return {i: number for number, i in enumerate(self.tasks)}

    @cached_property
    def _floors(self) -> Bytes:
        """What each task needs at least when the piece begins."""
        made = self.graph.made(self.done)
        return np.array([self.graph.floor(i, made) for i in self.tasks])

    @cached_property
    def _rises(self) -> Bytes:
        """For each task by how much the floors of all rise when it has run."""
        found = np.array([[self.graph.rise(ran, i) for i in self.tasks] for ran in self.tasks])
        np.fill_diagonal(found, -sum(self.graph.sizes) - 1)
        return found
