"""How a leaf's values travel in C: as integers, wide enough that no order of two sums changes and no digit that counts is lost.

A leaf of one tree holds class probabilities or one number, in float64. The C adds integers instead: exactly, in any order,
without soft float. `encode` picks:

class    one tree, label wanted: the leaf is the class itself
places   what each tree says wanted: the leaf is that whole number itself
votes    every leaf is pure: the leaf is a class, and trees are counted
float    one tree, number wanted: the leaf is a float32
numbers  integers at a common scale: exact where the values allow it, else 32 or 64 bits, where 1e-6 relative holds for
         every mean in which leaves do not cancel
wide     numbers too far apart for that: the same in 128 bits
shares   rows of (class, share): see shares.py
sums, weights, median   of trees that are not averaged: see sums.py
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain
from math import ceil, floor, frexp, log2
from typing import Literal

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import error
from mcugen.ops.tree_ensemble.shares import encode_shares
from mcugen.ops.tree_ensemble.sums import add_up, weights_of
from mcugen.ops.tree_ensemble.trees import Trees, preorder

Kind = Literal["class", "places", "votes", "float", "numbers", "wide", "shares", "sums", "weights", "median"]
Output = Literal["label", "proba", "decision", "value", "leaves"]
Codes = npt.NDArray[np.int32] | npt.NDArray[np.int64]
EMPTY = np.zeros(0, np.int64)

WIDE_DIGITS = 21  # binary digits that the least number keeps: it is off by 2**-21 = 4.8e-7 at most
RELATIVE_ERROR = 2e-7  # what rounding numbers to integers may cost of the 1e-6 promised; float32 takes 2e-7 of the rest


@dataclass(frozen=True, eq=False)
class Leaves:
    """The leaves of an ensemble as the C holds them.

    code    (nodes,) int32: what a leaf node returns; -1 at a split
    codes   one more than the largest code
    direct  codes below this are classes, also where the others are places in `table`
    table   (entries,): float32 for float, int64 for numbers, uint8 for shares and wide (16 a leaf); else empty
    width   bytes per entry of `table` in flash
    units   of shares that are counts: what a count of 1 is worth, by the row's first byte
    one     of shares: what a probability of 1 is worth
    total   bits of the sum over all trees
    scale   mean = sum · scale
    first   (trees,) of sums: where each tree's numbers begin in `table`
    weights (trees,) of weights and median
    """

    kind: Kind
    code: Codes
    codes: int
    direct: int = 0
    table: npt.NDArray[np.generic] = field(default_factory=lambda: EMPTY)
    width: int = 0
    units: npt.NDArray[np.int64] = field(default_factory=lambda: EMPTY)
    share_bytes: int = 0
    one: int = 1
    total: int = 8
    scale: float = 1.0
    first: npt.NDArray[np.int64] = field(default_factory=lambda: EMPTY)
    weights: npt.NDArray[np.int64] = field(default_factory=lambda: EMPTY)

    @property
    def nbytes(self) -> int:
        """Bytes of the tables in flash."""
        return len(self.table) * self.width + 8 * len(self.units) + 2 * len(self.first) + 4 * len(self.weights)


def encode(trees: Trees, output: Output, exact: bool = False) -> Leaves:
    """The smallest exact encoding of the leaves for this output; `exact` scores are those of float64, not of float32."""
    how = trees.combine.how
    if how == "sum":
        return _sums(trees, output, exact)
    if how != "mean":
        return {"votes": _weights, "median": _median}[how](trees, output)
    used = np.unique(trees.leaf[trees.leaf >= 0])
    values = trees.values[used]
    if output == "leaves":
        places = values[:, 0].astype(np.int64)
        return Leaves("places", _codes(trees, used, places), int(places.max()) + 1)
    if output == "value":
        return _numbers(trees, used, values)
    counted = 8 if trees.n_trees < 256 else 16
    if output == "label" and trees.n_trees == 1:
        return Leaves("class", _codes(trees, used, values.argmax(axis=1)), trees.n_outputs, trees.n_outputs)
    if bool((values.max(axis=1) == 1).all()):
        code = _codes(trees, used, values.argmax(axis=1))
        return Leaves("votes", code, trees.n_outputs, trees.n_outputs, total=counted, scale=1 / trees.n_trees)
    shares = encode_shares(values, trees.n_trees)
    return Leaves(
        "shares",
        _codes(trees, used, shares.code),
        int(shares.code.max()) + 1,
        trees.n_outputs,
        np.frombuffer(shares.rows, np.uint8),
        1,
        shares.units,
        shares.width,
        shares.one,
        shares.total,
        1 / (shares.one * trees.n_trees),
    )


def merged(trees: Trees, code: Codes) -> tuple[Trees, Codes]:
    """The trees without splits whose two sides give the same code; NaN goes to one of the sides too, so that is exact."""
    feature, code, leaf = trees.feature.copy(), code.copy(), trees.leaf.copy()
    for node in reversed(list(chain.from_iterable(preorder(trees, int(root)) for root in trees.roots))):
        left, right = trees.left[node], trees.right[node]
        if feature[node] >= 0 and feature[left] < 0 and feature[right] < 0 and code[left] == code[right]:
            feature[node], code[node], leaf[node] = -1, code[left], leaf[left]
    return replace(trees, feature=feature, leaf=leaf), code


def _codes(trees: Trees, used: npt.NDArray[np.int32], code_of: npt.NDArray[np.integer]) -> Codes:
    """The code of every node, from the codes of the used rows of values."""
    rows = np.full(len(trees.values), -1, np.int32)
    rows[used] = code_of
    return np.where(trees.leaf >= 0, rows[trees.leaf], -1).astype(np.int32)


def _numbers(trees: Trees, used: npt.NDArray[np.int32], values: npt.NDArray[np.float64]) -> Leaves:
    distinct, code_of = np.unique(values[:, 0], return_inverse=True)
    code = _codes(trees, used, code_of)
    if trees.n_trees == 1:
        return Leaves("float", code, len(distinct), 0, distinct.astype(np.float32), 4)
    bits = _bits_after_point(distinct, trees)
    if bits is None:
        return _wide(distinct, code, trees.n_trees)
    integers = np.rint(np.ldexp(distinct, bits)).astype(np.int64)
    largest = int(np.abs(integers).max(initial=1))
    width = _first(largest, (8, 16, 32, 48, 64)) // 8
    total = _first(largest * trees.n_trees, (16, 32, 64))
    return Leaves("numbers", code, len(distinct), 0, integers, width, total=total, scale=2.0**-bits / trees.n_trees)


def _sums(trees: Trees, output: Output, exact: bool) -> Leaves:
    added = add_up(trees, output, exact)
    width = _first(int(np.abs(added.table).max(initial=1)), (8, 16, 32, 48, 64)) // 8
    return Leaves(
        "sums", added.code, added.codes, 0, added.table, width, total=added.total, scale=added.scale, first=added.first
    )


def _weights(trees: Trees, output: Output) -> Leaves:
    weights, scale = weights_of(trees)
    code = np.where(trees.leaf >= 0, trees.values.argmax(axis=1)[trees.leaf], -1).astype(np.int32)
    return Leaves("weights", code, trees.n_outputs, trees.n_outputs, total=32, scale=scale, weights=weights)


def _median(trees: Trees, output: Output) -> Leaves:
    used = np.unique(trees.leaf[trees.leaf >= 0])
    distinct, code_of = np.unique(trees.values[used, 0], return_inverse=True)
    code = _codes(trees, used, code_of)
    weights, _ = weights_of(trees)
    return Leaves("median", code, len(distinct), 0, distinct.astype(np.float32), 4, total=32, weights=weights)


def _wide(values: npt.NDArray[np.float64], code: Codes, trees: int) -> Leaves:
    bits = 125 - frexp(float(np.abs(values).max()))[1] - trees.bit_length()
    least = float(np.abs(values[values != 0]).min())
    if frexp(least)[1] + bits < WIDE_DIGITS:
        message = f"the leaves hold numbers from {least:.3g} to {np.abs(values).max():.3g}, too far apart for one sum"
        raise error(
            "E0303", message, help="scale the target, or fit on its logarithm; one tree alone holds any numbers"
        )
    integers = [round(Fraction(value) * Fraction(2) ** bits) for value in values.tolist()]
    table = np.frombuffer(b"".join(i.to_bytes(16, "little", signed=True) for i in integers), np.uint8)
    return Leaves("wide", code, len(values), 0, table, 1, total=128, scale=2.0**-bits / trees)


def _first(largest: int, bits: tuple[int, ...]) -> int:
    return next(b for b in bits if largest < 1 << (b - 1))


def _bits_after_point(values: npt.NDArray[np.float64], trees: Trees) -> int | None:
    """Binary digits after the point with which a regressor's leaves are kept; None where 64 bits are too few."""
    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    room = [width - 1 - frexp(largest)[1] for width in (16, 32)]
    exact = max(value.as_integer_ratio()[1].bit_length() - 1 for value in values.tolist())
    if exact <= room[1]:
        return int(exact)
    # No mean is smaller than the smallest leaf if all have one sign; else take the smallest that one leaf alone makes.
    least = float(np.abs(values[values != 0]).min()) / (1 if values.min() > 0 or values.max() < 0 else trees.n_trees)
    needed = ceil(-log2(2 * RELATIVE_ERROR) - log2(least))
    mixed = values.min() < 0 < values.max()
    if needed <= room[1] and not mixed:
        return room[0] if needed <= room[0] else room[1]
    most = floor(62 - log2(largest) - log2(trees.n_trees))
    return most if needed <= most else None
