"""one_vs_one: a class from the scores of a binary model for each pair, as scikit-learn's OneVsOneClassifier does."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Literal

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op, Work
from mcugen.rows import vector
from mcugen.templating import c_lit
from mcugen.work.loops import loop


@dataclass(frozen=True, eq=False)
class OneVsOne(Op):
    """The class with the most votes of the models for each pair of classes; their scores tell equal votes apart.

    Input `f32` (classes · (classes - 1) / 2,), the pairs in the order (0, 1), (0, 2) …; a score above `threshold` is a vote for
    the second class. A class's decision is its votes + c / (3 (|c| + 1)), where c is the sum of the scores for it less those
    against it. Outputs of `label`: the index (`i32`) of the first of the largest decisions; of `decision`: also the decisions,
    `f32` (classes,), of two classes only the second's.
    """

    name: ClassVar[str] = "one_vs_one"

    classes: int
    output: Literal["label", "decision"]
    threshold: float = 0.0

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = vector(self.classes * (self.classes - 1) // 2)
        if inputs != (wanted,):
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error(
                "E0201", f"one_vs_one takes {wanted}, not {found}", help="give it a score for each pair of classes"
            )
        index = TensorType((), DType.I32)
        decisions = vector(self.classes if self.classes > 2 else 1)
        return (index, decisions) if self.output == "decision" else (index,)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        scores = np.asarray(inputs[0], np.float32)
        votes, sums = np.zeros(self.classes, np.float32), np.zeros(self.classes, np.float32)
        with np.errstate(all="ignore"):
            for score, (i, j) in zip(scores, combinations(range(self.classes), 2), strict=True):
                votes[j if score > np.float32(self.threshold) else i] += 1
                sums[i] -= score
                sums[j] += score
            decisions = votes + sums / (np.float32(3) * (np.abs(sums) + np.float32(1)))
        best = votes[1] > 0 if self.classes == 2 else decisions.argmax()
        index = np.asarray(best, np.int32)
        return (index,) if self.output == "label" else (index, decisions[-1:] if self.classes == 2 else decisions)

    def describe(self) -> str:
        return f"classes={self.classes} output={self.output}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        pairs = self.classes * (self.classes - 1) // 2
        kind = f"{self.output} {'two' if self.classes == 2 else 'several'}"
        return loop(pairs, kinds=(kind,), more={f"classes {kind}": float(self.classes)}, array=5 * self.classes)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {"classes": self.classes, "output": self.output, "threshold": c_lit(np.float32(self.threshold))}
