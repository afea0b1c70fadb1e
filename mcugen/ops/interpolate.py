"""interpolate: each feature's own curve, straight between points, as its place among quantiles or what isotonic regression says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log2
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.curves import Curve, Singles
from mcugen.ir import Array, TensorType
from mcugen.normal import CLIPPED, MIDDLE, NEVER, TAIL, apart, coded, probit, quantile
from mcugen.op import Form, Work
from mcugen.pairs import pair_of
from mcugen.rows import Numbers, RowOp, single
from mcugen.tables import check_tables
from mcugen.work.loops import loop

Floats = npt.NDArray[np.float64]
MAX_POINTS = 60_000  # an index has 16 bits
BESIDE = 2.0**-30  # of a knot: how far off a pair is that a float does not tell from it


@dataclass(frozen=True, eq=False)
class Interpolate(RowOp):
    """What the curve of each feature comes to: straight from point to point, the outer points' values beyond them.

    curves  one a feature (mcugen/curves.py), in float64. The points that the C has are float32, and between them the curve is
            what it is for every float32
    missing  (features,) what NaN gives
    inside  whether there is only an answer between the outer points, else NaN
    normal  whether a curve gives a probability, and y is the quantile of the normal distribution, limited to ±5.2 as
            scikit-learn limits it. Off by 2e-6 at most; such curves rise
    scores  of a classifier, which x are, the type: "float64", of which floats hold too few digits, or "float32", to which they were
            rounded; the pass `pair_scores` sees to it. Empty of other numbers
    of_pairs  whether x are sums of two floats (mcugen/pairs.py); then the points are the knots, and no curve jumps

    Input `f32` (features,), or (2 features,) of pairs, output `f32` (features,); they may share a buffer.
    """

    name: ClassVar[str] = "interpolate"
    in_place: ClassVar[int | None] = 0

    curves: tuple[Curve, ...]
    missing: Floats
    inside: bool = False
    normal: bool = False
    scores: Literal["", "float64", "float32"] = ""
    of_pairs: bool = False

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]  # only what this one needs
        return ("math.h",) if self.normal or self.inside or np.isnan(self.missing).any() else ()

    @property
    def width(self) -> int:
        return 2 * len(self.curves) if self.of_pairs else len(self.curves)

    @property
    def height(self) -> int:
        return len(self.curves)

    @cached_property
    def points(self) -> tuple[tuple[Singles, Singles], ...]:
        """Each feature's points and their values; of probabilities, which the quantiles are of, as `coded` has them."""
        if self.of_pairs:
            found = ((single(curve.knots), curve.at) for curve in self.curves)
        elif not self.normal:
            found = (curve.points(self.inside) for curve in self.curves)
        else:
            found = (coded(curve, curve.points(seen=apart)[0]) for curve in self.curves)
        return tuple((points, single(values)) for points, values in found)

    @cached_property
    def rests(self) -> tuple[Singles, ...]:
        """What the points' rounding took off, where x are pairs."""
        return tuple(pair_of(curve.knots)[1] for curve in self.curves)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = np.asarray(inputs[0], np.float32)
        first, rest = x.reshape(2, self.height) if self.of_pairs else (x, np.zeros_like(x))
        rests = self.rests if self.of_pairs else [np.zeros_like(points) for points, _ in self.points]
        each = zip(first, rest, self.points, rests, strict=True)
        found = [self._one(one, less, *values, more) for one, less, values, more in each]
        return (np.where(np.isnan(first), single(self.missing), np.array(found, np.float32)).astype(np.float32),)

    def _one(self, x: np.float32, rest: np.float32, points: Singles, values: Singles, rests: Singles) -> np.float32:
        above = int(np.count_nonzero((points < x) | ((points == x) & (rests < rest))))
        if self.inside and (x < points[0] or x > points[-1]):
            return np.float32(np.nan)
        if above == 0 or above == len(points) or np.isnan(x):
            y = values[min(above, len(points) - 1)]
        else:
            low, high, (first, last) = above - 1, above, values[above - 1 : above + 1]
            y, at = (last, high) if (last < first if first > 0 else last > first) else (first, low)
            width = (points[high] - points[low]) + (rests[high] - rests[low])
            y = y + ((x - points[at]) + (rest - rests[at])) / width * (last - first)
        return probit(y) if self.normal else np.float32(y)

    def source(self, at: int, *inputs: TensorType) -> tuple[int, int] | None:
        return (0, at) if self.curves[at].rises and not self.inside and not self.of_pairs else None

    def exactly(self, at: int, x: Array) -> Array:
        found = self.curves[at].of(np.asarray(x, np.float64))
        found = quantile(found) if self.normal else found
        return np.where(np.isnan(x), self.missing[at], found)

    def describe(self) -> str:
        count = sum(len(points) for points, _ in self.points)
        return f"features={self.height} points={count}{' inside' * self.inside}{' normal' * self.normal}{' of_pairs' * self.of_pairs}"

    def forms(self, target: Target) -> tuple[Form, ...]:
        check_tables([4 * sum(len(points) for points, _ in self.points)], target, self.smaller())
        return ()

    def smaller(self) -> tuple[str, ...]:
        return ("fit with fewer points, as with a smaller `n_quantiles`",)

    def work(self, target: Target, *inputs: TensorType) -> Work:
        counts = [len(points) for points, _ in self.points]
        tables = (
            (12 if self.of_pairs else 8) * sum(counts) + 2 * (self.height + 1) + Numbers(single(self.missing)).nbytes
        )
        more = {"halvings": sum(log2(count + 1) for count in counts)}
        return loop(self.height, "inside" * self.inside, "normal" * self.normal, tables=tables, more=more)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Points and the floats beside them, numbers between them and beyond."""
        count = min(limit, 2_000)
        found = np.stack([self._near(points, count, rng) for points, _ in self.points], axis=1)
        if not self.of_pairs:
            return (found,)
        knots = np.stack([rng.choice(curve.knots, count) for curve in self.curves], axis=1)
        exact = np.where(rng.random(found.shape) < 0.5, found, knots * (1 + rng.normal(size=found.shape) * BESIDE))
        return (np.concatenate(pair_of(exact), axis=1),)

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
        found = np.empty((len(y), self.height))
        for i, curve in enumerate(self.curves):
            values = quantile(curve.at) if self.normal else curve.at
            order = np.argsort(values, kind="stable")
            found[:, i] = np.interp(np.asarray(y[:, i], np.float64), values[order], curve.knots[order])
        return (np.concatenate(pair_of(found), axis=1) if self.of_pairs else found,)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "size": self.height,
            "starts": np.cumsum([0, *(len(points) for points, _ in self.points)]).tolist(),
            "points": np.concatenate([points for points, _ in self.points]),
            "rests": np.concatenate(self.rests) if self.of_pairs else None,
            "values": np.concatenate([values for _, values in self.points]),
            "missing": Numbers(single(self.missing)),
            "of_pairs": self.of_pairs,
            "inside": self.inside,
            "normal": self.normal,
            "clipped": single(CLIPPED),
            "never": single(NEVER),
            "middle": [single(one) for one in MIDDLE],
            "tail": [single(one) for one in TAIL],
        }
