"""ESP32 and ESP32-S3 (Xtensa LX6 and LX7): built and flashed by PlatformIO's own platform; without it, checked.

No compiler for these cores and no simulator of them is to be had outside Espressif's own packages. What can be said without
them: gcc for the older lx106 core compiles the model's C (the same base instructions, another calling convention, no
floating-point unit), and clang, which knows the ESP32 in its front end, finds its types right. Neither runs anything.
"""

from __future__ import annotations

import configparser
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

from mcugen.boards import Board
from mcugen.data import firmware_dir
from mcugen.diagnostics import McugenError, error
from mcugen.ir import Array
from mcugen.targets import sketch
from mcugen.targets.driver import Unit
from mcugen.targets.host import STRICT, compile_c
from mcugen.targets.link import Line
from mcugen.targets.platformio import choose_platform
from mcugen.targets.serial import monitor
from mcugen.targets.toolchain import Build, RowsRun, Run

GCC = "xtensa-lx106-elf-gcc"
PACKAGE = "sudo apt install gcc-xtensa-lx106"
ZIG = ("-m", "ziglang", "cc", "-target", "xtensa-freestanding-none", "-mcpu=esp32", "-S", "-emit-llvm")
QUIET = "-Wno-unused-command-line-argument"  # zig gives clang options that this use of it does not need


class Xtensa:
    """The toolchain of the boards with an ESP32 or ESP32-S3."""

    unit = "cycles"  # nothing counts them: the report says unknown

    def build(self, project: Path, board: Board, model: str) -> Build:
        """`pio run` with the registry's platform. Without the registry E0601, with all that could be checked."""
        if board.platformio is None or choose_platform(board.platformio.platform) == "registry":
            return sketch.build(project, board, model)
        raise error(
            "E0601",
            f"no compiler for {board.title} is to be had: PlatformIO's registry, which has it, does not answer",
            help="connect to the internet once, so that PlatformIO downloads it",
            notes=["not built, and nothing of it has run; checked instead:", *check(project, board, model)],
        )

    def flash(self, project: Path, board: Board, port: str) -> str:
        """`pio run -t upload`. E0703 without the port, E0704 where the board does not take it, E0602 where it does not build."""
        return sketch.upload(project, board, port)

    def monitor(self, port: str, board: Board) -> Iterator[str]:
        """The lines that come over the serial port, for as long as it is there."""
        return monitor(port)

    def talk(self, program: Path, board: Board) -> AbstractContextManager[Line]:
        """E0901: there is no simulator."""
        raise _no_simulator(board)

    def run(self, program: Path, board: Board, rows: bytes = b"") -> Run:
        """E0901: there is no simulator."""
        raise _no_simulator(board)

    def link(self, units: Sequence[Unit], board: Board, folder: Path) -> Path:
        """E0901: there is no simulator to link for."""
        raise _no_simulator(board)

    def run_rows(self, units: Sequence[Unit], rows: Sequence[Sequence[Array]], board: Board) -> list[RowsRun]:
        """E0901: there is no simulator."""
        raise _no_simulator(board)

    def run_program(
        self, program: Path, units: Sequence[Unit], rows: Sequence[Sequence[Array]], board: Board
    ) -> Iterator[RowsRun]:
        """E0901: there is no simulator."""
        raise _no_simulator(board)


toolchain = Xtensa()


def check(project: Path, board: Board, model: str) -> list[str]:
    """What can be found out about a project without its compiler, a line each. E0602 where a check fails."""
    sources = sorted((project / "lib" / model / "src").glob("*.c"))
    return [_ini(project, board), _compiled(sources), _typed(sources)]


def _ini(project: Path, board: Board) -> str:
    """platformio.ini read back as PlatformIO reads it."""
    ini = configparser.ConfigParser(interpolation=None)
    ini.read_string((project / "platformio.ini").read_text(encoding="utf-8"))
    found, wanted = ini[f"env:{board.name}"], board.platformio
    assert wanted is not None
    for key, value in (("platform", wanted.platform), ("board", wanted.board), ("framework", wanted.framework)):
        if found.get(key) != value:
            message = f"platformio.ini has {key} = {found.get(key)} for {board.title}, not {value}"
            raise error("E0602", message, help="write the project again into an empty folder")
    return f"platformio.ini: platform {wanted.platform}, board {wanted.board}, framework {wanted.framework}"


def _compiled(sources: Sequence[Path]) -> str:
    gcc = shutil.which(GCC)
    if gcc is None:
        return f"not compiled for the lx106: {GCC} is not installed (`{PACKAGE}`)"
    with tempfile.TemporaryDirectory(prefix="mcugen-xtensa-") as folder:
        for source in sources:
            _run([gcc, "-Os", "-ffp-contract=off", "-c", str(source), "-o", f"{folder}/{source.stem}.o"])
    return "the model's C compiles without a warning for the Xtensa lx106, an older core of the family"


def _typed(sources: Sequence[Path]) -> str:
    if find_spec("ziglang") is None:
        return "not type-checked: ziglang is not installed (`pip install ziglang`)"
    with tempfile.TemporaryDirectory(prefix="mcugen-xtensa-") as folder:
        for source in sources:
            _run([sys.executable, *ZIG, QUIET, str(source), "-o", f"{folder}/{source.stem}.ll"])
    return "its types are right for the ESP32, by zig's clang"


def _run(command: Sequence[str]) -> None:
    compile_c([*command, *STRICT, "-ffreestanding", "-isystem", str(firmware_dir() / "freestanding")])


def _no_simulator(board: Board) -> McugenError:
    return error(
        "E0901",
        f"there is no simulator of {board.title} ({board.arch})",
        help="`verify --on host` runs the same C on this computer, `verify --on board` on the board",
    )
