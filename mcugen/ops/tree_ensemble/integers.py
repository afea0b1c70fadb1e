"""What branches on integers and the search for ranks depend on, on every processor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log2
from typing import Literal

import numpy as np

from mcugen.ops.tree_ensemble.layout import Line
from mcugen.ops.tree_ensemble.ranks import Ranks

Isa = Literal["avr", "thumb", "thumb2", "riscv", "xtensa"]
NEAR: Mapping[Isa, int] = {"avr": 63, "thumb": 31, "thumb2": 31, "riscv": 2_047, "xtensa": 255}  # bytes a load reaches
REACH: Mapping[Isa, int] = {"avr": 126, "thumb": 250, "thumb2": 250, "riscv": 4_000, "xtensa": 2_000}
SHORT: Mapping[Isa, int] = {
    "avr": 65_535,
    "thumb": 255,
    "thumb2": 255,
    "riscv": 31,
    "xtensa": 95,
}  # a constant's first size
SPLIT, LEAF = 7, 5  # bytes, about


def part_features(part: list[Line], isa: Isa, width: int, wide: str) -> Iterator[str]:
    """The features of one function over integers of so many bytes, its leaves of so many bits: a word for each thing that takes bytes."""
    yield "function"
    place, at = [], 0
    for line in part:
        place.append(at)
        at += SPLIT * width if line.feature >= 0 else LEAF
    leaves = [line.code for line in part if line.feature < 0 and line.part < 0]
    size = {code: "" if wide.startswith(" added") and isa == "avr" else f" {_size(code, isa)}" for code in leaves}
    yield from (f"leaf{wide}{size[code]}" for code in leaves)
    yield from (f"codes{wide}{size[code]}" for code in size)
    yield from ("jump" for line in part if line.feature < 0 and line.part >= 0)
    for here, line in zip(place, part, strict=True):
        if line.feature >= 0:
            yield "split"
            yield from _more(line, place[line.target] - here, isa, width)


def _more(line: Line, distance: int, isa: Isa, width: int) -> Iterator[str]:
    if line.feature * width > NEAR[isa]:
        yield "far"
    if distance > REACH[isa]:
        yield "long"
    if line.threshold > SHORT[isa] or line.threshold < 0:
        yield "large"


def _size(code: int, isa: Isa) -> str:
    return "short" if code <= SHORT[isa] else "even" if code & 0xFF == 0 else "long"


def search_code(ranks: Ranks) -> dict[str, float]:
    """The features of the code that finds ranks."""
    return {
        "ranks": 1.0,
        f"ranks of {ranks.x.short} by {ranks.key_bytes}": 1.0,
        f"ranks in lists {bool(ranks.counts)}": 1.0,
        f"ranks listed {bool(ranks.features)}": 1.0,
    }


def search_cycles(ranks: Ranks) -> dict[str, float]:
    """What finding ranks takes: something for each feature and each step of a search."""
    kind = f"{ranks.x.short} by {ranks.key_bytes}"
    counts = np.array(ranks.counts) if ranks.counts else np.full(ranks.used, len(ranks.keys))
    return {
        f"ranked {kind}": float(ranks.used),
        f"ranked in lists {bool(ranks.counts)}": float(ranks.used),
        f"ranked listed {bool(ranks.features)}": float(ranks.used),
        f"steps {kind}": float(sum(log2(n + 1) for n in counts.tolist())),
    }
