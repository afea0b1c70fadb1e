"""draw: chances of samples. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

import numpy as np
import pytest
from learned import assert_refuses, tensor

from mcugen.ir import DType
from mcugen.ops.draw import Draw


@pytest.mark.parametrize("weighted", [False, True])
def test_samples_have_the_chances_they_should(weighted: bool) -> None:
    samples = np.arange(10, dtype=np.int8)[:, None]
    slots, held = np.uint8([3, 1, 2, 0, 4, 9, 8, 7, 6, 5]), np.uint8([1, 0, 6, 3])
    random, drawn, classes = np.array(5, np.uint32), np.zeros(10), np.zeros(4)
    for _ in range(6000):
        random, x, y = (np.asarray(v) for v in Draw(weighted).evaluate(random, samples, slots, held))
        drawn[int(x[0])] += 1
        classes[int(y)] += 1
    wanted = np.array([1, 0, 1, 1]) / 3 if weighted else held / 10
    np.testing.assert_allclose(classes / 6000, wanted, atol=0.03)
    assert drawn[3] == classes[0]
    assert drawn[[1, 2, 0, 4, 9, 8]].sum() == classes[2]


def test_types_that_do_not_go_together_are_refused() -> None:
    random, samples, slots = tensor(DType.U32), tensor(DType.F32, 9, 4), tensor(DType.U8, 9)
    assert_refuses(Draw(), tensor(DType.U16), samples, slots, tensor(DType.U8, 3))
    assert_refuses(Draw(), random, samples, tensor(DType.U8, 8), tensor(DType.U8, 3))
