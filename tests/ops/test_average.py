"""average: NumPy against compiled C, for numbers and for probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.average import Average
from mcugen.rows import vector

NUMBER = TensorType((), DType.F32)


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops, rows = [], []
    for members in (1, 2, 5, 126):
        weights = rng.dirichlet(np.ones(members)).astype(np.float32)
        ops.append((Average(weights, "value"), (NUMBER,) * members))
        rows.append([hard_floats(rng, 20, ()) for _ in range(members)])
        for output in ("label", "proba"):
            for classes in (2, 10, 300):
                ops.append((Average(weights, output, classes), (vector(classes),) * members))  # type: ignore[arg-type]
                rows.append([rng.dirichlet(np.ones(classes), 5).astype(np.float32) for _ in range(members)])
    assert_c_is_numpy(ops, rows)


def test_what_it_does_not_take() -> None:
    with pytest.raises(McugenError, match="average takes 2 times 3:f32, not 3:f32"):
        Average(np.full(2, 0.5, np.float32), "label", 3).infer(vector(3))
