"""8-bit AVR: projects built and flashed through PlatformIO, and models alone compiled by avr-gcc; both run under simavr."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from mcugen.boards import Board
from mcugen.diagnostics import McugenError, error
from mcugen.targets import elf, sketch
from mcugen.targets.alone import Alone, Counted, Size
from mcugen.targets.driver import driver_sources
from mcugen.targets.link import Line
from mcugen.targets.serial import monitor
from mcugen.targets.simavr import ENDLESS, PACKAGES, SimResult, crashed, simulate, talk
from mcugen.targets.toolchain import Build, Run

# As the Arduino core compiles, but for -flto: the model's part is read from its own object here.
CODE = ("-ffunction-sections", "-fdata-sections", "-ffp-contract=off")

# The tables of templates/ops/tree_ensemble that are read through far addresses.
FAR_TABLE = re.compile(r"_far_\d+(\.|$)")
NEAR = 1 << 16  # what a 16-bit address reaches: every table must end below
QUIET_SECONDS = 2.0  # of simulated time without a byte: the sketch has answered everything
NATIVE_USB = ("atmega32u4",)


class Avr(Alone):
    """The toolchain of every AVR board."""

    unit = "cycles"
    ends = (driver_sources() / "avr.c",)
    driver_size = Size(4096, 1024, 1024)  # with libgcc and libm
    pieces = True

    def build(self, project: Path, board: Board, model: str) -> Build:
        """`pio run` for the board's environment. E0602 with the compiler's words, E0501 and E0502 where it does not fit."""
        built = sketch.build(project, board, model)
        _check_near(built.elf, board)
        return built

    def run(self, program: Path, board: Board, rows: bytes = b"") -> Run:
        """The firmware under simavr, from reset until it has answered all of `rows` and is silent. E0702 for a crash."""
        quiet, sent = int(QUIET_SECONDS * board.clock), b"" if board.mcu in NATIVE_USB else rows
        done = simulate(program, mcu=board.mcu, freq=board.clock, uart_in=sent, quiet=quiet, lines=True, limit=ENDLESS)
        _check_end(done, ("quiet", "sleep", "exit"))
        if not done.serial and board.mcu in NATIVE_USB:
            raise _no_usb(board, "`mcugen verify --on simulator` runs the model without a sketch; Serial1 is simulated")
        return Run(done.serial, done.total_cycles, done.sram_peak)

    def talk(self, program: Path, board: Board) -> AbstractContextManager[Line]:
        """The sketch's UART0 under simavr; E0901 where its Serial is another. No simulated time passes while it waits for a line."""
        if board.mcu in NATIVE_USB:
            raise _no_usb(board, "take a board whose Serial is a UART, as the Uno's is; Serial1 is simulated")
        return talk(program, mcu=board.mcu, freq=board.clock, quiet=int(QUIET_SECONDS * board.clock))

    def flash(self, project: Path, board: Board, port: str) -> str:
        """`pio run -t upload`. E0703 without the port, E0704 with avrdude's words, E0602 where it does not even build."""
        return sketch.upload(project, board, port)

    def monitor(self, port: str, board: Board) -> Iterator[str]:
        """The lines that come over the serial port, for as long as it is there."""
        return monitor(port)

    # -- models alone ------------------------------------------------------------------------------------------------

    def compiler(self, board: Board) -> tuple[Sequence[str], str]:
        """avr-gcc for the board's MCU."""
        return ("avr-gcc", f"-mmcu={board.mcu}"), PACKAGES

    def options(self, board: Board) -> Sequence[str]:
        """Size first, as the Arduino core has it."""
        return (self.optimise, *CODE)

    def link_options(self, board: Board) -> Sequence[str]:
        """None of its own."""
        return ()

    def fits(self, size: Size, board: Board) -> bool:
        """Within flash, RAM, and with its tables within 64 KiB."""
        return size.flash <= board.flash and size.tables <= NEAR and size.ram <= board.ram

    def check(self, program: Path, board: Board) -> None:
        """E0501 and E0502 where the program does not fit, or its tables lie too far."""
        super().check(program, board)
        _check_near(program, board)

    def simulate(self, program: Path, served: bytes, board: Board) -> Counted:
        """Under simavr: exact cycles."""
        done = simulate(
            program, mcu=board.mcu, freq=board.clock, rows=served, limit=ENDLESS, timeout=sketch.BUILD_SECONDS
        )
        _check_end(done, ("exit",))
        return Counted(done.results, done.cycles, done.stacks)


toolchain = Avr()


def _no_usb(board: Board, help: str) -> McugenError:
    message = f"nothing came: Serial of the {board.title} is its USB, which the simulator does not have"
    return error("E0901", message, help=help)


def _check_near(program: Path, board: Board) -> None:
    """Tables are read through 16-bit addresses: one that lies beyond them would be read from elsewhere, silently."""
    tables = [s for s in elf.symbols(program) if s.is_object and s.section == ".text" and not FAR_TABLE.search(s.name)]
    last = max((s.address + s.size for s in tables), default=0)
    if last > NEAR:
        raise error(
            "E0502",
            f"the tables end at {last:,} B of flash, beyond the 64 KiB that {board.mcu} reads",
            help=sketch.SMALLER,
        )


def _check_end(done: SimResult, wanted: Sequence[str]) -> None:
    if done.end not in wanted:
        raise crashed(done.reason or f"it ended with '{done.end}'")
