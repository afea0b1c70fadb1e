"""Offsets step by step: buffers get their places in the order in which they are written, and of the many ways to do so that stay below a
height, those are followed that leave the least scattered room.

Where as much is live in many steps as an arena has bytes, the free room is one hole, and a result that reaches into its input can only be
made beside it. Placing the biggest first does not see that; going from step to step does. Where the search gets stuck it begins anew there, goes
on to the last step and comes back to the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
# What is tried in turn: how many ways are followed, and one of so many parts above the bound that is allowed.
ATTEMPTS = (
    *((width, 0) for width in (16, 64, 256)),
    *((16, part) for part in (8, 12, 16, 25, 50, 100, 200)),
    *((64, part) for part in (25, 100, 200)),
    *((256, part) for part in (25, 100, 200)),
    (1024, 100),
)
STARTS = 6  # points to begin at, in each attempt
LOOKS = 4_000_000  # at a place and a buffer near by, at once: fewer ways are followed where there are many of both
MOST_LOOKS = 80_000_000  # in all: a few seconds
AHEAD = (0, 1, 2, 4, 8, 16)  # steps: room that is there then counts, too


@dataclass(eq=False)
class Sweep:
    """Buffers to place, once.

    sizes, aligns  of each
    apart          for each the others that it meets, and where it may not begin in relation to them: (other, from, to, but for its very place)
    order          in which they are written
    """

    sizes: tuple[int, ...]
    aligns: tuple[int, ...]
    apart: tuple[tuple[tuple[int, int, int, bool], ...], ...]
    order: tuple[int, ...]
    looks: int = 0

    def placed(self, bound: int, best: int) -> tuple[int, ...] | None:
        """Offsets that end below `best`, at the bound where such are found; None where none are. It depends on nothing else."""
        found = None
        for width, part in ATTEMPTS:
            most = bound + (bound // part if part else 0)
            better = self._tried(most, width) if most < best and self.looks <= MOST_LOOKS else None
            if better is not None:
                found, best = better, max(map(int.__add__, better, self.sizes))
                if best <= bound:
                    break
        return found

    def _tried(self, most: int, width: int) -> tuple[int, ...] | None:
        """Offsets that end at `most`, found by following so many ways from the first buffer or from where that got stuck."""
        order, begun = self.order, {self.order[0]}
        for _ in range(STARTS):
            found, count = self._followed(order, most, width)
            if found is not None or order[count] in begun or self.looks > MOST_LOOKS:
                return found
            begun.add(order[count])
            order = self._from(order[count])
        return None

    def _followed(self, order: Sequence[int], most: int, width: int) -> tuple[tuple[int, ...] | None, int]:
        """Offsets by one run through an order; None where it got stuck, and how many were placed."""
        turn = {i: at for at, i in enumerate(order)}
        # The last turn in which each matters.
        last = [max((turn[j] for j, *_ in near), default=0) for near in self.apart]
        ways: Numbers = np.zeros((1, len(order)), np.int64)
        here: list[int] = []  # placed, and others that they meet are not yet
        for at, i in enumerate(order):
            way, offset = self._choices(ways, i, [one for one in self.apart[i] if turn[one[0]] < at], most)
            if not len(way) or self.looks > MOST_LOOKS:
                return None, at
            here = [j for j in (*here, i) if last[j] > at]
            ways = ways[way]
            ways[:, i] = offset
            _, different = np.unique(ways[:, here] @ self._mix[here], return_index=True)
            ways = ways[different]
            choices = 2 * len(self.apart[order[min(at + 1, len(order) - 1)]]) + 2
            fit = max(1, min(width, LOOKS // choices**2))
            if len(ways) > fit:
                self.looks += len(ways) * len(here) * len(AHEAD)
                room = np.round(self._room(ways, here, [last[j] - at for j in here], most), 9)
                some = np.flatnonzero(room >= np.partition(room, -fit)[-fit])
                ways, room = ways[some], room[some]
                # Of those that leave as much, one with what has been there for longest at the bottom.
                ways = ways[np.lexsort((*ways[:, here[::-1]].T, -room))[:fit]]
        return tuple(int(offset) for offset in ways[0]), len(order)

    def _choices(
        self, ways: Numbers, i: int, near: Sequence[tuple[int, int, int, bool]], most: int
    ) -> tuple[Numbers, Numbers]:
        """The places of a buffer, at an end of the arena or beside another one: number of the way, offset."""
        size, align = self.sizes[i], self.aligns[i]
        ends = np.tile(np.array([0, (most - size) // align * align]), (len(ways), 1))
        others, low, high = (np.array([one[k] for one in near], np.int64) for k in range(3))
        same = np.array([one[3] for one in near], np.bool_)
        there = ways[:, others]
        offsets = np.hstack([ends, -(-(there + high) // align) * align, (there + low) // align * align, there[:, same]])
        offsets.sort(axis=1)
        fits = (offsets >= 0) & (offsets <= most - size)
        fits[:, 1:] &= offsets[:, 1:] != offsets[:, :-1]
        way, which = np.nonzero(fits)
        offset = offsets[way, which]
        shift = offset[:, None] - there[way]
        self.looks += shift.size
        free = ~((shift > low) & (shift < high) & ~(same & (shift == 0))).any(axis=1)
        return way[free], offset[free]

    def _room(self, ways: Numbers, here: Sequence[int], stays: Sequence[int], most: int) -> npt.NDArray[np.float64]:
        """For each way how much of the arena these buffers leave, now and when some of them are gone, more where it is in few pieces.
        `stays`: for how many steps each is there.
        """
        begin = ways[:, here]
        order = np.argsort(begin, axis=1)
        end = np.take_along_axis(begin + self._sizes[here], order, axis=1)
        begin, left = np.take_along_axis(begin, order, axis=1), np.array(stays)[order]
        found = np.zeros(len(ways))
        for ahead in AHEAD:
            there = left > ahead
            tops = np.maximum.accumulate(np.where(there, end, 0), axis=1)
            below = np.hstack([np.zeros((len(ways), 1), np.int64), tops[:, :-1]])
            holes = np.where(there, np.maximum(begin - below, 0), 0) / most
            found += (holes * holes).sum(axis=1) + (1 - tops[:, -1] / most) ** 2
        return np.asarray(found)

    @cached_property
    def _sizes(self) -> Numbers:
        return np.array(self.sizes, np.int64)

    @cached_property
    def _mix(self) -> Numbers:
        """Odd numbers, by which the offsets of a way become one number."""
        return np.random.default_rng(0).integers(1 << 62, size=len(self.sizes), dtype=np.int64) | 1

    @cached_property
    def _turn(self) -> dict[int, int]:
        return {i: at for at, i in enumerate(self.order)}

    def _from(self, start: int) -> tuple[int, ...]:
        """The order from what is there with a buffer on, to the last one, and from there back to the first."""
        turn, at = self._turn, self._turn[start]
        last = {i: max((turn[j] for j, *_ in self.apart[i]), default=turn[i]) for i in self.order[: at + 1]}
        there = [i for i in self.order[: at + 1] if last[i] >= at or i == start]
        there.sort(key=lambda i: (-self.sizes[i], turn[i]))
        before = sorted(set(self.order[:at]).difference(there), key=lambda i: (-last[i], -turn[i]))
        return (*there, *self.order[at + 1 :], *before)
