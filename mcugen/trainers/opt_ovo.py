"""Opt-OVO: a learner a pair of classes, of which some can be left out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Literal, get_args

import numpy as np

from mcugen.diagnostics import did_you_mean, error
from mcugen.ir import GraphBuilder
from mcugen.ops.ddag import Ddag
from mcugen.ops.decide import Decide
from mcugen.ops.margins import Margins
from mcugen.trainers.trainpp import TrainPP

Decoder = Literal["vote", "soft", "ddag"]


@dataclass(frozen=True)
class OptOVO(TrainPP):
    """One learner for each pair of classes; their votes decide. The best answers of all, for the most RAM.

    pairs    those that are kept, by default all
    decoder  vote; soft: how clear each learner's answer is, too; ddag: one learner less than there are classes is asked, in turn
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
        if self.pairs and self.decoder == "ddag":
            help = "keep all pairs, or let the rest vote: decoder='vote'"
            raise error("E0112", "decoder is 'ddag', and some pairs have no learner", help=help)
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
        if self.decoder == "ddag":
            (label,) = builder.add(Ddag(), z, "weights", "bias", names=(f"{prefix}label",))
            return "", label
        (margins,) = builder.add(Margins(), z, "weights", "bias", names=(f"{prefix}margins",))
        op = Decide(self.classes, self.decoder, not self.pairs)
        (label,) = builder.add(op, margins, self._pairs(builder), names=(f"{prefix}label",))
        return margins, label

    def learn(self, builder: GraphBuilder, z: str, margins: str, y: str, prefix: str) -> None:
        """Of all margins only those of y's pairs are needed."""
        if not margins:
            pairs = self._pairs(builder)
            (margins,) = builder.add(Margins(), z, "weights", "bias", y, pairs, names=(f"{prefix}margins",))
        super().learn(builder, z, margins, y, prefix)

    def _pairs(self, builder: GraphBuilder) -> str:
        return builder.const("pairs", np.array(self.kept_pairs, np.uint8))

    def others(self) -> tuple[str, ...]:
        return ("pairs",)
