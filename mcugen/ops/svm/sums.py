"""A kernel machine as sums of kernel values: what a linear op works out of these (mcugen/ops/kernel_values.py)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mcugen.ops.linear import Linear, Link
from mcugen.ops.svm import Svm
from mcugen.ops.svm.machine import matrix

MOST_VALUE = 1e28  # of a kernel: rows ten times as large as the vectors have powers of them within float32
MOST_ROWS = 256

Floats = npt.NDArray[np.float64]


def can_be_pairs(op: Svm) -> bool:
    """Whether pairs of floats have room for the kernel's values."""
    if op.kernel.name == "poly":
        return bool(np.abs(op.values(op.vectors[:MOST_ROWS])).max() <= MOST_VALUE)
    return op.kernel.name == "rbf"


def sums_of(op: Svm, weights: Floats) -> Linear:
    """The scores of a machine as sums with weights (pairs, columns), and what is made of them."""
    sign = -1.0 if len(op.counts) == 2 else 1.0  # scikit-learn's decision is that for the second class
    link: Link = "identity"
    if op.pairs > 1:
        link = "ovo_ties" if op.ties else "ovo_pairs" if op.of_pairs and op.output == "decision" else "ovo"
    return Linear(sign * weights, sign * op.intercepts, op.output, link)


def sums_of_values(op: Svm) -> Linear:
    """The same of kernel values that are pairs of floats, with all their digits."""
    twice = np.tile(matrix(op.coefficients, op.counts, op.pairs).T, 2)
    return replace(sums_of(op, twice), delicate=True)
