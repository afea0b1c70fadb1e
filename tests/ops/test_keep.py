"""keep: the last rows with their tickets. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

import numpy as np
from learned import assert_refuses, tensor

from mcugen.ir import DType
from mcugen.ops.keep import Keep


def test_the_last_rows_are_kept_and_tickets_begin_anew() -> None:
    state = [np.zeros((3, 2), np.float32), np.zeros(3, np.uint16), np.array(65_533, np.uint16)]
    for row in range(4):
        state = [np.asarray(one) for one in Keep().evaluate(np.full(2, row, np.float32), *state)]
    rows, tickets, last = state
    assert int(last) == 2
    assert sorted(tickets.tolist()) == [1, 2, 65_535]
    assert {int(t): int(r[0]) for t, r in zip(tickets, rows, strict=True)} == {65_535: 1, 1: 2, 2: 3}


def test_types_that_do_not_go_together_are_refused() -> None:
    x, last = tensor(DType.F32, 2), tensor(DType.U16)
    assert_refuses(Keep(), x, tensor(DType.I8, 3, 2), tensor(DType.U16, 3), last)
    assert_refuses(Keep(), x, tensor(DType.F32, 3, 2), tensor(DType.U8, 3), last)
