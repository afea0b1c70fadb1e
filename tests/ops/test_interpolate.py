"""interpolate: NumPy against compiled C on and beside points, jumps, NaN; and the points against the curves in float64."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy, units_of
from sanitized import hard_floats, run_sanitized

from mcugen.boards import Target, load_board
from mcugen.curves import Curve
from mcugen.diagnostics import McugenError
from mcugen.normal import quantile
from mcugen.ops.interpolate import Interpolate
from mcugen.rows import vector

RNG = np.random.default_rng(0)


def curve(points: int, kind: str = "plain") -> Curve:
    """Through random points; `rising` from 0 to 1, with some jumps; `steep` between floats next to one another."""
    knots = np.unique(RNG.normal(size=points) * 3)
    if kind == "steep":
        knots = 1 + np.arange(points) * 0.4e-7
    if kind != "rising":
        return Curve.through(knots, RNG.normal(size=len(knots)) * 5)
    steps = np.sort(RNG.random((len(knots), 3)).ravel()).reshape(-1, 3)
    steps[::2] = steps[::2, :1]
    steps[0], steps[-1] = 0, 1
    return Curve(knots, *steps.T)


def op(counts: tuple[int, ...], kind: str = "plain", inside: bool = False, normal: bool = False) -> Interpolate:
    missing = RNG.normal(size=len(counts)) if len(counts) > 2 else np.full(len(counts), np.nan)
    return Interpolate(tuple(curve(n, kind) for n in counts), missing, inside, normal)


PLAIN = [
    op((1,)),
    op((2, 9, 1)),
    op((300,), "rising"),
    op((7,) * 40, inside=True),
    op((3,) * 260),
    op((40, 40), "steep"),
]
NORMAL = [op((2,), "rising", normal=True), op((60, 1, 9), "rising", normal=True)]


@pytest.mark.parametrize("kind", ["plain", "rising", "steep"])
def test_floats_that_stand_for_other_numbers(kind: str) -> None:
    """What the curve is at those numbers, and at all floats beside them what it was; knots may lie closer than floats."""
    made = curve(40, kind)
    numbers = np.unique(np.r_[made.knots[::3], made.knots[:1], made.knots[-1:]])
    x, first = np.unique(numbers.astype(np.float32), return_index=True)
    numbers = numbers[first]
    sides = [np.nextafter(x, np.float32(end)).astype(np.float64) for end in (-np.inf, np.inf)]
    standing = sides[0], x.astype(np.float64), sides[1], numbers
    found = made.answering(*standing, lambda values: values * 1e9)
    np.testing.assert_array_equal(found.of(x.astype(np.float64)), made.of(numbers))
    steps = x.view(np.int32)[:, np.newaxis] + np.arange(-3, 4, dtype=np.int32)
    beside = np.setdiff1d(np.r_[steps.view(np.float32).ravel(), np.linspace(-9, 9, 99, dtype=np.float32)], x).astype(
        np.float64
    )
    np.testing.assert_allclose(found.of(beside), made.of(beside), rtol=1e-9, atol=1e-9)
    assert found.rises or not made.rises
    assert made.answering(*standing, np.zeros_like).knots.tolist() == made.knots.tolist()


def test_the_c_is_numpy() -> None:
    rows = [[np.concatenate([hard_floats(RNG, 20, (op.width,)), op.probe(60, RNG)[0]])] for op in PLAIN]
    assert_c_is_numpy([(op, (vector(op.width),)) for op in PLAIN], rows)


def test_quantiles_are_within_a_few_last_digits() -> None:
    """logf and sqrtf are the C library's: each may differ by a last digit, which is at most 5e-7 of a quantile of 5.2."""
    rows = [op.probe(200, RNG)[0] for op in NORMAL]
    found = run_sanitized(units_of([(op, (vector(op.width),)) for op in NORMAL]), [[one] for one in rows])
    for op, given, (out,) in zip(NORMAL, rows, found, strict=True):
        wanted = np.stack([op.evaluate(row)[0] for row in given])
        np.testing.assert_allclose(out, wanted, rtol=0, atol=1.5e-6)


@pytest.mark.parametrize("op", [*PLAIN, *NORMAL])
def test_the_points_say_what_the_curve_is_for_every_float(op: Interpolate) -> None:
    """Within 1e-6 of values, or of 1, beside the roundings of float32; quantiles within 5e-6."""
    rows = op.probe(200, RNG)[0]
    given = np.stack([op.evaluate(row)[0] for row in rows])
    for i, one in enumerate(op.curves):
        x = rows[:, i].astype(np.float64)
        wanted = quantile(one.of(x)) if op.normal else one.of(x)
        if op.inside:
            wanted = np.where((x < one.knots[0]) | (x > one.knots[-1]), np.nan, wanted)
        np.testing.assert_allclose(given[:, i], wanted, rtol=3e-7, atol=5e-6 if op.normal else 1.2e-6)
        if not op.inside:
            np.testing.assert_array_equal(op.exactly(i, x), wanted)


def test_what_rises_can_be_seen_through() -> None:
    assert op((9,), "rising").source(0, vector(1)) == (0, 0)
    assert (
        Interpolate((Curve.through(np.arange(3.0), np.array([0.0, 2, 1])),), np.zeros(1)).source(0, vector(1)) is None
    )


def test_its_tables_are_part_of_what_it_costs() -> None:
    target = Target(load_board("uno"))
    for one in (op((10,)), op((500,))):
        assert one.cost(target, vector(1)).flash > 8 * len(one.points[0][0])
    with pytest.raises(McugenError):
        op((9_000,)).forms(target)
