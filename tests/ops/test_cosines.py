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
    ops = [Cosines(5), Cosines(130, 0.3)]
    rows = [np.concatenate([op.probe(60, rng)[0], hard_floats(rng, 20, (op.width,))]) for op in ops]
    for op, given in zip(ops, rows, strict=True):
        found = np.stack([op.evaluate(row)[0] for row in given[:60]])
        np.testing.assert_allclose(
            found, op.amplitude * np.cos(2 * np.pi * summed(given[:60])), atol=3e-7 * op.amplitude
        )
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops], [[one] for one in rows])
