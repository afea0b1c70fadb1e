"""Several memories: which buffer lies in which. What is moved most, for each byte that it takes and each step, gets the fastest.

Buffers are tried in this order, memory by memory, the fastest first, and stay where they still can be packed beside those before.
What then fits nowhere is placed before all others, in the slowest memory that holds it, and the rest is tried again. In the end
a buffer is exchanged for others where that brings more moved bytes into a faster memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mcugen.ir import Graph
from mcugen.memory.live import views
from mcugen.memory.overlap import rows_read
from mcugen.memory.pack import Buffer, Shifts, among, pack
from mcugen.ram import Ram

ROUNDS = 8  # in which what fits nowhere goes first
FAILURES = 60  # to place a buffer in a memory, after which the others go to the next one
EXCHANGES = 100  # ways to pack a memory that are looked at for them


def moved(graph: Graph) -> Mapping[str, int]:
    """For every value that has a buffer the bytes that one call writes there and reads: each once where it is made; as often as
    the rows of a result are made of it; and for sums of products one element a product, from a kernel's scratch, where it has one.
    """
    owner = views(graph)
    found: Counter[str] = Counter()
    for node in graph.nodes:
        types, made = graph.types(node.inputs), graph.types(node.outputs)
        taken = [type.nbytes for type in types]
        for rows in rows_read(node, types, made[0]) if made else ():
            for at, one in enumerate(rows):
                height = types[at].shape[0] if types[at].shape else 1
                taken[at] += (one[1] - one[0]) * (types[at].nbytes // height) if one else 0
        read = [*zip(node.inputs, taken, strict=True)]
        written = [*zip(node.outputs, (type.nbytes for type in made), strict=True)]
        products = node.op.macc(*types)
        if products and node.op.scratch:
            written[-1] = (node.outputs[-1], products * made[-1].dtype.nbytes)
        elif products:
            read[0] = (node.inputs[0], max(taken[0], products * types[0].dtype.nbytes))
        for name, size in (*read, *written):
            found[owner.get(name, name)] += size
    return found


def spread(graph: Graph, wanted: Sequence[Buffer], shifts: Shifts, memories: Sequence[Ram]) -> tuple[int, ...]:
    """The memory of each buffer, by its number. What fits nowhere is in the memory that leaves it most room."""
    if len(memories) == 1:
        return (0,) * len(wanted)
    use = moved(graph)
    search = _Search(tuple(wanted), shifts, tuple(memories), [sum(use[name] for name in one.values) for one in wanted])
    return search.found()


@dataclass(eq=False)
class _Search:
    buffers: tuple[Buffer, ...]
    shifts: Shifts
    memories: tuple[Ram, ...]
    use: Sequence[int]  # bytes moved of each buffer
    known: dict[tuple[frozenset[int], int], bool] = field(default_factory=dict)

    def found(self) -> tuple[int, ...]:
        order = self._ordered(range(len(self.buffers)))
        large: list[int] = []  # what goes first
        for _ in range(ROUNDS):
            held, rest = self._filled(order, large)
            if not rest:
                return self._exchanged(held)
            large += rest
        roomy = max(range(len(self.memories)), key=lambda m: self.memories[m].nbytes)
        held[roomy] += rest
        return self._numbers(held)

    def _ordered(self, some: Iterable[int]) -> list[int]:
        """Those first that are moved most for each byte that they take and each step for which they do."""
        room = {i: self.buffers[i].nbytes * (self.buffers[i].live.last - self.buffers[i].live.first + 1) for i in some}
        return sorted(room, key=lambda i: (-self.use[i] / max(1, room[i]), -self.use[i], i))

    def _filled(self, order: Sequence[int], large: Sequence[int]) -> tuple[list[list[int]], list[int]]:
        """What every memory holds, and what is left."""
        held: list[list[int]] = [[] for _ in self.memories]
        rest: list[int] = []
        for i in large:
            room = (m for m in reversed(range(len(held))) if self._fits([*held[m], i], m))
            at = next(room, None)
            (rest if at is None else held[at]).append(i)
        left = [i for i in order if i not in large]
        for m in range(len(held)):
            left = self._fill(held[m], left, m)
        return held, rest + left

    def _fill(self, held: list[int], wanted: Sequence[int], memory: int) -> list[int]:
        """Put into a memory what fits there, in this order; returns the others. Halves are tried as one, as most do or do not."""
        rest: list[int] = []
        parts = [[*wanted]] if wanted else []
        failures = 0
        while parts:
            part = parts.pop()
            if failures < FAILURES and self._fits([*held, *part], memory):
                held += part
            elif len(part) == 1 or failures >= FAILURES:
                rest += part
                failures += 1
            else:
                half = len(part) // 2
                parts += [part[half:], part[:half]]
        return rest

    def _fits(self, held: Sequence[int], memory: int) -> bool:
        """Whether buffers can be packed into a memory."""
        key = (frozenset(held), memory)
        if key not in self.known:
            most = self.memories[memory].nbytes
            self.known[key] = all(self.buffers[i].nbytes <= most for i in held) and self._height(sorted(held)) <= most
        return self.known[key]

    def _height(self, held: Sequence[int]) -> int:
        some = [self.buffers[i] for i in held]
        offsets = pack(some, among(self.shifts, held))
        return max((at + one.nbytes for at, one in zip(offsets, some, strict=True)), default=0)

    def _exchanged(self, held: list[list[int]]) -> tuple[int, ...]:
        """The memories with one buffer taken for others that are moved less together, while a faster memory comes to hold more of that."""
        enough = len(self.known) + EXCHANGES
        for fast in range(len(held)):
            for slow in range(fast + 1, len(held)):
                for wanted in sorted(held[slow], key=lambda i: (-self.use[i], i)):
                    if len(self.known) > enough:
                        return self._numbers(held)
                    given = self._rivals(held[fast], wanted, fast)
                    left = [i for i in held[slow] if i != wanted] + given
                    if given and self._fits(left, slow):
                        held[fast] = [*(i for i in held[fast] if i not in given), wanted]
                        held[slow] = self._fill(held[fast], self._ordered(left), fast)
        return self._numbers(held)

    def _rivals(self, held: Sequence[int], wanted: int, memory: int) -> list[int]:
        """Buffers to take out of a memory so that another one fits, rather those that are moved little; none where they are moved as much
        as it is.
        """
        stays, given = [*held, wanted], []
        rivals = (i for i in held if self.buffers[i].meets(self.buffers[wanted]))
        for one in sorted(rivals, key=lambda i: (self.use[i], i)):
            if self._fits(stays, memory):
                break
            given.append(one)
            stays.remove(one)
        if not self._fits(stays, memory):
            return []
        for one in reversed(given.copy()):  # some need not go for those that are larger
            if self._fits([*stays, one], memory):
                given.remove(one)
                stays.append(one)
        return given if sum(self.use[i] for i in given) < self.use[wanted] else []

    def _numbers(self, held: Sequence[Sequence[int]]) -> tuple[int, ...]:
        at = {i: m for m, some in enumerate(held) for i in some}
        return tuple(at[i] for i in range(len(self.buffers)))
