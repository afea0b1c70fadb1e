"""scikit-learn's own answers of calibrated classifiers, and what float64's rounding of a score comes to in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mcugen.frontends import Reference
from mcugen.frontends.sklearn.composite_reference import LARGEST, CompositeReference, Floats, Mask
from mcugen.frontends.sklearn.head import Head
from mcugen.frontends.sklearn.reference import roundings
from mcugen.ir import Array

if TYPE_CHECKING:
    from mcugen.frontends.sklearn.calibrated import Member

STEP = 2.0**-45  # of a score: what float64 may round in the model itself. That the C has floats excuses nothing


class CalibratedReference(CompositeReference):
    """Calibrated classifiers, each asked as its own reference asks it."""

    def __init__(self, estimator: Any, head: Head, members: Sequence[Member], inner: Sequence[Reference]) -> None:
        super().__init__(estimator, head)
        self._members, self._inner = members, inner

    def near_ties(self, rows: Array) -> Mask:
        """Rows whose two best classes are as likely but for rounding, and those that hang on it in a classifier."""
        best = np.sort(self.scores(rows), axis=1)
        return np.asarray(super().near_ties(rows) | (best[:, -1] - best[:, -2] <= self.rounding(rows)))

    def rounding(self, rows: Array) -> Floats:
        """The mean of what the classifiers' own rounding of a score comes to in its calibration."""
        lost = np.zeros(len(rows))
        for member, inner in zip(self._members, self._inner, strict=True):
            scores = inner.numbers(member.asked, rows)
            sizes = np.abs(scores)
            if (
                member.asked == "decision"
            ):  # a sum, maybe of terms as large as the row's largest; probabilities are parts of themselves off
                sizes = np.broadcast_to(sizes.max(axis=1, keepdims=True), sizes.shape)
            off = STEP * sizes + roundings(inner, rows)
            lost += member.calibration.lost(scores, off)
        return lost / len(self._members)

    def accepts(self, rows: Array) -> Mask:
        """Rows that every classifier accepts, and gives a score that is no more than a float32 holds after a calibration."""
        found = super().accepts(rows) & np.all([one.accepts(rows) for one in self._inner], axis=0)
        for member, inner in zip(self._members, self._inner, strict=True):
            scores = inner.numbers(member.asked, rows)
            found &= (np.abs(scores) <= LARGEST / max(1.0, member.calibration.gain)).all(axis=1)
        return np.asarray(found)
