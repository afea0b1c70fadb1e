"""The answers of votes and of one-versus-rest and one-versus-one classifiers, and where they hang on rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from mcugen.frontends.sklearn.composite_reference import LARGEST, CompositeReference, Floats, Mask
from mcugen.frontends.sklearn.head import Head
from mcugen.frontends.sklearn.reference import close
from mcugen.ir import Array


class VoteReference(CompositeReference):
    """An estimator that asks several others: near ties are its own, and those of any member."""

    def __init__(self, estimator: Any, head: Head) -> None:
        super().__init__(estimator, head)
        self._held: list[Any] | None = None

    def scores(self, rows: Array) -> Floats:
        """Sums of weights where votes are counted, else scikit-learn's scores."""
        return self._counts(rows) if getattr(self._model, "voting", "") == "hard" else super().scores(rows)

    def near_ties(self, rows: Array) -> Mask:
        """See the class; votes that are equal, and equal to the last bit in the C as well, are none."""
        if self._head.labels is None:
            return np.zeros(len(rows), np.bool_)
        single = (
            not hasattr(self._model, "voting") and len(self._model.estimators_) == 1
        )  # the one model's class is the class
        counted = single or (
            getattr(self._model, "voting", "") == "hard" and getattr(self._model, "weights", None) is None
        )
        own = np.zeros(len(rows), np.bool_) if counted else close(self.scores(rows))
        for member in self._members():
            own |= member.near_ties(rows)
        return own

    def rounding(self, rows: Array) -> Floats:
        """What the members' answers may be off, weighed as these are."""
        each = np.ones(len(self._members()))
        if hasattr(self._model, "_weights_not_none"):  # a mean, else one number of each member
            each = np.abs(each if self._model._weights_not_none is None else self._model._weights_not_none)
            each = each / each.sum()
        lost = super().rounding(rows)
        for member, weight in zip(self._members(), each, strict=True):
            lost = lost + weight * member.rounding(rows)
        return lost

    def accepts(self, rows: Array) -> Mask:
        """Rows that every member accepts, and of which it says a number that a float holds."""
        accepted = super().accepts(rows)
        for member in self._members():
            accepted &= member.accepts(rows)
            if self._head.labels is None:
                accepted &= ~(np.abs(member.numbers("value", rows)) > LARGEST)
        return accepted

    def _members(self) -> list[Any]:
        from mcugen.frontends.sklearn import reference_of

        if self._held is None:
            constant = "_ConstantPredictor"
            self._held = [reference_of(m) for m in self._model.estimators_ if type(m).__name__ != constant]
        return self._held

    def _counts(self, rows: Array) -> Floats:
        weights = self._model._weights_not_none
        total = np.zeros((len(rows), len(self._head.labels or ())))
        for i, member in enumerate(self._model.estimators_):
            said = np.asarray(self._asked_of(member, rows), np.int64)
            total[np.arange(len(rows)), said] += 1.0 if weights is None else weights[i]
        return total

    def _asked_of(self, member: Any, rows: Array) -> Any:
        return self._asked(member.predict, rows)
