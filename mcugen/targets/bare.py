"""The toolchain of boards that QEMU stands in for: Cortex-M and RISC-V, with the system's cross compilers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from mcugen.boards import Board
from mcugen.data import firmware_dir
from mcugen.targets import qemu, sketch
from mcugen.targets.alone import Alone, Counted, Size
from mcugen.targets.cores import CORES, Core, limits
from mcugen.targets.driver import driver_sources
from mcugen.targets.link import Line
from mcugen.targets.serial import monitor
from mcugen.targets.toolchain import Build, Run

# As PlatformIO compiles sketches with firmware/platformio/bare; on boards, Arduino's cores too optimise for size.
CODE = ("-ffunction-sections", "-fdata-sections", "-fno-common", "-ffp-contract=off")


class Bare(Alone):
    """Sketches through PlatformIO; the models alone with our start-up code; both in QEMU, which counts instructions."""

    unit = "instructions"
    driver_size = Size(4096, 0, 4096)

    def __init__(self, start: str) -> None:
        """start: the start-up code of the family, in firmware/platformio/bare/mcu."""
        mcu = _mcu()
        self.ends = (driver_sources() / "bare.c", mcu / "mcu.c", mcu / start)

    def build(self, project: Path, board: Board, model: str) -> Build:
        """`pio run` for the board's environment. E0602 with the compiler's words, E0501 and E0502 where it does not fit."""
        return sketch.build(project, board, model)

    def run(self, program: Path, board: Board, rows: bytes = b"") -> Run:
        """The firmware in QEMU until it has answered all of `rows` and is silent. E0702 for a crash.

        Only what mcugen's own platform built runs there: a board's own firmware has other addresses.
        """
        return qemu.run_sketch(self.core(board), program, rows)

    def talk(self, program: Path, board: Board) -> AbstractContextManager[Line]:
        """The sketch's UART in QEMU; like `run`, of what mcugen's own platform built."""
        return qemu.talk(self.core(board), program)

    def flash(self, project: Path, board: Board, port: str) -> str:
        """`pio run -t upload`. E0703 without the port, E0704 with the uploader's words, E0602 where it does not even build."""
        return sketch.upload(project, board, port)

    def monitor(self, port: str, board: Board) -> Iterator[str]:
        """The lines that come over the serial port, for as long as it is there."""
        return monitor(port)

    # -- models alone ------------------------------------------------------------------------------------------------

    def core(self, board: Board) -> Core:
        """The board's processor core."""
        return CORES[board.arch]

    def compiler(self, board: Board) -> tuple[Sequence[str], str]:
        """The cross compiler for the board's core."""
        core = self.core(board)
        return (f"{core.prefix}gcc", *core.flags), core.package

    def options(self, board: Board) -> Sequence[str]:
        """Size first; the program counts itself where QEMU has no plugins."""
        inside = qemu.plugin(self.core(board).qemu[0]) is None
        return (self.optimise, *CODE, f"-I{_mcu()}", *(["-DMCUGEN_COUNT_INSIDE"] if inside else []))

    def link_options(self, board: Board) -> Sequence[str]:
        """Our linker script with the board's memories."""
        core = self.core(board)
        return (*core.link, "-nostartfiles", f"-L{_mcu()}", f"-T{core.script}", *limits(board))

    def fits(self, size: Size, board: Board) -> bool:
        """Within flash and RAM."""
        return size.flash <= board.flash and size.ram + board.stack_reserve <= board.ram

    def simulate(self, program: Path, served: bytes, board: Board) -> Counted:
        """In QEMU: exact instructions."""
        return qemu.run_rows(self.core(board), program, served, sketch.BUILD_SECONDS)


def _mcu() -> Path:
    return firmware_dir() / "platformio" / "bare" / "mcu"
