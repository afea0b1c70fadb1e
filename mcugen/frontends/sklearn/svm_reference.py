"""scikit-learn's own answers of support vector machines, and how far its own sums may be off them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen import ovo
from mcugen.frontends.sklearn.head import Head
from mcugen.frontends.sklearn.reference import NEAR_TIE, Numbers, SklearnReference, close, single
from mcugen.frontends.sklearn.svm import Machine
from mcugen.ir import Array

BITS = 2.0**-52  # what a float64 number loses at most when it is rounded, twice
STOPS = 1e-4  # a round of coupling that ends so near to the bound may be the last one or not


class SvmReference(SklearnReference):
    """A fitted machine whose arrays were checked."""

    def __init__(self, estimator: Any, head: Head, machine: Machine) -> None:
        super().__init__(estimator, head)
        self._machine = machine
        self._op = machine.svm("value")

    def near_ties(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows whose class is not the same whatever the pairs say whose score is within 1e-6 of 0, or within rounding."""
        if self._head.labels is None:
            return np.zeros(len(rows), np.bool_)
        x = self._accepted(rows)
        score = self._op.scores(x)
        unsure = np.abs(score) <= np.maximum(NEAR_TIE, self._off(x))
        if score.shape[1] == 1:
            return np.asarray(unsure[:, 0])
        if self._machine.ties:
            return np.asarray(unsure.any(axis=1) | close(self.numbers("decision", rows)))
        return self._contested(score, unsure)

    def _contested(self, score: Numbers, unsure: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Rows on which unsure pairs could make another class win."""
        cast = ovo.votes(score)
        first, second = np.triu_indices(cast.shape[1], 1)
        member = np.eye(cast.shape[1], dtype=np.int64)
        open_first, open_second = unsure & (score > 0), unsure & (score <= 0)
        of_first, of_second = member[first], member[second]
        least = cast - ovo.counted(open_first, of_first) - ovo.counted(open_second, of_second)
        most = cast + ovo.counted(open_first, of_second) + ovo.counted(open_second, of_first)
        winner = cast.argmax(axis=1)[:, np.newaxis]
        sure = np.take_along_axis(least, winner, axis=1)
        beaten = np.where(np.arange(cast.shape[1]) < winner, most < sure, most <= sure)
        np.put_along_axis(beaten, winner, True, axis=1)
        return np.asarray(~beaten.all(axis=1))

    def rounding(self, rows: Array) -> Numbers:
        """What libsvm's own sums lose at most; a vote for every score that is a near tie."""
        x = self._accepted(rows)
        off, score = self._off(x), self._op.scores(x)
        votes = (np.abs(score) <= np.maximum(NEAR_TIE, off)).sum(axis=1)
        if score.shape[1] == 1 or self._machine.of_pairs:
            summed = off.max(axis=1)
        else:
            summed = off.sum(axis=1) + np.minimum(votes, len(self._machine.counts) - 1)
        if self._machine.sigmoids is None:
            return np.asarray(summed)
        steep = np.abs(self._machine.sigmoids[0]).max() * off.max(axis=1) * score.shape[1]
        return np.asarray(np.maximum(summed, steep + self._stops(score)))

    def _stops(self, score: Numbers) -> Numbers:
        """How far probabilities may be off where another number of rounds is as good."""
        assert self._machine.sigmoids is not None
        classes = len(self._machine.counts)
        margin = coupling_margins(score, self._machine.sigmoids[0], self._machine.sigmoids[1], classes)
        return np.where(margin < STOPS, 0.02, 0.0)

    def _off(self, x: Numbers) -> Numbers:
        """How far libsvm's scores (n, pairs) may be off: every step rounds to float64. What the C's integers lose is no excuse."""
        op = self._op
        count, features = op.vectors.shape
        sizes = np.abs(op.values(x.astype(np.float32))) if op.kernel.name == "rbf" else self._sizes(x)
        sums = count * sizes @ np.abs(self._machine.matrix) + np.abs(op.intercepts)
        return np.asarray(BITS * (sums + features * self._slope(x)))

    def _slope(self, x: Numbers) -> Numbers:
        """How much the scores (n, pairs) change at most where every feature changes by one and the same part of itself."""
        op = self._op
        if op.kernel.name == "rbf":
            values = op.values(x.astype(np.float32))
            steps = np.stack([np.abs(one - op.vectors) @ np.abs(one) for one in x])
            slope = 2 * op.kernel.gamma * steps * values
        else:
            slope = self._sizes(x) if op.kernel.name == "poly" else self._products(x)
            slope = slope * (op.kernel.degree if op.kernel.name == "poly" else 1)
        return np.asarray(slope @ np.abs(self._machine.matrix))

    def _products(self, x: Numbers) -> Numbers:
        """What a kernel's product (n, vectors) would be without signs."""
        op = self._op
        return np.asarray(op.kernel.gamma * (np.abs(x) @ np.abs(op.vectors.T)) + abs(op.kernel.coef0))

    def _sizes(self, x: Numbers) -> Numbers:
        """What a kernel's values are at most."""
        products = self._products(x)
        return products**self._op.kernel.degree if self._op.kernel.name == "poly" else np.ones_like(products)

    def _accepted(self, rows: Array) -> Numbers:
        x = single(rows).astype(np.float64)
        x[~self.accepts(rows)] = 0.0
        return x


def coupling_margins(score: Numbers, a: Numbers, b: Numbers, classes: int) -> Numbers:
    """How near to the bound that ends it libsvm's coupling comes in any round, relative to the bound (n,)."""
    from mcugen.ops.svm.machine import NEAREST, rounds

    with np.errstate(over="ignore"):
        each = np.clip(1 / (1 + np.exp(score * a + b)), NEAREST, 1 - NEAREST)
    bound = 0.005 / classes
    return np.array([min(abs(error / bound - 1) for error, _ in rounds(one, classes)) for one in each])
