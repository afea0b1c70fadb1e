"""cosines: of angles that are sums of two floats, counted in turns."""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial, pi
from typing import Any, ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.pairs import Floats, pair_of
from mcugen.rows import RowOp
from mcugen.work.loops import loop

TERMS = 7  # of the sine's series, for a quarter of a turn at most: what is left out is below 1e-9


@dataclass(frozen=True, eq=False)
class Cosines(RowOp):
    """y = amplitude · cos(2 pi a), number by number; a counts turns, and is the sum of two floats (mcugen/pairs.py).

    Input `f32` (2 numbers,), all the larger floats first, output `f32` (numbers,). Whole turns are taken off exactly, and the rest
    goes through the sine's series, so y is off by 3e-7 of the amplitude at most.
    """

    name: ClassVar[str] = "cosines"
    includes: ClassVar[tuple[str, ...]] = ("math.h",)

    numbers: int
    amplitude: float = 1.0

    @property
    def width(self) -> int:
        return 2 * self.numbers

    @property
    def height(self) -> int:
        return self.numbers

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            first, rest = (_part(one) for one in np.asarray(inputs[0], np.float32).reshape(2, self.numbers))
            u = np.float32(0.25) - np.abs(_part(first + rest))
            square = u * u
            terms = self._terms
            y = np.full_like(u, terms[-1])
            for term in terms[-2::-1]:
                y = y * square + term
            return (y * u,)

    @property
    def _terms(self) -> Floats:
        """Of the amplitude times the sine's series in turns."""
        terms = [(-1) ** k * (2 * pi) ** (2 * k + 1) / factorial(2 * k + 1) for k in range(TERMS)]
        return np.array(self.amplitude * np.array(terms), np.float32)

    def describe(self) -> str:
        return f"numbers={self.numbers} amplitude={self.amplitude:.6g}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return loop(self.numbers)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Quarters of turns and between them, a few turns and many off 0."""
        rows = rng.integers(-20, 20, (min(limit, 500), self.numbers)) / 8 + rng.normal(0, 0.02, (1, self.numbers))
        rows = rows * 10.0 ** rng.integers(0, 4, (len(rows), 1))
        return (np.concatenate(pair_of(rows), axis=1),)

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return self.probe(limit, rng)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {"numbers": self.numbers, "terms": [*self._terms]}


def _part(turns: Floats) -> Floats:
    """What is left of turns without the nearest whole one."""
    return np.asarray(turns - np.floor(turns + np.float32(0.5)))
