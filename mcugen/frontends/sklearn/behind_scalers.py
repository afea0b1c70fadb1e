"""Numbers of the training behind scalers: a quantile of scaled features is one, and rows of float32 only come near it.

What becomes of the float that stands for such a number takes the quantile's place, so that what is equal to it stays so.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc
from mcugen.rows import single

DIGITS = 6  # of decimals that float32 tells apart
ROUNDED = 2.0**-46  # of the largest number of a feature: what float64 rounds on the way through a scaler and back
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scalers:
    """Scalers that are fitted one behind the other, none at all among them: what they make of numbers of each feature."""

    steps: tuple[Any, ...] = ()

    def of(self, numbers: Sequence[Floats]) -> list[Floats]:
        """What becomes of numbers of each feature."""
        return _through(numbers, [step.transform for step in self.steps])

    def before(self, numbers: Sequence[Floats]) -> list[Floats]:
        """What became numbers of each feature, but for what float64 rounds."""
        return _through(numbers, [step.inverse_transform for step in reversed(self.steps)])


def as_behind(step: object, scalers: Scalers | None, loc: Loc) -> object:
    """A step as it is behind nothing but scalers, which says so of itself where that changes it."""
    from mcugen.frontends.sklearn import family_of

    change = getattr(family_of(step), "behind", None) if scalers and scalers.steps else None
    return change(step, scalers, loc) if change else step


def decimals(numbers: Floats) -> Floats:
    """The short decimals that numbers (n,) of one feature are but for what float64 rounds; NaN for others."""
    found = np.array([float(f"{one:.{DIGITS}g}") for one in numbers])
    noise = ROUNDED * np.abs(numbers).max(initial=0.0)
    return np.where(np.abs(found - numbers) <= noise, found, np.nan)


def as_floats(numbers: Floats) -> Floats:
    """The float32 that stand for numbers, as float64."""
    return single(numbers).astype(np.float64)


def _through(numbers: Sequence[Floats], steps: Sequence[Callable[[Floats], Any]]) -> list[Floats]:
    """Numbers of each feature, as many as there are, through functions of rows that map features one by one."""
    rows = np.zeros((max(map(len, numbers), default=0), len(numbers)))
    for i, one in enumerate(numbers):
        rows[: len(one), i] = one
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of names of columns, which plain arrays do not have
        for step in steps if rows.size else ():
            rows = np.array(step(rows), np.float64)
    return [rows[: len(one), i] for i, one in enumerate(numbers)]
