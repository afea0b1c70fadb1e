"""What the size of a forest's branches depends on where registers have 32 bits: constants, loads and jumps of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from mcugen.ops.tree_ensemble.layout import Line
from mcugen.ops.tree_ensemble.splits import WITH_UNIT

Isa = Literal["thumb", "thumb2", "riscv", "xtensa"]
NEAR_FEATURE = 32  # x[31] is the last that a short load reaches
REACH = {"thumb": 250, "thumb2": 250, "riscv": 4_000, "xtensa": 2_000}  # bytes that a short conditional jump reaches
FEW = 4  # leaves of so few codes share their code with others
CODES = {"thumb": (255, 510), "thumb2": (255,), "riscv": (31, 2_047), "xtensa": (95, 2_047)}  # of each length of code
SPLIT, LEAF = 18, 4  # bytes, about


def part_features(part: list[Line], isa: Isa, wide: str, unit: bool) -> Iterator[str]:
    """The features of one function whose leaves have codes of so many bits, with or without a unit that compares floats: a word
    for each thing that takes bytes.
    """
    yield "function"
    place = _places(part)
    leaves = [line.code for line in part if line.feature < 0 and line.part < 0]
    yield from (f"leaf{wide} {_size(code, isa)}" for code in leaves)
    few = len({*leaves})
    if not wide.startswith(" added"):
        yield from (f"one of {few}" for _ in leaves if few <= FEW)
    ends = [line.feature < 0 for line in part]
    yield from ("pair" for i, line in enumerate(part) if not ends[i] and ends[i + 1] and ends[line.target])
    yield from (f"codes{wide} {_size(code, isa)}" for code in {*leaves})
    splits = [(here, line) for here, line in zip(place, part, strict=True) if line.feature >= 0]
    yield from ("jump" for line in part if line.feature < 0 and line.part >= 0)
    yield from ("literal" for _ in {line.bits for _, line in splits if not is_immediate(line.bits, isa)})
    yield from (f"missing {kind}" for kind in {_kind(line, unit) for _, line in splits})
    above = _above(part)
    for i, line in enumerate(part):
        if line.feature < 0:
            continue
        kind = _kind(line, unit)
        yield f"split {kind}"
        if line.feature >= NEAR_FEATURE:
            yield "far"
        if is_immediate(line.bits, isa):
            yield "immediate"
        if place[line.target] - place[i] > REACH[isa]:
            yield "long"
        if line.feature in above[i]:
            yield "again"


def is_immediate(bits: int, isa: Isa) -> bool:
    """Whether an instruction has room for the constant."""
    if isa == "riscv":
        return bits & 0xFFF == 0
    if isa == "xtensa":
        return bits < 2048
    lowest = bits & -bits
    return bits < 256 * max(lowest, 1)


def _size(code: int, isa: Isa) -> str:
    return f"to {next((most for most in CODES[isa] if code <= most), 'any')}"


def _kind(line: Line, unit: bool) -> str:
    by_bits = "bits " if unit and WITH_UNIT.takes(line) else ""
    return by_bits + ("N" if line.negative else "") + line.missing


def _places(part: list[Line]) -> list[int]:
    place, at = [], 0
    for line in part:
        place.append(at)
        at += SPLIT if line.feature >= 0 else LEAF
    return place


def _above(part: list[Line]) -> list[frozenset[int]]:
    """For every line the features that splits above it have loaded."""
    found = [frozenset[int]()] * len(part)
    for i, line in enumerate(part):
        if line.feature >= 0:
            found[i + 1] = found[line.target] = found[i] | {line.feature}
    return found


def deepest(parts: list[list[Line]]) -> list[int]:
    """The splits of a tree's functions that run one inside the other, of those that have the most."""
    inside: list[list[int]] = [[] for _ in parts]
    for number in reversed(range(len(parts))):
        below = max((inside[line.part] for line in parts[number] if line.part >= 0), key=sum, default=[])
        inside[number] = [sum(line.feature >= 0 for line in parts[number]), *below]
    return inside[0]
