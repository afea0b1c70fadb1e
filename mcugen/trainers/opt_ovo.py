"""Opt-OVO: a learner a pair of classes, of which some can be left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import did_you_mean, error
from mcugen.ir import Array, DType, GraphBuilder
from mcugen.learning import are_set, bit_set
from mcugen.op import Op
from mcugen.ops.bayes import Bayes
from mcugen.ops.ddag import Ddag
from mcugen.ops.decide import Decide
from mcugen.ops.drop_pairs import DropPairs
from mcugen.ops.margins import Margins
from mcugen.ops.needed import Needed
from mcugen.ops.pa_step import Rule
from mcugen.trainers.learner import BIAS, WEIGHT, Learner, updated
from mcugen.trainers.opt_sgd import OptSGD
from mcugen.trainers.pairs import LARGEST, Tables
from mcugen.trainers.trainpp import TrainPP

Decoder = Literal["vote", "soft", "ddag", "bayes"]
Base = Literal["pa", "sgd"]
OF_BASE: dict[str, tuple[str, ...]] = {"pa": ("C", "rule"), "sgd": ("eta", "l2", "momentum", "batch")}
LEAST = 40  # rows a class that say which pairs decisions need; digits: after 20 what is left loses up to 0.7 points, after 40 0.2
COUNTS = ("steps", "in_batch")  # of gradient descent: each pair has its own, as it learns other rows


@dataclass(frozen=True)
class OptOVO(Learner):
    """One learner for each pair of classes; their votes decide. The best answers of all, for the most RAM.

    base     how each of them learns: pa, with the options of train++, or sgd, with those of opt-sgd, in float32
    pairs    those that are kept, by default all
    decoder  vote; soft: how clear each learner's answer is, too; ddag: one learner less than there are classes is asked, in turn; bayes: by `tables` of
             probabilities, which `Trainer.with_bayes` makes
    droppable  of those that vote the device can drop the ones that decisions do not need, as rows say that it learns
    classes  how many there are
    """

    name: ClassVar[str] = "opt-ovo"
    title: ClassVar[str] = "one learner a pair of classes"

    base: Base = "pa"
    C: float = TrainPP.C
    rule: Rule = TrainPP.rule
    eta: float = OptSGD.eta
    l2: float = OptSGD.l2
    momentum: float = OptSGD.momentum
    batch: int = OptSGD.batch
    classes: int = 0
    pairs: tuple[tuple[int, int], ...] = ()
    decoder: Decoder = "vote"
    tables: Tables | None = None
    droppable: bool = False

    @property
    def of_a_pair(self) -> Learner:
        """What tells two classes apart."""
        if self.base == "sgd":
            return OptSGD(self.eta, self.l2, self.momentum, self.batch, averaged=self.averaged)
        return TrainPP(self.C, self.rule, averaged=self.averaged)

    @property
    def exact(self) -> bool:
        return self.of_a_pair.exact

    def check_format(self, numeric: str) -> None:
        super().check_format(numeric)
        if numeric not in self.of_a_pair.formats:
            help = "use float32, or base='pa'"
            raise error("E0112", f"learners of base='{self.base}' have no weights of {numeric}", help=help)

    def check(self, classes: int) -> None:
        self._check_base(classes)
        if self.decoder not in get_args(Decoder):
            help = f"{did_you_mean(str(self.decoder), get_args(Decoder))}it is one of {', '.join(get_args(Decoder))}"
            raise error("E0112", f"decoder is {self.decoder!r}", help=help)
        if not isinstance(self.droppable, bool):
            raise error("E0112", f"droppable is {self.droppable!r}", help="give True or False")
        if self.droppable and self.decoder != "vote":
            help = "let the pairs vote: decoder='vote'"
            raise error("E0112", f"decoder is {self.decoder!r}, and pairs are droppable", help=help)
        whole = isinstance(self.pairs, tuple) and all(_is_pair(pair, classes) for pair in self.pairs)
        if not whole:
            help = "give a tuple of pairs (a, b) of whole numbers, a < b"
            raise error("E0112", f"pairs do not go with {classes} classes: {self.pairs!r}", help=help)
        left = {*range(classes)} - {one for pair in self.kept_pairs for one in pair}
        if self.pairs and self.decoder == "ddag":
            help = "keep all pairs, or let the rest vote: decoder='vote'"
            raise error("E0112", "decoder is 'ddag', and some pairs have no learner", help=help)
        if left or len({*self.pairs}) != len(self.pairs):
            help = "name each pair (a, b), a < b, once, and each class in one pair at least"
            raise error("E0112", f"pairs do not go with {classes} classes", help=help)
        if (self.tables is not None) != (self.decoder == "bayes") or not self._fits(classes):
            help = "let `with_bayes` of a trainer that has learnt make them, and the trainer that has them"
            raise error("E0112", f"tables do not go with the decoder {self.decoder}, or its pairs", help=help)

    def _check_base(self, classes: int) -> None:
        """E0112 for a base that there is not, and for options that it cannot have."""
        if self.base not in get_args(Base):
            help = f"{did_you_mean(str(self.base), OF_BASE)}it is one of {', '.join(OF_BASE)}"
            raise error("E0112", f"base is {self.base!r}", help=help)
        for base, options in OF_BASE.items():
            given = [name for name in options if np.any(getattr(self, name) != getattr(OptOVO, name))]
            if given and base != self.base:
                help = f"leave it out, or use base='{base}'; base='{self.base}' has {', '.join(OF_BASE[self.base])}"
                raise error("E0112", f"{given[0]} is of learners of base='{base}'", help=help)
        self.of_a_pair.check(classes)

    @property
    def kept_pairs(self) -> tuple[tuple[int, int], ...]:
        """The pairs that have a learner."""
        return self.pairs or tuple(combinations(range(self.classes), 2))

    @property
    def columns(self) -> list[int]:
        """Their numbers among all pairs."""
        kept = {*self.kept_pairs}
        return [at for at, pair in enumerate(combinations(range(self.classes), 2)) if pair in kept]

    def _fits(self, classes: int) -> bool:
        """Whether the tables, if there are any, are of these classes, and of pairs that have a learner."""
        if not isinstance(self.tables, Tables):
            return self.tables is None
        members = [pair for group in self.tables.groups for pair in group]
        shapes = [(1 << len(group), classes) for group in self.tables.groups if 1 <= len(group) <= LARGEST]
        return (
            bool(members)
            and self.tables.prior.shape == (classes,)
            and [one.shape for one in self.tables.patterns] == shapes
            and {*members} <= {*self.columns}
        )

    def rows(self, classes: int) -> int:
        return len(self.kept_pairs)

    def state(self, features: int, rows: int, weights: DType) -> dict[str, Array]:
        kept = self.of_a_pair.state(features, rows, weights)
        kept |= {name: np.zeros(rows, np.uint16) for name in COUNTS if name in kept}
        bits = np.zeros(bit_set(rows).shape, np.uint8)
        return kept | ({"live": ~bits, "needed": bits, "judged": np.zeros((), np.uint16)} if self.droppable else {})

    def kept(self, builder: GraphBuilder) -> tuple[str, ...]:
        return self.of_a_pair.kept(builder)

    def step(self, scaled: bool) -> Op:
        return self.of_a_pair.step(scaled)

    def predict(self, builder: GraphBuilder, z: str, prefix: str) -> tuple[str, str]:
        if self.decoder == "ddag":
            (label,) = builder.add(Ddag(), z, *self.asked, names=(f"{prefix}label",))
            return "", label
        (margins,) = builder.add(Margins(), z, *self.asked, *self.live(), names=(f"{prefix}margins",))
        pairs = self._pairs(builder)
        if self.tables is not None:
            (label,) = builder.add(Bayes(), margins, *self._tables(builder, self.tables), names=(f"{prefix}label",))
            return margins, label
        assert self.decoder in ("vote", "soft")
        op = Decide(self.classes, self.decoder, not self.pairs and not self.droppable)
        (label,) = builder.add(op, margins, pairs, *self.live(), names=(f"{prefix}label",))
        return margins, label

    def learn(self, builder: GraphBuilder, z: str, margins: str, y: str, prefix: str) -> None:
        if not margins:
            self._pairs(builder)
        super().learn(builder, z, margins, y, prefix)

    def own_margins(self, builder: GraphBuilder, z: str, y: str, name: str) -> str:
        """Only those of y's pairs: the others learn nothing of it."""
        return builder.add(Margins(), z, WEIGHT, BIAS, y, *self.others(), names=(name,))[0]

    def _tables(self, builder: GraphBuilder, tables: Tables) -> tuple[str, ...]:
        """What is known of groups, whose pairs are numbered as the rows of weights are."""
        row = {column: at for at, column in enumerate(self.columns)}
        members = [row[pair] for group in tables.groups for pair in group]
        return (
            builder.const("prior", tables.prior),
            builder.const("group_sizes", np.array([len(group) for group in tables.groups], np.uint8)),
            builder.const("group_pairs", np.array(members, np.uint8 if len(row) < 256 else np.uint16)),
            builder.const("patterns", np.concatenate(tables.patterns)),
        )

    def _pairs(self, builder: GraphBuilder) -> str:
        return builder.const("pairs", np.array(self.kept_pairs, np.uint8))

    def others(self) -> tuple[str, ...]:
        return ("pairs", *self.live())

    def live(self) -> tuple[str, ...]:
        return ("live",) if self.droppable else ()

    def judge(self, builder: GraphBuilder, margins: str, label: str) -> None:
        if self.droppable:
            updated(builder, Needed(self.classes), (label, margins, "pairs", "live"), ("needed", "judged"))

    def drop(self, builder: GraphBuilder) -> None:
        op = DropPairs(self.classes, LEAST * self.classes)
        updated(builder, op, (self._pairs(builder),), ("live", "needed", "judged"))

    def left(self, values: Mapping[str, Array]) -> npt.NDArray[np.bool_]:
        """Which of the pairs that have a learner still vote: (pairs,)."""
        count = len(self.kept_pairs)
        return are_set(values["live"], count) if self.droppable else np.ones(count, bool)

    def is_sound(self, values: Mapping[str, Array]) -> bool:
        """Each class has a pair that votes."""
        return {*np.array(self.kept_pairs)[self.left(values)].ravel().tolist()} == {*range(self.classes)}


def _is_pair(pair: object, classes: int) -> bool:
    whole = isinstance(pair, tuple) and len(pair) == 2 and all(type(one) is int for one in pair)
    return whole and 0 <= pair[0] < pair[1] < classes  # type: ignore[index]
