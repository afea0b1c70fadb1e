"""choose: the classes of several answers, each from scores of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op, Work
from mcugen.rows import vector
from mcugen.work.loops import loop


@dataclass(frozen=True, eq=False)
class Choose(Op):
    """Of each answer the index of its class: of one score whether it is above 0, of several the first of the largest.

    counts: scores of each answer, which lie one behind the other; of one that has a single class a score of 0. Input `f32` (the sum of counts,), output `i32` (answers,).
    """

    name: ClassVar[str] = "choose"

    counts: tuple[int, ...]

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = vector(sum(self.counts))
        if inputs != (wanted,) or min(self.counts, default=0) < 1:
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"choose takes {wanted}, not {found}", help="give it the scores of all answers")
        return (TensorType((len(self.counts),), DType.I32),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        parts = np.split(np.asarray(inputs[0], np.float32), np.cumsum(self.counts)[:-1])
        return (np.array([_first_of_largest(part) if len(part) > 1 else part[0] > 0 for part in parts], np.int32),)

    def describe(self) -> str:
        shown = ",".join(map(str, self.counts[:8]))
        return f"scores={shown}{',..' if len(self.counts) > 8 else ''}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        alike = len({*self.counts}) == 1
        kind = ("alone" if self.counts[0] == 1 else "alike") if alike else "apart"
        tables, answers = 0 if alike else len(self.counts), len(self.counts)
        kinds = (kind, f"{kind} one") if answers == 1 else (kind,)
        more = {f"scores {kind}": float(sum(self.counts) - answers)}
        return loop(answers, kinds=kinds, tables=tables, each=f"answers {kind}", more=more)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return (rng.integers(-2, 3, (min(limit, 500), sum(self.counts))).astype(np.float32),)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        same = len({*self.counts}) == 1
        return {"answers": len(self.counts), "count": self.counts[0] if same else 0, "counts": [*self.counts]}


def _first_of_largest(scores: Array) -> int:
    """As the C compares: a score that is NaN is not larger than any."""
    best = 0
    for i in range(1, len(scores)):
        best = i if scores[i] > scores[best] else best
    return best
