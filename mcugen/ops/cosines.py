"""cosines: of angles that are sums of two floats, counted in turns."""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial, pi
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.pairs import Floats, pair_of, polynomial, product, total
from mcugen.rows import RowOp
from mcugen.work.loops import loop

TERMS = 7  # of the sine's series, for a quarter of a turn at most: what is left out is below 1e-9
PAIR_TERMS = 11  # the same for pairs: what is left out is below 2**-58


@dataclass(frozen=True, eq=False)
class Cosines(RowOp):
    """y = amplitude · cos(2 pi a), number by number; a counts turns, and is the sum of two floats (mcugen/pairs.py).

    Input `f32` (2 numbers,), all the larger floats first, output `f32` (numbers,). Whole turns are taken off exactly, and the rest
    goes through the sine's series, so y is off by 3e-7 of the amplitude at most. With `pairs` the output is `f32` (2 numbers,), all y and then what their rounding
    took off, and y is off by 2^-44 of the amplitude.
    """

    name: ClassVar[str] = "cosines"
    includes: ClassVar[tuple[str, ...]] = ("math.h",)

    numbers: int
    amplitude: float = 1.0
    pairs: bool = False

    @property
    def width(self) -> int:
        return 2 * self.numbers

    @property
    def height(self) -> int:
        return 2 * self.numbers if self.pairs else self.numbers

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            first, rest = (_part(one) for one in np.asarray(inputs[0], np.float32).reshape(2, self.numbers))
            if self.pairs:
                return (self._in_pairs(first, rest),)
            u = np.float32(0.25) - np.abs(_part(first + rest))
            square = u * u
            terms = self._terms
            y = np.full_like(u, terms[-1])
            for term in terms[-2::-1]:
                y = y * square + term
            return (y * u,)

    def _in_pairs(self, first: Floats, rest: Floats) -> Floats:
        none = np.zeros_like(first)
        whole, left = total((first, none), (rest, none))
        whole = _part(whole)
        part = np.where(whole > 0, -whole, whole), np.where(whole > 0, -left, left)
        u = total(part, pair_of(0.25))
        return np.concatenate(product(polynomial(pair_of(self._exact(PAIR_TERMS)), product(u, u)), u))

    @property
    def _terms(self) -> Floats:
        return np.array(self._exact(TERMS), np.float32)

    def _exact(self, count: int) -> npt.NDArray[np.float64]:
        """Of the amplitude times the sine's series in turns."""
        terms = [(-1) ** k * (2 * pi) ** (2 * k + 1) / factorial(2 * k + 1) for k in range(count)]
        return np.asarray(self.amplitude * np.array(terms))

    def describe(self) -> str:
        return f"numbers={self.numbers} amplitude={self.amplitude:.6g}{' pairs' * self.pairs}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return loop(self.numbers, "pairs" * self.pairs, tables=8 * PAIR_TERMS * self.pairs)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Quarters of turns and between them, a few turns and many off 0."""
        rows = rng.integers(-20, 20, (min(limit, 500), self.numbers)) / 8 + rng.normal(0, 0.02, (1, self.numbers))
        rows = rows * 10.0 ** rng.integers(0, 4, (len(rows), 1))
        return (np.concatenate(pair_of(rows), axis=1),)

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return self.probe(limit, rng)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        series = np.stack(pair_of(self._exact(PAIR_TERMS)), axis=-1).reshape(-1) if self.pairs else None
        return {"numbers": self.numbers, "terms": [*self._terms], "series": series, "last": PAIR_TERMS - 1}


def _part(turns: Floats) -> Floats:
    """What is left of turns without the nearest whole one."""
    return np.asarray(turns - np.floor(turns + np.float32(0.5)))
