"""Class probabilities of impure leaves as bytes: rows of (class, share), only the classes that occur.

A row begins with the number of its unit where shares are counts (see below), then has per class one byte (two where there
are more than 128 classes), its highest bit set at the last, and the share. A code below the number of classes is a pure leaf; any
other code is the place of a row plus that number. Three kinds of share, tried in this order:

- k of a common denominator D, where every probability of the model is exactly k/D in two bytes: 16- or 32-bit sums;
- a count of training samples: probability = count · unit, units being 2**bits / samples, rounded: 64-bit sums;
- the probability in 40 bits, for weighted samples: 64-bit sums.

A mean of probabilities is off by less than 5e-13 in every kind, so two that differ by more than 1e-12 keep their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import lcm

import numpy as np
import numpy.typing as npt

MEAN_ERROR = 4e-13
WEIGHTED_BITS = 40  # rounding moves a mean by 2**-41 = 4.5e-13 at most
LARGEST_COUNT = 65_535
Shares = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Encoded:
    """Rows of shares.

    code   (rows of values,): a class, or classes + the row's place in `rows`
    width  bytes of a share
    units  what a share of 1 is worth, by the row's first byte; empty where all are worth 1
    one    what a probability of 1 is worth
    total  bits of a sum
    """

    code: npt.NDArray[np.int64]
    rows: bytes
    width: int
    units: Shares
    one: int
    total: int


def encode_shares(values: npt.NDArray[np.float64], trees: int) -> Encoded:
    """Encode probabilities (rows, classes) that the means of `trees` trees are made of."""
    counts, samples = _counts(values)
    common = _common_denominator(samples, 65_535)
    if common:
        shares = counts * (common // samples)[:, np.newaxis]
        return _written(values, shares, None, common, 16 if common * trees < 1 << 16 else 32)
    bits = 63 - trees.bit_length()
    if len(samples) and float(counts.max()) * 2.0 ** -(bits + 1) < MEAN_ERROR:
        distinct, unit = np.unique(samples, return_inverse=True)
        if len(distinct) <= 256:
            units = np.array([((1 << bits) + int(n) // 2) // int(n) for n in distinct], np.int64)
            return _written(values, counts, (units, unit), 1 << bits, 64)
    # Sums of weights round: a probability may be a little above 1.
    one = int(((1 << WEIGHTED_BITS) - 1) / max(1.0, float(values.max())))
    return _written(values, np.rint(values * one).astype(np.int64), None, one, 64)


def _counts(values: npt.NDArray[np.float64]) -> tuple[Shares, Shares]:
    """Per row the least counts and their sum that give its probabilities to the last bit; empty where a row has none."""
    found = [_row_counts(row) for row in values.tolist()]
    if None in found:
        return np.zeros((0, 0), np.int64), np.zeros(0, np.int64)
    rows = [row for row in found if row is not None]
    return np.array([counts for counts, _ in rows], np.int64), np.array([samples for _, samples in rows], np.int64)


def _row_counts(row: list[float]) -> tuple[list[int], int] | None:
    samples = 1
    for value in row:
        samples = lcm(samples, _denominator(value))
        if samples > LARGEST_COUNT:
            return None
    counts = [round(value * samples) for value in row]
    return (counts, samples) if all(c / samples == v for c, v in zip(counts, row, strict=True)) else None


@lru_cache(maxsize=100_000)
def _denominator(value: float) -> int:
    """Of the fraction next to the value. A forest has the same few probabilities in most of its leaves."""
    return Fraction(value).limit_denominator(LARGEST_COUNT).denominator


def _common_denominator(samples: Shares, limit: int) -> int:
    """The least common multiple, or 0 above the limit or where there is nothing."""
    common = 1
    for n in np.unique(samples).tolist():
        common = lcm(common, n)
        if common > limit:
            return 0
    return common if len(samples) else 0


def _written(
    values: npt.NDArray[np.float64],
    shares: Shares,
    units: tuple[Shares, npt.NDArray[np.intp]] | None,
    one: int,
    total: int,
) -> Encoded:
    classes = values.shape[1]
    largest = int(shares.max())
    width = next(w for w in (1, 2, 4, 5) if largest < 1 << (8 * w))
    pure = values.max(axis=1) == 1
    code = values.argmax(axis=1).astype(np.int64)
    places: dict[bytes, int] = {}
    rows = bytearray()
    for i in np.flatnonzero(~pure).tolist():
        row = b"".join(_row_bytes(shares[i], width, classes, None if units is None else int(units[1][i])))
        if row not in places:
            places[row] = len(rows)
            rows += row
        code[i] = classes + places[row]
    return Encoded(code, bytes(rows), width, np.zeros(0, np.int64) if units is None else units[0], one, total)


def _row_bytes(shares: Shares, width: int, classes: int, unit: int | None) -> Iterator[bytes]:
    if unit is not None:
        yield bytes([unit])
    head = 1 if classes <= 128 else 2
    present = np.flatnonzero(shares).tolist()
    for index in present:
        last = 1 << (8 * head - 1) if index == present[-1] else 0
        yield (index | last).to_bytes(head, "little") + int(shares[index]).to_bytes(width, "little")
