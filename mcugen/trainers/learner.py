"""The contract of a learner: a file in this folder that says what it keeps, how it predicts and how it learns, in ops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, GraphBuilder
from mcugen.op import Op
from mcugen.ops.decide import Decide
from mcugen.ops.margins import Margins
from mcugen.ops.polyak import Polyak

WEIGHT, BIAS = "weights", "bias"
MOST = 1e30  # of a number that an option takes: what is worked out with it stays finite in float32
WEIGHTS = {"float32": DType.F32, "int16": DType.I16, "int8": DType.I8}


@dataclass(frozen=True)
class Learner:
    """A learner with its options, which are its fields. Features come to it standardised, `f32`, or `i8` with 5 fraction bits where
    weights are integers. It has a row of weights for each class, which tells it from the rest; of two classes for one.

    averaged  predict by the mean of the weights over the rows that were learnt: steadier, for twice the RAM
    """

    name: ClassVar[str]
    title: ClassVar[str]
    formats: ClassVar[tuple[str, ...]] = ("float32", "int16", "int8")

    averaged: bool = field(default=False, kw_only=True)

    def check(self, classes: int) -> None:
        """E0112 for options that cannot be."""

    def check_format(self, numeric: str) -> None:
        """E0112 for a format that the weights cannot have."""
        if numeric not in self.formats:
            help = f"use {' or '.join(self.formats)}, or another learner: train++, multiclass-pa, opt-ovo"
            raise error("E0112", f"{self.name} has no weights of {numeric}", help=help)
        if not isinstance(self.averaged, bool):
            raise error("E0112", f"averaged is {self.averaged!r}", help="give True or False")
        if self.averaged and numeric == "int8":
            help = (
                "use int16, or int8 without `averaged`: steps of int8 are chance, which the mean would have to even out"
            )
            raise error("E0112", "means of weights are asked for, of int8", help=help)

    @property
    def exact(self) -> bool:
        """Whether all boards learn the same bits."""
        return True

    def rows(self, classes: int) -> int:
        """How many rows of weights there are."""
        return 1 if classes == 2 else classes

    def state(self, features: int, rows: int, weights: DType) -> dict[str, Array]:
        """What is kept of so many rows of weights, by name, with its first content."""
        kept = self.weights("", features, rows, weights)
        kept |= {"dither": np.zeros((), np.uint16)} if weights is DType.I8 else {}
        if self.averaged:
            kept |= self.weights("mean_", features, rows, weights) | {"averaged": np.zeros((), np.uint16)}
            kept |= {"mean_dither": np.zeros((), np.uint16)} if weights is DType.I16 else {}
        return kept

    def weights(self, prefix: str, features: int, rows: int, type: DType) -> dict[str, Array]:
        """Rows of weights and their biases, all 0, under names with a prefix."""
        return {
            f"{prefix}{WEIGHT}": np.zeros((rows, features), type.numpy),
            f"{prefix}{BIAS}": np.zeros(rows, type.numpy),
        }

    def kept(self, builder: GraphBuilder) -> tuple[str, ...]:
        """The values of what updates change."""
        dither = builder.type_of(WEIGHT).dtype is DType.I8
        return (WEIGHT, BIAS, "dither") if dither else (WEIGHT, BIAS)

    @property
    def asked(self) -> tuple[str, str]:
        """The weights and biases that predict."""
        return ("mean_weights", "mean_bias") if self.averaged else (WEIGHT, BIAS)

    def predict(self, builder: GraphBuilder, z: str, prefix: str) -> tuple[str, str]:
        """The margins of a row and its class, as values whose names begin with `prefix`; margins are empty where a class needs none."""
        (margins,) = builder.add(Margins(), z, *self.asked, names=(f"{prefix}margins",))
        (label,) = builder.add(Decide(), margins, names=(f"{prefix}label",))
        return margins, label

    def step(self, scaled: bool) -> Op:
        """The update: of z, margins, class, what is kept, and others. `scaled`: a feature is 0 until something is known of it."""
        raise NotImplementedError

    def others(self) -> tuple[str, ...]:
        """What the update takes besides, as values."""
        return ()

    def live(self) -> tuple[str, ...]:
        """A bit for each row of weights that predicts and learns, as a value, where not all do."""
        return ()

    def judge(self, builder: GraphBuilder, margins: str, label: str) -> None:
        """What is to be known of how a new row was decided."""

    def drop(self, builder: GraphBuilder) -> None:
        """Rows of weights that are of no use are not live any more. Where some are not."""

    def is_sound(self, values: Mapping[str, Array]) -> bool:
        """Whether the C can go on from what is kept."""
        return True

    def learn(self, builder: GraphBuilder, z: str, margins: str, y: str, prefix: str) -> None:
        """The update by a row of class y, with the margins that `predict` gave; empty where nobody predicted."""
        if self.averaged or not margins:
            margins = self.own_margins(builder, z, y, f"{prefix}own_margins")
        new = updated(builder, self.step(builder.has("mean")), (z, margins, y), self.kept(builder), self.others())
        if self.averaged:
            dither = builder.type_of(WEIGHT).dtype is DType.I16
            updated(
                builder, Polyak(), new[:2], (*self.asked, "averaged", *(["mean_dither"] if dither else [])), self.live()
            )

    def own_margins(self, builder: GraphBuilder, z: str, y: str, name: str) -> str:
        """The margins of the weights that learn."""
        return builder.add(Margins(), z, WEIGHT, BIAS, names=(name,))[0]


def updated(
    builder: GraphBuilder, op: Op, given: tuple[str, ...], kept: tuple[str, ...], others: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """What an op makes of what is kept, which it replaces."""
    new = builder.add(op, *given, *kept, *others, names=tuple(f"{name}1" for name in kept))
    for old, one in zip(kept, new, strict=True):
        builder.update(old, one)
    return new


def check_number(option: str, given: object, least: float, most: float, help: str) -> None:
    """E0112 for an option that is no number from `least` to `most`."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not least <= given <= most:
        raise error("E0112", f"{option} is {given!r}", help=help)
