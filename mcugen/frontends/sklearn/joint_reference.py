"""scikit-learn's own answers of naive Bayes, and what float64 rounds of joint logarithms of probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from mcugen.frontends.sklearn.head import Head
from mcugen.frontends.sklearn.reference import Numbers, SklearnReference
from mcugen.ir import Array

ROUNDINGS = 8  # of float64, of a score that is worked out: differences, squares, quotients, sums


class JointReference(SklearnReference):
    """A model whose probabilities are the softmax of sums; `offset` is the largest of what all rows' sums have in common."""

    def __init__(self, estimator: Any, head: Head, offset: float) -> None:
        super().__init__(estimator, head)
        self._offset = offset

    def joint(self, rows: Array) -> Numbers:
        """The sums, (rows, classes)."""
        return np.asarray(self._asked(self._model.predict_joint_log_proba, rows), np.float64)

    def rounding(self, rows: Array) -> Numbers:
        """The largest of `roundings`."""
        return np.asarray(self.roundings(rows).max(axis=1))

    def roundings(self, rows: Array) -> Numbers:
        """What float64 rounds of sums, each term of which is of its sum's size, changes of the probabilities: a part of each."""
        scores, chances = self.joint(rows), self.numbers("proba", rows)
        sizes = np.where(np.isfinite(scores), np.abs(scores), 0.0) + self._offset
        sizes = sizes + (chances * sizes).sum(axis=1, keepdims=True)
        return np.asarray(ROUNDINGS * np.finfo(np.float64).eps * chances * sizes)
