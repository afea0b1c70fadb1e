"""The answers of models that each give one of several: side by side, or in a chain, each given what those before it said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.composite_reference import LARGEST, Floats, Mask
from mcugen.frontends.sklearn.reference import TOLERANCE, single
from mcugen.ir import Array, Label

STEP = 2.0**-45  # of a number: what float64 may round in the model itself


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

    back    of each answer, which model of the chain gives it
    fed     what the models behind are given of a model: its value, label, decision or second class's probability
    tables  the labels of each model's classes
    """

    tolerance = TOLERANCE
    relative = False

    def __init__(
        self, members: Sequence[Reference], back: npt.NDArray[np.intp], fed: Output, tables: Sequence[Sequence[Label]]
    ) -> None:
        self._members, self._back, self._fed, self._tables = members, back, fed, tables
        self._last: tuple[Array, _Known] | None = None

    def labels(self, rows: Array) -> npt.NDArray[np.int64]:
        """The index of each answer's class, (rows, answers)."""
        return self._known(rows).answers[:, self._back].astype(np.int64)

    def numbers(self, what: Output, rows: Array) -> Floats:
        """The answers (rows, answers)."""
        return self._known(rows).answers[:, self._back]

    def rounding(self, rows: Array) -> Floats:
        """What each answer may be off by itself and by what its model was given, (rows, answers)."""
        return self._known(rows).lost[:, self._back]

    def near_ties(self, rows: Array) -> Mask:
        """Rows with an answer whose class hangs on rounding: its own, or of what its model was given."""
        return self._known(rows).ties

    def accepts(self, rows: Array) -> Mask:
        """Rows of finite numbers whose answers all are floats."""
        return self._known(rows).accepted

    def _known(self, rows: Array) -> _Known:
        """What is known of rows; asked once."""
        if self._last is None or self._last[0] is not rows:
            plain: Mask = np.asarray(np.isfinite(single(rows)).all(axis=1))
            x = np.where(plain[:, np.newaxis], single(rows), 0.0).astype(np.float64)
            none = np.zeros((len(x), 0))
            known = _Known(plain, none, none, none, np.zeros(len(x), np.bool_))
            for number, one in enumerate(self._members):
                known = self._with(number, one, x, known)
            self._last = (rows, known)
        return self._last[1]

    def _with(self, number: int, member: Reference, x: Floats, known: _Known) -> _Known:
        """With what a model says behind those that are known, and what that may be off: by itself, and by what each of them is."""
        row = np.c_[x, known.fed]
        answer, fed = self._asked(number, member, row)
        ties = member.near_ties(row) if self._fed != "value" else known.ties
        off = np.zeros(len(x)) if self._fed == "label" else member.rounding(row)
        for i in range(known.fed.shape[1]):
            amount = known.lost[:, i] + (0.0 if self._fed == "label" else STEP * np.abs(known.fed[:, i]))
            if not amount.any():
                continue
            most = np.zeros(len(x))
            for sign in (-1.0, 1.0):
                moved = row.copy()
                moved[:, x.shape[1] + i] += sign * amount
                other, also = self._asked(number, member, moved)
                most = np.maximum(most, np.abs(also - fed))
                ties = ties | ((other != answer) & (self._fed != "value"))
            off = off + most
        accepted = np.asarray(known.accepted & member.accepts(row) & (np.abs(fed) <= LARGEST))
        fed = np.where(accepted, fed, 0.0)
        sides = (np.c_[known.answers, answer], np.c_[known.fed, fed], np.c_[known.lost, off])
        return _Known(accepted, *sides, np.asarray(known.ties | ties))

    def _asked(self, number: int, member: Reference, row: Floats) -> tuple[Floats, Floats]:
        """What a model answers, a value or a class index, and what it hands on, (rows,) each."""
        if self._fed == "value":
            value = member.numbers("value", row)
            return value, value
        index = member.labels(row)
        if self._fed == "label":
            return index.astype(np.float64), np.array([float(label) for label in self._tables[number]])[index]
        last = number == len(self._members) - 1  # hands on nothing, and need not be able to
        return index.astype(np.float64), np.zeros(len(row)) if last else member.numbers(self._fed, row)[:, -1]


@dataclass(frozen=True, eq=False)
class _Known:
    """Of rows what the models of a chain say, as far as they were asked: which rows all accept, the answers (rows, models), what is
    handed on and may be off (rows, models), and the rows on which a class hangs on rounding.
    """

    accepted: Mask
    answers: Floats
    fed: Floats
    lost: Floats
    ties: Mask
