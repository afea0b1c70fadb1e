"""ranks: how many limits lie below each number, for trees that compare numbers of more digits than a float has."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from math import log2
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Form, Op, Work
from mcugen.pairs import difference_rest, pair_of
from mcugen.rows import vector
from mcugen.tables import check_tables
from mcugen.work.loops import loop

Floats = npt.NDArray[np.float64]
MOST = 32_767  # limits of a feature: ranks are no wider than an i16


@dataclass(frozen=True, eq=False)
class Ranks(Op):
    """y[i] = how many of feature i's limits lie below it, found by halving.

    Input `f32` (2 features,): numbers as sums of two floats, all the larger ones first. limits: of each feature distinct
    float64 numbers, ascending. Output of shape (features,): `u8`, or `i16` where a feature has more than 255 limits, which may
    be 32,767 at most (E0303). `x <= limits[i][k]` is the same as `y[i] <= k`, to the 48 digits of a pair.
    """

    name: ClassVar[str] = "ranks"

    limits: tuple[Floats, ...]

    @property
    def features(self) -> int:
        """Numbers that are looked up."""
        return len(self.limits)

    @property
    def type(self) -> DType:
        """What holds a rank."""
        return DType.U8 if max(map(len, self.limits)) < 256 else DType.I16

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = vector(2 * self.features)
        if inputs != (wanted,):
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"ranks takes {wanted}, not {found}", help="give it one row of pairs of float32")
        return (TensorType((self.features,), self.type),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x, found = np.asarray(inputs[0], np.float32), np.zeros(self.features, self.type.numpy)
        with np.errstate(all="ignore"):
            for i, (start, end) in enumerate(zip(self._starts, self._starts[1:], strict=False)):
                larger, left = x[i], x[self.features + i]
                below = [*range(start, end)]
                found[i] = bisect_left(below, 1, key=lambda at: int(not self._is_below(at, larger, left)))
        return (found,)

    def _is_below(self, at: int, larger: np.float32, left: np.float32) -> bool:
        """Whether a limit lies below the sum of two floats."""
        limit, rest = self._pairs[2 * at], self._pairs[2 * at + 1]
        above, wanted = larger - limit, rest - left
        if above != wanted:
            return bool(above > wanted)
        return bool(difference_rest(np.asarray(rest), np.asarray(left), np.asarray(wanted)) < 0)

    @cached_property
    def _starts(self) -> list[int]:
        """Where the limits of each feature begin, and where the last ones end."""
        return [0, *np.cumsum([len(one) for one in self.limits]).tolist()]

    @cached_property
    def _pairs(self) -> npt.NDArray[np.float32]:
        """The limits as pairs, one after the other: of each the largest pair that is not above it."""
        limits = np.concatenate(self.limits)
        larger, rest = pair_of(limits)
        with np.errstate(invalid="ignore"):
            above = rest > limits - larger  # which has few enough digits for float64
        return np.stack([larger, np.where(above, np.nextafter(rest, np.float32(-np.inf)), rest)], axis=1).ravel()

    def forms(self, target: Target) -> tuple[Form, ...]:
        ways = ("train fewer or shallower trees (`n_estimators`, `max_depth`, `min_samples_leaf`)",)
        check_tables([self._pairs.nbytes], target, ways)
        if max(map(len, self.limits)) > MOST:
            raise error("E0303", f"a feature has more than {MOST:,} thresholds", help=ways[0])
        return ()

    def work(self, target: Target, *inputs: TensorType) -> Work:
        tables = self._pairs.nbytes + 2 * len(self._starts)
        halvings = sum(log2(len(one) + 1) for one in self.limits)
        return loop(self.features, self.type.short, tables=tables, more={"halvings": halvings})

    def describe(self) -> str:
        return f"features={self.features} limits={self._starts[-1]}"

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Pairs at limits, and a little below and above."""
        rows = np.zeros((min(limit, 500), self.features))
        for i, known in enumerate(self.limits):
            if finite := len(known[np.isfinite(known)]):
                rows[:, i] = known[np.isfinite(known)][rng.integers(finite, size=len(rows))]
        off = rng.choice([0.0, 2.0**-44, -(2.0**-44), 2.0**-26, -(2.0**-26), 0.1], rows.shape)
        return (np.concatenate(pair_of(rows * (1 + off)), axis=1),)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "size": self.features,
            "limits": self._pairs,
            "starts": self._starts,
            "rank_t": self.type.c,
            "rank": self.type.short,
        }


def ranks_of(features: npt.ArrayLike, limits: Floats, count: int) -> tuple[Ranks, npt.NDArray[np.int64]]:
    """The op that ranks `count` features by these limits, each on one of the features, and the place of each limit."""
    at, places = np.asarray(features), np.zeros(len(limits), np.int64)
    lists = []
    for i in range(count):
        known, places[at == i] = np.unique(limits[at == i], return_inverse=True)
        lists.append(known)
    return Ranks(tuple(lists)), places
