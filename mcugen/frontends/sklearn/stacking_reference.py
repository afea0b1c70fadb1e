"""scikit-learn's own answers of a stack: a pipeline whose first step is what the members say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mcugen.frontends import Reference
from mcugen.frontends.sklearn.composite_reference import LARGEST, CompositeReference, Floats, Mask
from mcugen.frontends.sklearn.head import Head
from mcugen.ir import Array

STEP = 2.0**-45  # of a number: what float64 may round in the model itself


class StackingReference(CompositeReference):
    """A stack of models as their own references ask them. The C hands on floats, and scalers in the final estimator make floats of
    them: where it then takes differences of large ones, their last digit is what an answer hangs on.
    """

    def __init__(self, estimator: Any, head: Head, members: Sequence[Reference]) -> None:
        super().__init__(estimator, head)
        self._members = members
        self._last_rows: tuple[Array, Mask, Floats, Floats] | None = None  # with what is known of them

    def near_ties(self, rows: Array) -> Mask:
        """Rows that hang on rounding in a member or in the final estimator, or on the last digit of what a member says."""
        ties = super().near_ties(rows) | self._unsure(rows)
        if self._head.labels is None:
            return np.asarray(ties)
        scores = self.scores(rows)
        best = np.sort(scores if scores.shape[1] > 1 else np.c_[np.zeros(len(rows)), scores], axis=1)
        return np.asarray(ties | (best[:, -1] - best[:, -2] <= self._known(rows)[2]))

    def rounding(self, rows: Array) -> Floats:
        """The final estimator's own, and what the members' come to; infinite where a member's is."""
        return np.where(self._unsure(rows), np.inf, super().rounding(rows) + self._known(rows)[2])

    def accepts(self, rows: Array) -> Mask:
        """Rows that every member accepts, and of which it says what a float holds."""
        return self._known(rows)[0]

    def _steps(self) -> list[Any]:
        return [self._model, self._model.final_estimator_]

    def _before_last(self, rows: Array) -> Floats:
        return self._known(rows)[1]

    def _unsure(self, rows: Array) -> Mask:
        return np.asarray(np.any([np.isinf(one.rounding(rows)) for one in self._members], axis=0))

    def _known(self, rows: Array) -> tuple[Mask, Floats, Floats]:
        """Of rows: which are accepted, what the members say of them, and what the last digits of that come to; asked once."""
        if self._last_rows is None or self._last_rows[0] is not rows:
            before = super()._before_last(rows)
            with np.errstate(invalid="ignore"):
                held = self._plain(rows) & ~(np.abs(before) > LARGEST).any(axis=1)
            accepted = np.asarray(held & np.all([one.accepts(rows) for one in self._members], axis=0))
            lost = self._shifted(np.where(accepted[:, np.newaxis], before, 0.0))
            self._last_rows = (rows, accepted, before, lost)
        return self._last_rows[1:]

    def _shifted(self, row: Floats) -> Floats:
        """What the last digits of all numbers that are handed on come to in the final estimator's answer, (rows,)."""
        before, total = self._last_answer(row), np.zeros(len(row))
        for i in range(row.shape[1]):
            moved = row.copy()
            moved[:, i] *= 1 - STEP
            total += np.abs(self._last_answer(moved) - before).max(axis=1)
        return total

    def _last_answer(self, row: Floats) -> Floats:
        """The final estimator's scores or numbers for rows of what the members say, (rows, scores)."""
        model = self._model.final_estimator_
        methods = ("decision_function", "predict_proba", "predict")
        method = next(name for name in methods if hasattr(model, name))
        return np.asarray(self._quietly(getattr(model, method), row), np.float64).reshape(len(row), -1)
