"""Opt-SGD: gradient descent on the logistic loss, in small batches; Sudharsan et al., "ML-MCU", IEEE IoT Journal 2021."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, GraphBuilder
from mcugen.ops.sgd_step import SgdStep
from mcugen.trainers.learner import BIAS, WEIGHT, Learner, check_number

MOST_BATCH = 1_000
LEAST_ETA, MOST_ETA = 1e-6, 1_000
MOST_MOMENTUM = 0.9999


@dataclass(frozen=True)
class OptSGD(Learner):
    """Logistic regression by stochastic gradient descent. Its exp is that of the board's C library: boards may differ in the last bits.

    eta       rate of learning, which falls to eta / (1 + l2 eta n) by step n
    l2        how much weights are drawn to 0
    momentum  how much of each step goes on into the next; with it, or with a batch, weights take twice the RAM
    batch     rows that make a step together
    averaged  predict by the mean of the weights over the rows that were learnt, for once more the RAM
    """

    name: ClassVar[str] = "opt-sgd"
    title: ClassVar[str] = "logistic regression by gradient descent, one class against the rest"
    formats: ClassVar[tuple[str, ...]] = ("float32",)

    eta: float = 0.1
    l2: float = 0.0
    momentum: float = 0.0
    batch: int = 1
    averaged: bool = field(default=True, kw_only=True)

    @property
    def exact(self) -> bool:
        return False

    def check(self, classes: int) -> None:
        check_number("eta", self.eta, LEAST_ETA, MOST_ETA, f"give a number from {LEAST_ETA:g} to {MOST_ETA:,}")
        check_number("l2", self.l2, 0, 1 / LEAST_ETA, "give a number from 0 on; 0.0001 is usual")
        check_number("momentum", self.momentum, 0, MOST_MOMENTUM, f"give a number from 0 to {MOST_MOMENTUM}")
        if self.l2 * self.eta >= 1:
            help = "give a smaller one: 0.0001 is usual"
            raise error("E0112", f"l2 is {self.l2!r} and turns weights around with eta {self.eta!r}", help=help)
        if not isinstance(self.batch, int) or isinstance(self.batch, bool) or not 1 <= self.batch <= MOST_BATCH:
            raise error("E0112", f"batch is {self.batch!r}", help=f"give a whole number from 1 to {MOST_BATCH:,}")

    def state(self, features: int, rows: int, weights: DType) -> dict[str, Array]:
        kept = super().state(features, rows, weights) | {"steps": np.zeros((), np.uint16)}
        if self.step(scaled=False).moves:
            kept |= self.weights("velocity_", features, rows, weights) | {"in_batch": np.zeros((), np.uint16)}
        return kept

    def kept(self, builder: GraphBuilder) -> tuple[str, ...]:
        moved = (f"velocity_{WEIGHT}", f"velocity_{BIAS}", "in_batch") if self.step(scaled=False).moves else ()
        return (WEIGHT, BIAS, "steps", *moved)

    def step(self, scaled: bool) -> SgdStep:
        return SgdStep(self.eta, self.l2, self.momentum, self.batch)
