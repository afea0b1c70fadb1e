"""power: NumPy against compiled C, powers of all kinds on both sides of 0, NaN; and both against the formula in float64."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import units_of
from sanitized import check_as_cpp, check_on_avr, hard_floats, run_sanitized

from mcugen.ops.power import Power
from mcugen.rows import vector

RNG = np.random.default_rng(0)
POWERS = np.array([0.0, 1.0, 2.0, 0.5, -1.0, -3.0, 1e-14, 1e-5, 2 - 1e-9, 7.0])


def op(powers: np.ndarray, positive: bool = False) -> Power:
    made = Power(powers, np.zeros(len(powers)), np.ones(len(powers)), positive)
    usual = RNG.uniform(5, 6, (50, len(powers)))
    given = np.stack([made.exactly(i, one) for i, one in enumerate(usual.T)], axis=1)
    return Power(powers, given.mean(axis=0), given.std(axis=0), positive)


OPS = [op(POWERS), op(POWERS, True), op(np.full(1, 0.3)), op(np.full(300, -0.7), True)]
OPS.append(Power(POWERS, np.full(10, -0.3), np.ones(10)))


def test_the_c_is_numpy() -> None:
    """The C library's logarithms and powers differ by a last digit or two, which an exponent of 20 makes 2.4e-6 of a number."""
    rows = [np.concatenate([hard_floats(RNG, 20, (op.width,)), op.probe(60, RNG)[0]]) for op in OPS]
    units = units_of([(op, (vector(op.width),)) for op in OPS])
    for op, given, (found,) in zip(OPS, rows, run_sanitized(units, [[one] for one in rows]), strict=True):
        wanted = np.stack([op.evaluate(row)[0] for row in given])
        real = np.isfinite(wanted) & (np.abs(wanted) < 1e30)
        np.testing.assert_allclose(found[real], wanted[real], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    check_as_cpp(units)
    check_on_avr(units)


@pytest.mark.parametrize("op", OPS)
def test_it_is_the_formula(op: Power) -> None:
    """As near as promised, on rows such as it was fitted on and on those far off."""
    rows = np.concatenate([op.probe(100, RNG)[0], np.abs(op.probe(100, RNG)[0]) * np.float32(1e-3)])
    found = np.stack([op.evaluate(row)[0] for row in rows])
    wanted = np.stack([op.exactly(i, rows[:, i]) for i in range(op.width)], axis=1)
    wanted = np.where(np.isneginf(wanted), np.nan, wanted)
    np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=2e-6)
    assert op.source(0, vector(op.width)) == (0, 0)
