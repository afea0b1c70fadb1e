"""decide: the class that margins speak for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.learning import MARGIN_BITS
from mcugen.op import Op

Decoder = Literal["vote", "soft"]


@dataclass(frozen=True, eq=False)
class Decide(Op):
    """The class of a row: of one margin class 1 where it is above 0, of several the first of the largest.

    With `classes` each margin is of a pair of them (pairs, `u8` (r, 2)): above 0 for the first, else for the second. `vote` counts
    them, `soft` adds margins, each cut at 1/2 and -1/2; both divide by how many pairs a class has, unless all have as many (`even`).
    Of equal ones the first class.

    Input: margins (r,) of `f32` or `i32` with 12 fraction bits; output `i32`.
    """

    name: ClassVar[str] = "decide"

    classes: int = 0
    decoder: Decoder = "vote"
    even: bool = True

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        margins, *pairs = inputs
        wanted = [TensorType((*margins.shape, 2), DType.U8)] if self.classes else []
        if len(margins.shape) != 1 or margins.dtype not in (DType.F32, DType.I32) or pairs != wanted:
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"decide takes margins, not {found}", help="give it what the op margins gives")
        return (TensorType((), DType.I32),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        margins = inputs[0]
        if not self.classes:
            return (np.asarray(margins[0] > 0 if margins.size == 1 else np.argmax(margins), np.int32),)
        found = np.zeros(self.classes, np.float32 if self._floats(margins) else np.int64)
        counts = np.zeros(self.classes, np.int64)
        for margin, pair in zip(margins.tolist(), inputs[1].tolist(), strict=True):
            size = self._size(margin, self._floats(margins))
            found[pair] += (
                np.array([size, -size], found.dtype)
                if self.decoder == "soft"
                else np.array([size, 1 - size], found.dtype)
            )
            counts[pair] += 1
        return (np.asarray(_first_best(found, 0 * counts + 1 if self.even else counts), np.int32),)

    def _floats(self, margins: Array) -> bool:
        return self.decoder == "soft" and margins.dtype == np.float32

    def _size(self, margin: float, floats: bool) -> float:
        """What a margin counts for the first of its classes."""
        if self.decoder == "vote":
            return int(margin > 0)
        half = 0.5 if floats else 1 << MARGIN_BITS - 1
        return min(max(margin, -half), half)

    def describe(self) -> str:
        return f"{self.decoder} classes={self.classes}" if self.classes else ""

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "rows": inputs[0].size,
            "float": inputs[0].dtype is DType.F32,
            "classes": self.classes,
            "decoder": self.decoder,
            "even": self.even,
            "half": 1 << MARGIN_BITS - 1,
        }


def _first_best(sums: Any, counts: Any) -> int:
    """The class of the largest mean; one without a pair has none."""
    best = int(np.argmax(counts > 0))
    for i in range(best + 1, len(sums)):
        if counts[i] and sums[i] * sums.dtype.type(counts[best]) > sums[best] * sums.dtype.type(counts[i]):
            best = i
    return best
