"""polynomial: NumPy against compiled C, and scikit-learn's terms in scikit-learn's order."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy
from sanitized import hard_floats
from sklearn.preprocessing import PolynomialFeatures

from mcugen.ops.polynomial import Polynomial
from mcugen.rows import vector

KINDS = [(n, d, only) for n in (1, 2, 3, 5) for d in (0, 1, 2, 3, 5) for only in (False, True)] + [
    (22, 2, False),
    (9, 4, True),
]


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops = [Polynomial(*kind) for kind in KINDS]
    rows = [[hard_floats(rng, 6, (op.width,))] for op in ops]
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops], rows)


@pytest.mark.parametrize(("features", "degree", "only"), KINDS)
def test_numpy_is_scikit_learn(features: int, degree: int, only: bool) -> None:
    rows = np.random.default_rng(1).normal(size=(20, features)).astype(np.float32)
    wanted = PolynomialFeatures(degree, interaction_only=only).fit_transform(rows.astype(np.float64))
    op = Polynomial(features, degree, only)
    assert op.height == wanted.shape[1]
    np.testing.assert_allclose([op.evaluate(row)[0] for row in rows], wanted, rtol=max(degree, 1) * 2.0**-24)
