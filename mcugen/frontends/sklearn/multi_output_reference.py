"""The answers of models that each give one of several: side by side, or in a chain, each given what those before it said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.composite_reference import LARGEST, Floats, Mask
from mcugen.frontends.sklearn.reference import TOLERANCE, single
from mcugen.ir import Array

STEP = 2.0**-22  # of a number: what a float of it may be off that was worked out in a few steps


class ManyReference:
    """Models as their own references ask them; each answers the row."""

    tolerance = TOLERANCE
    relative = False

    def __init__(self, members: Sequence[Reference]) -> None:
        self._members = members

    def labels(self, rows: Array) -> npt.NDArray[np.int64]:
        """The index of each answer's class, (rows, answers)."""
        return np.stack([one.labels(rows) for one in self._members], axis=1)

    def numbers(self, what: Output, rows: Array) -> Floats:
        """The answers (rows, answers)."""
        return np.stack([one.numbers(what, rows) for one in self._members], axis=1)

    def rounding(self, rows: Array) -> Floats:
        """What each answer may be off, (rows, answers)."""
        return np.stack([one.rounding(rows) for one in self._members], axis=1)

    def near_ties(self, rows: Array) -> Mask:
        """Rows with an answer whose class hangs on rounding."""
        return np.asarray(np.any([one.near_ties(rows) for one in self._members], axis=0))

    def accepts(self, rows: Array) -> Mask:
        """Rows that all models answer."""
        return np.asarray(np.all([one.accepts(rows) for one in self._members], axis=0))


class ChainReference:
    """A chain of models as their own references ask them. A model is given float64 of those before it, and floats in the C:
    what these are off by, it may be off by more, or fall on the other side of a tree's threshold.

    back  of each answer, which model of the chain gives it
    """

    tolerance = TOLERANCE
    relative = False

    def __init__(self, members: Sequence[Reference], back: npt.NDArray[np.intp]) -> None:
        self._members, self._back = members, back
        self._last: tuple[Array, Mask, Floats, Floats] | None = None  # rows, and what is known of them

    def labels(self, rows: Array) -> npt.NDArray[np.int64]:
        """A chain of regressors has no classes."""
        raise NotImplementedError

    def numbers(self, what: Output, rows: Array) -> Floats:
        """The answers (rows, answers)."""
        return self._known(rows)[1][:, self._back]

    def rounding(self, rows: Array) -> Floats:
        """What each answer may be off by itself and by what its model was given, (rows, answers)."""
        return self._known(rows)[2][:, self._back]

    def near_ties(self, rows: Array) -> Mask:
        """None: there are no classes."""
        return np.zeros(len(rows), np.bool_)

    def accepts(self, rows: Array) -> Mask:
        """Rows of finite numbers whose answers all are floats."""
        return self._known(rows)[0]

    def _known(self, rows: Array) -> tuple[Mask, Floats, Floats]:
        """Of rows: which are accepted, what each model says (rows, models), and what it may be off; asked once."""
        if self._last is None or self._last[0] is not rows:
            accepted: Mask = np.asarray(np.isfinite(single(rows)).all(axis=1))
            x = np.where(accepted[:, np.newaxis], single(rows), 0.0).astype(np.float64)
            said, lost = np.zeros((len(x), 0)), np.zeros((len(x), 0))
            for one in self._members:
                number, off = self._one(one, x, said, lost)
                accepted = np.asarray(accepted & one.accepts(np.c_[x, said]) & (np.abs(number) <= LARGEST))
                said, lost = np.c_[said, np.where(accepted, number, 0.0)], np.c_[lost, off]
            self._last = (rows, accepted, said, lost)
        return self._last[1:]

    def _one(self, member: Reference, x: Floats, said: Floats, lost: Floats) -> tuple[Floats, Floats]:
        """What a model says behind those that said this, and what it may be off: by itself, and by what each of them is."""
        number = member.numbers("value", np.c_[x, said])
        off = member.rounding(np.c_[x, said])
        for i in range(said.shape[1]):
            amount = lost[:, i] + STEP * np.abs(said[:, i])
            moved = []
            for sign in (-1.0, 1.0):
                other = said.copy()
                other[:, i] += sign * amount
                moved.append(np.abs(member.numbers("value", np.c_[x, other]) - number))
            off = off + np.maximum(*moved)
        return number, np.asarray(off)
