"""Trees on four kinds of processor: mcugen beside micromlgen on the same fitted models. `python benchmarks/trees.py`

Prints cycles (AVR) or instructions (QEMU), flash, RAM and wrong answers of both, each beside its target, and keeps them in
results/trees.csv. Needs the toolchains that `scripts/setup` installs and `pip install 'mcugen[bench,build]'`. See README.md
for what is counted and how.
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
from mcugen.boards import Board, Optimize, load_board
from mcugen.compile import compile as compile_model
from mcugen.diagnostics import McugenError
from mcugen.targets import elf, toolchain_for
from mcugen.targets.alone import Alone
from mcugen.targets.driver import Unit, driver_sources

BOARDS = tuple(map(load_board, ("mega2560", "metro_m0", "feather_nrf52840", "esp32c3")))
RESULTS = Path(__file__).parent / "results" / "trees.csv"
TARGETS = {  # what the project promises on the ATmega2560: at most so much
    ("tree", "mcugen speed", "cycles"): 220,
    ("tree", "mcugen size", "flash"): 1_400,
    ("forest of 10", "mcugen speed", "cycles"): 2_100,
    ("forest of 10", "mcugen size", "flash"): 10_500,
}

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Result:
    """One model by one tool. Cycles or instructions: the mean of all rows, the worst row. Flash, RAM and stack in bytes."""

    core: str
    unit: str
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
        for board in BOARDS:
            with tempfile.TemporaryDirectory(prefix="mcugen-benchmark-") as folder:
                results += measure(board, name, model, test, Path(folder))
    results.sort(key=lambda r: [board.arch for board in BOARDS].index(r.core))
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


def measure(board: Board, name: str, model: Any, test: Rows, folder: Path) -> Iterator[Result]:
    """Both forms of mcugen, then micromlgen, on all test rows."""
    expected = np.searchsorted(model.classes_, model.predict(test))
    for optimize in ("speed", "size"):
        form, program = by_mcugen(board, model, optimize, test, folder / optimize)
        empty = by_mcugen_empty(board, model, test, folder / f"{optimize}-empty")
        yield result(board, name, f"mcugen {optimize}", form, program, empty, expected)
    try:
        program = by_micromlgen(board, micromlgen(model), test, folder / "micromlgen")
    except McugenError as problem:
        print(f"micromlgen's {name} on {board.title}: {problem.diagnostics[0].message}", file=sys.stderr)
        return
    empty = by_micromlgen(board, EMPTY, test, folder / "micromlgen-empty")
    yield result(board, name, "micromlgen", "if/else on float", program, empty, expected)


def result(
    board: Board, model: str, tool: str, form: str, program: Program, empty: Program, expected: npt.NDArray[np.int64]
) -> Result:
    """What a program takes beyond the same program with an empty model."""
    used, base = elf.usage(program.elf), elf.usage(empty.elf)
    return Result(
        board.arch,
        toolchain_for(board).unit,
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


def by_mcugen(board: Board, model: Any, optimize: Optimize, test: Rows, folder: Path) -> tuple[str, Program]:
    """The form that mcugen chose, and its program."""
    compiled = compile_model(model, board=board.name, name="model", optimize=optimize, check_answers=False)
    form = compiled.module.predict.nodes[0].op.form
    return form, run_unit(board, compiled.unit, test, folder)


def by_mcugen_empty(board: Board, model: Any, test: Rows, folder: Path) -> Program:
    """The same program with a function that always answers 0."""
    unit = compile_model(model, board=board.name, name="model", optimize="size", check_answers=False).unit
    body = '#include "model.h"\n\nint model_predict(const float x[64])\n{\n    (void)x;\n    return 0;\n}\n'
    return run_unit(board, Unit(unit.module, {**unit.files, "src/model.c": body}), test, folder)


def run_unit(board: Board, unit: Unit, test: Rows, folder: Path) -> Program:
    """Compile, link and run a unit of mcugen's own driver."""
    program = toolchain_for(board).link([unit], board, folder)
    (run,) = toolchain_for(board).run_program(program, [unit], [[test]], board)
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


def by_micromlgen(board: Board, header: str, test: Rows, folder: Path) -> Program:
    """Compile, link and run C++ as micromlgen makes it."""
    folder.mkdir()
    name = header.split("class ")[1].split()[0]
    (folder / "cstdarg").write_text("#include <stdarg.h>\n")  # which avr-gcc does not have, and the C++ includes
    (folder / "model.h").write_text(header)
    (folder / "main.cpp").write_text(SKETCH.format(name=name, in_bytes=4 * test.shape[1]))
    tools = toolchain_for(board)
    assert isinstance(tools, Alone)
    gcc = [*tools.compiler(board)[0], *tools.options(board)]
    gxx = [gcc[0].replace("gcc", "g++"), *gcc[1:], "-std=gnu++11", "-fno-exceptions", "-fno-threadsafe-statics"]
    sizes = (f"-DMCUGEN_IN_BYTES={4 * test.shape[1]}", "-DMCUGEN_OUT_BYTES=4")
    include = [f"-I{path}" for path in (driver_sources(), folder)]
    run(*gxx, *include, "-c", folder / "main.cpp", "-o", folder / "main.o")
    objects = [folder / f"{end.stem}.o" for end in tools.ends]
    for end, built in zip(tools.ends, objects, strict=True):
        run(*gcc, "-std=c99", *sizes, *include, "-c", end, "-o", built)
    program = folder / "driver.elf"
    run(*gcc, "-Wl,--gc-sections", folder / "main.o", *objects, "-o", program, *tools.link_options(board), "-lm")
    tools.check(program, board)
    done = tools.simulate(program, len(test).to_bytes(4, "little") + test.tobytes(), board)
    return Program(program, done.cycles, done.stacks, np.frombuffer(done.results, "<i4").astype(np.int64))


def run(*command: object) -> None:
    """One call of a compiler."""
    subprocess.run([*map(str, command)], check=True)


# ---- what comes out -------------------------------------------------------------------------------------------------


def keep(results: Sequence[Result]) -> None:
    """Write results/trees.csv; the versions are in every row, so that rows of several days can stand together."""
    compilers = {board.arch: compiler(board) for board in BOARDS}
    versions = {
        "mcugen": __version__,
        "micromlgen": version("micromlgen"),
        "sklearn": version("scikit-learn"),
        "flags": "-Os",
    }
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*asdict(results[0]), "compiler", *versions], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**asdict(one), "compiler": compilers[one.core], **versions} for one in results)


def compiler(board: Board) -> str:
    """The compiler's name and version."""
    tools = toolchain_for(board)
    assert isinstance(tools, Alone)
    name = tools.compiler(board)[0][0]
    done = subprocess.run([name, "-dumpversion"], capture_output=True, text=True, check=True)
    return f"{name} {done.stdout.strip()}"


COLUMNS: tuple[tuple[str, int, Callable[[Result], str]], ...] = (
    ("", 15, lambda r: r.core),
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
    """Print the table and each promised figure beside the peer's; yields the targets that were missed."""
    print(f"digits, {results[0].rows} test rows, -Os; mean cycles per prediction, on all but AVR instructions\n")
    print("".join(cell(title, width) for title, width, _ in COLUMNS).rstrip())
    for one in results:
        print("".join(cell(text(one), width) for _, width, text in COLUMNS).rstrip())
    print()
    for (model, tool, what), promised in TARGETS.items():
        for board in BOARDS:
            ours, theirs = (find(results, board, model, by) for by in (tool, "micromlgen"))
            found, peer = getattr(ours, what), getattr(theirs, what) if theirs else None
            most = promised if board.arch == "avr" else None
            line = f"{board.arch}, {model}, {tool}: {what} {found:,.0f}"
            line += f", target {most:,}" if most is not None else ""
            line += f", micromlgen {peer:,.0f}" if peer is not None else ", micromlgen does not fit"
            print(line)
            if most is not None and found > most:
                yield f"MISSED by {100 * (found / most - 1):.1f} %: {line}"
    yield from (f"WRONG: {r.model}, {r.tool}: {r.wrong} rows" for r in results if "mcugen" in r.tool and r.wrong)


def find(results: Sequence[Result], board: Board, model: str, tool: str) -> Result | None:
    """The result of a tool; None where it has none."""
    return next((r for r in results if (r.core, r.model, r.tool) == (board.arch, model, tool)), None)


def cell(text: str, width: int) -> str:
    """Left-aligned, or right-aligned where the width is negative."""
    return f"{text:<{width}}" if width > 0 else f"{text:>{-width}}  "


if __name__ == "__main__":
    main()
