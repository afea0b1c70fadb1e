"""spline: NumPy against compiled C, on edges and beyond, in a period, many pieces, NaN; polynomials that are the same are kept once."""

from __future__ import annotations

import numpy as np
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.ops.spline import Pieces, Spline
from mcugen.rows import vector

RNG = np.random.default_rng(0)


def op(
    features: int,
    pieces: int,
    degree: int,
    *,
    period: bool = False,
    bias: bool = True,
    zeros: bool = False,
    level: bool = False,
) -> Spline:
    each = pieces + (0 if period else degree)
    made = []
    for _ in range(features):
        edges = np.sort(RNG.uniform(0, 4, pieces - 1)).astype(np.float32)
        origin, scale = RNG.uniform(0, 4, (2, pieces)).astype(np.float32)
        blocks = RNG.normal(size=(pieces, degree + 1, degree + 1))
        blocks[-1] = blocks[0]
        made.append(Pieces(edges, origin, scale, np.arange(pieces), blocks, *((0.25, 4.0) if period else (0.0, 0.0))))
    return Spline(tuple(made), each, each - (not bias), zeros, level)


OPS = [
    op(1, 1, 1), op(3, 4, 3), op(2, 5, 2, bias=False), op(4, 3, 3, zeros=True), op(4, 3, 3, level=True), op(2, 5, 3, period=True),  op(1, 4, 2, period=True, bias=False, zeros=True), op(60, 6, 1), op(1, 300, 1), op(300, 2, 1),
]  # fmt: skip


def test_the_c_is_numpy() -> None:
    rows = [[np.concatenate([hard_floats(RNG, 20, (op.width,)), op.probe(40, RNG)[0]])] for op in OPS]
    for op, (given,) in zip(OPS, rows, strict=True):
        given[0] = np.concatenate([op.features[0].edges, np.zeros(op.width, np.float32)])[: op.width]
    assert_c_is_numpy([(op, (vector(op.width),)) for op in OPS], rows)


def test_equal_polynomials_are_kept_once() -> None:
    blocks, index = op(3, 4, 3).blocks
    assert len(blocks) == 9
    assert len(index) == 12


def test_what_is_missing() -> None:
    gone = np.full(4, np.nan, np.float32)
    assert (OPS[3].evaluate(gone)[0] == 0).all()
    assert np.isnan(OPS[1].evaluate(gone[:3])[0]).all()
