"""The contract of a target: build, run in a simulator, flash, monitor, and what it can measure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mcugen.boards import Board


@dataclass(frozen=True)
class Build:
    """A linked program. Bytes of the whole ELF, and of the model's own part of it (its symbols)."""

    elf: Path
    platform: str  # which PlatformIO platform built it: "registry" or "system"
    flash: int
    ram: int
    model_flash: int
    model_ram: int
    log: str


@dataclass(frozen=True)
class Run:
    """A run in a simulator: what came over serial, and per prediction the cycles; deepest stack and SRAM peak in bytes."""

    serial: bytes
    results: bytes
    cycles: tuple[int, ...]
    stack: int
    sram_peak: int


class Toolchain(Protocol):
    """What a target can do with a generated project. A step that a board does not have raises E0901."""

    measures: tuple[str, ...]  # of "cycles", "instructions", "stack", "sram_peak"

    def build(self, project: Path, board: Board) -> Build:
        """Build a PlatformIO project; E0602 with the compiler's own words where it fails."""
        ...

    def run(self, build: Build, board: Board, rows: bytes = b"") -> Run:
        """Run the program in the board's simulator, feeding it `rows`."""
        ...

    def flash(self, project: Path, board: Board, port: str) -> str:
        """Upload over `port`; returns the uploader's log. E0704 where the board does not take it."""
        ...

    def monitor(self, port: str, board: Board) -> Iterator[str]:
        """The lines that the board sends."""
        ...
