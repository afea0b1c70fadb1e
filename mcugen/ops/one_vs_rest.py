"""one_vs_rest: a class from the scores of a binary model for each class, as scikit-learn's OneVsRestClassifier does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op, Work
from mcugen.rows import vector
from mcugen.templating import c_lit
from mcugen.work.loops import loop

SMALL = -20.0  # where all odds are below, sigmoids are powers; of larger ones those below -88, which floats have no power for, are 0


@dataclass(frozen=True, eq=False)
class OneVsRest(Op):
    """The first of the largest scores; of one score alone, whether it is above `threshold`.

    Input `f32` (scores,). Outputs of `label`: a class index (`i32`). For `proba` there is a second input, the probability
    `f32` (scores,) that each model gives its class, and a second output, `f32` (classes,): these divided by their sum (by
    nothing where all are 0), or of one alone 1 - p and p. With `odds`, scores are the logarithms of odds, and probabilities
    are made of them: their ratios are right where floats have no room for them; below `odds` they are 0. With `equal` scores
    that are not below it are equal, and so are those that are below `odds`: all of these probabilities are 1 in float64, or 0.
    With `even` all classes are equally likely where all probabilities are 0.
    """

    name: ClassVar[str] = "one_vs_rest"

    scores: int
    output: Literal["label", "proba"]
    threshold: float = 0.0
    odds: float | None = None
    equal: float | None = None
    even: bool = False

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]  # only what this output needs
        return ("math.h",) if self._makes else ()

    @property
    def _makes(self) -> bool:
        """Whether probabilities are made of the scores."""
        return self.output == "proba" and self.odds is not None

    @property
    def classes(self) -> int:
        """Classes that the label is one of."""
        return max(self.scores, 2)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = (vector(self.scores),) * (2 if self.output == "proba" and not self._makes else 1)
        if inputs != wanted:
            found = ", ".join(map(str, inputs)) or "nothing"
            help = "give it a score, and a probability where these are wanted, of each model"
            raise error("E0201", f"one_vs_rest takes {len(wanted)} times {wanted[0]}, not {found}", help=help)
        index = TensorType((), DType.I32)
        return (index, vector(self.classes)) if self.output == "proba" else (index,)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        s = np.asarray(inputs[0], np.float32)
        told = (
            s if self.equal is None or self.odds is None else np.clip(s, np.float32(self.odds), np.float32(self.equal))
        )
        best = int(s[0] > np.float32(self.threshold)) if self.scores == 1 else int(told.argmax())
        index = np.asarray(best, np.int32)
        if self.output == "label":
            return (index,)
        p: npt.NDArray[np.float32] = self._probabilities(s) if self._makes else np.asarray(inputs[1], np.float32)
        if self.scores == 1:
            return index, np.concatenate([np.float32(1) - p, p])
        total = np.add.accumulate(p, dtype=np.float32)[-1]
        none = np.full_like(p, 1 / self.scores) if self.even else p
        return index, p / total if total != 0 else none

    def _probabilities(self, odds: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """What sigmoids of the odds are, or are in proportion to."""
        with np.errstate(over="ignore", under="ignore"):
            if self.scores == 1 or odds.max() >= SMALL:
                return np.asarray(1 / (1 + np.exp(-odds.astype(np.float64))), np.float32)
            powers = np.exp(odds.astype(np.float64) - float(odds.max()))
            return np.where(odds < np.float32(self.odds or 0), 0, powers).astype(np.float32)

    def describe(self) -> str:
        return f"models={self.scores} output={self.output}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        made = " of odds" if self._makes else ""
        kind = f"{self.output}{made} {'one' if self.scores == 1 else 'several'}"
        return loop(self.scores, kinds=(kind,), each=f"scores {kind}")

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        threshold = c_lit(np.float32(self.threshold))
        return {
            "scores": self.scores,
            "output": self.output,
            "threshold": threshold,
            "odds": None if self.odds is None else np.float32(self.odds),
            "equal": None if self.equal is None else np.float32(self.equal),
            "small": np.float32(SMALL),
            "none": c_lit(np.float32(1 / self.scores)) if self.even else "",
        }
