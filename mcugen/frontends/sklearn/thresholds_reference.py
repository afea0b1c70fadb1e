"""The answers of thresholds: the estimator's own scores, compared in float64; and which rows hang on how these are rounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.composite_reference import Floats, Mask
from mcugen.frontends.sklearn.head import Head
from mcugen.frontends.sklearn.reference import NEAR_TIE, SklearnReference
from mcugen.ir import Array


class ThresholdReference(SklearnReference):
    """An estimator whose score is compared with a threshold: near ties are near to that.

    what       the numbers that are compared
    positive   whether the second class is the positive one, which has the threshold or more
    """

    def __init__(
        self, estimator: Any, head: Head, inner: Reference, what: Output, threshold: float, positive: bool
    ) -> None:
        super().__init__(estimator, head)
        self._inner, self._what, self._threshold, self._positive = inner, what, threshold, positive

    def labels(self, rows: Array) -> npt.NDArray[np.int64]:
        return np.where(self._score(rows) >= self._threshold, int(self._positive), int(not self._positive))

    def numbers(self, what: Output, rows: Array) -> Floats:
        """The estimator's own."""
        return self._inner.numbers(what, rows)

    def near_ties(self, rows: Array) -> Mask:
        """Rows whose score is the threshold but for what rounding takes off."""
        unsure = NEAR_TIE * max(1.0, abs(self._threshold)) + self._inner.rounding(rows)
        return np.asarray(np.abs(self._score(rows) - self._threshold) <= unsure)

    def rounding(self, rows: Array) -> Floats:
        """The estimator's own."""
        return self._inner.rounding(rows)

    def accepts(self, rows: Array) -> Mask:
        """Rows that the estimator accepts."""
        return self._inner.accepts(rows)

    def _score(self, rows: Array) -> Floats:
        """The positive class's, (rows,)."""
        found = self._inner.numbers(self._what, rows)
        if self._what == "proba":
            return found[:, int(self._positive)]
        return found[:, -1] if self._positive else -found[:, -1]
