"""The answers of a regressor whose target was transformed: its own, taken back in float64; and which rows have any."""

from __future__ import annotations

from typing import Any

import numpy as np

from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.composite_reference import Floats, Mask
from mcugen.frontends.sklearn.head import Head
from mcugen.frontends.sklearn.reference import SklearnReference
from mcugen.ir import Array
from mcugen.ops.affine import Affine
from mcugen.ops.elementwise import Elementwise

STEP = 2.0**-45  # of the regressor's answer: what float64 may round in the model itself


class TransformedReference(SklearnReference):
    """A regressor whose answer is taken back: what that is off is off as much more as the way back is steep."""

    def __init__(self, estimator: Any, head: Head, inner: Reference, back: Affine | Elementwise | None) -> None:
        super().__init__(estimator, head)
        self._inner, self._back = inner, back

    def numbers(self, what: Output, rows: Array) -> Floats:
        """See the module."""
        with np.errstate(all="ignore"):
            return self._taken(self._inner.numbers(what, rows))

    def rounding(self, rows: Array) -> Floats:
        """The regressor's own, taken back; of functions also what the last digit of a float comes to."""
        before, lost = self._inner.numbers("value", rows), self._inner.rounding(rows)
        if isinstance(self._back, Elementwise):
            lost = lost + STEP * np.abs(before)
        with np.errstate(all="ignore"):
            low, high = (self._taken(before + sign * lost) for sign in (-1, 1))
            return np.nan_to_num(np.abs(high - low), nan=np.inf, posinf=np.inf)

    def accepts(self, rows: Array) -> Mask:
        """Rows that the regressor accepts, and whose answer a function is defined for."""
        return np.asarray(self._inner.accepts(rows) & ~np.isnan(self.numbers("value", rows)))

    def _taken(self, numbers: Floats) -> Floats:
        """Answers in the target's own units, (rows,)."""
        if self._back is None:
            return numbers
        if isinstance(self._back, Affine):
            op = self._back
            return np.asarray((numbers - op.minus) / op.over * op.times + op.plus)
        operands = [numbers] * (2 if self._back.function == "Mul" else 1)
        return np.asarray(self._back.evaluate(*operands)[0], np.float64)
