"""Where generated C runs: this computer, and boards through their toolchains."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from mcugen.diagnostics import error

if TYPE_CHECKING:
    from mcugen.boards import Board
    from mcugen.targets.toolchain import Toolchain

_MODULES = {  # a board's arch: the module here that has its `toolchain`
    "avr": "avr",
    "cortex-m0plus": "cortexm",
    "cortex-m3": "cortexm",
    "cortex-m4f": "cortexm",
    "cortex-m7": "cortexm",
    "riscv32": "riscv",
    "xtensa": "xtensa",
}


def toolchain_for(board: Board) -> Toolchain:
    """The toolchain that builds, simulates and flashes for the board. E0901 for `host`, which is no board."""
    module = _MODULES.get(board.arch)
    if module is None:
        raise error(
            "E0901",
            f"there is nothing to build, simulate or flash for {board.title}",
            help="`compile` and `verify --on host` work for it; for the rest name a board, `mcugen boards` lists them",
        )
    return cast("Toolchain", import_module(f"{__name__}.{module}").toolchain)
