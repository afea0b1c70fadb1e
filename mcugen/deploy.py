"""From C to a board: the sketch as a PlatformIO project, built, and the serial port that it goes through."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mcugen.compile import Compiled
from mcugen.diagnostics import McugenError, error
from mcugen.ir import Array
from mcugen.targets import toolchain_for
from mcugen.targets.toolchain import Build
from mcugen.verify import probe


@contextlib.contextmanager
def project_folder(folder: Path | None) -> Iterator[Path]:
    """The folder itself, or one that is gone afterwards."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="mcugen-build-") as temporary:
        yield Path(temporary)


def build(compiled: Compiled, folder: Path, sample: Sequence[float] | None = None) -> Build:
    """Write the PlatformIO project into the folder and build it.

    sample  a row that the sketch tries when it starts
    E0901 for a board that cannot be built for yet, E0603 and E0604 as `Compiled.write`, E0605 without PlatformIO, E0602
    where the build fails, E0501 and E0502 where the program does not fit.
    """
    board = compiled.target.board
    toolchain = toolchain_for(board)
    compiled.write(folder, "platformio", sample)
    return toolchain.build(folder, board, compiled.module.name)


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
        raise error("E0606", "pyserial is not installed", help="install it: `pip install 'mcugen[build]'`") from missing
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


def _no_choice(there: Sequence[Port], asked: str | None) -> McugenError:
    notes = [f"{port.device}: {port.description}" for port in there]
    what = f"there are {len(there)} serial ports" if there else "no board was found: there is no serial port"
    help = "plug the board in, with a cable that carries data, or name its port with --port"
    if there:
        help = f"say which one with --port, for example `--port {there[0].device}`"
    return error("E0703", f"there is no port {asked}" if asked else what, help=help, notes=notes)


def sample_row(compiled: Compiled, rows: Array | None) -> list[float]:
    """A row for the sketch to try when it starts: the first of the user's, else one made from the model's thresholds."""
    found = rows if rows is not None else probe(compiled.module, 16)
    finite = found[np.isfinite(found).all(axis=1)]
    return [float(number) for number in (finite if len(finite) else np.zeros_like(found))[0]]


def row_text(rows: Array) -> bytes:
    """Rows (n, features) as the sketch reads them from its serial port: float32 in text, a line per row."""
    with np.errstate(over="ignore"):
        single = rows.astype(np.float32)
    return "".join(",".join(str(number) for number in row) + "\n" for row in single).encode()
