"""arow_step: the update of the paper. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

import numpy as np
from learned import assert_refuses, tensor

from mcugen.ir import Array, DType
from mcugen.ops.arow_step import ArowStep
from mcugen.ops.margins import Margins


def stepped(op: ArowStep, z: Array, y: int, *state: Array) -> list[Array]:
    (margins,) = Margins().evaluate(z, *state[:2])
    return [np.asarray(one) for one in op.evaluate(z, margins, np.asarray(y, np.int32), *state)]


def test_the_papers_equations() -> None:
    """w += alpha t S x, S -= beta S x x' S with S a matrix, of which the diagonal is kept."""
    rng = np.random.default_rng(1)
    op, x = ArowStep(0.7), np.append(rng.normal(size=4), 1)
    state = [rng.normal(size=(3, 4)), rng.normal(size=3), rng.uniform(0.1, 1, (3, 4)), rng.uniform(0.1, 1, 3)]
    found = stepped(op, x[:4].astype("f4"), 1, *(one.astype("f4") for one in state))
    for row in range(3):
        w, s = np.append(state[0][row], state[1][row]), np.diag(np.append(state[2][row], state[3][row]))
        t = 1 if row == 1 else -1
        beta = 1 / (x @ s @ x + 0.7)
        alpha = max(0, 1 - t * (w @ x)) * beta
        if alpha > 0:
            w, s = w + alpha * t * s @ x, s - beta * s @ np.outer(x, x) @ s
        np.testing.assert_allclose(np.append(found[0][row], found[1][row]), w, rtol=2e-6, atol=1e-6)
        np.testing.assert_allclose(np.append(found[2][row], found[3][row]), np.diag(s), rtol=2e-6, atol=1e-6)


def test_one_row_of_weights_is_of_class_1_and_nothing_is_unsure_by_less_than_0() -> None:
    z = np.array([1e4, 0], np.float32)
    state = [np.zeros((1, 2), np.float32), np.zeros(1, np.float32), np.ones((1, 2), np.float32), np.ones(1, np.float32)]
    up, down = (stepped(ArowStep(1e-3), z, y, *state) for y in (1, 0))
    assert up[0][0, 0] == -down[0][0, 0] > 0
    for _ in range(50):
        up = stepped(ArowStep(1e-3), z * np.float32(0.7), 0, *up)
        assert (up[2] >= 0).all()
        assert (up[3] >= 0).all()
    assert up[2][0, 1] == 1


def test_types_that_do_not_go_together_are_refused() -> None:
    z, m, y, w = tensor(DType.F32, 4), tensor(DType.F32, 2), tensor(DType.I32), tensor(DType.F32, 2, 4)
    assert_refuses(ArowStep(), z, m, y, w, m, w)
    assert_refuses(ArowStep(), z, m, tensor(DType.F32), w, m, w, m)
    low = tensor(DType.I16, 2, 4), tensor(DType.I16, 2)
    assert_refuses(ArowStep(), tensor(DType.I8, 4), tensor(DType.I32, 2), y, *low, *low)
