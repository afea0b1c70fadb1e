"""softmax_pairs: probabilities that are as exact next to 1 as float64 has them, as sums of two floats (mcugen/pairs.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import e, log, log2
from typing import Any, ClassVar, cast

import numpy as np

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.pairs import NOTHING, TERMS, Pair, negative, pair_of, power_of_two, product, quotient, series_of_e, total
from mcugen.rows import RowOp
from mcugen.work.loops import loop

NONE, ONE = (cast(Pair, (np.float32(one), np.float32(0))) for one in (0, 1))


@dataclass(frozen=True, eq=False)
class SoftmaxPairs(RowOp):
    """y = exp(x) / sum(exp(x)), where one of at least 1/2 is 1 less the sum of the others, which has more digits.

    Input `f32` (2 scores,), sums of two floats: a score a class, or of two classes that of the second, the first one's being 0.
    Output `f32` (2 classes,) of pairs, off by about 2^-42 of themselves, or of what they are less than 1 where that is more than
    2^-25 of it; below 2^-100 they are 0.
    """

    name: ClassVar[str] = "softmax_pairs"
    includes: ClassVar[tuple[str, ...]] = ("math.h",)

    scores: int

    @property
    def classes(self) -> int:
        """Classes that have a probability."""
        return max(self.scores, 2)

    @property
    def width(self) -> int:
        return 2 * self.scores

    @property
    def height(self) -> int:
        return 2 * self.classes

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        first, rest = np.asarray(inputs[0], np.float32).reshape(2, self.scores)
        if self.scores == 1:
            first, rest = np.append(np.float32(0), first), np.append(np.float32(0), rest)
        with np.errstate(all="ignore"):
            best = int(np.lexsort((rest, first))[-1])
            most = np.full_like(first, first[best]), np.full_like(rest, rest[best])
            powers = power_of_two(product(total(most, negative((first, rest))), pair_of(log2(e))))
            each = list(zip(*powers, strict=True))
            whole = self._sum(each)
            shares = [self._share(each, i, whole) for i in range(self.classes)]
        return (np.array(shares, np.float32).T.ravel(),)

    @staticmethod
    def _sum(parts: Sequence[Pair]) -> Pair:
        return reduce(total, parts)

    def _share(self, powers: Sequence[Pair], i: int, whole: Pair) -> Pair:
        if not powers[i][0] + powers[i][0] >= whole[0]:
            return quotient(powers[i], whole)
        others = self._sum([NONE, *powers[:i], *powers[i + 1 :]])
        return total(ONE, negative(quotient(others, whole)))

    def describe(self) -> str:
        return f"scores={self.scores}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return loop(self.classes, tables=8 * (TERMS + 1), array=8 * self.classes)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Scores that are level, and such as leave one class alone."""
        scores = rng.normal(size=(limit, self.scores)) * 10.0 ** rng.integers(-2, 2, size=(limit, 1))
        return (np.concatenate(pair_of(scores), axis=1),)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "scores": self.scores,
            "classes": self.classes,
            "series": np.stack(series_of_e(), axis=-1).reshape(-1),
            "terms": TERMS,
            "nothing": np.float32(NOTHING),
            "log2": pair_of(log(2)),
            "log2e": pair_of(log2(e)),
        }
