"""cosines: NumPy against compiled C, bit for bit; and how near they come to float64's."""

from __future__ import annotations

import numpy as np
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.ops.cosines import Cosines
from mcugen.pairs import summed
from mcugen.rows import vector


def test_the_c_is_numpy_and_near_the_cosine() -> None:
    rng = np.random.default_rng(0)
    ops = [Cosines(5), Cosines(130, 0.3), Cosines(5, pairs=True), Cosines(130, 0.3, pairs=True)]
    rows = [np.concatenate([op.probe(60, rng)[0], hard_floats(rng, 20, (op.width,))]) for op in ops]
    for op, given in zip(ops, rows, strict=True):
        found = np.stack([op.evaluate(row)[0] for row in given[:60]])
        exact = op.amplitude * np.cos(2 * np.pi * np.remainder(summed(given[:60]), 1))
        off = 2.0**-44 if op.pairs else 3e-7
        np.testing.assert_allclose(summed(found) if op.pairs else found, exact, rtol=0, atol=off * op.amplitude)
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops], [[one] for one in rows])
