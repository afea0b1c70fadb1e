"""interpolate: each feature's own curve, straight between points, as its place among quantiles or what isotonic regression says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log2
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.curves import Curve, Singles
from mcugen.ir import Array, TensorType
from mcugen.normal import CLIPPED, MIDDLE, NEVER, TAIL, apart, coded, probit, quantile
from mcugen.op import Form, Work
from mcugen.rows import Numbers, RowOp, single
from mcugen.tables import check_tables
from mcugen.work.loops import loop

Floats = npt.NDArray[np.float64]
MAX_POINTS = 60_000  # an index has 16 bits


@dataclass(frozen=True, eq=False)
class Interpolate(RowOp):
    """What the curve of each feature comes to: straight from point to point, the outer points' values beyond them.

    curves  one a feature (mcugen/curves.py), in float64. The points that the C has are float32, and between them the curve is
            what it is for every float32
    missing  (features,) what NaN gives
    inside  whether there is only an answer between the outer points, else NaN
    normal  whether a curve gives a probability, and y is the quantile of the normal distribution, limited to ±5.2 as
            scikit-learn limits it. Off by 2e-6 at most; such curves rise

    Input and output `f32` (features,), which may share a buffer.
    """

    name: ClassVar[str] = "interpolate"
    in_place: ClassVar[int | None] = 0

    curves: tuple[Curve, ...]
    missing: Floats
    inside: bool = False
    normal: bool = False

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]  # only what this one needs
        return ("math.h",) if self.normal or self.inside or np.isnan(self.missing).any() else ()

    @property
    def width(self) -> int:
        return len(self.curves)

    @cached_property
    def points(self) -> tuple[tuple[Singles, Singles], ...]:
        """Each feature's points and their values; of probabilities, which the quantiles are of, as `coded` has them."""
        if not self.normal:
            found = (curve.points(self.inside) for curve in self.curves)
        else:
            found = (coded(curve, curve.points(seen=apart)[0]) for curve in self.curves)
        return tuple((points, single(values)) for points, values in found)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = np.asarray(inputs[0], np.float32)
        found = np.array([self._one(one, *self.points[i]) for i, one in enumerate(x)], np.float32)
        return (np.where(np.isnan(x), single(self.missing), found).astype(np.float32),)

    def _one(self, x: np.float32, points: Singles, values: Singles) -> np.float32:
        behind = int(np.searchsorted(points, x))
        if self.inside and (x < points[0] or x > points[-1]):
            return np.float32(np.nan)
        if behind == 0 or behind == len(points):
            y = values[min(behind, len(points) - 1)]
        else:
            (low, high), (first, last) = points[behind - 1 : behind + 1], values[behind - 1 : behind + 1]
            from_last = last < first if first > 0 else last > first
            from_, at = (last, high) if from_last else (first, low)
            y = from_ + (x - at) / (high - low) * (last - first)
        return probit(y) if self.normal else np.float32(y)

    def source(self, at: int, *inputs: TensorType) -> tuple[int, int] | None:
        return (0, at) if self.curves[at].rises and not self.inside else None

    def exactly(self, at: int, x: Array) -> Array:
        found = self.curves[at].of(np.asarray(x, np.float64))
        found = quantile(found) if self.normal else found
        return np.where(np.isnan(x), self.missing[at], found)

    def describe(self) -> str:
        count = sum(len(points) for points, _ in self.points)
        return f"features={self.width} points={count}{' inside' * self.inside}{' normal' * self.normal}"

    def forms(self, target: Target) -> tuple[Form, ...]:
        check_tables([4 * sum(len(points) for points, _ in self.points)], target, self.smaller())
        return ()

    def smaller(self) -> tuple[str, ...]:
        return ("fit with fewer points, as with a smaller `n_quantiles`",)

    def work(self, target: Target, *inputs: TensorType) -> Work:
        counts = [len(points) for points, _ in self.points]
        tables = 8 * sum(counts) + 2 * (self.width + 1) + Numbers(single(self.missing)).nbytes
        more = {"halvings": sum(log2(count + 1) for count in counts)}
        return loop(self.width, "inside" * self.inside, "normal" * self.normal, tables=tables, more=more)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Points and the floats beside them, numbers between them and beyond."""
        count = min(limit, 2_000)
        return (np.stack([self._near(points, count, rng) for points, _ in self.points], axis=1),)

    @staticmethod
    def _near(points: Singles, count: int, rng: np.random.Generator) -> Singles:
        one, other = rng.choice(points, (2, count)).astype(np.float64)
        part, kind = rng.random(count), rng.integers(0, 4, count)
        beside = np.nextafter(one.astype(np.float32), rng.choice(np.array([-np.inf, np.inf], np.float32), count))
        between, beyond = one + part * (other - one), one + 2 * part * (one - other)
        found = single(np.choose(kind, [one, beside, between, beyond]))
        return np.where(np.isfinite(found), found, single(one))

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return self.probe(limit, rng)

    def back(self, y: Array, *inputs: TensorType) -> tuple[Array, ...]:
        """Where each curve comes to y; a falling one is looked at from the other side."""
        found = np.empty((len(y), self.width))
        for i, curve in enumerate(self.curves):
            values = quantile(curve.at) if self.normal else curve.at
            order = np.argsort(values, kind="stable")
            found[:, i] = np.interp(np.asarray(y[:, i], np.float64), values[order], curve.knots[order])
        return (found,)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "size": self.width,
            "starts": np.cumsum([0, *(len(points) for points, _ in self.points)]).tolist(),
            "points": np.concatenate([points for points, _ in self.points]),
            "values": np.concatenate([values for _, values in self.points]),
            "missing": Numbers(single(self.missing)),
            "inside": self.inside,
            "normal": self.normal,
            "clipped": single(CLIPPED),
            "never": single(NEVER),
            "middle": [single(one) for one in MIDDLE],
            "tail": [single(one) for one in TAIL],
        }
