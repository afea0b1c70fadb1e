"""lookup: which of a feature's sorted points a number is, or lies behind, and what that stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log2, nan
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.ops.tree_ensemble.trees import float32_not_above
from mcugen.rows import Numbers, RowOp, single
from mcugen.work.loops import loop

Floats = npt.NDArray[np.float64]
MAX_POINTS = 60_000  # an index has 16 bits


@dataclass(frozen=True, eq=False)
class Lookup(RowOp):
    """What is written down for a number, feature by feature: for a category that it is, or for a bin that it lies in.

    points (features) arrays of float64 that rise. values: for each feature (entries, outputs) float64, which become float32.
    Categories (`exact`): entry k is for x = points[k], points are numbers of float32, and x that is none of them gives `other`,
    (features, outputs). Bins: entry k is for x with k of the points below it, so there is one more; for float32 x a point is compared as
    the largest float32 that is not above it. NaN gives `missing`, (features, outputs). Input `f32` (features,), output `f32`
    (features · outputs,), all outputs of the first feature first; with one output they may share a buffer.
    """

    name: ClassVar[str] = "lookup"
    in_place: ClassVar[int | None] = 0

    points: tuple[Floats, ...]
    values: tuple[Floats, ...]
    missing: Floats
    other: Floats | None = None

    @property
    def exact(self) -> bool:
        """Whether only a point itself has a value."""
        return self.other is not None

    @property
    def features(self) -> int:
        """Numbers that are looked up."""
        return len(self.points)

    @property
    def outputs(self) -> int:
        """Numbers that stand for one."""
        return int(self.missing.shape[1])

    @property
    def width(self) -> int:
        return self.features

    @property
    def height(self) -> int:
        return self.features * self.outputs

    @cached_property
    def _points(self) -> tuple[npt.NDArray[np.float32], ...]:
        return tuple(float32_not_above(one) for one in self.points)

    @cached_property
    def counted(self) -> bool:
        """Whether a value is its own place, so that nothing is written down."""
        return all(np.array_equal(one, np.arange(len(one), dtype=np.float64)[:, np.newaxis]) for one in self.values)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = np.asarray(inputs[0], np.float32)
        found = [self._values(i, self._points[i], x[i : i + 1])[0] for i in range(self.features)]
        return (single(np.concatenate(found)),)

    def exactly_all(self, feature: int, x: Array) -> Floats:
        """What stands for float64 numbers x (n,) of a feature, (n, outputs)."""
        return self._values(feature, self.points[feature], np.asarray(x, np.float64))

    def _values(self, at: int, points: Array, x: Array) -> Floats:
        place = np.searchsorted(points, x)
        found = self.values[at][np.minimum(place, len(self.values[at]) - 1)]
        if self.other is not None:
            known = (place < len(points)) & (points[np.minimum(place, len(points) - 1)] == x)
            found = np.where(known[:, np.newaxis], found, self.other[at])
        return np.asarray(np.where(np.isnan(x)[:, np.newaxis], self.missing[at], found), np.float64)

    def source(self, at: int, *inputs: TensorType) -> tuple[int, int] | None:
        return (0, at // self.outputs) if not self.exact and self._rises(at) else None

    def _rises(self, at: int) -> bool:
        return bool((np.diff(self.values[at // self.outputs][:, at % self.outputs]) >= 0).all())

    def exactly(self, at: int, x: Array) -> Array:
        return self.exactly_all(at // self.outputs, x)[:, at % self.outputs]

    def describe(self) -> str:
        kind = "categories" if self.exact else "bins"
        return f"features={self.features} {kind}={sum(map(len, self.values))} outputs={self.outputs}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        points, table = sum(map(len, self.points)), 0 if self.counted else 4 * sum(one.size for one in self.values)
        starts = 2 * (self.features + 1)
        gone = Numbers(single(self.missing.ravel())).nbytes
        gone += Numbers(single(self.other.ravel())).nbytes if self.other is not None else 0
        halvings = sum(log2(len(one) + 1) for one in self.points)
        parts = ("exact" * self.exact, "" if self.counted else "table", "several" * (self.outputs > 1))
        more = {"halvings": halvings, "outputs": float(self.height)}
        return loop(self.features, *parts, tables=4 * points + starts + table + gone, more=more)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Points, the floats beside them, and what is missing."""
        near = rng.choice([-np.inf, 0, np.inf], (min(limit, 2_000), self.features), p=[0.2, 0.6, 0.2])
        columns = [rng.choice(one, len(near)) if len(one) else np.zeros(len(near), np.float32) for one in self._points]
        rows = np.stack(columns, axis=1).astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            rows = np.where(near == 0, rows, np.nextafter(rows, near.astype(np.float32)))
        rows = np.where(rng.random(rows.shape) < 0.05, np.float32(nan), rows)
        return (np.where(np.isinf(rows), np.float32(0), rows),)

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return (np.nan_to_num(self.probe(limit, rng)[0]),)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        counts = [len(one) for one in self.points]
        return {
            "size": self.features,
            "outputs": self.outputs,
            "exact": self.exact,
            "starts": np.cumsum([0, *counts]).tolist(),
            "most": max(counts),
            "points": _joined(self._points),
            "values": None if self.counted else Numbers(single(np.concatenate(self.values).ravel())),
            "missing": Numbers(single(self.missing.ravel())),
            "other": Numbers(single(self.other.ravel())) if self.other is not None else None,
        }


def _joined(points: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """All points as one table, which has something in it."""
    joined = np.concatenate(points)
    return joined if len(joined) else np.zeros(1, np.float32)
