"""8-bit AVR: projects built and flashed through PlatformIO, and models alone compiled by avr-gcc; both run under simavr."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mcugen.boards import Board
from mcugen.diagnostics import McugenError, error
from mcugen.ir import Array
from mcugen.targets import elf
from mcugen.targets.driver import Unit, driver_sources, pack_rows, row_sizes, unpack_results, write_driver
from mcugen.targets.host import STRICT, compile_c, writing
from mcugen.targets.platformio import PINNED, PioResult, choose_platform, run_pio
from mcugen.targets.serial import monitor, unusable
from mcugen.targets.simavr import PACKAGES, SimResult, simulate
from mcugen.targets.toolchain import Build, RowsRun, Run

# As the Arduino core compiles, but for -flto: the model's part is read from its own object here.
CODE = ("-Os", "-ffunction-sections", "-fdata-sections", "-ffp-contract=off")

# The tables of templates/ops/tree_ensemble that are read through far addresses.
FAR_TABLE = re.compile(r"_far_\d+(\.|$)")
NEAR = 1 << 16  # what a 16-bit address reaches: every table must end below
BUILD_SECONDS = 600.0
QUIET_SECONDS = 2.0  # of simulated time without a byte: the sketch has answered everything


@dataclass(frozen=True)
class Avr:
    """The toolchain of every AVR board."""

    def build(self, project: Path, board: Board, model: str) -> Build:
        """`pio run` for the board's environment. E0602 with the compiler's words, E0501 and E0502 where it does not fit."""
        done = _pio(project, board)
        program = project / ".pio" / "build" / board.name / "firmware.elf"
        if done.returncode != 0:
            raise _too_large(done.output, board) or _build_failed(done.output)
        _check_fit(program, board)
        _check_near(program, board)
        used = elf.usage(program)
        flash, ram = model_part(program, model)
        return Build(program, done.platform, used.flash, used.ram, flash, ram, done.output)

    def run(self, build: Build, board: Board, rows: bytes = b"") -> Run:
        """The firmware under simavr, from reset until it has answered all of `rows` and is silent. E0702 for a crash."""
        quiet = int(QUIET_SECONDS * board.clock)
        done = simulate(
            build.elf, mcu=board.mcu, freq=board.clock, uart_in=rows, quiet=quiet, lines=True, limit=_ENDLESS
        )
        _check_end(done, ("quiet", "sleep", "exit"))
        return Run(done.serial, done.total_cycles, done.sram_peak)

    def run_rows(self, units: Sequence[Unit], rows: Sequence[Sequence[Array]], board: Board) -> list[RowsRun]:
        """The models alone under simavr, as many to a program as fit."""
        return run_rows(units, rows, board)

    def flash(self, project: Path, board: Board, port: str) -> str:
        """`pio run -t upload`. E0703 without the port, E0704 with avrdude's words, E0602 where it does not even build."""
        done = _pio(project, board, "-t", "upload", "--upload-port", port)
        if done.returncode != 0:
            raise _too_large(done.output, board) or _upload_failed(done.output, board, port)
        return done.output

    def monitor(self, port: str, board: Board) -> Iterator[str]:
        """The lines that come over the serial port, for as long as it is there."""
        return monitor(port)


toolchain = Avr()
_ENDLESS = 1 << 62  # cycles: the simulator's limit in seconds decides

# ---- PlatformIO -----------------------------------------------------------------------------------------------------


def _pio(project: Path, board: Board, *args: str) -> PioResult:
    pinned = board.platformio.platform if board.platformio else PINNED
    return run_pio(project, ["-e", board.name, *args], timeout=BUILD_SECONDS, platform=choose_platform(pinned))


def model_part(program: Path, model: str) -> tuple[int, int]:
    """Flash and static RAM, in bytes, of all that a linked program has of a model: the symbols that begin with its name."""
    own = re.compile(rf"(_ZL?\d+)?{re.escape(model)}_")  # with C++'s mangling where a header was included by C++
    flash = ram = 0
    for symbol in elf.symbols(program):
        if own.match(symbol.name):
            flash += symbol.size if symbol.section not in (".bss", ".noinit") else 0
            ram += symbol.size if symbol.section in (".data", ".bss", ".noinit") else 0
    return flash, ram


def _build_failed(output: str) -> McugenError:
    said = _lines(output, _ERROR)
    return error(
        "E0602",
        "PlatformIO could not build the project",
        help="the notes are the compiler's own words; with nothing of your own in the project this is a bug, please report it",
        notes=said[-8:] or output.strip().splitlines()[-8:],
    )


_ERROR = re.compile(r"error|undefined reference|Unknown|not found|No such file", re.IGNORECASE)
_OVERFLOW = re.compile(r"is greater than maximum allowed|not fit in region|overflowed by|is not within region")


def _lines(output: str, pattern: re.Pattern[str]) -> list[str]:
    return [line.strip() for line in output.splitlines() if pattern.search(line)]


# ---- does it fit ----------------------------------------------------------------------------------------------------


def _too_large(output: str, board: Board) -> McugenError | None:
    """The error where the linker or PlatformIO says that the program is larger than the board."""
    said = _lines(output, _OVERFLOW)
    if not said:
        return None
    if any("region `data'" in line for line in said):
        return error("E0501", f"the program does not fit the RAM of the {board.title}", help=_MORE_RAM, notes=said[:3])
    return error("E0502", f"the program does not fit the flash of the {board.title}", help=_SMALLER, notes=said[:3])


def _check_fit(program: Path, board: Board) -> None:
    """E0501 or E0502, or both, where the program needs more than the board has. PlatformIO only warns about RAM."""
    used = elf.usage(program)
    found = []
    if used.ram + board.stack_reserve > board.ram:
        stack = f" and {board.stack_reserve:,} B for the stack" if board.stack_reserve else ""
        found.append(
            error(
                "E0501",
                f"the program needs {used.ram:,} B of RAM{stack}; {board.title} has {board.ram:,} B",
                help=_MORE_RAM,
            )
        )
    if used.flash > board.flash:
        found.append(
            error(
                "E0502",
                f"the program needs {used.flash:,} B of flash; {board.title} has {board.flash:,} B",
                help=_SMALLER,
            )
        )
    if found:
        raise McugenError(d for one in found for d in one.diagnostics)


_MORE_RAM = "choose a board with more RAM: `mcugen fit` says which"
_SMALLER = "compile with `--optimize size`, train a smaller model, or choose a larger board: `mcugen fit` says which"

# ---- upload ---------------------------------------------------------------------------------------------------------


def _upload_failed(output: str, board: Board, port: str) -> McugenError:
    """E0703 or E0704 with the uploader's words; E0602 where it did not come to uploading."""
    uploading = output.partition("\nUploading ")[2]
    if _PORT.search(uploading or output):
        return unusable(port, _lines(output, _PORT))
    if not uploading:
        return _build_failed(output)
    return error(
        "E0704",
        f"{board.title} on {port} did not take the firmware",
        help="check that the board is the one you named and that its cable carries data; press its reset button and try again",
        notes=[line for line in _lines(uploading, _AVRDUDE) if line != "avrdude:" and "Thank you" not in line][-8:],
    )


_PORT = re.compile(
    r"can't open device|cannot open port|unable to open .*port|could not open port|Device or resource busy|"
    r"[Pp]lease specify `upload_port`"
)
_AVRDUDE = re.compile(r"avrdude|signature|[Dd]ouble.check")


# ---- models alone ---------------------------------------------------------------------------------------------------


def build_driver(units: Sequence[Unit], board: Board, folder: Path) -> Path:
    """All units and the driver as one program in `folder`. E0601, E0602; E0501 and E0502 where they do not fit."""
    return _link(units, _compile_units(units, board, folder), board, folder)


def run_rows(units: Sequence[Unit], rows: Sequence[Sequence[Array]], board: Board) -> list[RowsRun]:
    """Every unit on its own rows under simavr: rows[i] are the inputs of units[i], each of shape (rows, *its own).

    Units that do not fit the MCU together go into several programs; names must differ. E0601, E0602, E0501, E0502 from
    the building, E0604 where there is no room for it, E0702 where a program crashes.
    """
    with writing():
        made = tempfile.TemporaryDirectory(prefix="mcugen-avr-")
    with made as temporary:
        folder = Path(temporary)
        objects = _compile_units(units, board, folder / "units")
        results: list[RowsRun] = []
        for group in _groups([_Size.of(o) for o in objects], board):
            here = folder / f"program{group.start}"
            program = _link(units[group], objects[group], board, here)
            results += run_driver(program, units[group], rows[group], board)
        return results


@writing()
def _compile_units(units: Sequence[Unit], board: Board, folder: Path) -> list[list[Path]]:
    """The objects of each unit, compiled on all processors."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = write_driver(folder, units)
    own = [[s for s in sources if s.parent == folder / str(i)] for i in range(len(units))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda source: _compile(source, board), [s for unit in own for s in unit]))
    return [[s.with_suffix(".o") for s in unit] for unit in own]


def _compile(source: Path, board: Board, *flags: str) -> Path:
    built = source.with_suffix(".o")
    _gcc(board, *STRICT, *CODE, *flags, f"-I{driver_sources()}", "-c", str(source), "-o", str(built))
    return built


@writing()
def _link(units: Sequence[Unit], objects: Sequence[Sequence[Path]], board: Board, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    driver = write_driver(folder, units)[0]
    sizes = [row_sizes(unit.module) for unit in units]
    buffers = [f"-DMCUGEN_{way}_BYTES={max(s[i] for s in sizes)}" for i, way in enumerate(("IN", "OUT"))]
    shutil.copy(driver_sources() / "avr.c", folder)
    program = folder / "driver.elf"
    parts = [
        _compile(driver, board),
        _compile(folder / "avr.c", board, *buffers),
        *(o for unit in objects for o in unit),
    ]
    _gcc(board, "-Os", "-Wl,--gc-sections", *map(str, parts), "-o", str(program), "-lm")
    _check_fit(program, board)
    _check_near(program, board)
    return program


def _gcc(board: Board, *args: str) -> None:
    command = shutil.which("avr-gcc")
    if command is None:
        raise error("E0601", "avr-gcc is not installed", help=f"install it: `{PACKAGES}`")
    try:
        compile_c([command, f"-mmcu={board.mcu}", *args], install=f"install it again: `{PACKAGES}`")
    except McugenError as problem:
        notes = "\n".join(n for d in problem.diagnostics for n in d.notes)
        raise _too_large(notes, board) or problem from problem


def _check_near(program: Path, board: Board) -> None:
    """Tables are read through 16-bit addresses: one that lies beyond them would be read from elsewhere, silently."""
    tables = [s for s in elf.symbols(program) if s.is_object and s.section == ".text" and not FAR_TABLE.search(s.name)]
    last = max((s.address + s.size for s in tables), default=0)
    if last > NEAR:
        raise error(
            "E0502", f"the tables end at {last:,} B of flash, beyond the 64 KiB that {board.mcu} reads", help=_SMALLER
        )


# ---- several programs -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Size:
    """What a unit takes, in bytes: all of its flash, its tables among it, and RAM."""

    flash: int = 0
    tables: int = 0
    ram: int = 0

    @staticmethod
    def of(objects: Sequence[Path]) -> _Size:
        every: Mapping[str, int] = {f"{o}:{name}": size for o in objects for name, size in elf.sections(o).items()}
        tables = sum(size for name, size in every.items() if ":.progmem" in name)
        ram = sum(size for name, size in every.items() if re.search(r":\.(data|bss|rodata)", name))
        return _Size(sum(every.values()), tables, ram)

    def __add__(self, other: _Size) -> _Size:
        return _Size(self.flash + other.flash, self.tables + other.tables, self.ram + other.ram)

    def fits(self, board: Board) -> bool:
        return self.flash <= board.flash and self.tables <= NEAR and self.ram <= board.ram


_DRIVER = _Size(4096, 1024, 1024)  # the driver, libgcc and libm
_ROW = _Size(160)  # what the driver has for each model


def _groups(sizes: Sequence[_Size], board: Board) -> Iterator[slice]:
    """Runs of units that fit the MCU together; one that fits nowhere is alone, so that its own error comes out."""
    start, total = 0, _DRIVER
    for i, size in enumerate(sizes):
        if i > start and not (total + size + _ROW).fits(board):
            yield slice(start, i)
            start, total = i, _DRIVER
        total = total + size + _ROW
    yield slice(start, len(sizes))


def run_driver(
    program: Path, units: Sequence[Unit], rows: Sequence[Sequence[Array]], board: Board
) -> Iterator[RowsRun]:
    """The models of a program that `build_driver` made, each on its own rows. E0702 where it crashes."""
    counts = [len(inputs[0]) for inputs in rows]
    served = b"".join(
        count.to_bytes(4, "little") + pack_rows(unit.module, inputs)
        for unit, inputs, count in zip(units, rows, counts, strict=True)
    )
    done = simulate(program, mcu=board.mcu, freq=board.clock, rows=served, limit=_ENDLESS, timeout=BUILD_SECONDS)
    _check_end(done, ("exit",))
    at = byte = 0
    for unit, count in zip(units, counts, strict=True):
        size = count * row_sizes(unit.module)[1]
        outputs = unpack_results(unit.module, done.results[byte : byte + size])
        yield RowsRun(outputs, done.cycles[at : at + count], done.stacks[at : at + count])
        at, byte = at + count, byte + size


def _check_end(done: SimResult, wanted: Sequence[str]) -> None:
    if done.end not in wanted:
        reason = done.reason or f"it ended with '{done.end}'"
        raise error(
            "E0702",
            f"the program crashed in the simulator: {reason}",
            help="with mcugen's own output this is a bug: please report it",
        )
