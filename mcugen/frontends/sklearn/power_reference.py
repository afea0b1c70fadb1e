"""scikit-learn's own answers of power transforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.frontends.sklearn.composite_reference import CompositeReference, Mask
from mcugen.frontends.sklearn.head import Head
from mcugen.frontends.sklearn.reference import single
from mcugen.ir import Array
from mcugen.ops.power import Power

ROUNDS = 2.0**-22  # of a number that steps before work out, and of the feature's usual one: what it may be off
DOUBLES = 2.0**-50  # of a number of float64: what a few steps may round
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scaled:
    """A StandardScaler that takes what is infinite, too."""

    mean: Floats
    scale: Floats

    def transform(self, x: Floats) -> Floats:
        """Rows (n, features), scaled."""
        return (x - self.mean) / self.scale


class PowerReference(CompositeReference):
    """A PowerTransformer; that of Box and Cox has no answer to rows with a number up to 0."""

    def __init__(self, estimator: Any, head: Head, op: Power) -> None:
        super().__init__(estimator, head)
        self._op = op

    def accepts(self, rows: Array) -> Mask:
        """Rows that it takes."""
        x = single(rows)
        return np.asarray(super().accepts(rows) & (~(x <= 0).any(axis=1) | (not self._op.positive)))

    def rounding(self, rows: Array) -> Floats:
        """What float64 rounds where it takes the mean off, and what steps before may have: in numbers that no float32 holds."""
        x = np.asarray(rows, np.float64)
        (usual,) = self._op.back(np.zeros((1, self._op.width)))
        off = np.where(x == single(x), 0.0, ROUNDS * (np.abs(x) + np.abs(usual)))
        ends = np.stack([self._of(x - off), self._of(x + off)])
        with np.errstate(all="ignore"):
            lost = DOUBLES * (2 * np.abs(self._op.mean / self._op.scale) + np.abs(ends[0])) + np.ptp(ends, axis=0)
            return np.asarray(np.nan_to_num(lost, nan=0.0, posinf=np.inf).max(axis=1))

    def _of(self, x: Floats) -> Floats:
        return np.stack([self._op.exactly(i, one) for i, one in enumerate(x.T)], axis=1)
