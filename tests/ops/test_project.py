"""project: NumPy against compiled C, bit for bit."""

from __future__ import annotations

import numpy as np
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.ops.project import Project
from mcugen.rows import vector


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    ops = [Project(rng.normal(size=shape)) for shape in ((1, 1), (3, 4), (4, 300), (300, 2))]
    rows = []
    for op in ops:
        plain = rng.normal(size=(20, op.width)) * 10.0 ** rng.integers(-9, 9, (20, op.width))
        rows.append([np.concatenate([plain.astype(np.float32), hard_floats(rng, 10, (op.width,))])])
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops], rows)
