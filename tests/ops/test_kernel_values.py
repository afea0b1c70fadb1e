"""kernel_values: NumPy against compiled C, bit for bit; and how near pairs of floats come to float64."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.ops.kernel_values import KernelValues
from mcugen.ops.svm.machine import Kernel
from mcugen.pairs import summed
from mcugen.rows import vector

KERNELS = [
    Kernel("rbf", 0.3),
    Kernel("rbf", 0.0),
    Kernel("rbf", 1e30),
    Kernel("rbf", 1e-30),
    Kernel("poly", 0.7, 0.5, 3),
    Kernel("poly", 2.0, 0.0, 1),
    Kernel("poly", 1.0, -3.0, 8),
    Kernel("sigmoid", 0.7, -0.5),
    Kernel("laplacian", 0.3),
    Kernel("squares", 0.3),
    Kernel("matern1", 0.3),
    Kernel("matern3", 0.9),
    Kernel("matern5", 1e-3),
    Kernel("rational", 0.3, power=1.7),
]
VECTORS = np.random.default_rng(0).normal(size=(9, 4))


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(1)
    ops = [KernelValues(kernel, VECTORS) for kernel in KERNELS]
    ops += [KernelValues(kernel, VECTORS, of_pairs=True) for kernel in (*KERNELS[:7:2], Kernel("laplacian", 0.3))]
    ops.append(KernelValues(KERNELS[0], np.ones((300, 1))))
    rows = [[np.concatenate([op.probe(20, rng)[0], hard_floats(rng, 20, (op.width,))])] for op in ops]
    assert_c_is_numpy([(op, (vector(op.width),)) for op in ops], rows)


@pytest.mark.parametrize("gamma", [1e-4, 0.3, 20])
def test_distances(gamma: float) -> None:
    op = KernelValues(Kernel("rbf", gamma), VECTORS * 3 + 1e3)
    x = op.probe(200, np.random.default_rng(2))[0]
    found = summed(np.stack([op.evaluate(row)[0] for row in x]))
    squares = np.square(x.astype(np.float64)[:, None] - op.vectors).sum(axis=2)
    np.testing.assert_allclose(found, np.exp(-gamma * squares), rtol=1e-10, atol=1e-29)  # vectors of 1e3 have 48 digits


def test_products() -> None:
    op = KernelValues(Kernel("poly", 0.3, 1.0, 3), VECTORS + 1e3)
    x = op.probe(200, np.random.default_rng(2))[0]
    found = summed(np.stack([op.evaluate(row)[0] for row in x]))
    np.testing.assert_allclose(found, (0.3 * (x.astype(np.float64) @ op.vectors.T) + 1) ** 3, rtol=1e-12)


@pytest.mark.parametrize("gamma", [1e-4, 0.3, 20])
def test_other_kernels(gamma: float) -> None:
    x = (VECTORS[:, None] * 2 + np.random.default_rng(2).normal(size=(9, 5, 4))).reshape(-1, 4).astype(np.float32)
    x = np.concatenate([x, VECTORS.astype(np.float32)])
    apart = x.astype(np.float64)[:, None] - VECTORS
    square, product = gamma * np.square(apart).sum(axis=2), gamma * (x.astype(np.float64) @ VECTORS.T) - 0.3
    d = np.sqrt(square)
    wanted = {
        Kernel("laplacian", gamma): np.exp(-gamma * np.abs(apart).sum(axis=2)),
        Kernel("squares", gamma): square,
        Kernel("matern1", gamma): np.exp(-d),
        Kernel("matern3", gamma): (1 + d) * np.exp(-d),
        Kernel("matern5", gamma): (1 + d + square / 3) * np.exp(-d),
        Kernel("rational", gamma, power=1.7): (1 + square) ** -1.7,
        Kernel("sigmoid", gamma, -0.3): np.tanh(product),
    }
    for kernel, numbers in wanted.items():
        op = KernelValues(kernel, VECTORS)
        found = summed(np.stack([op.evaluate(row)[0] for row in x]))
        np.testing.assert_allclose(found, numbers, rtol=1e-12, atol=1e-13, err_msg=kernel.name)


@pytest.mark.parametrize("kernel", [Kernel("rbf", 20.0), Kernel("poly", 0.3, 1.0, 3)])
def test_rows_as_pairs(kernel: Kernel) -> None:
    op = KernelValues(kernel, VECTORS * 3 + 1e3, of_pairs=True)
    x = op.probe(200, np.random.default_rng(2))[0]
    found, rows = summed(np.stack([op.evaluate(row)[0] for row in x])), summed(x)
    assert (rows != rows.astype(np.float32)).any()
    if kernel.name == "rbf":
        wanted = np.exp(-kernel.gamma * np.square(rows[:, None] - op.vectors).sum(axis=2))
    else:
        wanted = (kernel.gamma * (rows @ op.vectors.T) + kernel.coef0) ** kernel.degree
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-29)


def test_an_avr_takes_tables_of_both_halves() -> None:
    """Each within what its compiler takes, both within what near reads reach."""
    uno = Target(load_board("uno"))
    assert KernelValues(KERNELS[0], np.ones((440, 10))).forms(uno) == ()
    with pytest.raises(McugenError, match="64,000 B"):
        KernelValues(KERNELS[0], np.ones((800, 10))).forms(uno)
