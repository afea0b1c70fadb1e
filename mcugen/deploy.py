"""From C to a board: the sketch as a PlatformIO project, built, and the rows that it takes."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mcugen.compile import Compiled
from mcugen.interface import as_given, feed_of
from mcugen.ir import Array, DType
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


def sample_row(compiled: Compiled, rows: Array | None) -> list[float]:
    """A row for the sketch to try when it starts: the first of the user's, else one made from the model's thresholds."""
    found = rows if rows is not None else probe(compiled.module, 16)
    finite = found[np.isfinite(found).all(axis=1)]
    return [float(number) for number in (finite if len(finite) else np.zeros_like(found))[0]]


def typed(compiled: Compiled, rows: Array) -> bytes:
    """Rows (n, features) as a person types them for the compiled model's sketch: a line per row, or per row of a streamed input."""
    feed = feed_of(compiled.module, compiled.module.predict)
    (given,) = as_given(compiled.module, [rows])
    lines = given.reshape(-1, feed.parameter.size) if feed and feed.streamed else given
    return row_text(lines, compiled.row)


def row_text(rows: Array, dtype: DType = DType.F32) -> bytes:
    """Rows (n, features) as the sketch reads them from its serial port: numbers of a row's type in text, a line per row."""
    with np.errstate(over="ignore"):
        held = rows.astype(dtype.numpy)
    return "".join(",".join(str(number) for number in row) + "\n" for row in held).encode()
