"""Train++: passive-aggressive learners, one of each class against the rest; Crammer et al., JMLR 7 (2006) 551-585."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

from mcugen.diagnostics import did_you_mean, error
from mcugen.ops.pa_step import PaStep, Rule
from mcugen.trainers.learner import MOST, Learner, check_number

LEAST_C = 1e-6


@dataclass(frozen=True)
class TrainPP(Learner):
    """Passive-aggressive: each row moves the weights just as far as it takes. Of several classes each is told from the rest.

    C     how far a row may move them: large follows every row, small is steady
    rule  pa2 (Train++: steps shrink smoothly), pa1 (steps are cut at C) or pa (every row is learnt in full)
    """

    name: ClassVar[str] = "train++"
    title: ClassVar[str] = "passive-aggressive, one class against the rest"

    C: float = 0.01
    rule: Rule = "pa2"

    def check(self, classes: int) -> None:
        help = f"give a number from {LEAST_C:g} to {MOST:g}; 0.01 does for most rows"
        check_number("C", self.C, LEAST_C, MOST, help)
        if self.rule not in get_args(Rule):
            help = f"{did_you_mean(str(self.rule), get_args(Rule))}it is one of {', '.join(get_args(Rule))}"
            raise error("E0112", f"rule is {self.rule!r}", help=help)

    def step(self, scaled: bool) -> PaStep:
        return PaStep(self.rule, self.C, skips=scaled)
