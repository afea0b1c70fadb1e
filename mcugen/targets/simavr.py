"""AVR programs without a board: our two runners over libsimavr, built once into the cache and called as programs.

`simulate` runs an ELF and returns what it printed, its counted cycles and its stack; `talk` is its serial line while it runs;
`simulated_board` is a board with a bootloader and a serial port, for flashing with the real avrdude.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mcugen.data import firmware_dir
from mcugen.diagnostics import McugenError, error
from mcugen.targets.cache import cache_dir
from mcugen.targets.host import compiler
from mcugen.targets.piped import PipedLine, piped

EXIT_BAD_USAGE = 64  # of both runners
ENDLESS = 1 << 62  # cycles, where something else ends a run
PACKAGES = "sudo apt install simavr libsimavr-dev libelf-dev gcc-avr avr-libc arduino-core-avr"


@dataclass(frozen=True)
class SimResult:
    """A finished run.

    serial is what came out of UART0, results what the program handed over. cycles and stacks have one entry per
    start/stop pair: the cycles between them, interrupts included, and the deepest stack below the stack pointer at the
    start. sram_peak is all SRAM that was in use at most. Stack and SRAM in bytes. end is "exit", "sleep", "quiet",
    "limit" or "crash", and reason says why it crashed.
    """

    serial: bytes
    results: bytes
    cycles: tuple[int, ...]
    stacks: tuple[int, ...]
    sram_peak: int
    total_cycles: int
    end: str
    reason: str = ""

    @property
    def stack(self) -> int:
        """The deepest stack of all pairs, in bytes."""
        return max(self.stacks, default=0)


def arduino_core() -> Path:
    """The folder of the system's Arduino AVR core (Debian: arduino-core-avr), or `$MCUGEN_ARDUINO_AVR`; else E0601."""
    path = Path(os.environ.get("MCUGEN_ARDUINO_AVR") or "/usr/share/arduino/hardware/arduino/avr")
    if not (path / "cores" / "arduino").is_dir():
        raise error("E0601", "the Arduino AVR core is not installed", help=f"install it: `{PACKAGES}`")
    return path


def simulate(
    elf: Path,
    *,
    mcu: str,
    freq: int,
    rows: bytes = b"",
    uart_in: bytes = b"",
    limit: int = 2_000_000_000,
    quiet: int | None = None,
    lines: bool = False,
    timeout: float = 300,
) -> SimResult:
    """Run the ELF on a simulated `mcu` at `freq` Hz until it ends, crashes or has used `limit` cycles.

    rows are served to its fill requests, uart_in is sent to UART0. quiet ends the run so many cycles after the last
    byte in or out; lines sends each line when the one before has been answered. A crash or the limit is no error here:
    see `end`.
    E0701 when the simulator cannot be built, E0702 when it refuses the program or takes over `timeout` seconds.
    """
    with tempfile.TemporaryDirectory(prefix="mcugen-sim-") as folder:
        here = Path(folder)
        (here / "rows").write_bytes(rows)
        (here / "uart").write_bytes(uart_in)
        numbers = [f"--mcu={mcu}", f"--freq={freq}", f"--limit={limit}"]
        numbers += [f"--quiet={quiet}"] if quiet else []
        numbers += ["--lines"] if lines else []
        files = [f"--{option}={here / name}" for option, name in _FILES.items()]
        done = _run([str(runner("avr_run")), *numbers, *files, str(elf)], timeout)
        if done.returncode < 0 or done.returncode >= EXIT_BAD_USAGE:
            raise error("E0702", f"the simulator did not run {elf.name}", help=_last_line(done.stderr))
        return _result(done.stdout, (here / "results").read_bytes(), json.loads((here / "report").read_bytes()))


def talk(elf: Path, *, mcu: str, freq: int, quiet: int) -> AbstractContextManager[PipedLine]:
    """UART0 of the ELF on a simulated `mcu` at `freq` Hz, from reset on until the block is left.

    It takes a line when it has answered the one before, or has said nothing for `quiet` cycles. E0701 when the simulator
    cannot be built, E0702 when it refuses the program, or the program crashes.
    """
    numbers = [f"--mcu={mcu}", f"--freq={freq}", f"--limit={ENDLESS}", f"--quiet={quiet}", "--lines", "--uart-in=-"]
    return piped([str(runner("avr_run")), *numbers, str(elf)], lambda status, said: crashed(_reason(status, said)))


def crashed(reason: str) -> McugenError:
    """E0702 for a program that did not end as it should."""
    help = "with mcugen's own output this is a bug: please report it"
    return error("E0702", f"the program crashed in the simulator: {reason}", help=help)


def _reason(status: int, said: str) -> str:
    last = said.splitlines()[-1:] or [f"it ended with {status}"]
    return last[0].removeprefix("avr_run: ")


_FILES = {"rows": "rows", "uart-in": "uart", "results": "results", "report": "report"}


def _run(command: Sequence[str], timeout: float) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as late:
        raise error(
            "E0702",
            f"the simulation took more than {timeout:g} s",
            help="run fewer rows, or check that the program ends",
        ) from late


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing: check that the ELF file is complete"


def _result(serial: bytes, results: bytes, report: dict[str, Any]) -> SimResult:
    numbers = {key: report[key] for key in ("sram_peak", "total_cycles", "end", "reason")}
    return SimResult(serial, results, tuple(report["cycles"]), tuple(report["stack"]), **numbers)


@cache
def runner(name: str) -> Path:
    """The program `avr_run` or `avr_board`, built at its first use and kept in the cache. E0601, E0701."""
    command = compiler()
    folder = firmware_dir() / "simulator"
    program = cache_dir() / "simulator" / f"{name}-{_key(folder, name, command)}"
    if not program.is_file():
        _compile(command, folder / f"{name}.c", program)
    return program


def _key(folder: Path, name: str, command: Sequence[str]) -> str:
    digest = hashlib.sha256(f"{' '.join(command)} {_library_version()}".encode())
    for source in (folder / "uart_link.h", folder / f"{name}.c"):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _library_version() -> str:
    """libsimavr's version, empty where pkg-config does not know: a new library may not run what an old one linked."""
    try:
        asked = subprocess.run(
            ["pkg-config", "--modversion", "simavr"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip()


def _compile(command: Sequence[str], source: Path, program: Path) -> None:
    """Compile under a name of this process's own and rename: whoever runs the program finds it whole or not at all."""
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        built = Path(folder) / program.name
        whole = [*command, "-std=c99", "-O2", "-o", str(built), str(source), "-lsimavr", "-lelf"]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            notes = [line for line in done.stderr.splitlines() if "error" in line or "cannot find" in line][:3]
            raise error(
                "E0701", "the AVR simulator cannot be built", help=f"install libsimavr: `{PACKAGES}`", notes=notes
            )
        os.replace(built, program)


# ---- a simulated board, to be flashed -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bootloader:
    """A board's MCU, its clock in Hz, and its bootloader: where it starts, and its path in the core's bootloaders/."""

    mcu: str
    freq: int
    base: int
    file: str


BOOTLOADERS = {
    "uno": Bootloader("atmega328p", 16_000_000, 0x7E00, "optiboot/optiboot.c"),
    "nano": Bootloader("atmega328p", 16_000_000, 0x7800, "atmega/ATmegaBOOT_168_atmega328.hex"),
    "mega2560": Bootloader("atmega2560", 16_000_000, 0x3E000, "stk500v2/stk500boot_v2_mega2560.hex"),
}


@dataclass(frozen=True)
class SimBoard:
    """A running simulated board; `port` is its serial port (a pseudo-terminal). Opening it resets the board."""

    port: str
    process: subprocess.Popen[bytes]

    def reset(self) -> None:
        """Press the reset button: the bootloader starts again and waits for an upload."""
        self.process.send_signal(signal.SIGUSR1)


@contextmanager
def simulated_board(board_name: str) -> Iterator[SimBoard]:
    """A simulated uno, nano or mega2560 in real time, with its bootloader and an empty flash, until the block is left.

    E0701 for another board or where it cannot be built, E0702 when it does not start.
    """
    boot = BOOTLOADERS.get(board_name)
    if boot is None:
        names = ", ".join(BOOTLOADERS)
        raise error("E0701", f"there is no simulated {board_name} to flash", help=f"the simulated boards are {names}")
    command = [str(runner("avr_board")), f"--mcu={boot.mcu}", f"--freq={boot.freq}", f"--boot-base={boot.base}"]
    command += [f"--bootloader={_bootloader_hex(boot)}", "--reset-on-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield SimBoard(_port(process), process)
        finally:
            _end(process)


def _port(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    ready, _, _ = select.select([process.stdout], [], [], 10)
    line = process.stdout.readline().decode() if ready else ""
    if not line.startswith("port "):
        process.kill()
        raise error("E0702", "the simulated board did not start", help=_last_line(process.stderr.read()))
    return line.removeprefix("port ").strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()


def _bootloader_hex(boot: Bootloader) -> Path:
    source = arduino_core() / "bootloaders" / boot.file
    return _build_optiboot(source, boot) if source.suffix == ".c" else source


def _build_optiboot(source: Path, boot: Bootloader) -> Path:
    """Optiboot from the core's own source: the .hex beside it is a build that runs over the end of flash."""
    digest = hashlib.sha256(f"{boot}".encode() + source.read_bytes()).hexdigest()[:16]
    target = cache_dir() / "simulator" / f"optiboot-{digest}.hex"
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        elf, image = Path(folder) / "optiboot.elf", Path(folder) / "optiboot.hex"
        _tool("avr-gcc", *_OPTIBOOT, f"-mmcu={boot.mcu}", f"-DF_CPU={boot.freq}L",
              f"-Wl,--section-start=.text={boot.base:#x}", "-o", str(elf), str(source))  # fmt: skip
        _tool("avr-objcopy", "-O", "ihex", "--set-start=0", "-j", ".text", "-j", ".data", str(elf), str(image))
        os.replace(image, target)
    return target


_OPTIBOOT = (
    "-Os",
    "-w",
    "-std=gnu99",
    "-fno-split-wide-types",
    "-mrelax",
    "-nostartfiles",
    "-Wl,--relax",
    "-DLED_START_FLASHES=0",  # simulated time is too dear for blinking
    "-DBAUD_RATE=115200",  # of uploads, as the core has it
)


def _tool(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError as missing:
        raise error("E0601", f"{command[0]} is not installed", help=f"install it: `{PACKAGES}`") from missing
    if done.returncode != 0:
        raise _refused(command[0], done.stderr)


def _refused(tool: str, output: str) -> McugenError:
    return error("E0701", f"{tool} could not build the bootloader", help="see the notes", notes=output.splitlines()[:5])
