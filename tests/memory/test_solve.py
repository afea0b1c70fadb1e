"""The solver: it reaches bounds that placing one by one misses, and keeps to shifts and alignment."""

from __future__ import annotations

import pytest
from tools import require

from mcugen.memory.live import Range
from mcugen.memory.overlap import Shift
from mcugen.memory.pack import Buffer, pack
from mcugen.memory.solve import solved


def test_offsets_of_buffers_that_all_live_at_once() -> None:
    require("python:ortools")
    sizes, apart = [40, 30, 20], [(0, 1, -30, 40, False), (0, 2, -20, 40, False), (1, 2, -20, 30, False)]
    found = solved(sizes, [1, 1, 1], apart, (0, 100, 200), 90)
    assert max(at + size for at, size in zip(found, sizes, strict=True)) == 90


def test_alignment_and_the_very_place() -> None:
    require("python:ortools")
    found = solved(
        [8, 5, 8], [8, 1, 8], [(0, 1, -5, 8, False), (1, 2, -8, 5, False), (0, 2, -8, 8, True)], (0, 16, 32), 13
    )
    assert found[0] == found[2]
    assert found[0] % 8 == 0
    assert max(found[0] + 8, found[1] + 5) == 13


def test_a_bound_that_the_packer_misses() -> None:
    require("python:ortools")
    # A zigzag of lives in which every order of placing leaves a gap.
    lives = [(14, 0, 2), (12, 1, 4), (18, 3, 6), (10, 5, 8), (16, 2, 3), (6, 4, 7), (20, 7, 9), (8, 8, 9), (4, 0, 5)]
    wanted = [Buffer((str(i),), 100 * size, 1, Range(first, last)) for i, (size, first, last) in enumerate(lives)]
    bound = max(sum(b.nbytes for b in wanted if b.live.first <= step <= b.live.last) for step in range(10))
    offsets = pack(wanted, {}, bound)
    assert max(at + one.nbytes for at, one in zip(offsets, wanted, strict=True)) == bound
    for i, a in enumerate(wanted):
        for j, b in enumerate(wanted[:i]):
            meet = a.live.meets(b.live)
            assert not meet or offsets[i] >= offsets[j] + b.nbytes or offsets[j] >= offsets[i] + a.nbytes


@pytest.mark.parametrize("below", [3, 10])
def test_a_shift_is_kept(below: int) -> None:
    require("python:ortools")
    shift = Shift(below, 10)
    wanted = [Buffer(("a",), 10, 1, Range(0, 1)), Buffer(("b",), 10, 1, Range(1, 2))]
    offsets = pack(wanted, {(0, 1): shift}, 10 + below)
    assert shift.allows(offsets[1] - offsets[0])
    assert max(offsets) + 10 == 10 + below
