"""power: the power transforms of Box and Cox and of Yeo and Johnson, a power a feature, and scaled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.rows import Numbers, RowOp, single
from mcugen.work.loops import loop

Floats = npt.NDArray[np.float64]
LOGARITHM = 1e-12  # of a power: below, it is none
NEAR = 0.5  # of a change, to both sides: closer, the logarithm of what is near 1 needs log1p


@dataclass(frozen=True, eq=False)
class Power(RowOp):
    """y = (f(x) - mean) / scale, where f(x) is (x^p - 1) / p of the feature's power p, log(x) where that is 0.

    powers, mean, scale  (features,) float64
    positive  whether this is so (Box and Cox; of numbers up to 0 y is NaN). Else (Yeo and Johnson) f is that of x + 1 and p, and
              for x below 0 minus that of 1 - x and 2 - p

    The C works with the distance from where f is the mean, so that nothing cancels: y is off by 2e-6 of itself, or of 1, at most,
    unless float64 itself holds no more of it. Input and output `f32` (features,), which may share a buffer; NaN stays.
    """

    name: ClassVar[str] = "power"
    in_place: ClassVar[int | None] = 0
    includes: ClassVar[tuple[str, ...]] = ("math.h", "string.h")

    powers: Floats
    mean: Floats
    scale: Floats
    positive: bool = False

    @property
    def width(self) -> int:
        return len(self.powers)

    @cached_property
    def constants(self) -> dict[str, npt.NDArray[np.float32]]:
        """What the C has of each side of 0, (sides · features,), the positive one first.

        With the size w of a number (of what is raised to p), y = offset + gain · (exp(power · log(w · rate)) - 1), or
        offset + gain · log(w · rate) where power is 0; w · rate is 1 at `origin`.
        """
        sides = [self._side(self.powers, 1.0)]
        sides += [] if self.positive else [self._side(2 - self.powers, -1.0)]
        return {name: single(np.concatenate([side[name] for side in sides])) for name in sides[0]}

    def _side(self, powers: Floats, sign: float) -> dict[str, Floats]:
        none = np.abs(powers) < LOGARITHM
        p, least = np.where(none, 1.0, powers), 0.0 if self.positive else 1.0
        with np.errstate(all="ignore"):
            middle = np.where(none, np.exp(sign * self.mean), (p * sign * self.mean + 1) ** (1 / p))
            found = single(np.where(np.isfinite(middle) & (middle > least), middle, 1.0) - least).astype(np.float64)
            origin = np.where(found + least > 0, found, 1.0 - least)
            size = origin + least
            there = np.where(none, np.log(size), np.expm1(p * np.log(size)) / p)
            gain = sign * np.where(none, 1.0, size**p / p) / self.scale
            offset = (sign * there - self.mean) / self.scale
        return {
            "origin": origin,
            "rate": 1 / size,
            "power": np.where(none, 0.0, powers),
            "gain": gain,
            "offset": offset,
        }

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = np.asarray(inputs[0], np.float32)
        at = np.arange(self.width) + (0 if self.positive else self.width * (x < 0))
        c = {name: values[at] for name, values in self.constants.items()}
        with np.errstate(all="ignore"):
            size = np.where(x > 0, x, np.float32(np.nan)) if self.positive else np.abs(x)
            change = (size - c["origin"]) * c["rate"]
            whole = (size if self.positive else size + np.float32(1)) * c["rate"]
            logarithm = np.where(np.abs(change) < np.float32(NEAR), np.log1p(change), np.log(whole))
            raised = np.where(c["power"] != 0, np.expm1(c["power"] * logarithm), logarithm)
            return ((c["offset"] + c["gain"] * raised).astype(np.float32),)

    def source(self, at: int, *inputs: TensorType) -> tuple[int, int] | None:
        return (0, at)

    def exactly(self, at: int, x: Array) -> Array:
        return self._exactly(at, np.asarray(x, np.float64))

    def _exactly(self, at: int, x: Floats) -> Floats:
        p = float(self.powers[at])
        with np.errstate(all="ignore"):
            if self.positive:
                found = np.where(x > 0, _raised(np.log(np.maximum(x, 0.0)), p), np.where(np.isnan(x), np.nan, -np.inf))
            else:
                found = np.where(x < 0, -_raised(np.log1p(-x), 2 - p), _raised(np.log1p(x), p))
            return np.asarray((found - self.mean[at]) / self.scale[at])

    def describe(self) -> str:
        return f"features={self.width}{' positive' * self.positive}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        tables = sum(Numbers(values).nbytes for values in self.constants.values())
        return loop(self.width, "positive" * self.positive, tables=tables)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Numbers that give what a normal distribution does, and some far off."""
        y = rng.standard_normal((min(limit, 2_000), self.width)) * rng.choice([0.3, 1, 3], (min(limit, 2_000), 1))
        (x,) = self.back(y)
        return (single(np.where(np.isfinite(x), x, 1.0)),)

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return self.probe(limit, rng)

    def back(self, y: Array, *inputs: TensorType) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            found = np.asarray(y, np.float64) * self.scale + self.mean
            if self.positive:
                return (_taken_back(found, self.powers),)
            x = np.where(found < 0, 1 - _taken_back(-found, 2 - self.powers), _taken_back(found, self.powers) - 1)
            return (x,)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        constants = {name: Numbers(values) for name, values in self.constants.items()}
        return {"size": self.width, "positive": self.positive, "near": np.float32(NEAR), **constants}


def _raised(logarithm: Floats, power: float) -> Floats:
    """(w^p - 1) / p of the logarithm of w, as SciPy works it out."""
    return np.asarray(logarithm if abs(power) < np.finfo(np.float64).eps else np.expm1(power * logarithm) / power)


def _taken_back(y: Floats, powers: Floats) -> Floats:
    """The w of which y is (w^p - 1) / p."""
    none = np.abs(powers) < LOGARITHM
    p = np.where(none, 1.0, powers)
    return np.asarray(np.where(none, np.exp(y), (p * y + 1) ** (1 / p)))
