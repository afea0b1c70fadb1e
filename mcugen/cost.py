"""What an op costs on a board, before anything is built: what its C is made of (`Op.work`), each part with a measured weight.

The weights of an architecture are in costs/<arch>.json, by op, figure and part; `python -m benchmarks.cost_ops` fits them to
linked programs that a simulator has run. Tables are not estimated but counted. AVR's cycles are cycles; on Cortex-M and
RISC-V they are instructions. Xtensa has no simulator: its flash and stack are those of the LX106's compiler, its cycles are
not known. Trees have a model of their own, mcugen/ops/tree_ensemble/cost.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from mcugen.boards import Arch, Board
from mcugen.op import ORDINARY, ORDINARY_ON_AVR, Cost, Work

Weights = Mapping[str, Mapping[str, Mapping[str, float]]]  # op -> figure -> part -> weight
FOLDER = Path(__file__).parent / "costs"
FIGURES = ("code", "runs", "stack")
SHORT_RETURNS = (
    3  # bytes: calls are three deep, and a return address has 2 bytes up to 128 KiB, 3 where it was measured
)
UNKNOWN_AS: Arch = "riscv32"  # whose numbers stand in where an architecture has none of its own
_SAME: Mapping[Arch, Arch] = {"cortex-m7": "cortex-m4f", "host": "cortex-m4f"}


def estimate(op: str, work: Work, board: Board) -> Cost:
    """Flash of code and tables, cycles (or instructions) of a call, stack."""
    own, near = weights(board.arch).get(op, {}), (work.tables - work.far) * board.progmem
    if not own and op not in weights(
        UNKNOWN_AS
    ):  # nobody has measured it: an ordinary kernel, and the tables that it has
        ordinary = ORDINARY_ON_AVR if board.arch == "avr" else ORDINARY
        return Cost(ordinary[0] + work.tables, *ordinary[1:], counted=False, near=near)
    code, runs, stack = (_dot(own.get(f) or _instead(op, f), getattr(work, f)) for f in FIGURES)
    if board.arch == "avr" and board.flash <= 1 << 17:
        stack -= SHORT_RETURNS
    sizes = own.get("code") or _instead(op, "code")
    shared = {name: round(_dot(sizes, {name: count})) for name, count in work.shared.items()}
    counted = bool(own.get("runs"))
    return Cost(round(code) + work.tables, max(1, round(runs)), max(0, round(stack)), counted, shared, near)


def _instead(op: str, figure: str) -> Mapping[str, float]:
    return weights(UNKNOWN_AS).get(op, {}).get(figure, {})


def _dot(weights: Mapping[str, float], parts: Mapping[str, float]) -> float:
    return sum(weights.get(name, 0.0) * count for name, count in parts.items())


@cache
def weights(arch: Arch) -> Weights:
    """The weights of an architecture, or of the one whose code is most like its."""
    file = FOLDER / f"{_SAME.get(arch, arch)}.json"
    found: Weights = json.loads(file.read_text()) if file.is_file() else {}
    return found
