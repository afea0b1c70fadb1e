"""polynomial: scikit-learn's PolynomialFeatures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import comb
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.pairs import product_rest
from mcugen.rows import RowOp
from mcugen.work.loops import loop

Run = tuple[int, int, int]  # a feature, the place of the first product that it is multiplied with, and how many


@dataclass(frozen=True, eq=False)
class Polynomial(RowOp):
    """1, the features, and their products of 2 to `degree` factors, in scikit-learn's order.

    With `interaction_only` no feature is twice in a product. Input `f32` (features,), output `f32` (terms,). A product is
    its first factor times the product of the others, rounded to float32 each time.

    With `pairs` the output is `f32` (2 terms,), all terms and then what their rounding took off (mcugen/pairs.py); with
    `of_pairs` the input is `f32` (2 features,), of the same kind.
    """

    name: ClassVar[str] = "polynomial"

    features: int
    degree: int
    interaction_only: bool = False
    pairs: bool = False
    of_pairs: bool = False

    @property
    def width(self) -> int:
        return 2 * self.features if self.of_pairs else self.features

    @property
    def height(self) -> int:
        return 2 * self.terms if self.pairs else self.terms

    @property
    def terms(self) -> int:
        """How many there are."""
        return terms(self.features, self.degree, self.interaction_only)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The products from the second degree on, in order: each run is a feature times products of one factor less."""
        found: list[Run] = []
        starts, end = [*range(1, self.features + 1)], self.features + 1
        for _ in range(2, self.degree + 1):
            starts, end = self._next(starts, end, found)
        return tuple(found)

    def _next(self, starts: list[int], end: int, found: list[Run]) -> tuple[list[int], int]:
        """The runs of one degree more; starts says where the products that begin with each feature lie."""
        here, stop = end, end
        begins = []
        for feature in range(self.features):
            begins.append(here)
            skipped = feature + 1 if self.interaction_only else feature
            start = starts[skipped] if skipped < self.features else stop
            if stop > start:
                found.append((feature, start, stop - start))
                here += stop - start
        return begins, here

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = np.asarray(inputs[0], np.float32)
        if self.pairs:
            return (self._in_pairs(x),)
        y = [np.ones(1, np.float32), x] if self.degree else [np.ones(1, np.float32)]
        out = np.concatenate(y)
        with np.errstate(all="ignore"):
            for feature, start, count in self.runs:
                out = np.concatenate([out, x[feature] * out[start : start + count]])
        return (out.astype(np.float32),)

    def _in_pairs(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        n = self.features if self.degree else 0
        larger, rest = np.ones(self.terms, np.float32), np.zeros(self.terms, np.float32)
        larger[1 : n + 1] = x[:n]
        if self.of_pairs:
            rest[1 : n + 1] = x[self.features : self.features + n]
        at = n + 1
        with np.errstate(all="ignore"):
            for feature, start, count in self.runs:
                factor, others = x[feature : feature + 1], slice(start, start + count)
                product = factor * larger[others]
                left = product_rest(factor, larger[others], product) + factor * rest[others]
                if self.of_pairs:
                    left = left + rest[1 + feature] * larger[others]
                larger[at : at + count] = product + left
                rest[at : at + count] = left - (larger[at : at + count] - product)
                at += count
        return np.concatenate([larger, rest])

    def describe(self) -> str:
        return f"features={self.features} degree={self.degree}{' interaction_only' if self.interaction_only else ''}{' pairs' if self.pairs else ''}"

    def macc(self, *inputs: TensorType) -> int:
        return self.terms - self.features - 1

    def work(self, target: Target, *inputs: TensorType) -> Work:
        bits = "8" if self.terms < 256 else "16"
        size, runs = self.features if self.degree else 0, len(self.runs)
        kind = bits + (" of pairs" if self.of_pairs else " in pairs") * self.pairs
        rest = {f"products {kind}": float(self.terms - size - 1), f"runs {bits}": float(runs)}
        kinds = ("of pairs" if self.of_pairs else "in pairs",) * self.pairs
        return loop(size, bits * bool(runs), kinds=kinds, tables=3 * runs * int(bits) // 8, more=rest)

    def back(self, y: Array, *inputs: TensorType) -> tuple[Array, ...]:
        return () if self.pairs or self.of_pairs or not self.degree else (y[:, 1 : self.features + 1],)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "size": self.features if self.degree else 0,
            "runs": self.runs,
            "bits": 8 if self.terms < 256 else 16,
            "terms": self.terms,
            "pairs": self.pairs,
            "of_pairs": self.features if self.of_pairs else 0,
        }


def terms(features: int, degree: int, interaction_only: bool) -> int:
    """How many there are, the 1 and the features included."""
    if interaction_only:
        return sum(comb(features, d) for d in range(min(degree, features) + 1))
    return comb(features + degree, degree)
