"""The host: generated C compiled with this computer's compiler and called from Python, many models to one library."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array
from mcugen.targets.driver import Unit, driver_sources, pack_rows, row_sizes, unpack_results, write_driver

OPTIMIZED_BELOW = 500_000  # characters of C
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wdouble-promotion", "-Werror")


@dataclass(frozen=True, eq=False)
class HostLibrary:
    """Models compiled for this computer. It lives in a temporary folder that goes when the object goes."""

    units: tuple[Unit, ...]
    library: ctypes.CDLL
    _folder: tempfile.TemporaryDirectory[str] = field(repr=False)

    def run(self, inputs: Sequence[Array], model: int = 0) -> list[Array]:
        """The outputs of one model for rows: each input and output has shape (rows, *its own)."""
        module = self.units[model].module
        rows = pack_rows(module, inputs)
        count = len(inputs[0])
        out = np.zeros((count, row_sizes(module)[1]), np.uint8)
        self.library.mcugen_rows(
            ctypes.c_uint(model), ctypes.c_size_t(count), rows, out.ctypes.data_as(ctypes.c_void_p)
        )
        return unpack_results(module, out.tobytes())


@cache
def find_compiler() -> tuple[str, ...] | None:
    """The command of this computer's C compiler: `$CC`, cc, gcc, clang, else ziglang's; None where there is none."""
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        if name and (found := shutil.which(name)):
            return (found,)
    import sys
    from importlib.util import find_spec

    return (sys.executable, "-m", "ziglang", "cc") if find_spec("ziglang") else None


def compiler() -> tuple[str, ...]:
    """`find_compiler`, or E0601."""
    found = find_compiler()
    if found is None:
        raise error(
            "E0601",
            "no C compiler was found on this computer",
            help="install gcc (`sudo apt install gcc`) or `pip install ziglang`",
        )
    return found


def compile_for_host(units: Sequence[Unit], flags: Sequence[str] | None = None) -> HostLibrary:
    """All units in one shared library, one compiler call. E0601 without a compiler, E0602 where it refuses the C.

    Without flags it is C99 and lightly optimised; where there is much C, which is run few times, not at all.
    """
    command = compiler()
    size = sum(len(text) for unit in units for text in unit.files.values())
    flags = flags or ("-std=c99", "-O1" if size < OPTIMIZED_BELOW else "-O0")
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
    return HostLibrary(tuple(units), ctypes.CDLL(str(library)), folder)


def compile_c(command: Sequence[str], timeout: float = 600) -> str:
    """Run a compiler; returns what it said. E0602 with its words where it fails or takes over `timeout` seconds."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout, check=False)
    except subprocess.TimeoutExpired as late:
        raise error(
            "E0602",
            f"the compiler took more than {timeout:g} s",
            help="compile a smaller model, or use `--optimize size`",
        ) from late
    except OSError as problem:
        raise error(
            "E0601",
            f"the compiler {command[0]} does not start: {problem}",
            help="`mcugen doctor` says what is installed",
        ) from problem
    if done.returncode:
        raise error(
            "E0602",
            "the compiler refused the C",
            help="this is a bug in mcugen: please report it",
            notes=done.stderr.splitlines()[:12],
        )
    return done.stderr
