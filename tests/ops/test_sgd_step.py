"""sgd_step: gradient descent by its equations. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

import numpy as np
import pytest
from learned import assert_refuses, tensor

from mcugen.ir import Array, DType
from mcugen.ops.margins import Margins
from mcugen.ops.sgd_step import SgdStep


def learnt(op: SgdStep, rows: Array, classes: list[int], outputs: int) -> list[Array]:
    d = rows.shape[1]
    state = [np.zeros((outputs, d), np.float32), np.zeros(outputs, np.float32), np.zeros((), np.uint16)]
    state += [*(np.zeros_like(one) for one in state[:2]), np.zeros((), np.uint16)] if op.moves else []
    for z, y in zip(rows, classes, strict=True):
        (margins,) = Margins().evaluate(z, *state[:2])
        state = [np.asarray(one) for one in op.evaluate(z, margins, np.asarray(y, np.int32), *state)]
    return state


@pytest.mark.parametrize(("momentum", "batch"), [(0, 1), (0.9, 1), (0, 4), (0.5, 4)])
@pytest.mark.parametrize("outputs", [1, 3])
def test_the_equations(momentum: float, batch: int, outputs: int) -> None:
    """g = 1/b Σ (sigma(w·x) - y) x + l2 w; v = mu v - eta_t g; w += v, in float64, batch by batch."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(24, 3)).astype(np.float32)
    classes = rng.integers(0, max(2, outputs), 24).tolist()
    eta, l2 = 0.3, 0.05
    found = learnt(SgdStep(eta, l2, momentum, batch), rows, classes, outputs)
    x, w, v = np.hstack([rows, np.ones((24, 1))]), np.zeros((outputs, 4)), np.zeros((outputs, 4))
    target = np.eye(outputs)[classes] if outputs > 1 else np.array(classes)[:, None]
    for n, at in enumerate(range(0, 24, batch)):
        part = slice(at, at + batch)
        g = (1 / (1 + np.exp(-x[part] @ w.T)) - target[part]).T @ x[part] / batch
        g[:, :3] += l2 * w[:, :3]
        v = momentum * v - eta / (1 + l2 * eta * n) * g
        w += v
    np.testing.assert_allclose(found[0], w[:, :3], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], w[:, 3], rtol=1e-5, atol=1e-6)
    assert found[2] == 24 // batch


def test_pairs_learn_of_their_own_classes_alone() -> None:
    pairs, z = np.array([(0, 1), (1, 2), (0, 2)], np.uint8), np.ones(2, np.float32)
    state = np.zeros((3, 2), np.float32), np.zeros(3, np.float32), np.array([0, 7, 9], np.uint16)
    margins = np.zeros(3, np.float32)
    weights, bias, steps = SgdStep(0.1).evaluate(z, margins, np.asarray(1, np.int32), *state, pairs)
    assert weights.tolist() == [[np.float32(-0.05)] * 2, [np.float32(0.05)] * 2, [0, 0]]
    assert bias.tolist() == [np.float32(-0.05), np.float32(0.05), 0]
    assert steps.tolist() == [1, 8, 9]


def test_nothing_grows_without_end() -> None:
    """A margin beyond what exp holds, and the count of steps."""
    z, one = np.full(1, 1e15, np.float32), np.ones(1, np.float32)
    given = np.full(1, -1e30, np.float32), np.asarray(1, np.int32), one[:, None], one, np.asarray(65_535, np.uint16)
    weights, _, steps = SgdStep(0.1, 0.1).evaluate(z, *given)
    assert np.isfinite(weights).all()
    assert steps == 65_535


def test_types_that_do_not_go_together_are_refused() -> None:
    z, m, y, w, n = (
        tensor(DType.F32, 4),
        tensor(DType.F32, 2),
        tensor(DType.I32),
        tensor(DType.F32, 2, 4),
        tensor(DType.U16),
    )
    assert_refuses(SgdStep(0.1, batch=2), z, m, y, w, m, n)
    assert_refuses(SgdStep(0.1), z, m, y, w, m, n, w, m, n)
    assert_refuses(SgdStep(0.1), z, m, y, w, m, n, tensor(DType.U8, 2, 2))  # one count for all pairs
    assert_refuses(SgdStep(0.1), z, m, y, w, m, tensor(DType.U16, 2), tensor(DType.U8, 3, 2))
    assert_refuses(
        SgdStep(0.1), tensor(DType.I8, 4), tensor(DType.I32, 2), y, tensor(DType.I16, 2, 4), tensor(DType.I16, 2), n
    )
