"""Leaves that are added up, voted with or sorted (see combine.py), as the integers that the C adds.

sums     per tree the numbers of its leaves at a common scale, the base in those of each score's first tree: 32 bits where the
         bound below shows that these are enough, else 64
weights  a leaf is a class; each tree has a weight of 32 bits
median   a leaf is its number's place among all numbers, sorted; each tree has a weight of 32 bits

A sum of n rounded numbers is off by n/2 units of the last bit at most. 32 bits are taken where that is below 5e-7 of a decision
by its sign, below 1e-7 of the largest score where the best of several counts, and below 5e-6 of a number. Scores that are handed over as pairs
of floats have 64.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log2

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import error
from mcugen.ops.tree_ensemble.combine import Floats
from mcugen.ops.tree_ensemble.trees import IntArray, Trees, preorder

Integers = npt.NDArray[np.int64]
BY_SIGN, OF_LARGEST, OF_NUMBER = 5e-7, 1e-7, 5e-6
OF_PAIRS = 2.0**-44  # of the largest sum
WEIGHT_BITS = 31
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Added:
    """Leaves that are added up.

    code    (nodes,) of a leaf its place among its tree's numbers; -1 at a split
    codes   one more than the largest code
    table   all numbers, tree by tree
    first   (trees,) where each tree's numbers begin
    total   bits of a sum
    scale   score = sum · scale
    """

    code: IntArray
    codes: int
    table: Integers
    first: Integers
    total: int
    scale: float


def add_up(trees: Trees, output: str, exact: bool = False) -> Added:
    """The leaves of trees that are combined by `sum`. E0303 where the numbers are too far apart for 64 bits."""
    numbers, code = _numbers(trees)
    reach = _Reach.of(trees, numbers)
    slack = OF_PAIRS * reach.largest if exact else reach.slack(trees, output)
    total = 32
    bits = reach.bits(31)
    if reach.error(bits) > slack:
        total, bits = 64, reach.bits(62)
        if reach.error(bits) > max(slack, EPS * reach.terms * reach.least):
            raise _too_far(numbers)
    table = [np.rint(np.ldexp(some, bits)).astype(np.int64) for some in numbers]
    sizes = [len(some) for some in numbers]
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    return Added(code, max(sizes), np.concatenate(table), first, total, 2.0**-bits)


def largest_sum(trees: Trees) -> float:
    """No sum of trees that are combined by `sum` is larger, whatever the row."""
    return _Reach.of(trees, _numbers(trees)[0]).largest


def _too_far(numbers: list[Floats]) -> Exception:
    sizes = np.abs(np.concatenate(numbers))
    message = (
        f"the leaves hold numbers from {sizes[sizes > 0].min():.3g} to {sizes.max():.3g}, too far apart for one sum"
    )
    return error("E0303", message, help="scale the target, or fit on its logarithm")


def _numbers(trees: Trees) -> tuple[list[Floats], IntArray]:
    """Per tree its distinct numbers, the score's base in those of its first tree, and which of them each leaf has."""
    per = trees.n_trees // trees.combine.n_scores
    code = np.full(len(trees.feature), -1, np.int32)
    found = []
    for i, root in enumerate(trees.roots):
        nodes = np.array([node for node in preorder(trees, int(root)) if trees.feature[node] < 0])
        values = trees.values[trees.leaf[nodes], 0] + (0.0 if i % per else trees.combine.base[i // per])
        distinct, code[nodes] = np.unique(values, return_inverse=True)
        found.append(distinct)
    return found, code


@dataclass(frozen=True)
class _Reach:
    """What the sums of an ensemble may come to.

    terms    numbers that one sum has
    largest  no partial sum is larger, whatever the row
    nearest  no sum is nearer to 0
    least    the terms of every sum are at least this large together
    """

    terms: int
    largest: float
    nearest: float
    least: float

    @classmethod
    def of(cls, trees: Trees, numbers: list[Floats]) -> _Reach:
        scores = trees.combine.n_scores
        low, high, most, least = (
            np.array([f(some) for some in numbers]).reshape(scores, -1).sum(axis=1)
            for f in (np.min, np.max, lambda v: np.abs(v).max(), lambda v: np.abs(v).min())
        )
        nearest = np.where(low > 0, low, np.where(high < 0, -high, 0.0))
        return cls(len(numbers) // scores, float(most.max()), float(nearest.min()), float(least.min()))

    def bits(self, width: int) -> int:
        """Binary digits after the point with which no sum leaves `width` bits and a sign."""
        return floor(width - log2(self.largest + self.terms * 2.0**-1000)) - 1 if self.largest else 0

    def error(self, bits: int) -> float:
        """How far a sum may be off."""
        return self.terms * 2.0 ** -(bits + 1) if self.largest else 0.0

    def slack(self, trees: Trees, output: str) -> float:
        """How far a sum may be off."""
        gain = trees.combine.gain
        if output == "value":
            return OF_NUMBER * (1.0 if trees.combine.link == "exp" else max(min(1.0, self.largest), self.nearest))
        if trees.n_outputs == 1:
            return BY_SIGN / gain
        return min(OF_LARGEST * self.largest, OF_NUMBER / gain)


def weights_of(trees: Trees) -> tuple[Integers, float]:
    """The trees' weights as integers whose sum has 31 bits, and what 1 is worth."""
    weights = trees.combine.weights
    bits = floor(WEIGHT_BITS - log2(float(weights.sum())) - 1e-6)
    return np.rint(np.ldexp(weights, bits)).astype(np.int64), 2.0**-bits
