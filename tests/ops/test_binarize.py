"""binarize: NumPy against compiled C, and float64 thresholds between two floats."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy
from sanitized import hard_floats
from sklearn.preprocessing import Binarizer

from mcugen.ops.binarize import Binarize
from mcugen.rows import vector

THRESHOLDS = (0.0, -0.0, 0.1, -0.1, 1e-46, -1e-46, 3.0, 1e38)


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops = [Binarize(size, threshold) for threshold in THRESHOLDS for size in (1, 7, 256)]
    rows = [[np.concatenate([hard_floats(rng, 20, (op.width,)), op.probe(20, rng)[0]])] for op in ops]
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops], rows)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_numpy_is_scikit_learn(threshold: float) -> None:
    op = Binarize(3, threshold)
    rows = op.probe(300, np.random.default_rng(1))[0]
    wanted = Binarizer(threshold=threshold).fit_transform(rows.astype(np.float64))
    np.testing.assert_array_equal([op.evaluate(row)[0] for row in rows], wanted)
    np.testing.assert_array_equal(op.exactly(0, rows[:, 0]), wanted[:, 0])


def test_every_feature_may_have_its_own() -> None:
    op = Binarize(3, np.array([0.5, -1.0, 1e-46]))
    rows = op.probe(300, np.random.default_rng(1))[0]
    np.testing.assert_array_equal([op.evaluate(row)[0] for row in rows], rows > [0.5, -1.0, 1e-46])
    assert_c_is_numpy([(op, (vector(3),))], [[np.concatenate([rows, hard_floats(np.random.default_rng(0), 20, (3,))])]])
