"""ddag: the walk over pairs. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from learned import assert_refuses, tensor

from mcugen.ir import DType
from mcugen.ops.ddag import Ddag
from mcugen.ops.margins import Margins


@pytest.mark.parametrize("classes", [2, 3, 4, 9])
@pytest.mark.parametrize("kind", ["f4", "i2"])
def test_who_loses_goes(classes: int, kind: str) -> None:
    rng = np.random.default_rng(classes)
    pairs = [*combinations(range(classes), 2)]
    for _ in range(60):
        z = rng.integers(-99, 100, 3).astype("f4" if kind == "f4" else "i1")
        weights, bias = (rng.integers(-999, 1000, shape).astype(kind) for shape in ((len(pairs), 3), len(pairs)))
        (margins,) = Margins().evaluate(z, weights, bias)
        left = [*range(classes)]
        while len(left) > 1:
            left.remove(left[-1] if margins[pairs.index((left[0], left[-1]))] > 0 else left[0])
        (found,) = Ddag().evaluate(z, weights, bias)
        assert found == left[0]


def test_who_wins_all_its_pairs_is_found() -> None:
    pairs = [*combinations(range(7), 2)]
    for best in range(7):
        bias = np.array([1 if best == a else -1 for a, _ in pairs], np.float32)
        assert Ddag().evaluate(np.ones(1, np.float32), np.zeros((21, 1), np.float32), bias)[0] == best


def test_no_margin_is_for_the_second() -> None:
    assert Ddag().evaluate(np.ones(2, np.float32), np.zeros((3, 2), np.float32), np.zeros(3, np.float32))[0] == 2


def test_types_that_do_not_go_together_are_refused() -> None:
    assert_refuses(Ddag(), tensor(DType.F32, 4), tensor(DType.F32, 4, 4), tensor(DType.F32, 4))
    assert_refuses(Ddag(), tensor(DType.I8, 4), tensor(DType.I16, 3, 5), tensor(DType.I16, 3))
