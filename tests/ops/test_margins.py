"""margins: sums of products, whatever the format. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

import numpy as np
import pytest
from learned import assert_refuses, tensor

from mcugen.ir import DType
from mcugen.learning import fraction
from mcugen.ops.margins import Margins


@pytest.mark.parametrize("features", [1, 7, 23, 510, 511, 2000])
@pytest.mark.parametrize("kind", [DType.I16, DType.I8])
def test_integers_are_the_sum_with_12_bits(features: int, kind: DType) -> None:
    rng = np.random.default_rng(features)
    low, high = kind.limits or (0, 0)
    z = rng.integers(-127, 128, features).astype(np.int8)
    weights, bias = (rng.integers(low, high + 1, shape).astype(kind.numpy) for shape in ((3, features), 3))
    (found,) = Margins().evaluate(z, weights, bias)
    unit = 2.0 ** -fraction(kind, features)
    exact = (weights.astype(float) @ z / 32 + bias.astype(float)) * unit
    assert found.dtype == np.int32
    assert np.abs(found / 4096 - exact).max() <= (1 + features // 256) / 2 / 4096


def test_the_largest_of_all_sums_fits() -> None:
    z, weights = np.full(510, -127, np.int8), np.full((1, 510), -32768, np.int16)
    (found,) = Margins().evaluate(z, weights, np.full(1, -32768, np.int16))
    assert found[0] / 4096 == pytest.approx(510 * 127 / 32 * 8 - 8)


def test_of_a_class_only_its_own_pairs_are_worked_out() -> None:
    pairs, bias = np.array([(0, 1), (0, 2), (1, 2)], np.uint8), np.array([1, 2, 3], np.float32)
    given = np.zeros(2, np.float32), np.zeros((3, 2), np.float32), bias, np.asarray(2, np.int32), pairs
    assert Margins().evaluate(*given)[0].tolist() == [0, 2, 3]
    live = np.array([3], np.uint8)
    assert Margins().evaluate(*given, live)[0].tolist() == [0, 2, 0]
    assert Margins().evaluate(*given[:3], live)[0].tolist() == [1, 2, 0]


def test_types_that_do_not_go_together_are_refused() -> None:
    assert_refuses(Margins(), tensor(DType.F32, 4), tensor(DType.I16, 2, 4), tensor(DType.I16, 2))
    assert_refuses(Margins(), tensor(DType.I8, 4), tensor(DType.I16, 2, 5), tensor(DType.I16, 2))
    assert_refuses(Margins(), tensor(DType.I8, 4), tensor(DType.I32, 2, 4), tensor(DType.I32, 2))
    row = tensor(DType.F32, 4), tensor(DType.F32, 3, 4), tensor(DType.F32, 3)
    assert_refuses(Margins(), *row, tensor(DType.I32), tensor(DType.U8, 2, 2))
    assert_refuses(Margins(), *row, tensor(DType.I32))
    assert_refuses(Margins(), *row, tensor(DType.U8, 2))
