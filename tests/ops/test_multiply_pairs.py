"""multiply_pairs: NumPy against compiled C, bit for bit; and how near pairs of floats come to float64."""

from __future__ import annotations

import numpy as np
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.ops.multiply_pairs import MultiplyPairs
from mcugen.pairs import pair_of, summed
from mcugen.rows import vector


def test_the_c_is_numpy_and_keeps_digits() -> None:
    rng = np.random.default_rng(0)
    ops = [MultiplyPairs(5), MultiplyPairs(130)]
    numbers = [[rng.normal(size=(20, op.numbers)) * 10.0 ** rng.integers(-3, 4) for _ in range(2)] for op in ops]
    rows = [[np.concatenate(pair_of(one), axis=1) for one in both] for both in numbers]
    for op, given, (a, b) in zip(ops, rows, numbers, strict=True):
        found = summed(np.stack([op.evaluate(*one)[0] for one in zip(*given, strict=True)]))
        np.testing.assert_allclose(found, a * b, rtol=2.0**-44)
    hard = [
        [np.concatenate([one, hard_floats(rng, 20, (2 * op.numbers,))]) for one in given]
        for op, given in zip(ops, rows, strict=True)
    ]
    assert_c_is_numpy([(op, (vector(2 * op.numbers),) * 2) for op in ops], hard)
