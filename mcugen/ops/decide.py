"""decide: the class that margins speak for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.learning import MARGIN_BITS, are_set, bit_set
from mcugen.op import Op

Decoder = Literal["vote", "soft"]


@dataclass(frozen=True, eq=False)
class Decide(Op):
    """The class of a row: of one margin class 1 where it is above 0, of several the first of the largest.

    With `classes` each margin is of a pair of them (pairs, `u8` (r, 2)): above 0 for the first, else for the second. `vote` counts
    them, and of equal ones the margins decide, each cut at 1 and -1; `soft` adds margins cut at 1/2 and -1/2. All are divided by how many
    pairs a class has, unless all have as many (`even`). Of classes that are equal to the end the first. With a bit a pair, `u8`, only
    those count whose bit is set; where none is, it is the last class.

    Input: margins (r,) of `f32` or `i32` with 12 fraction bits; output `i32`.
    """

    name: ClassVar[str] = "decide"

    classes: int = 0
    decoder: Decoder = "vote"
    even: bool = True

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        margins, *pairs = inputs
        whole = len(margins.shape) == 1 and margins.dtype in (DType.F32, DType.I32)
        wanted = [TensorType((*margins.shape, 2), DType.U8)] if self.classes else []
        wanted += [bit_set(margins.size)] if self.classes and not self.even and len(pairs) > 1 else []
        if not whole or pairs != wanted:
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"decide takes margins, not {found}", help="give it what the op margins gives")
        return (TensorType((), DType.I32),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        margins = inputs[0]
        if not self.classes:
            return (np.asarray(margins[0] > 0 if margins.size == 1 else np.argmax(margins), np.int32),)
        live = are_set(inputs[2], margins.size) if len(inputs) > 2 else np.ones(margins.size, bool)
        votes, sums, counts = self.tally(margins[live], inputs[1][live])
        each = np.ones_like(counts) if self.even else counts
        return (np.asarray(_best(votes if self.decoder == "vote" else 0 * votes, sums, each), np.int32),)

    def tally(self, margins: Array, pairs: Array) -> tuple[Any, Any, Any]:
        """Of each class the votes for it, the sum of its cut margins, and how many pairs it has: (K,) each."""
        floats = margins.dtype == np.float32
        cut = (1.0 if floats else 1 << MARGIN_BITS) / (2 if self.decoder == "soft" else 1)
        votes, counts = np.zeros((2, self.classes), np.int64)
        sums = np.zeros(self.classes, np.float32 if floats else np.int64)
        for margin, pair in zip(margins.tolist(), pairs.tolist(), strict=True):
            size = min(max(margin, -cut), cut)
            sums[pair] += np.array([size, -size], sums.dtype)
            votes[pair[0 if margin > 0 else 1]] += 1
            counts[pair] += 1
        return votes, sums, counts

    def describe(self) -> str:
        return f"{self.decoder} classes={self.classes}" if self.classes else ""

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "rows": inputs[0].size,
            "float": inputs[0].dtype is DType.F32,
            "classes": self.classes,
            "decoder": self.decoder,
            "even": self.even,
            "live": len(inputs) > 2,
            "one": 1 << MARGIN_BITS,
        }


def _best(votes: Any, sums: Any, counts: Any) -> int:
    """The class with the largest part of its pairs' votes, then of their sums; one without a pair has none. The last without any pair."""
    best = int(np.argmax(counts > 0)) if counts.any() else len(counts) - 1
    kind = sums.dtype.type
    for i in range(best + 1, len(sums)):
        more = votes[i] * counts[best] - votes[best] * counts[i]
        clearer = sums[i] * kind(counts[best]) > sums[best] * kind(counts[i])
        if counts[i] and (more > 0 or (more == 0 and clearer)):
            best = i
    return best
