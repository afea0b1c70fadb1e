"""How a leaf's values travel in C: as integers, wide enough that no order of two sums changes and no digit that counts is lost.

A leaf of one tree holds class probabilities or one number, in float64. The C adds integers instead: exactly, in any order,
without soft float. `encode` picks the narrowest of these:

class   one tree, label wanted: the leaf is the class itself
votes   every leaf is pure: the leaf is a class, and trees are counted
float   one tree, number wanted: the leaf is a float32
sums    rows of integers at a common scale; exact where the values allow it, else 40 bits for probabilities (two means that
        differ by more than 1e-12 keep their order) and 32 or 64 bits for numbers (1e-6 relative holds for every mean)
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, frexp, lcm, log2
from typing import Literal

import numpy as np
import numpy.typing as npt

from mcugen.ops.tree_ensemble.trees import Trees

Kind = Literal["class", "votes", "float", "sums"]

PROBABILITY_BITS = 40  # rounding moves a mean by 2**-41 at most, so the gap of two by less than 1e-12
RELATIVE_ERROR = 2e-7  # what rounding values to integers may cost of the 1e-6 promised; float32 takes 2e-7 of the rest


@dataclass(frozen=True, eq=False)
class Leaves:
    """The leaves of an ensemble as the C holds them.

    code   (nodes,) int32: what a leaf node returns, a class or a row of `table`; -1 at a split
    codes  number of different codes
    table  (rows, outputs): int64 for sums, float32 for float; empty for class and votes
    width  bytes per entry of `table` in flash
    total  bits of the sum over all trees (16, 32 or 64)
    scale  mean = sum · scale
    """

    kind: Kind
    code: npt.NDArray[np.int32]
    codes: int
    table: npt.NDArray[np.generic]
    width: int
    total: int
    scale: float

    @property
    def nbytes(self) -> int:
        """Bytes of the table in flash."""
        return int(self.table.size) * self.width


def encode(trees: Trees, output: Literal["label", "proba", "value"]) -> Leaves:
    """The narrowest exact encoding of the leaves for this output."""
    used = np.unique(trees.leaf[trees.leaf >= 0])
    values = trees.values[used]
    rows = np.full(len(trees.values), -1, np.int32)
    if output == "label" and trees.n_trees == 1:
        rows[used] = values.argmax(axis=1)
        return _coded(trees, rows, "class", trees.n_outputs)
    if output != "value" and bool(((values == 0) | (values == 1)).all()) and bool((values.sum(axis=1) == 1).all()):
        rows[used] = values.argmax(axis=1)
        return _coded(trees, rows, "votes", trees.n_outputs)
    distinct, rows[used] = np.unique(values, axis=0, return_inverse=True)
    code = np.where(trees.leaf >= 0, rows[trees.leaf], -1).astype(np.int32)
    if output == "value" and trees.n_trees == 1:
        return Leaves("float", code, len(distinct), distinct.astype(np.float32), 4, 32, 1.0)
    integers, step = _integers(distinct, trees, output)
    largest = int(np.abs(integers).max(initial=1))
    total = _first(largest * trees.n_trees, (16, 32, 64), signed=output == "value")
    width = _first(largest, (8, 16, 32, 40, 48, 64), signed=output == "value") // 8
    return Leaves("sums", code, len(distinct), integers, width, total, step / trees.n_trees)


def _coded(trees: Trees, rows: npt.NDArray[np.int32], kind: Kind, classes: int) -> Leaves:
    code = np.where(trees.leaf >= 0, rows[trees.leaf], -1).astype(np.int32)
    total = 8 if trees.n_trees < 256 else 16
    return Leaves(kind, code, classes, np.zeros((0, 0), np.int64), 0, total, 1.0 / trees.n_trees)


def _first(largest: int, bits: tuple[int, ...], *, signed: bool) -> int:
    return next(b for b in bits if largest < 1 << (b - signed))


def _integers(values: npt.NDArray[np.float64], trees: Trees, output: str) -> tuple[npt.NDArray[np.int64], float]:
    """The values as integers and the step between two of them (value = integer · step)."""
    if output == "value":
        bits = _number_bits(values, trees)
        return np.rint(np.ldexp(values, bits)).astype(np.int64), 2.0**-bits
    denominator = _common_denominator(values, (2**32 - 1) // trees.n_trees)
    scale = denominator or (1 << PROBABILITY_BITS) - 1  # so that a probability of 1 still fits
    return np.rint(values * scale).astype(np.int64), 1 / scale


def _common_denominator(values: npt.NDArray[np.float64], limit: int) -> int | None:
    """The least D up to `limit` for which every probability is k/D to the last bit; None where there is none."""
    common = 1
    for value in np.unique(values).tolist():
        fraction = Fraction(value).limit_denominator(1 << 20)
        common = lcm(common, fraction.denominator)
        if common > limit or fraction.numerator / fraction.denominator != value:
            return None
    return common


def _number_bits(values: npt.NDArray[np.float64], trees: Trees) -> int:
    """Binary digits after the point with which a regressor's leaves are kept."""
    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    room = [width - 1 - frexp(largest)[1] for width in (16, 32)]
    exact = _exact_bits(values, room[1])
    if exact is not None:
        return exact
    needed = ceil(-log2(2 * RELATIVE_ERROR * smallest)) if (smallest := _smallest_mean(trees)) > 0 else room[1] + 1
    if needed <= room[1]:
        return room[0] if needed <= room[0] else room[1]
    return floor(62 - log2(largest) - log2(trees.n_trees))


def _exact_bits(values: npt.NDArray[np.float64], most: int) -> int | None:
    """The least number of binary digits after the point that loses nothing, if at most `most`."""
    denominators = [value.as_integer_ratio()[1].bit_length() - 1 for value in np.unique(values).tolist()]
    return max(denominators) if max(denominators) <= most else None


def _smallest_mean(trees: Trees) -> float:
    """A lower bound of the magnitude of any mean; 0 where values of both signs could cancel."""
    leaves = trees.values[trees.leaf[trees.leaf >= 0], 0]
    if leaves.min() < 0 < leaves.max():
        return 0.0
    return float(np.abs(leaves).min())
