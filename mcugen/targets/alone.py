"""Models alone, without a framework: linked with the driver, as many to a program as fit, and run in the simulator."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mcugen.boards import Board
from mcugen.diagnostics import McugenError, error
from mcugen.ir import Array
from mcugen.targets import elf
from mcugen.targets.driver import Unit, driver_sources, pack_rows, piece_size, row_sizes, unpack_results, write_driver
from mcugen.targets.host import STRICT, compile_c, writing
from mcugen.targets.sketch import check_fit, too_large
from mcugen.targets.toolchain import RowsRun


@dataclass(frozen=True)
class Size:
    """What a unit takes, in bytes: all of its flash, its constant tables among it, and RAM."""

    flash: int = 0
    tables: int = 0
    ram: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(self.flash + other.flash, self.tables + other.tables, self.ram + other.ram)


@dataclass(frozen=True)
class Counted:
    """A finished program: what it handed over, and per call the cycles (or instructions), the stack in bytes and, where the
    core has a table of them, the modelled cycles.
    """

    results: bytes
    cycles: tuple[int, ...]
    stacks: tuple[int, ...]
    modelled: tuple[int, ...] = ()


class Alone(ABC):
    """How models alone become programs, on one kind of processor."""

    ends: Sequence[Path]  # the C that the driver needs on this processor, a main() in the first
    driver_size: Size  # of an empty driver
    optimise = "-Os"  # what sketches are compiled with
    row_size = Size(160)  # what the driver has for each model
    pieces = False  # whether it is served a streamed input row by row, because its memory may not hold all

    @abstractmethod
    def compiler(self, board: Board) -> tuple[Sequence[str], str]:
        """The C compiler with the options of the board's core, and the command that installs it."""

    @abstractmethod
    def options(self, board: Board) -> Sequence[str]:
        """The options that sketches are compiled with."""

    @abstractmethod
    def link_options(self, board: Board) -> Sequence[str]:
        """The linker's options."""

    @abstractmethod
    def fits(self, size: Size, board: Board) -> bool:
        """Whether a program of this size has room on the board."""

    @abstractmethod
    def simulate(self, program: Path, served: bytes, board: Board) -> Counted:
        """The program on the rows that are served to it, until it ends. E0702 where it crashes."""

    def check(self, program: Path, board: Board) -> None:
        """E0501 and E0502 where the linked program does not fit the board."""
        check_fit(program, board)

    # -- programs ----------------------------------------------------------------------------------------------------

    def link(self, units: Sequence[Unit], board: Board, folder: Path) -> Path:
        """All units and the driver as one program in `folder`. E0601, E0602; E0501 and E0502 where they do not fit."""
        return self._link(units, self._compile_units(units, board, folder), board, folder)

    def run_rows(self, units: Sequence[Unit], rows: Sequence[Sequence[Array]], board: Board) -> list[RowsRun]:
        """Every unit on its own rows: rows[i] are the inputs of units[i], each of shape (rows, *its own).

        Units that do not fit the board together go into several programs; names must differ. E0601, E0602, E0501, E0502
        from the building, E0604 where there is no room for it, E0702 where a program crashes.
        """
        with writing():
            made = tempfile.TemporaryDirectory(prefix="mcugen-alone-")
        with made as temporary:
            folder = Path(temporary)
            objects = self._compile_units(units, board, folder / "units")
            results: list[RowsRun] = []
            for group in self._groups([_size(o) for o in objects], board):
                here = folder / f"program{group.start}"
                program = self._link(units[group], objects[group], board, here)
                results += self.run_program(program, units[group], rows[group], board)
            return results

    def run_program(
        self, program: Path, units: Sequence[Unit], rows: Sequence[Sequence[Array]], board: Board
    ) -> Iterator[RowsRun]:
        """The models of a program that `link` made, each on its own rows. E0702 where it crashes."""
        counts = [len(inputs[0]) for inputs in rows]
        served = b"".join(
            count.to_bytes(4, "little") + pack_rows(unit.module, inputs)
            for unit, inputs, count in zip(units, rows, counts, strict=True)
        )
        done = self.simulate(program, served, board)
        if len(done.cycles) != sum(counts):
            message = f"the simulator counted {len(done.cycles):,} of {sum(counts):,} calls"
            raise error("E0702", message, help="this is a bug in mcugen: please report it")
        at = byte = 0
        for unit, count in zip(units, counts, strict=True):
            size = count * row_sizes(unit.module)[1]
            outputs = unpack_results(unit.module, done.results[byte : byte + size])
            calls = slice(at, at + count)
            yield RowsRun(outputs, done.cycles[calls], done.stacks[calls], done.modelled[calls])
            at, byte = at + count, byte + size

    # -- compiling ---------------------------------------------------------------------------------------------------

    @writing()
    def _compile_units(self, units: Sequence[Unit], board: Board, folder: Path) -> list[list[Path]]:
        """The objects of each unit, compiled on all processors."""
        folder.mkdir(parents=True, exist_ok=True)
        sources = write_driver(folder, units)
        own = [[s for s in sources if s.parent == folder / str(i)] for i in range(len(units))]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda source: self._compile(source, board), [s for unit in own for s in unit]))
        return [[s.with_suffix(".o") for s in unit] for unit in own]

    def _compile(self, source: Path, board: Board, *flags: str) -> Path:
        built = source.with_suffix(".o")
        include = {driver_sources(), *(end.parent for end in self.ends)}
        own = [f"-I{folder}" for folder in sorted(include)]
        self._gcc(board, *STRICT, *self.options(board), *flags, *own, "-c", str(source), "-o", str(built))
        return built

    @writing()
    def _link(self, units: Sequence[Unit], objects: Sequence[Sequence[Path]], board: Board, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        driver = write_driver(folder, units)[0]
        taken = [piece_size(unit.module) if self.pieces else row_sizes(unit.module)[0] for unit in units]
        given = [row_sizes(unit.module)[1] for unit in units]
        buffers = [f"-DMCUGEN_IN_BYTES={max(taken)}", f"-DMCUGEN_OUT_BYTES={max(given)}"]
        program = folder / "driver.elf"
        ends = [self._compile(Path(shutil.copy(end, folder)), board, *buffers) for end in self.ends]
        parts = [self._compile(driver, board), *(o for unit in objects for o in unit), *ends]
        options = self.link_options(board)
        self._gcc(board, "-Os", "-Wl,--gc-sections", *map(str, parts), "-o", str(program), *options, "-lm")
        self.check(program, board)
        return program

    def _gcc(self, board: Board, *args: str) -> None:
        command, install = self.compiler(board)
        found = shutil.which(command[0])
        if found is None:
            raise error("E0601", f"{command[0]} is not installed", help=f"install it: `{install}`")
        try:
            compile_c([found, *command[1:], *args], install=f"install it again: `{install}`")
        except McugenError as problem:
            notes = "\n".join(n for d in problem.diagnostics for n in d.notes)
            raise too_large(notes, board) or _too_old(found, install) or problem from problem

    def _groups(self, sizes: Sequence[Size], board: Board) -> Iterator[slice]:
        """Runs of units that fit the board together; one that fits nowhere is alone, so that its own error comes out."""
        start, total = 0, self.driver_size
        for i, size in enumerate(sizes):
            if i > start and not self.fits(total + size + self.row_size, board):
                yield slice(start, i)
                start, total = i, self.driver_size
            total = total + size + self.row_size
        yield slice(start, len(sizes))


OLDEST = {"avr-gcc": 5, "arm-none-eabi-gcc": 8, "riscv64-unknown-elf-gcc": 10}  # majors; the tests run 5, 12 and 12


def _too_old(program: str, install: str) -> McugenError | None:
    """E0601 where a compiler that failed is older than what mcugen is made for."""
    name = Path(program).name
    try:
        done = subprocess.run([program, "-dumpversion"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    major = re.match(r"\d+", done.stdout)
    if major is None or int(major.group()) >= OLDEST.get(name, 0):
        return None
    help = f"install version {OLDEST[name]} or newer: `{install}`"
    return error("E0601", f"{name} {done.stdout.strip()} is too old", help=help)


def _size(objects: Sequence[Path]) -> Size:
    every: Mapping[str, int] = {f"{o}:{name}": size for o in objects for name, size in elf.sections(o).items()}
    tables = sum(size for name, size in every.items() if ":.progmem" in name)
    ram = sum(size for name, size in every.items() if re.search(r":\.(data|bss)(?!\.memory)", name))
    return Size(sum(every.values()), tables, ram)
