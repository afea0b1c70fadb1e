"""remember: what a memory holds after a stream. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

import numpy as np
import pytest
from learned import assert_refuses, tensor

from mcugen.ir import DType
from mcugen.ops.remember import Policy, Remember


def memory(size: int, classes: int) -> list[np.ndarray]:
    slot = np.uint8 if size < 256 else np.uint16
    kinds = [np.zeros((size, 1), np.int16), np.zeros(size, slot), np.zeros(classes, slot), np.zeros(classes, np.uint32)]
    return [*kinds, np.zeros(classes, np.uint8), np.array(1, np.uint32)]


def after(policy: Policy, size: int, classes: list[int]) -> list[np.ndarray]:
    """The memory after a stream of samples that are their own numbers."""
    state = memory(size, max(classes) + 1)
    for number, y in enumerate(classes):
        state = [np.asarray(v) for v in Remember(policy).evaluate(np.int16([number]), np.asarray(y, np.int32), *state)]
    return state


@pytest.mark.parametrize("policy", ["cbrs", "reservoir", "ring"])
@pytest.mark.parametrize("size", [1, 7, 300])
def test_every_sample_is_known_by_its_class_and_is_there_once(policy: Policy, size: int) -> None:
    rng = np.random.default_rng(size)
    classes = np.minimum(rng.exponential(size=800) * 2, 4).astype(int).tolist()
    samples, slots, held, seen, _, _ = after(policy, size, classes)
    assert sorted(slots.tolist()) == [*range(size)]
    assert held.sum() == size
    assert seen.tolist() == np.bincount(classes).tolist()
    ends = np.cumsum(held)
    for y, end in enumerate(ends):
        assert all(classes[int(samples[slot, 0])] == y for slot in slots[end - held[y] : end])


def test_classes_end_balanced_whatever_the_stream() -> None:
    rng = np.random.default_rng(5)
    classes = [*rng.permutation(np.repeat([0, 1, 2, 3], [1000, 300, 40, 12])).tolist()]
    for stream in (classes, sorted(classes), sorted(classes, reverse=True)):
        held = after("cbrs", 40, stream)[2]
        assert held.min() >= 9
    assert after("reservoir", 40, classes)[2].min() < 5


def test_a_reservoir_is_a_fair_sample_and_a_ring_the_last_rows() -> None:
    counts = np.zeros(200)
    for seed in range(1, 120):
        state = memory(20, 1)
        state[-1] = np.array(seed * 7919, np.uint32)
        for number in range(200):
            state = [
                np.asarray(v)
                for v in Remember("reservoir").evaluate(np.int16([number]), np.asarray(0, np.int32), *state)
            ]
        counts[state[0][:, 0]] += 1
    assert abs(counts[:100].sum() / counts.sum() - 0.5) < 0.05
    assert sorted(after("ring", 20, [0] * 100 + [1] * 33)[0][:, 0].tolist()) == [*range(113, 133)]


def test_types_that_do_not_go_together_are_refused() -> None:
    x, y, s, n = tensor(DType.F32, 4), tensor(DType.I32), tensor(DType.F32, 9, 4), tensor(DType.U8, 9)
    rest = tensor(DType.U32, 3), tensor(DType.U8, 3), tensor(DType.U32)
    assert_refuses(Remember(), x, y, s, n, tensor(DType.U16, 3), *rest)
    assert_refuses(Remember(), x, y, tensor(DType.I8, 9, 4), n, tensor(DType.U8, 3), *rest)
