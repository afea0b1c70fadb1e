"""Opt-OVO: a learner a pair of classes, of which some can be left out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, get_args

import numpy as np

from mcugen.diagnostics import did_you_mean, error
from mcugen.ir import GraphBuilder
from mcugen.ops.decide import Decide, Decoder
from mcugen.ops.margins import Margins
from mcugen.trainers.trainpp import TrainPP


@dataclass(frozen=True)
class OptOVO(TrainPP):
    """One learner for each pair of classes; their votes decide. The best answers of all, for the most RAM.

    pairs    those that are kept, by default all
    decoder  vote, or soft: how clear each learner's answer is, too
    classes  how many there are
    """

    name: ClassVar[str] = "opt-ovo"
    title: ClassVar[str] = "passive-aggressive, one learner a pair of classes"

    classes: int = 0
    pairs: tuple[tuple[int, int], ...] = ()
    decoder: Decoder = "vote"

    def check(self, classes: int) -> None:
        super().check(classes)
        if self.decoder not in get_args(Decoder):
            help = f"{did_you_mean(str(self.decoder), get_args(Decoder))}it is one of {', '.join(get_args(Decoder))}"
            raise error("E0112", f"decoder is {self.decoder!r}", help=help)
        wrong = [pair for pair in self.pairs if not (len(pair) == 2 and 0 <= pair[0] < pair[1] < classes)]
        left = {*range(classes)} - {one for pair in self.kept_pairs for one in pair}
        if wrong or left or len({*self.pairs}) != len(self.pairs):
            help = "name each pair (a, b), a < b, once, and each class in one pair at least"
            raise error("E0112", f"pairs do not go with {classes} classes", help=help)

    @property
    def kept_pairs(self) -> tuple[tuple[int, int], ...]:
        """The pairs that have a learner."""
        return self.pairs or tuple(combinations(range(self.classes), 2))

    def rows(self, classes: int) -> int:
        return len(self.kept_pairs)

    def predict(self, builder: GraphBuilder, z: str, prefix: str) -> tuple[str, str]:
        pairs = builder.const("pairs", np.array(self.kept_pairs, np.uint8))
        (margins,) = builder.add(Margins(), z, "weights", "bias", names=(f"{prefix}margins",))
        (label,) = builder.add(
            Decide(self.classes, self.decoder, not self.pairs), margins, pairs, names=(f"{prefix}label",)
        )
        return margins, label

    def others(self) -> tuple[str, ...]:
        return ("pairs",)
