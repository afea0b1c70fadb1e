"""Multi-class passive-aggressive: a row of weights a class, moved against the class that comes nearest; Crammer et al., JMLR 7 (2006)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mcugen.ops.pa_step import PaStep
from mcugen.trainers.trainpp import TrainPP


@dataclass(frozen=True)
class MulticlassPA(TrainPP):
    """Passive-aggressive over all classes at once: where another class comes too near, the two move apart. The least RAM for several
    classes.
    """

    name: ClassVar[str] = "multiclass-pa"
    title: ClassVar[str] = "passive-aggressive, all classes together"

    def rows(self, classes: int) -> int:
        return classes

    def step(self, scaled: bool) -> PaStep:
        return PaStep(self.rule, self.C, joint=True, skips=scaled)
