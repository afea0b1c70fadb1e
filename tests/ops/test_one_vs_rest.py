"""one_vs_rest: NumPy against compiled C, with ties and with probabilities that are all 0."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from one_op import assert_c_is_numpy, units_of
from sanitized import check_as_cpp, check_on_avr, run_sanitized

from mcugen.diagnostics import McugenError
from mcugen.ops.one_vs_rest import OneVsRest
from mcugen.rows import vector


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops, rows = [], []
    for count in (1, 2, 3, 10, 260):
        for output in ("label", "proba"):
            op = OneVsRest(count, output, 0.5 if count == 1 else 0.0)  # type: ignore[arg-type]
            scores = rng.integers(-2, 3, (30, count)).astype(np.float32)
            chances = rng.random((30, count)).astype(np.float32) * rng.integers(0, 2, (30, 1)).astype(np.float32)
            given = [scores, chances] if output == "proba" else [scores]
            for one in (op, replace(op, even=True)):
                ops.append((one, (vector(count),) * len(given)))
                rows.append(given)
    assert_c_is_numpy(ops, rows)


def test_what_it_does_not_take() -> None:
    with pytest.raises(McugenError, match="one_vs_rest takes 2 times 3:f32, not 3:f32"):
        OneVsRest(3, "proba").infer(vector(3))


def test_odds_are_told_apart_where_probabilities_are_no_floats() -> None:
    op = OneVsRest(3, "proba", odds=-745.0)
    index, chances = op.evaluate(np.array([-701, -700, -800], np.float32))
    assert index == 1
    np.testing.assert_allclose(chances, [1 / (1 + np.e), np.e / (1 + np.e), 0], rtol=1e-6)
    assert (op.evaluate(np.array([-801, -800, -900], np.float32))[1] == 0).all()


def test_odds_of_probabilities_that_are_1_or_0_are_equal() -> None:
    op = OneVsRest(3, "label", odds=-745.0, equal=36.7)
    assert [int(op.evaluate(np.array(s, np.float32))[0]) for s in ([30, 40, 50], [-900, -800, -750], [1, 2, 1])] == [
        1,
        0,
        1,
    ]


def test_the_c_makes_probabilities_of_odds() -> None:
    """As near to NumPy's as expf and two roundings are."""
    rng = np.random.default_rng(0)
    ops, rows = [], []
    for count in (1, 2, 3, 260):
        sizes = np.array([[1.0], [10.0], [100.0], [1000.0], [1e30]])
        odds = (rng.normal(size=(5, count)) - np.array([[0], [0], [4], [0], [0]])) * sizes
        op = OneVsRest(count, "proba", odds=-700.0)
        for one in (op, replace(op, equal=36.0), replace(op, output="label", equal=36.0)):
            ops.append((one, (vector(count),)))
            rows.append([np.concatenate([odds, -np.abs(odds)]).astype(np.float32)])
    units = units_of(ops)
    for (op, _), (given,), found in zip(ops, rows, run_sanitized(units, rows), strict=True):
        for i, row in enumerate(given):
            for out, wanted in zip(found, op.evaluate(row), strict=True):
                np.testing.assert_allclose(out[i], wanted, rtol=0, atol=3e-7, err_msg=f"{op.describe()}, row {i}")
    check_as_cpp(units)
    check_on_avr(units)
