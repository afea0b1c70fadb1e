"""How the integers of points are kept in flash: as they are, or as bytes that say which of their feature's few levels each is.

coding    in flash                           a distance                        where
plain     the integers                       differences                       always
levels    bytes, and the levels of features  the same, of the level            few levels
terms     the same                           a sum of what each level of a     few levels, room for a table on the stack;
                                             feature adds, once worked out     products are calls, and sums of 64 bits are not
products  the integers, each point's square  the squares of both less twice    products of 64 bits in one instruction
                                             their product

All give the same integers: a distance is the same in every one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from mcugen.boards import Board, Numeric
from mcugen.fixed import WIDTHS, Integers, Width

Coding = Literal["plain", "levels", "terms", "products"]

MOST_LEVELS = 256  # that a byte tells apart
ROOM_FOR_TERMS = 3  # they may take one part in so many of the free RAM


@dataclass(frozen=True, eq=False)
class Codes:
    """For each coordinate which level of its feature it is, (points, features), and the levels (features, most), ascending; a
    feature with fewer repeats its last.
    """

    places: Integers
    levels: Integers

    @cached_property
    def most(self) -> int:
        """Levels that a feature has at most."""
        return int(self.levels.shape[1])

    def nbytes(self, width: Width) -> int:
        """Bytes of both tables in flash."""
        return self.places.size + self.levels.size * width // 8


def codes_of(points: Integers) -> Codes | None:
    """The codes of points (points, features); None where a feature has more levels than a byte tells apart."""
    columns = [np.unique(column, return_inverse=True) for column in points.T]
    most = max(len(levels) for levels, _ in columns)
    if most > MOST_LEVELS:
        return None
    levels = np.stack([np.pad(found, (0, most - len(found)), mode="edge") for found, _ in columns])
    return Codes(np.stack([places.ravel() for _, places in columns], axis=1), levels)


def form_of(numeric: Numeric, coding: Coding) -> str:
    """What a form is called."""
    return numeric if coding == "plain" else f"{numeric} {coding}"


def width_of(form: str) -> Width:
    """The width of a form's integers."""
    return WIDTHS[form.split(" ")[0]]  # type: ignore[index]  # a form begins with a Numeric


def coding_of(form: str) -> Coding:
    """How a form keeps its points."""
    return form.partition(" ")[2] or "plain"  # type: ignore[return-value]  # what form_of has put there


def codings(points: Integers, width: Width, board: Board, term: int) -> Iterator[Coding]:
    """Those that points of a width may have on a board, where a term has so many bytes; smaller or faster than plain ones."""
    yield "plain"
    codes = codes_of(points) if width > 8 else None
    if codes is None or codes.nbytes(width) >= points.size * width // 8:
        return
    yield "levels"
    if not board.long_product and not board.progmem and term * codes.levels.size * ROOM_FOR_TERMS <= board.ram_free:
        yield "terms"
