"""outlier_factor: NumPy against compiled C, bit for bit; and how near it comes to float64."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.ops.outlier_factor import OutlierFactor
from mcugen.pairs import pair_of
from mcugen.rows import vector


def made(points: int, neighbours: int, little: float = 0.0) -> OutlierFactor:
    rng = np.random.default_rng(points)
    return OutlierFactor(rng.random(points), 10 * rng.random(points), neighbours, -1.5, little)


def rows_of(op: OutlierFactor, rng: np.random.Generator) -> np.ndarray:
    squares = np.square(rng.random((40, op.points)))
    squares[:20, ::3] = squares[:20, :1]  # as near
    squares[5:10] = 0
    squares[10] = 1e30
    return np.concatenate(pair_of(squares), axis=1)


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops = [made(1, 1), made(7, 3, 1e-3), made(7, 7), made(300, 20)]
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops], [[rows_of(op, rng)] for op in ops])


def test_digits_are_kept() -> None:
    op, rng = made(40, 6, 1e-9), np.random.default_rng(1)
    for squares in rng.random((50, op.points)):
        nearest = np.argsort(squares)[:6]
        reached = np.maximum(np.sqrt(squares[nearest]), op.reach[nearest])
        wanted = 1.5 - op.density[nearest].mean() * (reached.mean() + 1e-9)
        (found,) = op.evaluate(np.concatenate(pair_of(squares)))
        np.testing.assert_allclose(found, wanted, rtol=2.0**-23, atol=1e-11)


def test_an_avr_takes_so_many_points() -> None:
    with pytest.raises(McugenError):
        made(9000, 3).forms(Target(load_board("uno")))
