"""normalize: NumPy against compiled C, and scikit-learn's numbers at every scale that a float has."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy
from sklearn.preprocessing import Normalizer

from mcugen.ops.normalize import Norm, Normalize
from mcugen.pairs import pair_of, summed
from mcugen.rows import vector

NORMS: tuple[Norm, ...] = ("l1", "l2", "max")


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops = [Normalize(size, norm) for norm in NORMS for size in (1, 2, 30, 256)]
    ops += [Normalize(size, norm, pairs=True, of_pairs=of) for norm in NORMS for size in (1, 5) for of in (False, True)]
    rows = [[np.concatenate([op.probe(60, rng)[0], np.zeros((1, op.width), np.float32)])] for op in ops]
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops], rows)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1e-38, 1e-30, 1e-16, 1e-14, 1e-3, 1, 1e10, 1e30, 3e37])
def test_numpy_is_scikit_learn(norm: Norm, scale: float) -> None:
    """Within 6 roundings of float32 and n of the sum, at any scale."""
    rows = (np.random.default_rng(1).normal(size=(100, 8)) * scale).astype(np.float32)
    wanted = Normalizer(norm=norm).fit_transform(rows.astype(np.float64))
    found = np.array([Normalize(8, norm).evaluate(row)[0] for row in rows])
    np.testing.assert_allclose(found, wanted, rtol=14 * 2.0**-24, atol=1e-44)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1e-16, 1e-14, 1e-3, 1, 1e10, 1e30])
def test_pairs_have_twice_the_digits(norm: Norm, scale: float) -> None:
    """Of numbers that are no floats, too; a row of hardly any norm stays as it is."""
    numbers = np.random.default_rng(1).normal(size=(100, 8)) * scale
    wanted = Normalizer(norm=norm).fit_transform(numbers)
    op = Normalize(8, norm, pairs=True, of_pairs=True)
    rows = np.concatenate(pair_of(numbers), axis=1)
    np.testing.assert_allclose(summed(np.array([op.evaluate(row)[0] for row in rows])), wanted, rtol=30 * 2.0**-46)
