"""distances: from a row to each of some points."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.rows import Numbers, RowOp, single
from mcugen.templating import c_lit
from mcugen.work.loops import loop

Floats = npt.NDArray[np.float64]
PLAIN = 30  # up to this power of two, points are worked with as they are: squares stay far within a float's range


@dataclass(frozen=True, eq=False)
class Distances(RowOp):
    """y[k] = the Euclidean distance between the row and point k; with offsets, offset[k] less its square.

    Input `f32` (features,), output `f32` (points,). points (points, features), offsets (points,) and over (features,), what a
    difference is divided by, are float64. A coordinate is the sum of two floats where one would be rounded, so that a
    difference is as exact as a float is however far from 0 both are; sums of squares do not cancel. y is off by
    (features + 6) · 2^-24 of itself at most (of the square, with offsets). Differences are brought near 1 by a power of two
    where their squares might leave a float's range.
    """

    name: ClassVar[str] = "distances"
    includes: ClassVar[tuple[str, ...]] = ("math.h",)

    points: Floats
    offsets: Floats = field(default_factory=lambda: np.zeros(0))
    over: Floats = field(default_factory=lambda: np.ones(1))

    @property
    def width(self) -> int:
        return int(self.points.shape[1])

    @property
    def height(self) -> int:
        return len(self.points)

    @cached_property
    def power(self) -> int:
        """The power of two that differences are divided by; with offsets never any."""
        largest = float(np.abs(self.points / self.over).max())
        power = int(np.frexp(largest)[1]) if largest else 0
        return 0 if abs(power) <= PLAIN or len(self.offsets) else int(np.clip(power, -120, 120))

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        with np.errstate(over="ignore", invalid="ignore"):
            difference = (np.asarray(inputs[0], np.float32) - self._points) - self._rest
            squares = np.square(difference * self._scale)
            sums = np.add.accumulate(squares, axis=1, dtype=np.float32)[:, -1]  # one after the other, as the C adds
            if len(self.offsets):
                return (single(self.offsets) - sums,)
            return (np.sqrt(sums) * np.float32(2.0**self.power),)

    @cached_property
    def _points(self) -> npt.NDArray[np.float32]:
        return single(self.points)

    @cached_property
    def _rest(self) -> npt.NDArray[np.float32]:
        return single(self.points - self._points)

    @cached_property
    def _scale(self) -> npt.NDArray[np.float32]:
        return single(np.broadcast_to(2.0**-self.power / self.over, (self.width,)))

    def describe(self) -> str:
        return f"points={self.height}{' offsets' if len(self.offsets) else ''}"

    def macc(self, *inputs: TensorType) -> int:
        return int(self.points.size)

    def work(self, target: Target, *inputs: TensorType) -> Work:
        scale = Numbers(self._scale)
        parts = ["rest" * bool(self._rest.any()), f"scale {scale.kind}" * bool((self._scale != 1).any())]
        kind = "offsets" if len(self.offsets) else "scaled root" if self.power else "root"
        tables = 4 * (self.points.size * (1 + bool(self._rest.any())) + len(self.offsets)) + scale.nbytes
        return loop(self.points.size, *parts, kinds=(kind,), tables=tables, more={f"rows {kind}": float(self.height)})

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        spread = np.maximum(high - low, float(np.abs(self.points).max()) / 8)
        rows = (low + high) / 2 + rng.standard_normal((min(limit, 1_000), self.width)) * spread
        return (single(np.concatenate([self.points, rows])[:limit]),)

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return self.probe(limit, rng)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        scale = Numbers(self._scale)
        return {
            "points": self._points,
            "rest": self._rest if self._rest.any() else None,
            "offsets": single(self.offsets),
            "height": self.height,
            "width": self.width,
            "scale": scale if (self._scale != 1).any() else None,
            "up": c_lit(np.float32(2.0**self.power)) if self.power else "",
        }
