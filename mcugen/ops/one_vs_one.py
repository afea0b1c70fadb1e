"""one_vs_one: a class from the scores of a binary model for each pair, as scikit-learn's OneVsOneClassifier does."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op, Work
from mcugen.pairs import negative, pair_of, product, quotient, total
from mcugen.rows import vector
from mcugen.templating import c_lit
from mcugen.work.loops import loop

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class OneVsOne(Op):
    """The class with the most votes of the models for each pair of classes; their scores tell equal votes apart.

    Input `f32` (classes · (classes - 1) / 2,), the pairs in the order (0, 1), (0, 2) …; a score above `threshold` is a vote for
    the second class. A class's decision is its votes + c / (3 (|c| + 1)), where c is the sum of the scores for it less those
    against it. Outputs of `label`: the index (`i32`) of the first of the largest decisions; of `decision`: also the decisions,
    `f32` (classes,), of two classes only the second's. With `pairs` scores and decisions are sums of two floats (mcugen/pairs.py),
    twice as many numbers.
    """

    name: ClassVar[str] = "one_vs_one"

    classes: int
    output: Literal["label", "decision"]
    threshold: float = 0.0
    pairs: bool = False

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = vector(self.classes * (self.classes - 1) // 2 * (1 + self.pairs))
        if inputs != (wanted,):
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error(
                "E0201", f"one_vs_one takes {wanted}, not {found}", help="give it a score for each pair of classes"
            )
        index = TensorType((), DType.I32)
        decisions = vector((self.classes if self.classes > 2 else 1) * (1 + self.pairs))
        return (index, decisions) if self.output == "decision" else (index,)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        scores = np.asarray(inputs[0], np.float32)
        if self.pairs:
            return self._of_pairs(*scores.reshape(2, -1))
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

    def _of_pairs(self, first: Singles, rest: Singles) -> tuple[Array, ...]:
        votes, three = np.zeros(self.classes, np.float32), pair_of([3.0])
        sums = [pair_of([0.0]) for _ in votes]
        with np.errstate(all="ignore"):
            for at, (i, j) in enumerate(combinations(range(self.classes), 2)):
                score = first[at : at + 1], rest[at : at + 1]
                votes[j if score[0][0] > np.float32(self.threshold) else i] += 1
                sums[i], sums[j] = total(sums[i], negative(score)), total(sums[j], score)
            sizes = [negative(one) if one[0][0] < 0 else one for one in sums]
            parts = [
                quotient(one, product(three, total(size, pair_of([1.0]))))
                for one, size in zip(sums, sizes, strict=True)
            ]
            decisions = [total(pair_of([float(one)]), part) for one, part in zip(votes, parts, strict=True)]
        found = np.array(decisions, np.float32).reshape(self.classes, 2)
        best = (
            votes[1] > 0 if self.classes == 2 else np.lexsort((-np.arange(self.classes), found[:, 1], found[:, 0]))[-1]
        )
        index = np.asarray(best, np.int32)
        kept = found[1:] if self.classes == 2 else found
        return (index,) if self.output == "label" else (index, kept.T.ravel())

    def describe(self) -> str:
        return f"classes={self.classes} output={self.output}{' pairs' * self.pairs}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        pairs = self.classes * (self.classes - 1) // 2
        kind = f"{self.output} {'two' if self.classes == 2 else 'several'}"
        size = (9 if self.pairs else 5) * self.classes
        found = loop(pairs, kinds=(kind,), more={f"classes {kind}": float(self.classes)}, array=size)
        if not self.pairs:
            return found
        code, runs, stack = (
            {f"{name} of pairs": n for name, n in parts.items()} for parts in (found.code, found.runs, found.stack)
        )
        return Work(found.tables, code, runs, stack)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        threshold = c_lit(np.float32(self.threshold))
        return {"classes": self.classes, "output": self.output, "threshold": threshold, "pairs": self.pairs}
