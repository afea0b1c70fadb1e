"""Support vector machines in float64: kernels, the scores of pairs of classes, and libsvm's probabilities from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mcugen.fixed import Floats, Integers

KernelName = Literal[
    "rbf", "poly", "sigmoid", "laplacian", "squares", "matern1", "matern3", "matern5", "rational"
]  # libsvm has the first three
NEAREST = 1e-7  # a pair's probability does not come nearer to 0 or 1


@dataclass(frozen=True)
class Kernel:
    """K(x, t): exp(-gamma |x - t|²), (gamma x·t + coef0)^degree or tanh(gamma x·t + coef0).

    Others: laplacian, exp(-gamma s) for the sum s of |x_i - t_i|; squares, d² = gamma |x - t|²; of that matern1, exp(-d), matern3,
    (1 + d) exp(-d), and matern5, (1 + d + d² / 3) exp(-d); rational, (1 + d²)^-power.
    """

    name: KernelName
    gamma: float
    coef0: float = 0.0
    degree: int = 3
    power: float = 1.0

    def of_product(self, product: Floats) -> Floats:
        """Of what x·t is scaled and shifted to."""
        with np.errstate(over="ignore"):
            return np.asarray(product**self.degree if self.name == "poly" else np.tanh(product))

    def __str__(self) -> str:
        more = f"^{self.degree}" if self.name == "poly" else ""
        return f"{self.name}{more}"


def pairs_of(classes: int) -> int:
    """How many pairs of classes, in libsvm's order (0, 1), (0, 2) … (1, 2) …; 1 where there are no classes."""
    return max(1, classes * (classes - 1) // 2)


def places(counts: Integers) -> tuple[Integers, Integers]:
    """Per vector and coefficient the pair that it counts for, (vectors, classes - 1), and each vector's class.

    libsvm groups vectors by class; a vector of class c has a coefficient for every other class, in order.
    """
    classes = max(2, len(counts))
    own = np.repeat(np.arange(len(counts)), counts)
    other = np.arange(classes - 1)[np.newaxis] + (np.arange(classes - 1)[np.newaxis] >= own[:, np.newaxis])
    low, high = np.minimum(other, own[:, np.newaxis]), np.maximum(other, own[:, np.newaxis])
    return low * (2 * classes - low - 1) // 2 + high - low - 1, own


def scores(kernel: Floats, coefficients: Floats, intercepts: Floats, counts: Integers) -> Floats:
    """The scores (n, pairs) of kernel values (n, vectors): above 0 for a pair's first class."""
    return kernel @ matrix(coefficients, counts, len(intercepts)) + intercepts


def matrix(coefficients: Floats, counts: Integers, pairs: int) -> Floats:
    """The coefficients of every vector for every pair, (vectors, pairs)."""
    if pairs == 1:
        return coefficients
    found = np.zeros((len(coefficients), pairs))
    np.put_along_axis(found, places(counts)[0], coefficients, axis=1)
    return found


def probabilities(score: Floats, a: Floats, b: Floats, classes: int) -> Floats:
    """The probabilities (n, classes) that libsvm makes of scores (n, pairs): a sigmoid of each, then coupled."""
    with np.errstate(over="ignore"):
        each = np.clip(1 / (1 + np.exp(score * a + b)), NEAREST, 1 - NEAREST)
    return np.stack([coupled(one, classes) for one in each])


def coupled(each: Floats, classes: int) -> Floats:
    """Class probabilities p (classes,) that suit the probabilities of pairs best, as far as libsvm goes."""
    *_, (_, p) = rounds(each, classes)
    return p


def rounds(each: Floats, classes: int) -> Iterator[tuple[float, Floats]]:
    """The second method of Wu, Lin and Weng (2004), stopped where libsvm stops: p minimises the sum over pairs of
    (r_ji p_i - r_ij p_j)². Gives each round's error and p.
    """
    first, second = np.triu_indices(classes, 1)
    r = np.zeros((classes, classes))
    r[first, second], r[second, first] = each, 1 - each
    q = -r * r.T
    np.fill_diagonal(q, np.square(r).sum(axis=0))
    p = np.full(classes, 1 / classes)
    for _ in range(max(100, classes)):
        qp = q @ p
        whole = p @ qp
        error = float(np.abs(qp - whole).max())
        yield error, p
        if error < 0.005 / classes:
            return
        p = _improved(p, q, qp, whole)
    yield 1.0, p


def _improved(p: Floats, q: Floats, qp: Floats, whole: float) -> Floats:
    """Each class's probability set to the best for those of the others, one after another."""
    p = p.copy()
    for t in range(len(p)):
        step = (whole - qp[t]) / q[t, t]
        whole = (whole + step * (step * q[t, t] + 2 * qp[t])) / (1 + step) ** 2
        qp = (qp + step * q[t]) / (1 + step)
        p[t] += step
        p /= 1 + step
    return p
