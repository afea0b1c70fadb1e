"""Trees on an ATmega2560: mcugen beside micromlgen on the same fitted models. `python benchmarks/trees.py`

Prints cycles, flash, RAM and wrong answers of both, each beside its target, and keeps them in results/trees.csv.
Needs avr-gcc, libsimavr and `pip install 'mcugen[bench,build]'`. See README.md for what is counted and how.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that a checkout needs no installation

from mcugen import __version__
from mcugen.boards import Optimize, load_board
from mcugen.compile import compile as compile_model
from mcugen.targets import avr, elf
from mcugen.targets.driver import Unit, driver_sources
from mcugen.targets.simavr import simulate

BOARD = load_board("mega2560")
RESULTS = Path(__file__).parent / "results" / "trees.csv"
TARGETS = {  # what the project promises: at most so much
    ("tree", "mcugen speed", "cycles"): 220,
    ("tree", "mcugen size", "flash"): 1_400,
    ("forest of 10", "mcugen speed", "cycles"): 2_100,
    ("forest of 10", "mcugen size", "flash"): 10_500,
}

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Result:
    """One model by one tool. Cycles: the mean of all rows, and the worst row. Flash, RAM and stack in bytes."""

    model: str
    tool: str
    form: str
    cycles: float
    worst: int
    flash: int
    ram: int
    stack: int
    rows: int
    wrong: int


@dataclass(frozen=True)
class Program:
    """A linked driver with one model in it, and what a run of it over the test rows gave."""

    elf: Path
    cycles: Sequence[int]
    stacks: Sequence[int]
    answers: npt.NDArray[np.int64]


def main() -> None:
    """Measure, print, keep; exit code 1 where a target is missed or an answer is wrong."""
    train, test, labels = digits()
    results = []
    for name, model in fitted(train, labels).items():
        with tempfile.TemporaryDirectory(prefix="mcugen-benchmark-") as folder:
            results += measure(name, model, test, Path(folder))
    keep(results)
    missed = [*show(results)]
    print("\n".join(missed) if missed else "Every target is met.")
    sys.exit(bool(missed))


def digits() -> tuple[Rows, Rows, npt.NDArray[np.int64]]:
    """Training rows, test rows and training labels."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    rows, labels = load_digits(return_X_y=True)
    split = train_test_split(rows.astype(np.float32), labels, test_size=0.3, stratify=labels, random_state=0)
    return split[0], split[1], split[2]


def fitted(rows: Rows, labels: npt.NDArray[np.int64]) -> Mapping[str, Any]:
    """Fully grown, as scikit-learn grows them unless told otherwise."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier

    return {
        "tree": DecisionTreeClassifier(random_state=0).fit(rows, labels),
        "forest of 10": RandomForestClassifier(10, random_state=0).fit(rows, labels),
    }


def measure(name: str, model: Any, test: Rows, folder: Path) -> Iterator[Result]:
    """Both forms of mcugen, then micromlgen, on all test rows."""
    expected = np.searchsorted(model.classes_, model.predict(test))
    for optimize in ("speed", "size"):
        form, program = by_mcugen(model, optimize, test, folder / optimize)
        empty = by_mcugen_empty(model, test, folder / f"{optimize}-empty")
        yield result(name, f"mcugen {optimize}", form, program, empty, expected)
    program = by_micromlgen(micromlgen(model), test, folder / "micromlgen")
    empty = by_micromlgen(EMPTY, test, folder / "micromlgen-empty")
    yield result(name, "micromlgen", "if/else on float", program, empty, expected)


def result(
    model: str, tool: str, form: str, program: Program, empty: Program, expected: npt.NDArray[np.int64]
) -> Result:
    """What a program takes beyond the same program with an empty model."""
    used, base = elf.usage(program.elf), elf.usage(empty.elf)
    return Result(
        model,
        tool,
        form,
        cycles=round(float(np.mean(program.cycles)), 1),
        worst=max(program.cycles),
        flash=used.flash - base.flash,
        ram=used.ram - base.ram,
        stack=max(program.stacks),
        rows=len(expected),
        wrong=int((program.answers != expected).sum()),
    )


# ---- mcugen ---------------------------------------------------------------------------------------------------------


def by_mcugen(model: Any, optimize: Optimize, test: Rows, folder: Path) -> tuple[str, Program]:
    """The form that mcugen chose, and its program."""
    compiled = compile_model(model, board=BOARD.name, name="model", optimize=optimize, check_answers=False)
    form = compiled.module.predict.nodes[0].op.form
    return form, run_unit(compiled.unit, test, folder)


def by_mcugen_empty(model: Any, test: Rows, folder: Path) -> Program:
    """The same program with a function that always answers 0."""
    unit = compile_model(model, board=BOARD.name, name="model", optimize="size", check_answers=False).unit
    body = '#include "model.h"\n\nint model_predict(const float x[64])\n{\n    (void)x;\n    return 0;\n}\n'
    return run_unit(Unit(unit.module, {**unit.files, "src/model.c": body}), test, folder)


def run_unit(unit: Unit, test: Rows, folder: Path) -> Program:
    """Compile, link and run a unit of mcugen's own driver."""
    program = avr.toolchain.link([unit], BOARD, folder)
    (run,) = avr.toolchain.run_program(program, [unit], [[test]], BOARD)
    return Program(program, run.cycles, run.stacks, run.outputs[0].astype(np.int64))


# ---- micromlgen -----------------------------------------------------------------------------------------------------

EMPTY = """
namespace Eloquent { namespace ML { namespace Port {
class Empty { public: __attribute__((noinline)) int predict(float *x) { return (void)x, 0; } };
} } }
"""

# What its Arduino users write: one global object, and predict() on an array of floats.
SKETCH = """
#include <stdint.h>
#include <string.h>
extern "C" {{
#include "mcugen_probe.h"
}}
#include "model.h"

Eloquent::ML::Port::{name} model;

static void row(const unsigned char *in, unsigned char *out)
{{
    float *x = (float *)(const void *)in;
    MCUGEN_START();
    int32_t answer = model.predict(x);
    MCUGEN_STOP();
    memcpy(out, &answer, sizeof answer);
}}

const mcugen_model mcugen_models[] = {{{{row, {in_bytes}, 4}}}};
const unsigned mcugen_model_count = 1;
"""


def micromlgen(model: Any) -> str:
    """The C++ that micromlgen makes of a model."""
    from micromlgen import port

    return str(port(model))


def by_micromlgen(header: str, test: Rows, folder: Path) -> Program:
    """Compile, link and run C++ as micromlgen makes it."""
    folder.mkdir()
    name = header.split("class ")[1].split()[0]
    (folder / "cstdarg").write_text("#include <stdarg.h>\n")  # which avr-gcc does not have, and the C++ includes
    (folder / "model.h").write_text(header)
    (folder / "main.cpp").write_text(SKETCH.format(name=name, in_bytes=4 * test.shape[1]))
    sizes = (f"-DMCUGEN_IN_BYTES={4 * test.shape[1]}", "-DMCUGEN_OUT_BYTES=4")
    include = (f"-I{driver_sources()}", f"-I{folder}")
    for compiler, source, *flags in (
        ("avr-g++", folder / "main.cpp", "-std=gnu++11", "-fno-exceptions", "-fno-threadsafe-statics"),
        ("avr-gcc", driver_sources() / "avr.c", "-std=c99", *sizes),
    ):
        gcc(compiler, *flags, *include, *avr.CODE, "-c", source, "-o", folder / f"{source.stem}.o")
    program = folder / "driver.elf"
    gcc("avr-gcc", "-Os", "-Wl,--gc-sections", folder / "main.o", folder / "avr.o", "-o", program, "-lm")
    return run_program(program, test)


def gcc(compiler: str, *args: object) -> None:
    """One call of a compiler for the board's MCU."""
    subprocess.run([compiler, f"-mmcu={BOARD.mcu}", *map(str, args)], check=True)


def run_program(program: Path, test: Rows) -> Program:
    """Every test row through a program with one model."""
    rows = len(test).to_bytes(4, "little") + test.tobytes()
    done = simulate(program, mcu=BOARD.mcu, freq=BOARD.clock, rows=rows, limit=1 << 40)
    if done.end != "exit":
        raise SystemExit(f"{program.name} ended with '{done.end}' {done.reason}")
    return Program(program, done.cycles, done.stacks, np.frombuffer(done.results, "<i4").astype(np.int64))


# ---- what comes out -------------------------------------------------------------------------------------------------


def keep(results: Sequence[Result]) -> None:
    """Write results/trees.csv; the versions are in every row, so that rows of several days can stand together."""
    compiler = subprocess.run(["avr-gcc", "-dumpversion"], capture_output=True, text=True, check=True).stdout.strip()
    versions = {
        "mcugen": __version__,
        "micromlgen": version("micromlgen"),
        "sklearn": version("scikit-learn"),
        "avr_gcc": compiler,
        "mcu": BOARD.mcu,
        "flags": "-Os",
    }
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*asdict(results[0]), *versions], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**asdict(one), **versions} for one in results)


COLUMNS: tuple[tuple[str, int, Callable[[Result], str]], ...] = (
    ("", 14, lambda r: r.model),
    ("", 13, lambda r: r.tool),
    ("form", -17, lambda r: r.form),
    ("cycles", -9, lambda r: f"{r.cycles:,.0f}"),
    ("worst", -7, lambda r: f"{r.worst:,}"),
    ("flash", -10, lambda r: f"{r.flash:,} B"),
    ("RAM", -6, lambda r: f"{r.ram} B"),
    ("stack", -6, lambda r: f"{r.stack} B"),
    ("wrong", -9, lambda r: f"{r.wrong}/{r.rows}"),
)


def show(results: Sequence[Result]) -> Iterator[str]:
    """Print the table; yields the targets that were missed."""
    print(f"{BOARD.mcu}, avr-gcc -Os, digits, {results[0].rows} test rows, mean cycles per prediction\n")
    print("".join(cell(title, width) for title, width, _ in COLUMNS).rstrip())
    for one in results:
        print("".join(cell(text(one), width) for _, width, text in COLUMNS).rstrip())
    print()
    for (model, tool, what), most in TARGETS.items():
        found = next(getattr(r, what) for r in results if (r.model, r.tool) == (model, tool))
        theirs = next(getattr(r, what) for r in results if (r.model, r.tool) == (model, "micromlgen"))
        line = f"{model}, {tool}: {what} {found:,.0f}, target {most:,}, micromlgen {theirs:,.0f}"
        print(line)
        if found > most:
            yield f"MISSED by {100 * (found / most - 1):.1f} %: {line}"
    yield from (f"WRONG: {r.model}, {r.tool}: {r.wrong} rows" for r in results if "mcugen" in r.tool and r.wrong)


def cell(text: str, width: int) -> str:
    """Left-aligned, or right-aligned where the width is negative."""
    return f"{text:<{width}}" if width > 0 else f"{text:>{-width}}  "


if __name__ == "__main__":
    main()
