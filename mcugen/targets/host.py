"""The host: generated C compiled with this computer's compiler and called from Python, many models to one library."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from mcugen.diagnostics import McugenError, error
from mcugen.ir import Array
from mcugen.targets.driver import Unit, driver_sources, pack_rows, row_sizes, unpack_results, write_driver

OPTIMIZED_BELOW = 500_000  # characters of C
INSTALL = "install gcc (`sudo apt install gcc`) or `pip install ziglang`"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wdouble-promotion", "-Werror")


@dataclass(frozen=True, eq=False)
class HostLibrary:
    """Models compiled for this computer. It lives in a temporary folder that goes when the object goes."""

    units: tuple[Unit, ...]
    library: ctypes.CDLL
    _folder: tempfile.TemporaryDirectory[str] = field(repr=False)

    def run(self, inputs: Sequence[Array], model: int = 0) -> list[Array]:
        """The outputs of one model for rows: each input and output has shape (rows, *its own). Without inputs, of one row."""
        module = self.units[model].module
        rows = pack_rows(module, inputs)
        count = len(inputs[0]) if inputs else 1
        out = np.zeros((count, row_sizes(module)[1]), np.uint8)
        self.library.mcugen_rows(
            ctypes.c_uint(model), ctypes.c_size_t(count), rows, out.ctypes.data_as(ctypes.c_void_p)
        )
        return unpack_results(module, out.tobytes())


@cache
def find_compiler() -> tuple[str, ...] | None:
    """The command of this computer's C compiler: `$CC`, else cc, gcc, clang, ziglang's; None where there is none.

    `$CC` is a program or a command line ("gcc -m64"); E0601 where it names no program.
    """
    if wanted := os.environ.get("CC", "").strip():
        return _asked_for(wanted)
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return (found,)
    import sys
    from importlib.util import find_spec

    return (sys.executable, "-m", "ziglang", "cc") if find_spec("ziglang") else None


def _asked_for(wanted: str) -> tuple[str, ...]:
    try:
        # a path with blanks in it is a program, too
        command = [wanted] if shutil.which(wanted) else shlex.split(wanted, posix=os.name != "nt")
    except ValueError:  # a quotation mark without its other half
        command = [wanted]
    found = shutil.which(command[0]) if command else None
    if found is None:
        help = "set CC to a C compiler of this computer, or unset it"
        raise error("E0601", f"the compiler that CC names is not there: {wanted}", help=help)
    return (found, *command[1:])


def compiler() -> tuple[str, ...]:
    """`find_compiler`, or E0601."""
    found = find_compiler()
    if found is None:
        raise error(
            "E0601",
            "no C compiler was found on this computer",
            help=INSTALL,
        )
    return found


def compile_for_host(units: Sequence[Unit], flags: Sequence[str] | None = None) -> HostLibrary:
    """All units in one shared library, one compiler call.

    E0601 without a compiler, E0602 where it refuses the C or its library does not load, E0604 where the disk is full.

    Without flags it is C99 and lightly optimised; where there is much C, which is run few times, not at all.
    """
    command = compiler()
    size = sum(len(text) for unit in units for text in unit.files.values())
    flags = flags or ("-std=c99", "-O1" if size < OPTIMIZED_BELOW else "-O0")
    with writing():
        folder = tempfile.TemporaryDirectory(prefix="mcugen-host-")
        here = Path(folder.name)
        sources = [*write_driver(here, units), driver_sources() / "host.c"]
    library = here / "models.so"
    compile_c(
        [
            *command,
            *flags,
            "-ffp-contract=off",
            "-fPIC",
            "-shared",
            f"-I{driver_sources()}",
            *map(str, sources),
            "-o",
            str(library),
            "-lm",
        ]
    )
    return HostLibrary(tuple(units), _loaded(library, command), folder)


def _loaded(library: Path, command: Sequence[str]) -> ctypes.CDLL:
    if not library.is_file():
        help = "set CC to a C compiler of this computer, or unset it"
        raise error("E0602", f"{' '.join(command)} made no library, and said that all is well", help=help)
    try:
        return ctypes.CDLL(str(library))
    except OSError as problem:
        raise error(
            "E0602",
            "the compiled C cannot be loaded on this computer",
            help="set TMPDIR to a folder where programs may run, and CC to a compiler for this computer",
            notes=[str(problem)],
        ) from problem


@contextmanager
def writing() -> Iterator[None]:
    """E0604 where the temporary folder cannot be made or written to."""
    try:
        yield
    except OSError as problem:
        raise _full(problem.strerror or str(problem)) from problem


def _full(reason: str, notes: Sequence[str] = ()) -> McugenError:
    return error(
        "E0604",
        f"cannot write to the temporary folder: {reason}",
        help="free some space on its disk, or set TMPDIR to a folder of another",
        notes=notes,
    )


def compile_c(command: Sequence[str], timeout: float = 600, install: str = f"{INSTALL}, or set CC to another") -> str:
    """Run a compiler; returns what it said. E0602 with its words where it fails or takes over `timeout` seconds.

    E0604 where it has no room to write, E0601 with `install` as the way out where the compiler itself is broken.
    """
    words = {**os.environ, "LC_ALL": "C"}  # what it says is looked through
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=timeout, check=False, env=words
        )
    except subprocess.TimeoutExpired as late:
        raise error(
            "E0602",
            f"the compiler took more than {timeout:g} s",
            help="compile a smaller model, or use `--optimize size`",
        ) from late
    except OSError as problem:
        raise error("E0601", f"the compiler {command[0]} does not start: {problem}", help=install) from problem
    if done.returncode:
        raise _failed(command[0], done, install)
    return done.stderr


_NO_ROOM = ("No space left on device", "Disk quota exceeded")
_BROKEN = (
    "installation problem",
    "cannot find 'ld'",
    "unable to execute command",
    "error trying to exec",
    "cannot execute",
)


def _failed(compiler: str, done: subprocess.CompletedProcess[str], install: str) -> McugenError:
    said = (done.stderr or done.stdout).splitlines()
    reason = next((reason for reason in _NO_ROOM if reason in done.stderr), None)
    if reason:
        return _full(reason, [line for line in said if reason in line][:3])
    if not said:
        message = f"{compiler} fails without a word (exit code {done.returncode}): it is no working compiler"
        return error("E0601", message, help=install)
    if any(words in line for line in said for words in _BROKEN):
        return error("E0601", f"the installation of {compiler} is not whole", help=install, notes=said[:3])
    return error(
        "E0602",
        "the compiler refused the C",
        help="this is a bug in mcugen: please report it",
        notes=done.stderr.splitlines()[:12],
    )
