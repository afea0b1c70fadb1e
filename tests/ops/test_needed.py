"""needed: which pairs decisions need. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from learned import assert_refuses, tensor

from mcugen.ir import DType
from mcugen.learning import are_set, as_bits
from mcugen.ops.decide import Decide
from mcugen.ops.needed import Needed

PAIRS = np.array([*combinations(range(4), 2)], np.uint8)
ALL, NONE = as_bits(np.ones(6, bool)), as_bits(np.zeros(6, bool))


def judged(margins: list[float], needed: np.ndarray, live: np.ndarray = ALL, rows: int = 0) -> tuple[list[int], int]:
    """The pairs that are needed after a row with these margins, and the count of rows."""
    given = np.array(margins, np.float32)
    (label,) = Decide(4, even=False).evaluate(given, PAIRS, live)
    bits, count = Needed(4).evaluate(label, given, PAIRS, live, needed, np.asarray(rows, np.uint16))
    return np.flatnonzero(are_set(bits, 6)).tolist(), int(count)


def test_the_first_row_needs_what_votes_for_its_class_or_against_the_last() -> None:
    found, rows = judged([1, 1, 1, 1, 1, 1], NONE)  # class 0; without any pair it would be 3
    assert [PAIRS[at].tolist() for at in found] == [[0, 1], [0, 2], [0, 3], [1, 3], [2, 3]]
    assert rows == 1


def test_what_decides_as_all_do_is_enough() -> None:
    one = as_bits(np.array([True, *[False] * 5]))
    assert judged([1, 1, 1, 1, 1, 1], one) == ([0], 1)
    assert judged([-1, 1, 1, -1, 1, -1], one, rows=65_535) == ([0, 1, 2, 3], 65_535)  # by itself it says 1, with all 0


def test_what_is_not_live_is_not_needed() -> None:
    live = as_bits(np.array([True, False, True, True, True, True]))
    assert judged([1, 1, 1, 1, 1, 1], NONE, live)[0] == [0, 2, 4, 5]


def test_needed_pairs_alone_decide_as_all_do_after_enough_passes() -> None:
    rng = np.random.default_rng(0)
    rows, needed = rng.normal(size=(30, 6)).astype(np.float32), NONE
    for margins in [*rows, *rows, *rows, *rows]:
        (label,) = Decide(4, even=False).evaluate(margins, PAIRS, ALL)
        needed, _ = Needed(4).evaluate(label, margins, PAIRS, ALL, needed, np.asarray(0, np.uint16))
    for margins in rows:
        op = Decide(4, even=False)
        assert op.evaluate(margins, PAIRS, needed) == op.evaluate(margins, PAIRS, ALL)


def test_types_that_do_not_go_together_are_refused() -> None:
    y, m, p, b, n = tensor(DType.I32), tensor(DType.F32, 6), tensor(DType.U8, 6, 2), tensor(DType.U8, 1), DType.U16
    assert_refuses(Needed(4), y, m, p, b, tensor(DType.U8, 2), tensor(n))
    assert_refuses(Needed(4), y, m, tensor(DType.U8, 5, 2), b, b, tensor(n))
    assert_refuses(Needed(4), tensor(DType.I32, 1), m, p, b, b, tensor(n))
    assert_refuses(Needed(4), y, m, p, b, b, tensor(DType.U8))
