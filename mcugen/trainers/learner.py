"""The contract of a learner: a file in this folder that says what it keeps, how it predicts and how it learns, in ops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen.ir import Array, DType, GraphBuilder

WEIGHTS = {"float32": DType.F32, "int16": DType.I16, "int8": DType.I8}


@dataclass(frozen=True)
class Learner:
    """A learner with its options, which are its fields. Features come to it standardised, `f32`, or `i8` with 5 fraction bits where
    weights are integers.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    formats: ClassVar[tuple[str, ...]] = ("float32", "int16", "int8")

    def check(self, classes: int) -> None:
        """E0112 for options that cannot be."""

    def rows(self, classes: int) -> int:
        """How many rows of weights there are."""
        raise NotImplementedError

    def state(self, features: int, classes: int, weights: DType) -> dict[str, Array]:
        """What is kept, by name, with its first content."""
        rows = self.rows(classes)
        kept: dict[str, Array] = {
            "weights": np.zeros((rows, features), weights.numpy),
            "bias": np.zeros(rows, weights.numpy),
        }
        return kept | ({"dither": np.zeros((), np.uint16)} if weights is DType.I8 else {})

    @staticmethod
    def kept(builder: GraphBuilder) -> tuple[str, ...]:
        """The values of what updates change."""
        dither = builder.type_of("weights").dtype is DType.I8
        return ("weights", "bias", "dither") if dither else ("weights", "bias")

    def predict(self, builder: GraphBuilder, z: str, prefix: str) -> tuple[str, str]:
        """The margins of a row and its class, as values whose names begin with `prefix`."""
        raise NotImplementedError

    def learn(self, builder: GraphBuilder, z: str, margins: str, y: str, prefix: str) -> None:
        """The update by a row of class y, whose margins are empty where `predict` did without them."""
        raise NotImplementedError
