"""one_vs_one: NumPy against compiled C, and scikit-learn's own decision function."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy
from sklearn.utils.multiclass import _ovr_decision_function

from mcugen.diagnostics import McugenError
from mcugen.ops.one_vs_one import OneVsOne
from mcugen.pairs import pair_of, summed
from mcugen.rows import vector

CLASSES = (2, 3, 4, 10, 24)


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops, rows = [], []
    for classes in CLASSES:
        pairs = classes * (classes - 1) // 2
        for output in ("label", "decision"):
            for threshold in (0.0, 0.5):
                ops.append((OneVsOne(classes, output, threshold), (vector(pairs),)))  # type: ignore[arg-type]
                whole, spread = rng.integers(-2, 3, (15, pairs)), rng.normal(size=(15, pairs)) * 10
                rows.append([np.concatenate([whole, spread]).astype(np.float32)])
    assert_c_is_numpy(ops, rows)


def test_of_sums_of_two_floats() -> None:
    """The C is NumPy, bit for bit; and both scikit-learn's to twice a float's digits."""
    rng = np.random.default_rng(2)
    ops, rows = [], []
    for classes in CLASSES:
        scores = rng.normal(size=(20, classes * (classes - 1) // 2)) * 10.0 ** rng.integers(-3, 4, (20, 1))
        pairs = np.concatenate(pair_of(scores), axis=1)
        ops.append((OneVsOne(classes, "decision", pairs=True), (vector(pairs.shape[1]),)))
        rows.append([pairs])
        wanted = _ovr_decision_function((scores > 0).astype(int), scores, classes)
        found = [ops[-1][0].evaluate(row) for row in pairs]
        kept = wanted if classes > 2 else wanted[:, 1:]
        assert [int(label) for label, _ in found] == wanted.argmax(axis=1).tolist()
        np.testing.assert_allclose(summed(np.stack([one for _, one in found])), kept, rtol=0, atol=2.0**-38)
    assert_c_is_numpy(ops, rows)


@pytest.mark.parametrize("classes", CLASSES)
def test_numpy_is_scikit_learn(classes: int) -> None:
    scores = np.random.default_rng(1).normal(size=(50, classes * (classes - 1) // 2)).astype(np.float32)
    wanted = _ovr_decision_function((scores > 0).astype(int), scores, classes)
    for row, one in zip(scores, wanted, strict=True):
        label, decision = OneVsOne(classes, "decision").evaluate(row)
        assert label == one.argmax()
        np.testing.assert_allclose(decision, one if classes > 2 else one[1:], rtol=1e-6, atol=1e-6)


def test_what_it_does_not_take() -> None:
    with pytest.raises(McugenError, match="one_vs_one takes 3:f32, not 2:f32"):
        OneVsOne(3, "label").infer(vector(2))
