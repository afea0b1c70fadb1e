"""How a split is written as a branch: the macro that compares, and the pointer that it reads from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mcugen.ops.tree_ensemble.layout import Line

WINDOW = 16  # floats that an AVR reads from one pointer with an offset
POINTERS = 2  # of its three pointers, those that can have an offset


@dataclass(frozen=True)
class Splits:
    """The splits over floats that are compared by their bits, of one model.

    halves    whether the upper 16 bits are compared first (AVR)
    unit      whether there is a unit for floats, which compares those that it is quicker with
    windows   pointers into the row from which all features are read with an offset (AVR); 0 where there are too many features
    """

    halves: bool
    windows: int
    unit: bool = False

    def takes(self, line: Line) -> bool:
        """Whether a split compares bits. A unit takes one comparison, whatever comes, and two steps more than one of integers:
        these are quicker where no NaN comes, or where most rows jump at once and only others are asked whether they are NaN.
        """
        return not self.unit or line.missing == "X" or (line.missing == "R" and not line.likely)

    def macro(self, line: Line) -> str:
        """The name of the macro of a split: N for a negative threshold, where NaN goes, and how it is read and compared."""
        name = f"{'N' if line.negative else ''}{line.missing}"
        if self.halves:
            last = line.bits & 0xFFFF == (0 if line.negative else 0xFFFF)
            rare = not line.likely or line.bits >> 16 == 0  # every number is at least 0: compilers warn
            name += "_HIGH" if last else "_RARE" if rare else ""
        return f"{name}{'_NEAR' if self.windows else ''}"

    def pointer(self, line: Line) -> str:
        """The pointer from which a split reads its feature."""
        return "upper" if self.windows and line.feature >= WINDOW else "x"

    def place(self, line: Line) -> int:
        """The feature's place from there."""
        return line.feature % WINDOW if self.windows else line.feature

    def needs_upper(self, lines: Iterator[Line] | list[Line]) -> bool:
        """Whether a function with these lines reads from the second pointer."""
        return any(self.pointer(line) == "upper" for line in lines)


WITH_UNIT = Splits(halves=False, windows=0, unit=True)


def windows(n_features: int, n_trees: int) -> int:
    """How many pointers AVR's branches read a row from; a second one is worth its registers where there are several trees."""
    needed = -(-n_features // WINDOW)
    return needed if needed <= (POINTERS if n_trees > 1 else 1) else 0
