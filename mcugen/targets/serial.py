"""The serial port between a board and this computer: which one it is, and what comes over it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcugen.diagnostics import McugenError, error

BAUD = 115_200  # of the sketches that project.py writes
SLICE = 0.005  # seconds that one look at the port may take
SEND = 10.0  # seconds after which a port that takes no bytes is given up


@dataclass(frozen=True)
class Port:
    """A serial port: the name to open, and what is behind it."""

    device: str
    description: str


def ports() -> tuple[Port, ...]:
    """The serial ports that have hardware behind them. E0606 without pyserial."""
    try:
        from serial.tools.list_ports import comports
    except ImportError as missing:
        raise _no_pyserial() from missing
    # Linux lists every port that a PC could have, without an id where there is none
    found = (p for p in comports() if p.hwid not in ("", "n/a", None))
    return tuple(Port(str(p.device), str(p.description)) for p in sorted(found))


def choose_port(asked: str | None, found: Iterable[Port] | None = None) -> str:
    """The port that was asked for, else the only one that is there. E0703 where there is none, or more than one."""
    if asked and (not asked.startswith("/") or Path(asked).exists()):
        return asked
    there = [*(ports() if found is None else found)]
    if asked or len(there) != 1:
        raise _no_choice(there, asked)
    return there[0].device


def open_port(port: str, timeout: float | None = None) -> Any:
    """The port as pyserial has it, at BAUD; opening it resets an Arduino, and keeps other programs out. E0606 without pyserial, E0703 without the port."""
    try:
        import serial
    except ImportError as missing:
        raise _no_pyserial() from missing
    try:
        return serial.Serial(port, BAUD, timeout=timeout, write_timeout=SEND, exclusive=True)
    except (OSError, ValueError) as problem:  # SerialException is an OSError
        raise unusable(port, [str(problem)]) from problem


@dataclass(frozen=True)
class SerialLine:
    """An open port as a line of bytes (`mcugen.targets.link.Line`). E0703 when the port goes."""

    port: Any
    name: str

    def write(self, data: bytes) -> None:
        """Send all of it."""
        try:
            self.port.write(data)
        except OSError as problem:
            raise unusable(self.name, [str(problem)]) from problem

    def read(self, seconds: float) -> bytes:
        """What has come in, at least one byte; empty where none came for so many seconds."""
        until = time.monotonic() + seconds
        try:
            while not (came := self.port.read(max(1, self.port.in_waiting))) and time.monotonic() < until:
                pass  # the port's own time-out is short
        except OSError as problem:
            raise unusable(self.name, [str(problem)]) from problem
        return bytes(came)


@contextmanager
def open_line(port: str) -> Iterator[SerialLine]:
    """The port as a line, for the block. E0606 without pyserial, E0703 without the port, or where another program has it."""
    with open_port(port, timeout=SLICE) as opened:
        yield SerialLine(opened, port)


def monitor(port: str) -> Iterator[str]:
    """The lines that a board sends over `port`, without their ends. E0606 without pyserial, E0703 when the port goes."""
    with open_port(port) as line:
        while True:
            try:
                text: bytes = line.readline()
            except OSError as problem:
                raise unusable(port, [str(problem)]) from problem
            yield text.decode(errors="replace").rstrip("\r\n")


def require_free(port: str) -> None:
    """E0703 where the port is not there, or another program holds it: an uploader would talk into its conversation."""
    try:
        import fcntl
    except ImportError:  # Windows, where a second program cannot open a port anyway
        return
    try:
        file = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as problem:
        raise unusable(port, [str(problem)]) from problem
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        raise unusable(port, ["another program holds it"]) from problem
    finally:
        os.close(file)


def unusable(port: str, said: Sequence[str]) -> McugenError:
    """E0703, with what was said of the port."""
    return error(
        "E0703",
        f"the serial port {port or '(none given)'} cannot be used",
        help="`pio device list` shows the ports there are; close the program that holds it, and on Linux be in the group dialout",
        notes=said[-4:],
    )


def _no_pyserial() -> McugenError:
    return error("E0606", "pyserial is not installed", help="install it: `pip install 'mcugen[build]'`")


def _no_choice(there: Sequence[Port], asked: str | None) -> McugenError:
    notes = [f"{port.device}: {port.description}" for port in there]
    what = f"there are {len(there)} serial ports" if there else "no board was found: there is no serial port"
    help = "plug the board in, with a cable that carries data, or name its port with --port"
    if there:
        help = f"say which one with --port, for example `--port {there[0].device}`"
    return error("E0703", f"there is no port {asked}" if asked else what, help=help, notes=notes)
