"""What the whole program takes: the framework, the generated sketch and the model, as the ELF of `mcugen build` has them.

firmware.json has, for each architecture, what an empty sketch takes on mcugen's own PlatformIO platform, what the generated
sketch adds, as weights of the features below, and the code of the function that gives labels. `python
benchmarks/firmware.py` fits it to sketches that it builds. On AVR mcugen's platform has the Arduino core itself: there the
empty sketch is the board's `framework_flash` and `framework_ram`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mcugen.boards import Arch, Board
from mcugen.interface import Does, LabelFunction, feed_of, label_function, signature
from mcugen.ir import DType, Module, Storage
from mcugen.op import Op
from mcugen.report.figure import Figure

FILE = Path(__file__).with_name("firmware.json")
AVR_LABELS = {
    "index": 10,
    "strings": 46,
    "8": 36,
    "16": 40,
    "32": 50,
    "64": 136,
}  # code of the function, by avr-gcc -Os


@dataclass(frozen=True)
class Facts:
    """The features of a sketch that its flash and its static RAM depend on."""

    flash: Mapping[str, float]
    ram: Mapping[str, float]


@dataclass(frozen=True)
class Share:
    """Bytes of a program that are not the model's: framework and sketch. None where it is not known."""

    flash: int | None
    ram: int | None


@dataclass(frozen=True)
class Firmware:
    """A whole program: flash, and static RAM without the stack.

    Its sketch has no row to try when it starts, as `mcugen compile` without --data and `mcugen build` write it; `run` and
    `flash` add one, 4 B of flash a feature and the call.
    """

    platform: str
    flash: Figure
    ram: Figure


GIVES = {"values": "transform", "labels": "transform"}  # whose sketch is made of the same text


def facts_of(module: Module, *, sample: bool = False) -> Facts:
    """The features of the sketch of a module; `sample` where it has a row to try when it starts."""
    graph = module.predict
    labels, does = label_function(module), signature(module, graph).does
    gives = f"gives {GIVES.get(does, does)}"
    taken, given = graph.of(Storage.INPUT), graph.of(Storage.OUTPUT)
    said = label_kind(labels) if labels else "none"
    prints = f"labels {'text' if said == 'strings' else 'wide' if said == '64' else 'int'}"
    rows = sum(v.type.nbytes for v in taken)
    # a sketch that reads no floats has none of the C library's data for that; one that prints none either, none of its code
    whole_numbers = {"whole numbers": 1.0} if taken[0].type.dtype is not DType.F32 else {}
    no_floats = {"no floats": 1.0} if whole_numbers and does == "label" else {}
    flash = {
        "base": 1.0,
        gives: 1.0,
        prints if labels else "no labels": 1.0,
        **whole_numbers,
        **no_floats,
        "name": float(len(module.name)),
        **{f"sums {kind}": 1.0 for node in graph.nodes for kind in node.op.sums() or _own(node.op, does)},
    }
    if sample:
        flash |= {"sample": 1.0, "sample bytes": float(rows)}
    answers = sum(v.type.nbytes for v in given if v.type.shape)
    feed = feed_of(module, graph)
    held = rows // feed.rows * feed.streamed if feed else rows
    ram = {"base": 1.0, gives: 1.0, "bytes": float(held + answers), **whole_numbers}
    return Facts(flash, ram)


def _own(op: Op, does: Does) -> tuple[str, ...]:
    """Of an op that says nothing of its arithmetic: that it is there, what it gives, and whether it needs math.h for that."""
    return op.name, f"{op.name} {does}", *(f"{op.name} {header}" for header in op.includes if header == "math.h")


def label_kind(labels: LabelFunction) -> str:
    """The code of a label function depends on this: index, strings, or the bits of an integer."""
    return str(labels.bits) if labels.kind == "integers" else labels.kind


def label_bytes(labels: LabelFunction, board: Board) -> int:
    """Flash of the function that gives labels, and of its table."""
    known = AVR_LABELS | _table(board.arch).get("labels", {})
    return int(known[label_kind(labels)]) + labels.nbytes


def sketch_share(module: Module, arch: Arch, *, sample: bool = False) -> Share:
    """What the generated sketch adds to an empty one; unknown where no such sketch was ever built."""
    table, facts = _table(arch), facts_of(module, sample=sample)
    silent = [f"sums {node.op.name}" for node in module.predict.nodes if not node.op.sums()]
    decisive = [name for name in facts.flash if name.startswith("gives") or name == "whole numbers"]
    if not table or any(name not in table["flash"] for name in (*decisive, *silent)):
        return Share(None, None)
    return Share(_dot(table["flash"], facts.flash), _dot(table["ram"], facts.ram))


def empty_share(board: Board, platform: str) -> Share:
    """What an empty sketch takes with a platform: "system" (mcugen's own) or "registry" (the board's framework)."""
    if platform == "registry" or board.arch == "avr":
        return Share(board.framework_flash, board.framework_ram)
    found = _table(board.arch).get("empty")
    return Share(found["flash"], found["ram"]) if found else Share(None, None)


def whole(
    module: Module, board: Board, flash: int, static: int, platform: str = "system", *, sample: bool = False
) -> Firmware:
    """The program whose model takes `flash` and `static` bytes; figures unknown where framework or sketch are."""
    empty, sketch = empty_share(board, platform), sketch_share(module, board.arch, sample=sample)
    return Firmware(
        platform,
        Figure.of(_sum(empty.flash, sketch.flash, flash)),
        Figure.of(_sum(empty.ram, sketch.ram, static)),
    )


def _sum(*parts: int | None) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _dot(weights: Mapping[str, float], features: Mapping[str, float]) -> int:
    return round(sum(weights.get(name, 0.0) * value for name, value in features.items()))


@cache
def _table(arch: Arch) -> Mapping[str, Any]:
    found: Mapping[str, Mapping[str, Any]] = json.loads(FILE.read_text()) if FILE.is_file() else {}
    return found.get(arch, {})
