"""Buffers placed step by step: puzzles with one small hole, whose solution is known."""

from __future__ import annotations

import random

import pytest

from mcugen.memory import pack as packing
from mcugen.memory.live import Range
from mcugen.memory.overlap import Shift
from mcugen.memory.pack import Buffer, pack
from mcugen.memory.sweep import Sweep

SIZE, HOLE, STEPS = 8, 1, 40


def puzzle(tiles: int, seed: int) -> tuple[tuple[Buffer, ...], dict[tuple[int, int], Shift]]:
    """Tiles beside each other with a hole between them. In every step one beside the hole is replaced by one that may reach into it, if it lies
    a hole's width off: the arena never needs more than all tiles and the hole, but only for who slides the right ones.
    """
    chance = random.Random(seed)
    row = [*range(tiles)]  # bottom to top
    hole = chance.randrange(tiles + 1)  # tiles below it
    first, last, shifts = dict.fromkeys(row, 0), dict.fromkeys(row, STEPS), {}
    for step in range(1, STEPS):
        up = chance.random() < 0.5
        at = hole - 1 if (up and hole > 0) or hole == tiles else hole
        old, new = row[at], len(first)
        hole = at if at < hole else at + 1
        row[at], first[new], last[old], last[new] = new, step, step, STEPS
        shifts[old, new] = Shift(HOLE, HOLE)
    return tuple(Buffer((str(i),), SIZE, 1, Range(first[i], last[i])) for i in first), shifts


def keeps(wanted: tuple[Buffer, ...], shifts: dict[tuple[int, int], Shift], offsets: tuple[int, ...]) -> bool:
    """Whether no two buffers lose a byte of each other."""
    for j, b in enumerate(wanted):
        for i, a in enumerate(wanted[:j]):
            apart = offsets[i] + a.nbytes <= offsets[j] or offsets[j] + b.nbytes <= offsets[i]
            slid = (i, j) in shifts and shifts[i, j].allows(offsets[j] - offsets[i])
            if a.live.meets(b.live) and not apart and not slid:
                return False
    return min(offsets) >= 0


@pytest.mark.parametrize(("tiles", "seed"), [(5, 1), (5, 2), (5, 5), (8, 0), (8, 3)])
def test_puzzles_are_solved_without_a_solver(tiles: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "is_installed", lambda: False)
    wanted, shifts = puzzle(tiles, seed)
    offsets = pack(wanted, shifts, tiles * SIZE + HOLE)
    assert max(offsets) + SIZE == tiles * SIZE + HOLE
    assert keeps(wanted, shifts, offsets)
    assert max(pack(wanted, shifts)) + SIZE > tiles * SIZE + HOLE  # biggest first


def test_what_cannot_be_is_not_found_and_takes_no_time() -> None:
    # Three that are there at once need 30 bytes whatever is tried.
    apart = [(((1, -10, 10, False), (2, -10, 10, False))), ((0, -10, 10, False), (2, -10, 10, False))]
    sweep = Sweep((10, 10, 10), (1, 1, 1), (*apart, ((0, -10, 10, False), (1, -10, 10, False))), (0, 1, 2))
    assert sweep.placed(29, 30) is None
    assert max(sweep.placed(30, 40) or ()) == 20


def test_alignment_is_kept() -> None:
    near = ((1, -4, 3, False),), ((0, -3, 4, False),)
    found = Sweep((3, 4), (1, 4), near, (0, 1)).placed(7, 9)
    assert found == (4, 0)
