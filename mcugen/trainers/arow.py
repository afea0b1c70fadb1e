"""AROW: weights that know how sure they are; Crammer, Kulesza, Dredze, NIPS 22 (2009)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen.ir import Array, DType, GraphBuilder
from mcugen.ops.arow_step import ArowStep
from mcugen.trainers.learner import BIAS, MOST, WEIGHT, Learner, check_number

LEAST_R = 1e-3


@dataclass(frozen=True)
class Arow(Learner):
    """AROW with a diagonal covariance: weights that many rows have told of move little. Steady in a single pass, for twice the RAM;
    what changes later it learns slowly.

    r  how little a row may move the weights: large is steady
    """

    name: ClassVar[str] = "arow"
    title: ClassVar[str] = "adaptive regularization of weights, one class against the rest"
    formats: ClassVar[tuple[str, ...]] = ("float32",)

    r: float = 1.0

    def check(self, classes: int) -> None:
        help = f"give a number from {LEAST_R:g} to {MOST:g}; 1 does for most rows"
        check_number("r", self.r, LEAST_R, MOST, help)

    def state(self, features: int, rows: int, weights: DType) -> dict[str, Array]:
        sigmas = self.weights("sigma_", features, rows, weights)
        return super().state(features, rows, weights) | {name: np.ones_like(one) for name, one in sigmas.items()}

    def kept(self, builder: GraphBuilder) -> tuple[str, ...]:
        return (WEIGHT, BIAS, f"sigma_{WEIGHT}", f"sigma_{BIAS}")

    def step(self, scaled: bool) -> ArowStep:
        return ArowStep(self.r)
