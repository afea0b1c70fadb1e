"""drop_pairs: what no decision needed goes. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from learned import assert_refuses, tensor

from mcugen.ir import DType
from mcugen.learning import are_set, as_bits
from mcugen.ops.drop_pairs import DropPairs

PAIRS = np.array([*combinations(range(4), 2)], np.uint8)


def dropped(live: list[int], needed: list[int], judged: int = 160) -> tuple[list[int], list[int], int]:
    """The pairs that are live, and needed, and the count of rows."""
    given = [as_bits(np.isin(np.arange(6), one)) for one in (live, needed)]
    *bits, count = DropPairs(4, 160).evaluate(PAIRS, *given, np.asarray(judged, np.uint16))
    left, more = (np.flatnonzero(are_set(one, 6)).tolist() for one in bits)
    return left, more, int(count)


def test_what_is_not_needed_goes_and_all_begins_again() -> None:
    assert dropped([*range(6)], [0, 1, 2, 5]) == ([0, 1, 2, 5], [], 0)
    assert dropped([0, 1, 2, 5], [0, 1, 2]) == ([0, 1, 2], [], 0)


def test_a_class_keeps_its_last_pair() -> None:
    assert dropped([*range(6)], [0]) == ([0, 5], [], 0)  # 2 and 3 have nothing but each other
    left, _, _ = dropped([*range(6)], [])
    assert {*PAIRS[left].ravel().tolist()} == {0, 1, 2, 3}


def test_of_few_rows_nothing_follows() -> None:
    assert dropped([*range(6)], [0], judged=159) == ([*range(6)], [0], 159)


def test_types_that_do_not_go_together_are_refused() -> None:
    pairs, bits, count = tensor(DType.U8, 9, 2), tensor(DType.U8, 2), tensor(DType.U16)
    assert_refuses(DropPairs(4, 1), pairs, bits, tensor(DType.U8, 1), count)
    assert_refuses(DropPairs(4, 1), tensor(DType.U8, 9, 3), bits, bits, count)
    assert_refuses(DropPairs(4, 1), pairs, bits, bits, tensor(DType.U8))
