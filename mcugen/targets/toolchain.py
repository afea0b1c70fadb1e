"""The contract of a target: build, run in a simulator, flash, monitor, and what it can measure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mcugen.boards import Board
from mcugen.ir import Array

if TYPE_CHECKING:
    from mcugen.targets.driver import Unit
    from mcugen.targets.link import Line


@dataclass(frozen=True)
class Build:
    """A linked program. Bytes of the whole ELF, and of the model's own part of it (its symbols); `arenas`: of its arrays in memories that
    have names.
    """

    elf: Path
    platform: str  # which PlatformIO platform built it: "registry" or "system"
    flash: int
    ram: int
    model_flash: int
    model_ram: int
    log: str
    arenas: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A program's run in a simulator: what came over serial, the cycles (or instructions) it took, and the most SRAM in use.

    SRAM in bytes; 0 of either where nothing counts. `modelled` are cycles by the core's table, 0 where it has none.
    """

    serial: bytes
    cycles: int
    sram_peak: int
    modelled: int = 0


@dataclass(frozen=True, eq=False)
class RowsRun:
    """One model's rows in a simulator: its outputs (rows, *its own), and per row the cycles (or instructions) and the stack of the call.

    `modelled` are cycles by the core's table, where instructions are what is counted; empty where it has none.
    """

    outputs: list[Array]
    cycles: tuple[int, ...]
    stacks: tuple[int, ...]  # bytes, the return address included
    modelled: tuple[int, ...] = ()


class Toolchain(Protocol):
    """What a target can do with a generated project. A step that a board does not have raises E0901."""

    @property
    def unit(self) -> str:
        """What its simulator counts: "cycles" or "instructions"."""
        ...

    def build(self, project: Path, board: Board, model: str) -> Build:
        """Build a PlatformIO project that holds the model `model`.

        E0602 with the compiler's own words where it fails, E0501 and E0502 where the program does not fit the board.
        """
        ...

    def run(self, program: Path, board: Board, rows: bytes = b"") -> Run:
        """Run a sketch's ELF in the board's simulator and send it `rows` over serial, until it has fallen silent."""
        ...

    def talk(self, program: Path, board: Board) -> AbstractContextManager[Line]:
        """The serial line of a sketch's ELF in the board's simulator, from reset on until the block is left. E0702 where it crashes."""
        ...

    def run_rows(self, units: Sequence[Unit], rows: Sequence[Sequence[Array]], board: Board) -> list[RowsRun]:
        """Every model on its own rows in the board's simulator, without a framework: rows[i] are the inputs of units[i]."""
        ...

    def link(self, units: Sequence[Unit], board: Board, folder: Path) -> Path:
        """Models alone, without a framework, as one program that `run_program` runs; its ELF."""
        ...

    def run_program(
        self, program: Path, units: Sequence[Unit], rows: Sequence[Sequence[Array]], board: Board
    ) -> Iterator[RowsRun]:
        """The models of a program that `link` made, each on its own rows."""
        ...

    def flash(self, project: Path, board: Board, port: str) -> str:
        """Upload over `port`; returns the uploader's log. E0703 without the port, E0704 where the board does not take it."""
        ...

    def monitor(self, port: str, board: Board) -> Iterator[str]:
        """The lines that the board sends, without their ends. E0703 without the port, or when it goes."""
        ...
