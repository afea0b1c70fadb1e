"""affine: the scalers of scikit-learn, a number a feature taken off and multiplied with."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.pairs import difference_rest, product_rest
from mcugen.rows import Numbers, RowOp, single
from mcugen.templating import c_lit
from mcugen.work.loops import loop

Floats = npt.NDArray[np.float64]
LARGEST = float(np.finfo(np.float32).max)
NEGLIGIBLE = 2.0**-24  # of an output: what a zero point's rounding to float32 may shift it by


@dataclass(frozen=True, eq=False)
class Affine(RowOp):
    """y = (x - zero) · scale in float32, feature by feature, then limited to [low, high]; NaN stays.

    The model's own arithmetic in float64 is ((x - minus) / over) · times + plus, each an array (features,). Input and output
    `f32` (features,), which may share a buffer. zero = minus - plus · over / times, as the sum of two floats where one would
    shift y by more than 2^-24, or nothing is multiplied; scale = times / over, rounded to float32. So y is off by 2^-22 of itself at most.

    With `pairs` the output is `f32` (2 features,), all y and then what their rounding took off (mcugen/pairs.py); zero and scale
    are sums of two floats then, and nothing is limited. With `of_pairs` the input is `f32` (2 features,), of the same kind;
    with both they are what a chain of pairs is made of.
    """

    name: ClassVar[str] = "affine"
    onnx: ClassVar[tuple[str, ...]] = ("ai.onnx.ml.Scaler",)
    in_place: ClassVar[int | None] = 0
    minus: Floats
    over: Floats
    times: Floats = field(default_factory=lambda: np.ones(1))
    plus: Floats = field(default_factory=lambda: np.zeros(1))
    low: float = -inf
    high: float = inf
    pairs: bool = False
    of_pairs: bool = False

    @property
    def features(self) -> int:
        """Numbers that are scaled."""
        return len(self.minus)

    @property
    def width(self) -> int:
        return 2 * self.features if self.of_pairs else self.features

    @property
    def height(self) -> int:
        return 2 * self.features if self.pairs else self.features

    @cached_property
    def slope(self) -> Floats:
        """What y grows by where x grows by 1, (features,)."""
        return np.broadcast_to(self.times / self.over, self.minus.shape)

    @cached_property
    def origin(self) -> Floats:
        """Where y is 0, (features,)."""
        return np.asarray(self.minus - self.plus / self.slope)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        if self.pairs:
            return (self._in_pairs(np.asarray(inputs[0], np.float32)),)
        with np.errstate(all="ignore"):
            y = np.asarray(inputs[0], np.float32)[: self.features] - self._zero
            if self._rest.any():
                y = y - self._rest
            if self.of_pairs:
                y = y + np.asarray(inputs[0], np.float32)[self.features :]
            y = y * single(self.slope)
            y = np.where(y < single(self.low), single(self.low), y)
            return (np.where(y > single(self.high), single(self.high), y).astype(np.float32),)

    def _in_pairs(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        zero, scale, larger = self._zero, single(self.slope), x[: self.features]
        with np.errstate(all="ignore"):
            off = larger - zero
            rest = difference_rest(larger, zero, off) - self._rest
            if self.of_pairs:
                rest = rest + x[self.features :]
            y = off * scale
            left = product_rest(off, scale, y) + rest * scale + off * self._scale_rest
            larger = y + left
            return np.concatenate([larger, left - (larger - y)])

    @cached_property
    def _zero(self) -> npt.NDArray[np.float32]:
        return single(self.origin)

    @cached_property
    def _rest(self) -> npt.NDArray[np.float32]:
        rest = self.origin - self._zero
        plain = bool((self.slope == 1).all())  # then nothing brings y to the size of 1
        matters = self.pairs or plain or bool((np.abs(rest * self.slope) > NEGLIGIBLE).any())
        return single(rest if matters else np.zeros_like(rest))

    @cached_property
    def _scale_rest(self) -> npt.NDArray[np.float32]:
        """What the slope's rounding took off."""
        return single(self.slope - single(self.slope))

    def source(self, at: int, *inputs: TensorType) -> tuple[int, int] | None:
        return None if self.pairs or self.of_pairs else (0, at)

    def exactly(self, at: int, x: Array) -> Array:
        times, plus = (np.broadcast_to(a, self.minus.shape)[at] for a in (self.times, self.plus))
        with np.errstate(all="ignore"):
            scaled = (np.asarray(x, np.float64) - self.minus[at]) / self.over[at] * times + plus
        return np.asarray(np.clip(scaled, self.low, self.high))

    def describe(self) -> str:
        limits = f" low={self.low:g} high={self.high:g}" if self.limited else ""
        return f"features={self.features}{limits}{' pairs' * self.pairs}{' of pairs' * self.of_pairs}"

    @property
    def limited(self) -> bool:
        """Whether y is limited to a range."""
        return (self.low, self.high) != (-inf, inf)

    def macc(self, *inputs: TensorType) -> int:
        return self.features

    def work(self, target: Target, *inputs: TensorType) -> Work:
        zero, rest, scale = Numbers(self._zero), Numbers(self._rest), Numbers(single(self.slope))
        parts = [f"zero {zero.kind}" * bool(self._zero.any()), f"rest {rest.kind}" * bool(self._rest.any())]
        parts += [f"scale {scale.kind}" * bool((single(self.slope) != 1).any()), "limits" * self.limited]
        lower = Numbers(self._scale_rest).nbytes if self.pairs else 0
        parts += ["pairs" * self.pairs, "of pairs" * self.of_pairs]
        return loop(self.features, *parts, tables=zero.nbytes + rest.nbytes + scale.nbytes + lower)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Rows about where y is 0; above, where there is a lowest y and no highest, as what is behind wants it."""
        rows = rng.standard_normal((min(limit, 2_000), self.features)) * rng.choice([0.3, 1, 3], (min(limit, 2_000), 1))
        if self.low > -inf and self.high >= LARGEST:
            rows = self.low + np.abs(rows)
        return (single(self.origin + rows / self.slope),)

    def back(self, y: Array, *inputs: TensorType) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            return () if self.pairs or self.of_pairs else (self.origin + np.asarray(y, np.float64) / self.slope,)

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return self.probe(limit, rng)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        scale = single(self.slope)
        return {
            "size": self.features,
            "of_pairs": self.of_pairs,
            "zero": Numbers(self._zero) if self.pairs or self._zero.any() else None,
            "rest": Numbers(self._rest) if self.pairs or self._rest.any() else None,
            "scale": Numbers(scale) if self.pairs or (scale != 1).any() else None,
            "scale_rest": Numbers(self._scale_rest) if self.pairs else None,
            "low": c_lit(np.float32(self.low)) if self.limited else None,
            "high": c_lit(np.float32(self.high)) if self.limited else None,
        }
