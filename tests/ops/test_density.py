"""density: NumPy and float64 against compiled C."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from one_op import units_of
from sanitized import check_as_cpp, check_on_avr, run_sanitized

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.ops.density import Density, DensityKernel
from mcugen.pairs import pair_of
from mcugen.rows import vector

EXACT = {
    "gaussian": lambda s: np.exp(-s / 2),
    "exponential": lambda s: np.exp(-np.sqrt(s)),
    "tophat": lambda s: (s < 1) * 1.0,
    "epanechnikov": lambda s: np.maximum(1 - s, 0),
    "linear": lambda s: np.maximum(1 - np.sqrt(s), 0),
    "cosine": lambda s: np.where(s < 1, np.cos(np.pi / 2 * np.sqrt(s)), 0),
}


def rows_of(points: int) -> np.ndarray:
    """Squares about 1, and some that kernels with an end are next to 0 at."""
    rng = np.random.default_rng(points)
    rows = rng.random((60, points)) * rng.uniform(0.5, 3, (60, 1))
    rows[40:50] = 1 - 10.0 ** -rng.integers(1, 9, (10, 1))
    rows[50] = 0
    rows[51] = 700.5  # beyond what powers of e have room for
    return rows


def test_the_c_is_numpy_and_near_float64() -> None:
    ops = [Density(kernel, np.linspace(0.5, 2, 300), -1.5) for kernel in get_args(DensityKernel)]
    ops += [Density(kernel, np.ones(7), 50.25) for kernel in ("gaussian", "linear")]
    units = units_of([(op, (vector(op.width),)) for op in ops])
    rows = [np.concatenate(pair_of(rows_of(op.points)), axis=1) for op in ops]
    beyond = [np.full((2, op.width), [[np.nan], [np.inf]], np.float32) for op in ops]  # what floats have no squares for
    every = [[np.concatenate(both)] for both in zip(rows, beyond, strict=True)]
    for op, given, (answers,) in zip(ops, rows, run_sanitized(units, every), strict=True):
        found = answers[:-2]
        assert (answers[-2:] == -np.inf).all()
        numpy = np.array([op.evaluate(row)[0] for row in given])
        np.testing.assert_allclose(found, numpy, rtol=1e-6, atol=1e-6, err_msg=op.describe())
        squares = rows_of(op.points)
        with np.errstate(divide="ignore"):
            if op.endless:  # far from all points the largest is taken out of the sum
                far = squares.min(axis=1) / 2 if op.kernel == "gaussian" else np.sqrt(squares.min(axis=1))
                away = squares / 2 if op.kernel == "gaussian" else np.sqrt(squares)
                wanted = op.constant - far + np.log((op.weights * np.exp(far[:, None] - away)).sum(axis=1))
            else:
                wanted = op.constant + np.log((op.weights * EXACT[op.kernel](squares)).sum(axis=1))
        np.testing.assert_allclose(found[:, 0], wanted, rtol=1e-6, atol=1e-6, err_msg=op.describe())
    check_as_cpp(units)
    check_on_avr(units)


def test_an_avr_takes_so_many_weights() -> None:
    with pytest.raises(McugenError):
        Density("gaussian", np.linspace(1, 2, 9000), 0.0).forms(Target(load_board("uno")))
