"""A project with a sketch, built and uploaded by PlatformIO: what the toolchains of all boards share."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from mcugen.boards import Board, all_boards
from mcugen.diagnostics import McugenError, error
from mcugen.targets import elf
from mcugen.targets.platformio import PINNED, PioResult, choose_platform, run_pio
from mcugen.targets.serial import require_free, unusable
from mcugen.targets.toolchain import Build

BUILD_SECONDS = 600.0
UPLOAD_SECONDS = 150.0  # the largest Mega's takes about 60


def build(project: Path, board: Board, model: str) -> Build:
    """`pio run` for the board's environment. E0602 with the compiler's words, E0601 without the compiler, E0501 and E0502
    where the program does not fit.
    """
    done = _pio(project, board)
    if done.returncode != 0:
        raise too_large(done.output, board) or _build_failed(done.output)
    program = firmware(project, board)
    check_fit(program, board)
    used = elf.usage(program)
    symbols = elf.symbols(program)
    flash, ram = part_of(symbols, model)
    return Build(program, done.platform, used.flash, used.ram, flash, ram, done.output, arenas_of(symbols, model))


def firmware(project: Path, board: Board) -> Path:
    """Where PlatformIO leaves the board's ELF."""
    return project / ".pio" / "build" / board.name / "firmware.elf"


def upload(project: Path, board: Board, port: str) -> str:
    """`pio run -t upload`. E0703 without the port, E0704 with the uploader's words, E0602 where it does not even build."""
    require_free(port)
    try:
        done = _pio(project, board, "-t", "upload", "--upload-port", port, timeout=UPLOAD_SECONDS)
    except McugenError as late:
        help = "check that the board is the one you named; press its reset button and try again"
        message = f"{board.title} on {port} did not take the firmware in {UPLOAD_SECONDS:g} s"
        raise error("E0704", message, help=help, notes=[n for d in late.diagnostics for n in d.notes]) from late
    if done.returncode != 0:
        raise too_large(done.output, board) or _upload_failed(done.output, board, port)
    return done.output


def _pio(project: Path, board: Board, *args: str, timeout: float = BUILD_SECONDS) -> PioResult:
    """PlatformIO for the board's environment; with our platform where a registry that answered does not deliver."""
    pinned = board.platformio.platform if board.platformio else PINNED
    own = None if board in all_boards() else board
    platform, whole = choose_platform(pinned), ["-e", board.name, *args]
    if platform == "registry" and not os.environ.get("MCUGEN_PLATFORMIO") and board.arch != "xtensa":
        with suppress(McugenError):  # it took too long
            done = run_pio(project, whole, timeout=timeout, platform=platform)
            if not _NO_REGISTRY.search(done.output):
                return done
        platform = "system"
    return run_pio(project, whole, timeout=timeout, platform=platform, board=own)


def model_part(program: Path, model: str) -> tuple[int, int]:
    """Flash and static RAM, in bytes, of all that a linked program has of a model: the symbols that begin with its name."""
    return part_of(elf.symbols(program), model)


def arenas_of(symbols: Iterable[elf.Symbol], model: str) -> dict[str, int]:
    """The bytes of a model's arrays in memories that have names, by these."""
    array = re.compile(rf"(?:_ZL?\d+)?{re.escape(model)}_arena_(\w+)")
    found = ((array.fullmatch(symbol.name), symbol.size) for symbol in symbols)
    return {match[1]: size for match, size in found if match}


def part_of(symbols: Iterable[elf.Symbol], model: str) -> tuple[int, int]:
    """`model_part` of a program whose symbols are known: for one of many models it is not read once more."""
    own = re.compile(rf"(_ZL?\d+)?{re.escape(model)}_")  # with C++'s mangling where a header was included by C++
    flash = ram = 0
    for symbol in symbols:
        if own.match(symbol.name):
            flash += symbol.size if symbol.section not in (".bss", ".noinit", *elf.APART) else 0
            ram += symbol.size if symbol.section in (".data", ".bss", ".noinit") else 0
    return flash, ram


def _build_failed(output: str) -> McugenError:
    said = _lines(output, _ERROR)
    if _NO_REGISTRY.search(output):
        help = "connect to the internet, or unset MCUGEN_PLATFORMIO: without the registry mcugen uses its own platform"
        return error("E0605", "PlatformIO's registry does not answer", help=help, notes=said[:3])
    if missing := _missing(said):
        return missing
    if unknown := re.search(r"Unknown environment names '([^']*)'. Valid names are '([^']*)'", output):
        there = ", ".join(sorted(unknown.group(2).split(", ")))
        help = f"name one that it has: {there}"
        return error("E0602", f"platformio.ini has no environment '{unknown.group(1)}'", help=help)
    if unknown := re.search(r"Unknown board ID '([^']*)'", output):
        help = (
            "check `board` in the board file's [platformio]; without the registry mcugen's own platform for AVR knows the "
            "boards that `mcugen boards` lists, and another needs a file in firmware/platformio/atmelavr/boards"
        )
        return error("E0602", f"PlatformIO's platform has no board '{unknown.group(1)}'", help=help)
    return error(
        "E0602",
        "PlatformIO could not build the project",
        help="the notes are the compiler's own words; with nothing of your own in the project this is a bug, please report it",
        notes=said[-8:] or output.strip().splitlines()[-8:],
    )


def _missing(said: Sequence[str]) -> McugenError | None:
    """E0601 where a program that PlatformIO calls is not there."""
    for line in said:
        if found := _NO_PROGRAM.search(line):
            help = "`mcugen doctor` says how to install it"
            return error("E0601", f"{found.group(1)} is not installed", help=help, notes=[line])
    return None


_ERROR = re.compile(r"error|undefined reference|Unknown|not found|No such file", re.IGNORECASE)
_NO_PROGRAM = re.compile(
    r"\b(avrdude|(?:avr|arm-none-eabi|riscv64-unknown-elf)-[\w+-]+): (?:(?:command )?not found|No such file or directory)"
)
_NO_REGISTRY = re.compile(r"HTTPClientError|InternetConnectionError|InternetIsOffline|MirrorError")
_OVERFLOW = re.compile(r"is greater than maximum allowed|not fit in region|overflowed by|is not within region")


def _lines(output: str, pattern: re.Pattern[str]) -> list[str]:
    return [line.strip() for line in output.splitlines() if pattern.search(line)]


# ---- does it fit ----------------------------------------------------------------------------------------------------


def too_large(output: str, board: Board) -> McugenError | None:
    """The error where the linker or PlatformIO says that the program is larger than the board."""
    said = _lines(output, _OVERFLOW)
    if not said:
        return None
    if any("region `data'" in line or "region `RAM'" in line for line in said):
        return error("E0501", f"the program does not fit the RAM of the {board.title}", help=_MORE_RAM, notes=said[:3])
    return error("E0502", f"the program does not fit the flash of the {board.title}", help=SMALLER, notes=said[:3])


def check_fit(program: Path, board: Board) -> None:
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
                help=SMALLER,
            )
        )
    if found:
        raise McugenError(d for one in found for d in one.diagnostics)


_MORE_RAM = "choose a board with more RAM: `mcugen fit` says which"
SMALLER = "compile with `--optimize size`, train a smaller model, or choose a larger board: `mcugen fit` says which"

# ---- upload ---------------------------------------------------------------------------------------------------------


def _upload_failed(output: str, board: Board, port: str) -> McugenError:
    """E0703 or E0704 with the uploader's words; E0602 where it did not come to uploading."""
    if _SIMULATED in output:  # its words and what PlatformIO says overtake each other
        title = board.title
        help = f"connect to the internet once: PlatformIO then downloads its own platform for the {title}; `mcugen verify --on simulator` works without"
        return error("E0704", f"this firmware for {title} runs in the simulator only: PlatformIO's registry did not answer", help=help)  # fmt: skip
    if not _REACHED.search(output) and not _PORT.search(output):
        return _build_failed(output)
    if missing := _missing(output.splitlines()):
        return missing
    # Not what follows "Uploading": PlatformIO reads its own words and the uploader's in two threads, and either may
    # come first. Before the link there is no uploader yet.
    uploading = _BUILDING.split(output)[-1]
    if _PORT.search(uploading):
        return unusable(port, _lines(output, _PORT))
    said = [line for line in _lines(uploading, _UPLOADER) if line != "avrdude:" and "Thank you" not in line][-8:]
    return error(
        "E0704",
        f"{board.title} on {port} did not take the firmware",
        help="check that the board is the one you named and that its cable carries data; press its reset button and try again",
        notes=said or uploading.strip().splitlines()[-4:],
    )


_SIMULATED = "this platform builds for the simulator"
_REACHED = re.compile(r"^Uploading |Looking for upload port", re.MULTILINE)
_BUILDING = re.compile(r"^(?:Building in|Linking) .*", re.MULTILINE)
_PORT = re.compile(
    r"can't open device|cannot open port|unable to open port|could not open port|Device or resource busy|"
    r"[Pp]lease specify `upload_port`"
)
_UPLOADER = re.compile(r"avrdude|signature|[Dd]ouble.check|[Ee]rror|[Ff]ail")
