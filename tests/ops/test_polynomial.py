"""polynomial: NumPy against compiled C, and scikit-learn's terms in scikit-learn's order."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy
from sanitized import hard_floats
from sklearn.preprocessing import PolynomialFeatures

from mcugen.ops.polynomial import Polynomial
from mcugen.pairs import summed
from mcugen.rows import vector

KINDS = [(n, d, only) for n in (1, 2, 3, 5) for d in (0, 1, 2, 3, 5) for only in (False, True)] + [
    (22, 2, False),
    (9, 4, True),
]


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops = [Polynomial(*kind) for kind in KINDS]
    ops += [Polynomial(*kind, pairs=True, of_pairs=both) for kind in KINDS for both in (False, True)]
    rows = [[hard_floats(rng, 6, (op.width,))] for op in ops]
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops], rows)


@pytest.mark.parametrize(("features", "degree", "only"), KINDS)
def test_numpy_is_scikit_learn(features: int, degree: int, only: bool) -> None:
    rows = np.random.default_rng(1).normal(size=(20, features)).astype(np.float32)
    wanted = PolynomialFeatures(degree, interaction_only=only).fit_transform(rows.astype(np.float64))
    op = Polynomial(features, degree, only)
    assert op.height == wanted.shape[1]
    np.testing.assert_allclose([op.evaluate(row)[0] for row in rows], wanted, rtol=max(degree, 1) * 2.0**-24)


@pytest.mark.parametrize(("features", "degree", "only"), KINDS)
def test_pairs_have_twice_the_digits(features: int, degree: int, only: bool) -> None:
    """Of numbers that are no floats, too: in and out they are sums of two."""
    numbers = np.random.default_rng(1).normal(size=(20, features)) * 1e4
    upper = numbers.astype(np.float32)
    rows = np.concatenate([upper, (numbers - upper).astype(np.float32)], axis=1)
    wanted = PolynomialFeatures(degree, interaction_only=only).fit_transform(summed(rows))
    op = Polynomial(features, degree, only, pairs=True, of_pairs=True)
    np.testing.assert_allclose(
        summed(np.stack([op.evaluate(row)[0] for row in rows])), wanted, rtol=4 * degree * 2.0**-47
    )
