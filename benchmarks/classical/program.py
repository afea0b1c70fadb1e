"""Code and the driver as one program: compiled, linked, its sizes read, its rows run in the simulator."""

from __future__ import annotations

import re
import resource
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.classical.code import Code
from mcugen.boards import Board, load_board
from mcugen.diagnostics import McugenError
from mcugen.targets import elf, toolchain_for
from mcugen.targets.alone import Alone, Counted
from mcugen.targets.driver import driver_sources

T = TypeVar("T")
COMPILE_SECONDS = 120
SIZED = ("-ffunction-sections", "-fdata-sections", "-fno-common")


class FailedError(Exception):
    """There is no program, or it does not run; the text says why, in few words."""


@dataclass(frozen=True)
class Core:
    """A processor as the benchmark takes it: a board of mcugen, and how everything is optimised."""

    name: str
    board_name: str
    optimise: str

    @cached_property
    def board(self) -> Board:
        """Its facts."""
        return load_board(self.board_name)

    @cached_property
    def tools(self) -> Alone:
        """Its compiler and simulator, optimising as this core does."""
        tools = copy(toolchain_for(self.board))
        assert isinstance(tools, Alone)
        tools.optimise = self.optimise
        return tools

    @cached_property
    def unit(self) -> str:
        """What its simulator counts: cycles or instructions."""
        return toolchain_for(self.board).unit

    @cached_property
    def gcc(self) -> tuple[str, ...]:
        """The compiler for everybody, with what the toolchain knows of the core but its own choice of optimisation."""
        kept = [flag for flag in self.tools.options(self.board) if not re.match(r"-ff|-fd|-fno-common", flag)]
        return (*self.tools.compiler(self.board)[0], *SIZED, *kept)

    @cached_property
    def compiler(self) -> str:
        """The compiler's name and version."""
        done = subprocess.run([self.gcc[0], "-dumpversion"], capture_output=True, text=True, check=True)
        return f"{self.gcc[0]} {done.stdout.strip()}"

    def numpy_type(self, c_type: str) -> str:
        """How a row of this C type lies in memory."""
        double = "<f4" if self.name == "avr" else "<f8"
        return {"float": "<f4", "double": double, "uint8_t": "u1", "int16_t": "<i2"}[c_type]


@dataclass(frozen=True)
class Measured:
    """What a program takes beyond the same program with an empty model, in bytes; per row what it answered and counted."""

    flash: int
    ram: int
    cycles: Sequence[int]
    stacks: Sequence[int]
    answers: npt.NDArray[np.int64]


SKETCH = """\
#include <stdint.h>
#include <string.h>
#ifdef __cplusplus
extern "C" {{
#endif
#include "mcugen_probe.h"
#ifdef __cplusplus
}}
#endif

{code.sketch}

/* No step of the prediction before the mark, none after it; it may be inlined between them. */
static void row(const unsigned char *in, unsigned char *out)
{{
    {code.input} *x = ({code.input} *)(void *)in;
    {code.before}
    MCUGEN_START();
    __asm__ volatile("" : "+r"(x) : : "memory");
    int answer = (int)({code.call});
    __asm__ volatile("" : "+r"(answer) : : "memory");
    MCUGEN_STOP();
    int32_t wide = answer;
    memcpy(out, &wide, sizeof wide);
}}

extern const mcugen_model mcugen_models[1];
const mcugen_model mcugen_models[1] = {{{{row, {in_bytes}, 4}}}};
extern const unsigned mcugen_model_count;
const unsigned mcugen_model_count = 1;
"""
EMPTY = Code(sketch="static __attribute__((noinline)) int nothing(void *x) { return (void)x, 0; }\n", call="nothing(x)")


def measure(core: Core, code: Code, rows: npt.NDArray[np.generic], folder: Path, budget: int | None = None) -> Measured:
    """Compile, link and run; with a budget (cycles or instructions) only as many of the first rows as it is enough for."""
    packed = np.ascontiguousarray(rows, core.numpy_type(code.input))
    row_bytes = packed[0].nbytes
    program = link(core, code, row_bytes, folder / "program")
    used, base = elf.usage(program), _empty(core, row_bytes, code.cpp)
    done = _run(core, program, packed, used.ram, budget)
    answers = np.frombuffer(done.results, "<i4").astype(np.int64)
    return Measured(used.flash - base.flash, used.ram - base.ram, done.cycles, done.stacks, answers)


@cache
def _empty(core: Core, row_bytes: int, cpp: bool) -> elf.Usage:
    """What a program with an empty model takes."""
    return elf.usage(
        link(core, replace(EMPTY, cpp=cpp), row_bytes, _folder(f"empty-{core.name}{core.optimise}-{row_bytes}-{cpp}"))
    )


@cache
def _ends(core: Core, row_bytes: int) -> tuple[Path, ...]:
    """The driver's part that is the same for all models with rows of one size."""
    folder = _folder(f"ends-{core.name}{core.optimise}-{row_bytes}")
    sizes = [f"-DMCUGEN_IN_BYTES={row_bytes}", "-DMCUGEN_OUT_BYTES=4", *_include(core)]
    return tuple(_compile(core, end, folder, sizes) for end in core.tools.ends)


def _folder(name: str) -> Path:
    folder = Path(_session().name) / name
    folder.mkdir(exist_ok=True)
    return folder


@cache
def _session() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="mcugen-benchmark-")


def _run(core: Core, program: Path, rows: npt.NDArray[np.generic], ram: int, budget: int | None) -> Counted:
    def some(count: int) -> Counted:
        served = count.to_bytes(4, "little") + rows[:count].tobytes()
        done = _told(lambda: core.tools.simulate(program, served, core.board))
        if len(done.cycles) != count:
            raise FailedError(f"answers {len(done.cycles)} of {count} rows")
        return done

    if budget is not None:
        count = int(budget / np.mean(some(2).cycles))
        rows = rows[: max(10, count)]
    done = some(len(rows))
    if ram + max(done.stacks) > core.board.ram:
        raise FailedError(f"needs {ram + max(done.stacks):,} B of RAM with its stack")
    return done


# ---- compiling ------------------------------------------------------------------------------------------------------


def link(core: Core, code: Code, row_bytes: int, folder: Path) -> Path:
    """The program as an ELF file. FailedError where the compiler or the linker gives up, or it does not fit the board."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in code.files.items():
        (folder / name).write_text(text)
    sketch = folder / ("sketch.cpp" if code.cpp else "sketch.c")
    sketch.write_text(SKETCH.format(code=code, in_bytes=row_bytes))
    flags = [*code.flags, *_include(core), *(f"-I{path}" for path in (folder, *code.include))]
    objects = [_compile(core, folder / name, folder, flags) for name in (*code.compiled, sketch.name)]
    objects += _ends(core, row_bytes)
    program = folder / "driver.elf"
    options = ["-Wl,--gc-sections", *map(str, objects), "-o", str(program), *core.tools.link_options(core.board), "-lm"]
    gcc(*core.gcc, *options)
    _told(lambda: core.tools.check(program, core.board))
    return program


def _include(core: Core) -> list[str]:
    return [f"-I{path}" for path in sorted({driver_sources(), *(end.parent for end in core.tools.ends)})]


def _compile(core: Core, source: Path, folder: Path, flags: Sequence[str]) -> Path:
    built = folder / f"{source.stem}.o"
    command = [*core.gcc, "-std=gnu11"]
    if source.suffix == ".cpp":
        command = [core.gcc[0].replace("gcc", "g++"), *core.gcc[1:], "-std=gnu++11", "-fno-exceptions"]
        command += ["-fno-rtti", "-fno-threadsafe-statics"]
    gcc(*command, "-w", *flags, "-c", str(source), "-o", str(built))
    return built


def gcc(*command: str) -> None:
    """One call of a compiler; FailedError with the first thing that it complains of."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=_in_time)
    if done.returncode == 0:
        return
    if done.returncode < 0 or "CPU time limit" in done.stderr or "Killed" in done.stderr:
        raise FailedError("the compiler comes to no end")
    if found := re.search(r"region `?(\w+)' overflowed by (\d+) bytes", done.stderr):
        raise FailedError(f"does not fit: {int(found[2]):,} B over the {found[1].lower()}")
    if found := re.search(r"section `?(\.\w+)' (?:is not within|will not fit in) region", done.stderr):
        raise FailedError(f"does not fit: {found[1]} is too large")
    found = re.search(r"(?:error|Error|undefined reference)[:\s].*", done.stderr)
    last = found[0] if found else (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    raise FailedError(f"does not compile: {last[:120]}")


def _in_time() -> None:
    """Its own time, not the clock's: a busy computer makes no compiler fail, and none goes on when we have given up."""
    resource.setrlimit(resource.RLIMIT_CPU, (COMPILE_SECONDS, COMPILE_SECONDS))


def _told(step: Callable[[], T]) -> T:
    try:
        return step()
    except McugenError as problem:
        message = problem.diagnostics[0].message
        raise FailedError(re.sub(r"^the program needs ([\d,]+ B of \w+).*", r"does not fit: \1", message)) from problem
