"""What the size of branches depends on where registers have 8 bits: which bytes of a threshold are 0, and how x is reached."""

from __future__ import annotations

from collections.abc import Iterator

from mcugen.ops.tree_ensemble.layout import Line
from mcugen.ops.tree_ensemble.splits import WINDOW, Splits

SHORT_JUMP = 126  # bytes that a conditional jump reaches
SPLIT, HALVES, LEAF = 30, 36, 6  # bytes, about


def part_features(part: list[Line], wide: str, splits: Splits) -> Iterator[str]:
    """The features of one function whose leaves have codes of so many bits."""
    yield "function"
    if splits.needs_upper(part):
        yield "upper"
    at, place = 0, []
    for line in part:
        place.append(at)
        at += (HALVES if splits.halves else SPLIT) if line.feature >= 0 else LEAF
    yield from (f"codes{wide}" for _ in {line.code for line in part if line.feature < 0 and line.part < 0})
    for here, line in zip(place, part, strict=True):
        if line.feature >= 0:
            yield from _split_features(line, splits, place[line.target] - here)
        elif line.part >= 0:
            yield "jump"
        else:
            yield f"leaf{wide}" if line.code else f"leaf{wide} 0"


def _split_features(line: Line, splits: Splits, distance: int) -> Iterator[str]:
    kind = kind_of(line, splits)
    yield f"split {kind}"
    if not splits.windows:
        yield f"addressed{' far' if line.feature >= WINDOW else ''}"
    if distance > SHORT_JUMP:
        yield "long"
    if splits.halves:
        if line.bits & 0xFFFF:
            yield "low"
        if line.bits & 0xFF:
            yield "lowest"
        return
    compared = line.bits if line.negative else line.bits + 1  # x > t is compared as x >= t + 1
    yield from (f"byte {i} {kind}" for i in (0, 1, 2) if (compared >> (8 * i)) & 0xFF)


def kind_of(line: Line, splits: Splits) -> str:
    """What decides how a split is compared."""
    return splits.macro(line).replace("_NEAR", "").replace("_", " ")
