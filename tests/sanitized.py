"""Generated C under ASan and UBSan: many models in one program, one gcc call, one run; then as C++11 and for AVR."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tools import tool

from mcugen.boards import Target, load_board
from mcugen.emit import emit
from mcugen.ir import Array, Graph, Module
from mcugen.memory.plan import plan
from mcugen.passes import run
from mcugen.targets import host
from mcugen.targets.driver import Unit, driver_sources, pack_rows, row_sizes, unpack_results, write_driver

STRICT = (*host.STRICT, "-Wcast-align")
# Not optimised: the sanitizers find no less, and it is half of the compiler's time. Boards' compilers optimise, and warn.
SANITIZE = ("-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-ffp-contract=off")
OPTIMIZE = ("-O2", "-fstrict-aliasing", "-ffp-contract=off")
TARGET = Target(load_board("uno"))


def compiled(*graphs: Graph, name: str = "m", header: bool = False) -> Unit:
    """The C of a module's functions for the Uno, through the passes and the planner."""
    module = run(Module(name, graphs), TARGET)
    return Unit(module, emit(module, plan(module, TARGET), TARGET, header=header))


def run_sanitized(
    units: Sequence[Unit], inputs: Sequence[Sequence[Array]], flags: Sequence[str] = SANITIZE
) -> list[list[Array]]:
    """Per unit its outputs, each (rows, *its shape), for its inputs; fails on a warning or on anything a sanitizer finds.

    The units are parts of one file, as in `check_as_cpp`: begun once, gcc takes a fraction of the time."""
    gcc = tool("gcc")
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        driver, *files = write_driver(here, units)
        sources = [driver, in_one(here, files), Path(__file__).parent / "ops" / "run_rows.c"]
        program = here / "rows"
        _call([gcc, *STRICT, *flags, f"-I{driver_sources()}", *map(str, sources), "-o", str(program), "-lm"])
        counts = [str(len(arrays[0]) if arrays else 1) for arrays in inputs]
        rows = b"".join(pack_rows(unit.module, arrays) for unit, arrays in zip(units, inputs, strict=True))
        raw = _call([str(program), *counts], rows)
    return _results(units, [int(c) for c in counts], raw)


def run_main(units: Sequence[Unit], main: str) -> str:
    """What a program prints that is this text of C and the units' C; as C99 and as C++11 it must be the same."""
    printed = {_printed(units, main, compiler) for compiler in (C99, CPP)}
    assert len(printed) == 1
    return printed.pop()


C99 = ("gcc", *STRICT)
CPP = ("g++", "-x", "c++", "-std=c++11", *STRICT[1:])


def _printed(units: Sequence[Unit], main: str, compiler: Sequence[str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        here, program = Path(folder), Path(folder) / "main"
        sources = write_files(here, units, main)
        _call([tool(compiler[0]), *compiler[1:], *SANITIZE, *map(str, sources), "-o", str(program), "-lm"])
        return _call([str(program)]).decode()


def write_files(folder: Path, units: Sequence[Unit], main: str) -> list[Path]:
    """The units' C and main.c, all in one folder; returns the C files."""
    (folder / "main.c").write_text(main)
    for path, text in (item for unit in units for item in unit.files.items()):
        (folder / Path(path).name).write_text(text)
    return sorted(folder.glob("*.c"))


def check_as_cpp(units: Sequence[Unit]) -> None:
    """The same files are C++11, under the same warnings. They are parts of one file: what takes g++ longest is its own math.h.
    That each includes what it needs is seen where it is C, and by avr-gcc."""
    with tempfile.TemporaryDirectory() as folder:
        _, *files = write_driver(Path(folder), units)
        _call([tool("g++"), *CPP[1:], "-fsyntax-only", str(in_one(Path(folder), files))])


def check_on_avr(units: Sequence[Unit]) -> None:
    """avr-gcc takes the same files under the same warnings; version 5 is stricter about pointers, and its int has 16 bits.
    As C it takes each alone, so that each includes what it needs."""
    with tempfile.TemporaryDirectory() as folder:
        _, *files = write_driver(Path(folder), units)
        for language, given in ((C99, files), (CPP, [in_one(Path(folder), files)])):
            _call([tool("avr-gcc"), "-mmcu=atmega328p", "-Os", *language[1:], "-fsyntax-only", *map(str, given)])


def in_one(folder: Path, files: Sequence[Path]) -> Path:
    """A C file in the folder that includes these."""
    every = folder / "every.c"
    every.write_text("".join(f'#include "{file}"\n' for file in files))
    return every


def check_with_clang(files: Sequence[Path]) -> None:
    """clang links the files, with what it alone warns of; wanted where CI is set."""
    for language in (C99, CPP):
        program = files[0].with_suffix("")
        _call([*_clang(), *language[1:], "-Wunused", "-Wcast-align", *map(str, files), "-o", str(program)])


def _clang() -> list[str]:
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    return [tool("clang")]


def assert_same_floats(found: Array, wanted: Array, what: str) -> None:
    """Bit for bit, but one NaN is as good as another."""
    np.testing.assert_array_equal(found, wanted, err_msg=what)
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found[numbers]), np.signbit(wanted[numbers]), err_msg=what)


def hard_floats(rng: np.random.Generator, rows: int, shape: tuple[int, ...]) -> Array:
    """float32 of shape (rows, *shape): any bit pattern, then zeros, infinities, NaN and the smallest and largest numbers."""
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3.4e38, -3.4e38, 1, -1], np.float32)
    data = rng.integers(0, 2**32, (rows, *shape), dtype=np.uint32).view(np.float32)
    return np.where(rng.random(data.shape) < 0.3, rng.choice(special, data.shape), data)


def _results(units: Sequence[Unit], counts: Sequence[int], raw: bytes) -> list[list[Array]]:
    results, at = [], 0
    for unit, count in zip(units, counts, strict=True):
        size = count * row_sizes(unit.module)[1]
        results.append(unpack_results(unit.module, raw[at : at + size]))
        at += size
    assert at == len(raw)
    return results


def _call(command: Sequence[str], stdin: bytes = b"") -> bytes:
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[:4000]
    return done.stdout
