"""Programs for Cortex-M and RISC-V without a board: QEMU with our start-up code, and a plugin that counts instructions.

QEMU models no pipeline and no flash: it counts instructions, not cycles. They are exact with the plugin of
firmware/simulator/qemu_count.c, which is built once into the cache and also adds up what they take by a table of the core; where QEMU has no plugins (or `$MCUGEN_QEMU_PLUGIN` is
`off`) the program counts itself, by the SysTick timer on Cortex-M (in steps of 40) and by minstret on RISC-V.
"""

from __future__ import annotations

import hashlib
import os
import re
import select
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mcugen.data import firmware_dir
from mcugen.diagnostics import McugenError, error
from mcugen.targets import elf as elves
from mcugen.targets.alone import Counted
from mcugen.targets.cache import cache_dir
from mcugen.targets.cores import Core
from mcugen.targets.host import compiler
from mcugen.targets.piped import PipedLine, piped
from mcugen.targets.toolchain import Run

QUIET_SECONDS = 1.0  # without a byte: the sketch has answered everything
ANSWER_SECONDS = 20.0  # that a row's answer may take
CRASHED = 99  # exit status, as in firmware/platformio/bare/mcu/mcu.h
OLDEST = (6, 0)  # older ones do not know all machines


def run_rows(core: Core, program: Path, served: bytes, timeout: float) -> Counted:
    """The driver's program on the rows that are served to it. E0702 where it crashes or takes over `timeout` seconds."""
    with tempfile.TemporaryDirectory(prefix="mcugen-qemu-") as folder:
        here = Path(folder)
        (here / "rows").write_bytes(served)
        command = [*_machine(core, program), "-serial", "none", *_counting(core, program, here / "counted")]
        try:
            done = subprocess.run(
                command, cwd=here, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired as late:
            help = "run fewer rows, or check that the program ends"
            raise error("E0702", f"the simulation took more than {timeout:g} s", help=help) from late
        if done.returncode != 0:
            raise _crashed(done.returncode, done.stderr.decode(errors="replace"))
        results = (here / "results").read_bytes()
        if plugin(core.qemu[0]):
            _, pairs = _counted(here / "counted")
        else:
            pairs = [(*pair, 0) for pair in struct.iter_unpack("<II", (here / "counts").read_bytes())]
        instructions, stacks, modelled = zip(*pairs, strict=True) if pairs else ((), (), ())
        return Counted(results, instructions, stacks, modelled if any(modelled) else ())


def run_sketch(core: Core, program: Path, rows: bytes) -> Run:
    """A sketch from reset until it has answered all of `rows`, a line each, and is silent. E0702 where it crashes.

    Run.cycles are instructions. The most RAM in use is static data and the deepest stack, 0 where nothing counts.
    """
    with tempfile.TemporaryDirectory(prefix="mcugen-qemu-") as folder:
        counted = Path(folder) / "counted"
        command = [*_machine(core, program), "-serial", "stdio", *_counting(core, program, counted)]
        with _started(command) as process:
            serial = _talk(process, rows)
            status = process.poll()
            process.terminate()
            process.wait(timeout=10)
        if status:
            raise _crashed(status, "")
        if not counted.is_file():
            return Run(serial, 0, 0)
        (instructions, lowest, modelled), _ = _counted(counted)
        top = elves.address(program, "_stack_top")
        return Run(serial, instructions, elves.usage(program).ram + max(0, top - lowest), modelled)


def talk(core: Core, program: Path) -> AbstractContextManager[PipedLine]:
    """A sketch's UART from reset on, until the block is left. E0702 where it crashes."""
    return piped([*_machine(core, program), "-serial", "stdio"], _crashed)


@dataclass(frozen=True)
class SimBoard:
    """A running simulated board with a sketch; `port` is its serial port (a pseudo-terminal)."""

    port: str
    process: subprocess.Popen[bytes]

    def reset(self) -> None:
        """Press the reset button."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"system_reset\n")
        self.process.stdin.flush()


@contextmanager
def simulated_board(core: Core, program: Path) -> Iterator[SimBoard]:
    """The sketch on a simulated board, with a serial port that any program may open, until the block is left."""
    command = [*_machine(core, program), "-serial", "pty", "-monitor", "stdio"]
    with _started(command) as process:
        try:
            yield SimBoard(_pty(process), process)
        finally:
            process.kill()


# ---- QEMU -----------------------------------------------------------------------------------------------------------


def _machine(core: Core, program: Path) -> list[str]:
    options = ["-display", "none", "-icount", "shift=0", "-semihosting-config", "enable=on,target=native"]
    return [_found(core), *core.qemu[1:], *options, "-kernel", str(program)]


def _found(core: Core) -> str:
    found, version = shutil.which(core.qemu[0]), qemu_version(core.qemu[0])
    if found is None or version is None:
        raise error("E0601", f"{core.qemu[0]} is not installed", help=f"install it: `{core.simulator}`")
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        help = f"install version {'.'.join(map(str, OLDEST))} or newer: `{core.simulator}`"
        raise error("E0601", f"{core.qemu[0]} {version} is too old", help=help)
    return found


@cache
def qemu_version(program: str) -> str | None:
    """The version of a QEMU on PATH; None where it is missing or does not start."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"version (\d+\.\d+(?:\.\d+)?)", done.stdout)
    return version.group(1) if version else None


@contextmanager
def _started(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _talk(process: subprocess.Popen[bytes], rows: bytes) -> bytes:
    """Send line after line, each when there was an answer to the one before; returns all that came."""
    assert process.stdin is not None
    said = _heard(process, ANSWER_SECONDS)
    said += _heard(process, QUIET_SECONDS, until_quiet=True)
    for line in rows.splitlines(keepends=True):
        try:
            process.stdin.write(line)
        except OSError:  # it has ended
            break
        said += _heard(process, ANSWER_SECONDS, until=b"\n")
    return said + _heard(process, QUIET_SECONDS, until_quiet=True)


def _heard(process: subprocess.Popen[bytes], seconds: float, until: bytes = b"", until_quiet: bool = False) -> bytes:
    """What comes within `seconds`: at least a byte, or all up to `until`, or all until it is quiet for that long."""
    assert process.stdout is not None
    said, end = b"", time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        ready, _, _ = select.select([process.stdout], [], [], left)
        if not ready or not (some := os.read(process.stdout.fileno(), 4096)):
            break
        said += some
        if until_quiet:
            end = time.monotonic() + seconds
        elif until in said:
            break
    return said


def _pty(process: subprocess.Popen[bytes]) -> str:
    said = _heard(process, ANSWER_SECONDS, until=b"(label ")
    port = re.search(rb"redirected to (\S+)", said)
    if port is None:
        raise error(
            "E0702",
            "the simulated board did not start",
            help=said.decode(errors="replace").strip() or "it said nothing",
        )
    return port.group(1).decode()


def _crashed(status: int, said: str) -> McugenError:
    reason = "a fault of the processor" if status == CRASHED else f"QEMU ended with {status}"
    help = "with mcugen's own output this is a bug: please report it"
    return error("E0702", f"the program crashed in the simulator: {reason}", help=help, notes=said.splitlines()[:4])


# ---- counting -------------------------------------------------------------------------------------------------------


@cache
def plugin(qemu: str) -> Path | None:
    """The plugin that counts, built at its first use and kept in the cache; None where this QEMU takes none."""
    if os.environ.get("MCUGEN_QEMU_PLUGIN", "") == "off" or not _takes_plugins(qemu):
        return None
    try:
        command = compiler()
    except McugenError:
        return None
    source, table = (firmware_dir() / "simulator" / name for name in ("qemu_count.c", "qemu_timing.h"))
    digest = hashlib.sha256(f"{command}".encode() + source.read_bytes() + table.read_bytes()).hexdigest()[:16]
    built = cache_dir() / "simulator" / f"qemu_count-{digest}.so"
    if not built.is_file():
        _compile(command, source, built)
    return built


def _takes_plugins(qemu: str) -> bool:
    try:
        done = subprocess.run([qemu, "--help"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "-plugin " in done.stdout


def _compile(command: Sequence[str], source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        built = Path(folder) / target.name
        whole = [*command, "-std=c99", "-O2", "-shared", "-fPIC", "-o", str(built), str(source)]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            help = "set MCUGEN_QEMU_PLUGIN=off to count without it"
            raise error("E0701", "QEMU's counter cannot be built", help=help, notes=done.stderr.splitlines()[:4])
        os.replace(built, target)


def _counting(core: Core, program: Path, out: Path) -> list[str]:
    counter = plugin(core.qemu[0])
    if counter is None:
        return []
    timing = f",timing={core.timing}" if core.timing else ""
    return ["-plugin", f"{counter},marks={core.marks},stack={elves.address(program, '_bss_end')}{timing},out={out}"]


_Counts = tuple[int, int, int]


def _counted(file: Path) -> tuple[_Counts, list[_Counts]]:
    """The whole run's instructions, lowest store and modelled cycles, and each pair's instructions, stack and cycles."""
    *pairs, whole = file.read_text().splitlines()
    return _counts(whole.removeprefix("all ")), [_counts(line) for line in pairs]


def _counts(line: str) -> _Counts:
    instructions, stack, modelled = map(int, line.split())
    return instructions, stack, modelled
