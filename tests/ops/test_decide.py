"""decide: classes of margins. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from learned import assert_refuses, tensor

from mcugen.ir import DType
from mcugen.ops.decide import Decide

PAIRS = np.array([*combinations(range(3), 2)], np.uint8)


def decided(op: Decide, margins: list[float], pairs: np.ndarray | None = None, dtype: str = "f4") -> int:
    given = np.array(margins, dtype)
    (found,) = op.evaluate(given) if pairs is None else op.evaluate(given, pairs)
    return int(found)


def test_one_margin_and_several() -> None:
    assert [decided(Decide(), [m]) for m in (-1, 0, 1e-30)] == [0, 0, 1]
    assert decided(Decide(), [0.5, 2, 2, -3]) == 1


@pytest.mark.parametrize("dtype", ["f4", "i4"])
def test_votes_and_cut_margins_of_pairs(dtype: str) -> None:
    one = 1 if dtype == "f4" else 4096
    assert decided(Decide(3), [one, -one, -one], PAIRS, dtype) == 2
    assert decided(Decide(3), [one, -one, one], PAIRS, dtype) == 0  # a vote each, as clear as the others
    assert decided(Decide(3), [one / 4, -one, one], PAIRS, dtype) == 1  # clearer than the others
    soft = Decide(3, "soft")
    assert decided(soft, [one / 8, -one * 9, one / 4], PAIRS, dtype) == 2
    assert decided(soft, [one * 99, -one / 4, -one / 4], PAIRS, dtype) == 2  # 99 counts no more than 1/2


def test_classes_with_fewer_pairs_are_not_behind() -> None:
    pairs = np.array([(0, 1), (0, 2), (0, 3), (1, 2)], np.uint8)
    assert decided(Decide(4, "vote", even=True), [1, 1, -1, 1], pairs) == 0
    assert decided(Decide(4, "vote", even=False), [1, 1, -1, 1], pairs) == 3  # all of its one pair


def test_pairs_whose_bit_is_not_set_have_no_vote() -> None:
    margins, op = np.array([1, 1, -1], np.float32), Decide(3, even=False)
    found = [int(op.evaluate(margins, PAIRS, np.array([live], np.uint8))[0]) for live in (0b111, 0b100, 0b001, 0)]
    assert found == [0, 2, 0, 2]


def test_types_that_do_not_go_together_are_refused() -> None:
    assert_refuses(Decide(), tensor(DType.I16, 4))
    assert_refuses(Decide(3), tensor(DType.F32, 3))
    assert_refuses(Decide(3), tensor(DType.F32, 3), tensor(DType.U8, 4, 2))
    assert_refuses(Decide(3, even=True), tensor(DType.F32, 3), tensor(DType.U8, 3, 2), tensor(DType.U8, 1))
    assert_refuses(Decide(3, even=False), tensor(DType.F32, 3), tensor(DType.U8, 3, 2), tensor(DType.U8, 2))
