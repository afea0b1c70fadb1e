"""Answers of ensembles that are made anew of what was checked: sums of trees, and weighted medians."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.frontends.sklearn.head import Head
from mcugen.frontends.sklearn.reference import Numbers, SklearnReference, close
from mcugen.ir import Array
from mcugen.ops.tree_ensemble.sums import largest_sum
from mcugen.ops.tree_ensemble.trees import Trees

EPS = float(np.finfo(np.float64).eps)
OF_LARGEST = 2e-7  # of the largest score: what cancels down to less hangs on how sums are rounded
NEAR_HALF = 5e-7  # of all voices: a median by less hangs on how their sum is rounded


class SumReference(SklearnReference):
    """Sums of trees; where numbers cancel, what their float64 sums round is known."""

    def __init__(self, model: Any, head: Head, trees: Trees, missing: bool = False) -> None:
        super().__init__(model, head)
        terms = np.abs(trees.values).max(initial=0.0) * trees.n_trees + np.abs(trees.combine.base).max(initial=0.0)
        self._rounding = EPS * (trees.n_trees + 1) * float(terms) * min(1.0, trees.combine.gain)
        self._missing = missing
        self._largest = largest_sum(trees) if trees.combine.how == "sum" else 0.0

    def rounding(self, rows: Array) -> Numbers:
        """A bound of what float64 rounds in a sum, (rows,)."""
        return np.full(len(rows), self._rounding)

    def near_ties(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows whose best scores are close: to each other, or to what the largest that the model can reach would round."""
        if self._head.labels is None or len(self._head.labels) < 2:
            return np.zeros(len(rows), np.bool_)
        scores = self.numbers("decision" if "decision" in self._head.outputs else "proba", rows)
        if scores.shape[1] == 1:
            return close(scores)
        best = np.sort(scores, axis=1)
        return np.asarray(close(scores) | (best[:, -1] - best[:, -2] <= OF_LARGEST * self._largest))

    def accepts(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows of numbers; where the model takes missing values and infinities, all."""
        return np.ones(len(rows), np.bool_) if self._missing else super().accepts(rows)


class MedianReference(SklearnReference):
    """The median of trees by their weights."""

    def rounding(self, rows: Array) -> Numbers:
        """0, but between two answers where half of the voices is reached within a millionth, (rows,)."""
        model = self._model
        found = np.array([self._asked(tree.predict, rows) for tree in model.estimators_]).T
        order = np.argsort(found, axis=1)
        voices = np.cumsum(model.estimator_weights_[order], axis=1)
        ordered = np.take_along_axis(found, order, axis=1)
        steps = np.diff(ordered, axis=1, append=ordered[:, -1:])
        undecided = np.abs(voices / np.maximum(voices[:, -1:], np.finfo(np.float64).tiny) - 0.5) <= NEAR_HALF
        return np.asarray(np.where(undecided, steps, 0.0).sum(axis=1))
