"""Points and rows on one grid of integers: how distances are worked out without float arithmetic.

The grid ends at the power of two above the largest coordinate of a point, and a row becomes integers of the same grid (see
fixed.py). A row that reaches beyond it is brought down by powers of two, and the points with it. Differences and sums of
their squares are exact on the grid; what is lost is in bringing points and rows to it, less than one step a coordinate.
Features that lie far from 0 against their spread are counted from their middle: taking it off is exact wherever points are.

width  points  row    sum     steps from 0 to the grid's end
32     int32   int32  uint64  2**24 to 2**30, by the number of features
16     int16   int16  uint32  up to 2**14
8      int8    int16  uint32  2**7
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from mcugen.coding import Codes, Coding, codes_of
from mcugen.fixed import Fixed, Floats, Integers, Width
from mcugen.scaling import FINER, Scaling, scaling_of

Metric = Literal["euclidean", "manhattan", "chebyshev"]

MOST: dict[Width, int] = {32: 30, 16: 14, 8: 7}  # a difference of two numbers of so many bits fits the row's type
ROOM: dict[Width, int] = {32: 63, 16: 32, 8: 32}  # a sum stays below 2 to this
FEWEST = 24  # of width 32: as many as a float has digits
MOST_FEATURES = 4_096  # for which width 32 has them
MOST_DOWN = 31
HELD: dict[Width, int] = {32: 23, 16: 7, 8: 0}  # after so many powers of two a point still has 7 bits
AT_ONCE = 4_000_000  # differences
AVR_OBJECT = 32_767  # bytes: avr-gcc refuses larger objects


@dataclass(frozen=True, eq=False)
class Block:
    """Points of one table: the number of the first, and their integers."""

    first: int
    points: Integers


@dataclass(frozen=True, eq=False)
class Points:
    """Points as integers.

    fixed   the points as rows of weights, and how rows are loaded; `x_bits` steps reach the grid's end, at exponent `top`
    middle  float32 (features,) that rows are counted from; empty where all are 0
    metric  how differences become a distance: squared ones are summed, sizes are summed, the largest
    far     whether the tables lie beyond the 64 KiB of flash that an AVR reaches with near addresses
    beside  bytes for a point in another table that is cut where this one is
    reach   how many powers of two beyond the points' largest coordinate the grid ends
    most_down  by how many powers of two points are brought down at most. A row that lies further out is taken for one in the
            same direction, nearer by: of so far away, the neighbours hang on the direction
    scaling a scaler that rows are brought to the grid through, which then takes the middle off, too
    coding  how points are kept in flash; see coding.py
    """

    fixed: Fixed
    middle: npt.NDArray[np.float32]
    metric: Metric
    far: bool = False
    beside: int = 0
    reach: int = 0
    most_down: int = MOST_DOWN
    scaling: Scaling | None = None
    coding: Coding = "plain"

    @property
    def row_bits(self) -> int:
        """Bits of a difference between a point and a row that is not brought down."""
        return self.fixed.width if not self.reach else 16

    @property
    def nbytes(self) -> int:
        """Bytes of the tables in flash."""
        points = self.codes.nbytes(self.fixed.width) if self.codes else self.table.size * self.fixed.width // 8
        return points + self.middle.nbytes + (self.scaling.nbytes if self.scaling else 0)

    @cached_property
    def codes(self) -> Codes | None:
        """The points as bytes, where they are kept so."""
        return codes_of(self.fixed.weights) if self.coding in ("levels", "terms") else None

    @cached_property
    def table(self) -> Integers:
        """What flash has of each point, (points, entries): with `products` its square comes last, the lower half first."""
        points = self.fixed.weights
        if self.codes:
            return self.codes.places
        if self.coding != "products":
            return points
        squares = np.square(points).sum(axis=1)
        lower = (squares & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
        return np.column_stack([points, lower, squares >> 32])

    @property
    def entry_bits(self) -> int:
        """Bits of an entry of the table."""
        return 8 if self.codes else self.fixed.width

    @property
    def terms(self) -> int:
        """How many terms a row has, worked out before distances are."""
        return self.codes.levels.size if self.codes and self.coding == "terms" else 0

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The points in tables that avr-gcc takes."""
        return blocks_of(self.table, AVR_OBJECT // max(self.table.shape[1] * self.entry_bits // 8, self.beside))

    @property
    def end(self) -> int:
        """The biased exponent of floats just below the grid's end."""
        return self.fixed.begin

    @property
    def step(self) -> float:
        """The size of a step."""
        return float(np.ldexp(1.0, self.end - 126 - self.fixed.x_bits))

    @property
    def power(self) -> int:
        """How often a step is in the unit of a distance: 2 for squares."""
        return 2 if self.metric == "euclidean" else 1

    def load(self, x: npt.NDArray[np.float32]) -> tuple[Integers, Integers]:
        """Rows (n, features) as integers, and by how many powers of two each is brought down (n,)."""
        if self.scaling:
            steps = self.scaling.steps(x)
            most = np.where(steps < 0, ~steps, steps).max(axis=1) >> (self.fixed.x_bits + FINER)
            down = np.frexp(most.astype(np.float64))[1].astype(np.int64)
            rounded = (steps >> (FINER - 1 + down[:, np.newaxis])) + 1 >> 1
            return rounded, np.minimum(down, self.most_down)
        with np.errstate(all="ignore"):
            rows = x - self.middle if len(self.middle) else x
        q, top = self.fixed.load(rows)
        return q, np.minimum(top - self.end, self.most_down)

    def distances(self, x: npt.NDArray[np.float32]) -> tuple[Integers, Integers]:
        """The distances (n, points) of rows (n, features), and by how many powers of two they are brought down (n,)."""
        q, down = self.load(x)
        return np.concatenate([*self._parts(q, down)]), down

    def _parts(self, q: Integers, down: Integers) -> Iterator[Integers]:
        points = self.fixed.weights
        chunk = max(1, AT_ONCE // points.size)
        for at in range(0, max(len(q), 1), chunk):
            some = q[at : at + chunk, np.newaxis, :]
            difference = some - (points[np.newaxis] >> down[at : at + chunk, np.newaxis, np.newaxis])
            if self.metric == "euclidean":
                yield np.asarray((difference * difference).sum(axis=2))
            else:
                sizes = np.abs(difference)
                yield np.asarray(sizes.sum(axis=2) if self.metric == "manhattan" else sizes.max(axis=2))

    @cached_property
    def sum_bits(self) -> int:
        """Bits of a distance's type."""
        return 64 if self.fixed.width == 32 else 32


def blocks_of(points: Integers, each: int) -> tuple[Block, ...]:
    """Points in blocks of so many, and the rest."""
    return tuple(Block(at, points[at : at + each]) for at in range(0, len(points), each))


def scaled_points(points: Points, slope: Floats, origin: Floats, middle: Floats) -> Points:
    """Points that rows are brought to through a scaler, (x - origin) * slope, less the middle; as they are where that does not
    go in integers."""
    with np.errstate(all="ignore"):
        scaling = scaling_of(slope, origin + middle / slope, points.step)
    return replace(points, scaling=scaling, middle=points.middle[:0]) if scaling else points


def points_of(
    points: Floats, width: Width, metric: Metric = "euclidean", far: bool = False, beside: int = 0, held: bool = False
) -> Points:
    """The integers for float64 points (points, features), which float32 holds; `held` says that of rows far out the direction
    counts.
    """
    middle = middle_of(points)
    centred = points - middle
    largest = float(np.abs(centred).max(initial=0.0))
    exponent = max(int(np.frexp(largest)[1]), -124)  # |centred| < 2**exponent
    sizes = np.abs(centred).max(axis=0) / 2.0**exponent
    bits = _bits(sizes, width, metric)
    steps = np.rint(np.ldexp(centred, bits - exponent))
    most = (1 << bits) - 1
    whole = np.clip(steps, -most, most).astype(np.int64)
    lift = np.zeros(points.shape[1], np.int64)
    reach = _bits(np.ones_like(sizes) / 2.0 ** MOST[8], 16, metric) - bits if held and width == 8 else 0
    fixed = Fixed(width, whole, lift, bits + reach, 0, False, exponent + reach + 126)
    kept = middle if middle.any() else middle[:0]
    made = Points(fixed, kept, metric, far, beside, reach, HELD[width] if held else MOST_DOWN)
    return replace(made, fixed=replace(fixed, weights=_as_rows(points, made)))


def _as_rows(points: Floats, made: Points) -> Integers:
    """The integers of points, of those that float32 holds as the same row has them: its distance is 0, which outvotes all others."""
    single = points.astype(np.float32)
    rows, down = made.load(single)
    most = int(np.abs(made.fixed.weights).max(initial=0))
    rows = np.clip(rows, -most, most)  # a row may be rounded to the end of the grid, which no point reaches
    return np.where(
        (single == points).all(axis=1, keepdims=True) & (down == 0)[:, np.newaxis], rows, made.fixed.weights
    )


def _bits(sizes: Floats, width: Width, metric: Metric) -> int:
    """The finest grid on which no sum overflows: a row reaches its end in every feature, a point goes so far at most."""
    if metric != "euclidean":
        return MOST[width]  # 65,535 sizes of 2**15 fit 32 bits
    longest = float(np.square(1.0 + sizes + 2.0**-6).sum())
    return min(MOST[width], int((ROOM[width] - np.log2(longest)) // 2))


def middle_of(points: Floats) -> npt.NDArray[np.float32]:
    """Per feature the float32 middle of its range where it lies three half ranges from 0 or more, else 0."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low / 2 + high / 2).astype(np.float32)
    return np.where(np.abs(middle) >= 3 * (high / 2 - low / 2), middle, np.float32(0))
