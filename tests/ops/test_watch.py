"""watch: counts and alarms of streams of errors. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

import numpy as np
import pytest
from learned import assert_refuses, tensor

from mcugen.ir import DType
from mcugen.ops.watch import OVERALL, UNKNOWN, Watch

SCALARS = (np.uint32, np.uint32, np.uint16, np.uint16, np.uint8, np.uint8)


def begun(classes: int = 0) -> list[np.ndarray]:
    found = [np.array(0, kind) for kind in SCALARS]
    found[2] = np.array(UNKNOWN, np.uint16)
    if classes:
        found += [np.full(classes, UNKNOWN, np.uint16), np.zeros(classes, np.uint16), np.zeros(classes, np.uint8)]
        found += [np.zeros((classes, classes), np.uint16)]
    return found


def watched(state: list[np.ndarray], label: int, y: int) -> list[np.ndarray]:
    given = np.asarray(label, np.int32), np.asarray(y, np.int32)
    return [np.asarray(one) for one in Watch().evaluate(*given, *state)]


@pytest.mark.parametrize(("rate", "most"), [(0.0, 0), (0.02, 1), (0.05, 1), (0.12, 1), (0.2, 1), (0.4, 1)])
def test_steady_errors_hardly_alarm_and_new_ones_do_at_once(rate: float, most: int) -> None:
    rng = np.random.default_rng(int(100 * rate))
    state, alarms = begun(), 0
    for wrong in rng.random(10_000) < rate:
        state = watched(state, int(wrong), 0)
        alarms += int(state[5]) == OVERALL
        state[5] = np.array(0, np.uint8)
    assert alarms <= most
    assert int(state[2]) / 65536 == pytest.approx(rate, abs=0.08)
    rows = 0
    while rate < 0.3 and not state[5]:
        state, rows = watched(state, 1, 0), rows + 1
    assert rows <= 15


def test_a_class_that_changes_alarms_alone() -> None:
    state = begun(20)
    for i in range(2000):
        state = watched(state, i % 20, i % 20)
    rows = 0
    while not state[5]:
        state, rows = watched(state, 4 if rows % 20 == 3 else rows % 20, rows % 20), rows + 1
    assert int(state[5]) == 3 + 2
    assert state[9][3, 4] == 6
    assert state[9][3, 3] == 100


def test_counters_stop_at_their_limits() -> None:
    state = begun(2)
    state[0], state[1], state[9] = (
        np.array(2**32 - 1, np.uint32),
        np.array(2**32 - 1, np.uint32),
        np.full((2, 2), 65535, np.uint16),
    )
    state = watched(state, 1, 1)
    assert [int(state[0]), int(state[1]), int(state[9][1, 1])] == [2**32 - 1, 2**32 - 1, 65535]


def test_types_that_do_not_go_together_are_refused() -> None:
    assert_refuses(Watch(), *(tensor(DType.I32) for _ in range(8)))
