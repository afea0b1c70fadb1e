"""drop_pairs: pairs of classes that no decision needed have no vote any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.learning import are_set, as_bits, bit_set
from mcugen.op import Op


@dataclass(frozen=True, eq=False)
class DropPairs(Op):
    """The live pairs without those that are not needed, from the first on; a class keeps its last pair. In place: the outputs lie where
    the inputs do. Then none is needed, and none was judged, until rows say so again. Of fewer than `least` rows nothing follows: all
    stays as it is.

    Inputs: pairs `u8` (r, 2), a bit a pair, `u8`, of the live ones and of the needed ones, and how many rows were judged, `u16`, as op
    `needed` has them.
    """

    name: ClassVar[str] = "drop_pairs"
    updates: ClassVar[tuple[int, ...]] = (1, 2, 3)
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    classes: int
    least: int

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        pairs, *state = inputs
        bits = bit_set(pairs.shape[0])
        if pairs.shape[1:] != (2,) or state != [bits, bits, TensorType((), DType.U16)]:
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"drop_pairs takes pairs and bits of them, not {found}", help="see its docs")
        return inputs[1:]

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        given: tuple[Any, ...] = inputs
        pairs, live, needed, judged = given
        if judged < self.least:
            return live, needed, judged
        votes, gone = are_set(live, len(pairs)), np.zeros(len(pairs), bool)
        counts = np.bincount(pairs[votes].ravel(), minlength=self.classes)
        for at in np.flatnonzero(votes & ~are_set(needed, len(pairs))):
            if (counts[pairs[at]] > 1).all():
                counts[pairs[at]] -= 1
                gone[at] = True
        return live & ~as_bits(gone), np.zeros_like(needed), np.zeros_like(judged)

    def describe(self) -> str:
        return f"classes={self.classes} least={self.least}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {"rows": inputs[0].shape[0], "classes": self.classes, "least": self.least, "bytes": inputs[1].size}
