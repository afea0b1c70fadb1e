"""needed: the pairs of classes that decisions need; shrinking of Rocha & Goldenstein, IEEE TNNLS 25(2), 2014, as rows come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.learning import are_set, as_bits, bit_set
from mcugen.op import Cost, Op
from mcugen.ops.decide import Decide

if TYPE_CHECKING:
    from mcugen.boards import Target

MOST_JUDGED = 65_535


@dataclass(frozen=True, eq=False)
class Needed(Op):
    """The pairs without which the votes would not decide as they do, with one row more; in place: the outputs lie where the inputs do.

    A bit a pair says whether it is needed. Where the needed pairs alone would not give the row the class that all live ones give it,
    those live ones are needed, too, that vote for this class or against the wrong one. So all that are not needed could
    go at once; a bit for each pair that would change a decision if it went alone does not say that.

    Inputs: the class `i32` that live pairs vote for, margins (r,) and pairs `u8` (r, 2) as op `decide` has them, a bit a pair, `u8`,
    of the live ones, of the needed ones, and how many rows were judged, `u16`, which stops at 65535.
    """

    name: ClassVar[str] = "needed"
    updates: ClassVar[tuple[int, ...]] = (4, 5)

    classes: int

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        label, margins, pairs, *state = inputs
        Decide(self.classes, even=False).infer(margins, pairs)
        bits = bit_set(margins.size)
        if label != TensorType((), DType.I32) or state != [bits, bits, TensorType((), DType.U16)]:
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"needed takes a class, margins and bits of pairs, not {found}", help="see its docs")
        return inputs[4:]

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        given: tuple[Any, ...] = inputs
        label, margins, pairs, live, needed, judged = given
        new = np.asarray(min(int(judged) + 1, MOST_JUDGED), np.uint16)
        (best,) = Decide(self.classes, even=False).evaluate(margins, pairs, needed)
        if best == label and needed.any():
            return needed, new
        for_first = margins > 0
        chosen = np.where(for_first, pairs[:, 0], pairs[:, 1])
        other = np.where(for_first, pairs[:, 1], pairs[:, 0])
        more = are_set(live, margins.size) & ((chosen == label) | (other == best))
        return needed | as_bits(more), new

    def cost(self, target: Target, *inputs: TensorType) -> Cost:
        """An ordinary kernel's, with six bytes of stack a class and what its two loops keep besides."""
        usual = super().cost(target, *inputs)
        return replace(usual, stack=usual.stack + 6 * self.classes + 32)

    def describe(self) -> str:
        return f"classes={self.classes}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            **Decide(self.classes, even=False).render(*inputs[1:3]),
            "most": MOST_JUDGED,
        }
