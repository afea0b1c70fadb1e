"""What a tree ensemble costs on a board, before anything is built: sums of features, each with a measured weight.

The weights of an architecture are in cost_<arch>.json, fitted by `python -m benchmarks.cost_model`, which uses the same
features. The tables' bytes are not estimated but counted. AVR's cycles are cycles; on Cortex-M and RISC-V they are
instructions, which is what QEMU counts. Xtensa has no simulator here: its cycles are not known, and its flash and
stack are RISC-V's until they are fitted to the LX106's compiler (the same base instructions with the call0 ABI).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mcugen.boards import Arch, Board
from mcugen.ir import DType
from mcugen.op import Cost
from mcugen.ops.tree_ensemble.code import Features, code_features, least_code, near_bytes, stack_features, table_bytes
from mcugen.ops.tree_ensemble.cycles import cycle_features

if TYPE_CHECKING:
    from mcugen.ops.tree_ensemble import TreeEnsemble

Weights = Mapping[str, Mapping[str, float]]  # figure -> feature -> weight
SHORT_RETURNS = (
    3  # bytes: three calls deep, and a return address has 2 bytes up to 128 KiB, 3 where the weights were fitted
)
WINDOWS = 96  # bytes: three calls deep, and the ESP32's windowed calls save up to 32 B each where the LX106 saves none
FORMS_AS: Arch = "riscv32"  # whose instructions tell the forms apart where an architecture's own cycles are not known
_SAME: Mapping[Arch, Arch] = {"cortex-m7": "cortex-m4f", "host": "cortex-m4f"}


def estimate(op: TreeEnsemble, form: str, board: Board) -> Cost:
    """Flash of code and tables, cycles (or instructions) of one call, stack: for the expected rows (see Trees.visits)."""
    found = weights(board.arch)
    counted = "cycles" in found
    ran = found if counted else weights(FORMS_AS)
    code = max(dot(found["flash"], op, form, code_features(op, form, board.arch)), least_code(op, form))
    flash = code + table_bytes(op, form, board.arch)
    cycles = dot(ran["cycles"], op, form, cycle_features(op, form, board.arch))
    stack = dot(found["stack"], op, form, stack_features(op, form, board.arch)) + _calls(board)
    near = near_bytes(op, form) if board.progmem else 0
    return Cost(max(0, round(flash)), max(1, round(cycles)), max(0, round(stack)), counted, near=near)


def known(form: str, x: DType, arch: Arch) -> bool:
    """Whether the form was measured there: Xtensa compares no floats as RISC-V has no unit for them."""
    return kind_of(form, x) in _measured(arch)


@cache
def _measured(arch: Arch) -> frozenset[str]:
    return frozenset(name[name.rindex("(") + 1 : -1] for name in weights(arch)["flash"] if name.endswith(")"))


def kind_of(form: str, x: DType) -> str:
    """The name under which a form has weights of its own: rows of integers have their own, too, far tables those of near ones."""
    return f"{form.removesuffix('_far')} {x.short}"


def dot(weights: Mapping[str, float], op: TreeEnsemble, form: str, features: Features) -> float:
    """The sum of all features, each with what it weighs in all forms and what more in this one; one that no measured model had
    counts nothing.
    """
    own = kind_of(form, op.x)
    return sum((weights.get(n, 0.0) + weights.get(f"{n} ({own})", 0.0)) * value for n, value in features.items())


def _calls(board: Board) -> int:
    """Bytes of stack that calls take on the board, more than where the weights were fitted."""
    if board.arch == "xtensa":
        return WINDOWS
    return -SHORT_RETURNS if board.arch == "avr" and board.flash <= 1 << 17 else 0


@cache
def weights(arch: Arch) -> Weights:
    """The weights of an architecture, or of the one whose code is most like its."""
    file = Path(__file__).parent / f"cost_{_SAME.get(arch, arch)}.json"
    return json.loads(file.read_text())  # type: ignore[no-any-return]
