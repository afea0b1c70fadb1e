"""choose: NumPy against compiled C, with equal scores and none."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.diagnostics import McugenError
from mcugen.ops.choose import Choose
from mcugen.rows import vector


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops = [Choose(counts) for counts in ((1,), (1, 1, 1), (3, 3), (2, 1, 5, 1), (300, 2), (2,) * 300)]
    rows = [[np.concatenate([hard_floats(rng, 20, (sum(op.counts),)), op.probe(60, rng)[0]])] for op in ops]
    assert_c_is_numpy([(op, (vector(sum(op.counts)),)) for op in ops], rows)


def test_the_first_of_the_largest() -> None:
    row = np.array([0.0, 2.0, 2.0, 1.0, 0.5, 0.0], np.float32)
    assert Choose((1, 2, 1, 2)).evaluate(row)[0].tolist() == [0, 0, 1, 0]


def test_what_it_does_not_take() -> None:
    with pytest.raises(McugenError, match="choose takes 3:f32, not 2:f32"):
        Choose((1, 2)).infer(vector(2))
