"""One output of the C beside the model's own, row by row: how far they are apart, and by what that is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mcugen.frontends import Output, Reference
from mcugen.ir import Array, Label

SMALL = float(np.finfo(np.float32).tiny)  # below, a float has fewer digits
ROUNDED = 2.0**-24  # of a number: what its float is off
PART = 0.01  # of an output's range: what its numbers may be off in a smaller number format

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Compared:
    """One output, row by row: whether it is wrong, by how much (as it is judged, and absolute), and how both answers are
    shown; the range of the model's numbers. And where rounding decides what the model answers (`excused`), and whether it
    differs if nothing is allowed for that (`differs`).
    """

    name: str
    is_class: bool
    wrong: npt.NDArray[np.bool_]
    differs: npt.NDArray[np.bool_]
    excused: npt.NDArray[np.bool_]
    errors: npt.NDArray[np.float64]
    off: npt.NDArray[np.float64]
    range: float
    show: Callable[[int], tuple[str, str]]


def least_sizes(what: Output, reference: Reference, expected: Floats) -> Floats:
    """The sizes from which on numbers (rows, ...) are compared relative to themselves; smaller ones as if they had it. One for all,
    (1,), but for several values, each of which has its own, (values,).
    """
    if what == "proba" or reference.relative:
        return np.full(1, 1.0 if what == "proba" else SMALL)
    return np.array([_typical(column) for column in _apart(what, expected)])


def _apart(what: str, numbers: Floats) -> list[Floats]:
    """The numbers (rows, ...) of an output that have to do with each other: several values have not, whatever their units."""
    return [*numbers.T] if what == "value" and numbers.ndim == 2 else [numbers]


def range_of(expected: Floats) -> float:
    """The range of an output's numbers over rows; where it has none that floats tell apart, their size, or 1."""
    real = expected[np.isfinite(expected)]
    size = float(np.abs(real).max(initial=0.0))
    spread = float(np.ptp(real)) if len(real) else 0.0
    return spread if spread > ROUNDED * size else size or 1.0


def _typical(expected: Floats) -> float:
    """Answers smaller than the model's usual ones are compared in absolute terms, and all at 1 at least so."""
    sizes = np.abs(expected[np.isfinite(expected)])
    return float(min(1.0, max(sizes.max(initial=0.0), SMALL)))


def compared_classes(
    tables: Sequence[Sequence[Label]], expected: Array, found: Array, ties: npt.NDArray[np.bool_]
) -> Compared:
    """Class indices, (rows,) or of several answers (rows, answers): a row is wrong where any is."""
    expected, found = expected.reshape(-1, len(tables)), found.reshape(-1, len(tables))

    def show(i: int) -> tuple[str, str]:
        at = int(np.argmax(found[i] != expected[i]))
        names, index = tables[at], int(found[i, at])
        return repr(names[int(expected[i, at])]), repr(names[index]) if 0 <= index < len(names) else f"index {index}"

    wrong = np.asarray((found != expected).any(axis=1))
    errors = wrong.astype(np.float64)
    return Compared("label", True, wrong, wrong, ties, errors, errors, 1.0, show)


def compared_numbers(
    name: str,
    expected: Floats,
    found: Array,
    accepted: npt.NDArray[np.bool_],
    rounding: Floats,
    tolerance: float,
    least: Floats | None = None,
) -> Compared:
    """Compared relative to their size, `least` at least; without that relative to their range.

    rounding  what the model's own sums may be off: of each row (rows,), or of each of its values (rows, values)
    """
    ranges = np.array([range_of(column[accepted]) for column in _apart(name, expected)])
    expected, real = expected.reshape(len(expected), -1), found.astype(np.float64).reshape(len(found), -1)
    rounding = rounding.reshape(len(rounding), -1)
    size = np.broadcast_to(ranges, expected.shape) if least is None else np.fmax(np.abs(expected), least)
    with np.errstate(all="ignore"):
        single = expected.astype(np.float32)  # what is beyond floats is infinite in C, and equal to that
        equal = (real == expected) | (np.isinf(single) & (real == single)) | (np.isnan(real) & np.isnan(expected))
        off = np.where(equal, 0.0, np.abs(real - expected))
        errors = (np.maximum(off - rounding, 0.0) / size).max(axis=1)  # NaN of one alone stays NaN, and is wrong
        differs = ~((off / size).max(axis=1) <= tolerance)

    def show(i: int) -> tuple[str, str]:
        at = int(np.argmax(np.nan_to_num(off[i] / size[i], nan=np.inf)))
        return f"{expected[i, at]:.9g}", f"{real[i, at]:.9g}"

    excused = np.asarray((rounding > PART * ranges).any(axis=1))
    worst = int(np.argmax((off[accepted] / ranges).max(axis=0, initial=0.0))) if len(ranges) > 1 else 0
    shown = off[:, worst] if len(ranges) > 1 else off.max(axis=1)
    return Compared(name, False, ~(errors <= tolerance), differs, excused, errors, shown, float(ranges[worst]), show)
