"""ranks: NumPy against compiled C, and against float64."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.ops.ranks import MOST, Ranks, ranks_of
from mcugen.pairs import pair_of, summed
from mcugen.rows import vector

SIZES = ((1,), (0, 3, 40), (255, 1), (256, 2), (300, 0, 5), (70_000 // 3,) * 3)


def ranks(sizes: tuple[int, ...]) -> Ranks:
    """Limits of many sizes, some of them next to each other, all of them the sum of two floats."""
    rng = np.random.default_rng(sum(sizes))
    lists = []
    for size in sizes:
        limits = rng.normal(size=size) * 10.0 ** rng.integers(-3, 4, size)
        limits[1::3] = limits[: len(limits[1::3])] * (1 + 2.0**-40)
        lists.append(np.unique(summed(np.concatenate(pair_of(limits)))))
    return Ranks(tuple(lists))


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops = [ranks(sizes) for sizes in SIZES[:-1]]
    rows = [[np.concatenate([hard_floats(rng, 20, (2 * op.features,)), op.probe(60, rng)[0]])] for op in ops]
    assert_c_is_numpy([(op, (vector(2 * op.features),)) for op in ops], rows)


@pytest.mark.parametrize("sizes", SIZES)
def test_ranks_are_those_of_float64(sizes: tuple[int, ...]) -> None:
    op = ranks(sizes)
    for row in op.probe(50, np.random.default_rng(1))[0]:
        exact = summed(row)
        wanted = [np.searchsorted(limits, x) for limits, x in zip(op.limits, exact, strict=True)]
        np.testing.assert_array_equal(op.evaluate(row)[0], wanted)


def test_half_way_between_two_floats() -> None:
    """An odd float's last number is just below the point half way to the next one, which is an even one's."""
    odd = np.float32(1 + 2.0**-23)
    after = np.nextafter(odd, np.float32(2))
    middle = float(odd) / 2 + float(after) / 2
    op = Ranks((np.array([np.nextafter(middle, 0)]), np.array([middle])))
    for pair in ((odd, np.float32(2.0**-24)), (after, np.float32(-(2.0**-24)))):
        row = np.array([pair[0], pair[0], pair[1], pair[1]], np.float32)
        assert op.evaluate(row)[0].tolist() == [1, 0]
    below = np.array([odd, odd, 2.0**-24 * (1 - 2.0**-20), 2.0**-24], np.float32)
    assert op.evaluate(below)[0].tolist() == [0, 0]


def test_every_limit_has_its_place() -> None:
    op, places = ranks_of([2, 0, 2, 2], np.array([5.0, 1.0, -5.0, 5.0]), 3)
    assert [one.tolist() for one in op.limits] == [[1.0], [], [-5.0, 5.0]]
    assert places.tolist() == [1, 0, 0, 1]


def test_too_many_limits_are_refused() -> None:
    many = Ranks((np.arange(5_000.0),))
    with pytest.raises(McugenError, match="E0303"):
        many.forms(Target(load_board("uno")))
    assert many.forms(Target(load_board("nano33ble"))) == ()
    with pytest.raises(McugenError, match="E0303"):
        Ranks((np.arange(MOST + 1.0),)).forms(Target(load_board("nano33ble")))
