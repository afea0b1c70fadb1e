"""one_vs_rest: NumPy against compiled C, with ties and with probabilities that are all 0."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy

from mcugen.diagnostics import McugenError
from mcugen.ops.one_vs_rest import OneVsRest
from mcugen.rows import vector


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops, rows = [], []
    for count in (1, 2, 3, 10, 260):
        for output in ("label", "proba"):
            op = OneVsRest(count, output, 0.5 if count == 1 else 0.0)  # type: ignore[arg-type]
            scores = rng.integers(-2, 3, (30, count)).astype(np.float32)
            chances = rng.random((30, count)).astype(np.float32) * rng.integers(0, 2, (30, 1)).astype(np.float32)
            given = [scores, chances] if output == "proba" else [scores]
            ops.append((op, (vector(count),) * len(given)))
            rows.append(given)
    assert_c_is_numpy(ops, rows)


def test_what_it_does_not_take() -> None:
    with pytest.raises(McugenError, match="one_vs_rest takes 2 times 3:f32, not 3:f32"):
        OneVsRest(3, "proba").infer(vector(3))
