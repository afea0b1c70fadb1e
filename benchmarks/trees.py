"""Trees on four kinds of processor: mcugen beside micromlgen on the same fitted models. `python benchmarks/trees.py`

Prints cycles (AVR) or instructions (QEMU), flash, RAM and wrong answers of both, each beside its target, and keeps them in
results/trees.csv. Needs the toolchains that `scripts/setup` installs and `pip install 'mcugen[bench,build]'`. See README.md
for what is counted and how; the programs are made and run by benchmarks/classical.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that a checkout needs no installation

from benchmarks.classical import ours, program
from benchmarks.classical.cases import Case, case
from benchmarks.classical.code import Code
from benchmarks.classical.peers import micromlgen
from benchmarks.classical.program import Core, FailedError
from mcugen import __version__
from mcugen.boards import Optimize

CORES = (
    Core("avr", "mega2560", "-Os"),
    Core("cortex-m0plus", "metro_m0", "-Os"),
    Core("cortex-m4f", "feather_nrf52840", "-Os"),
    Core("riscv32", "esp32c3", "-Os"),
)
MODELS = {"tree": "tree", "forest of 10": "forest10"}  # as they are called here, and in the matrix
OPTIMIZE: tuple[Optimize, ...] = ("speed", "size")
RESULTS = Path(__file__).parent / "results" / "trees.csv"
TARGETS = {  # what the project promises on the ATmega2560: at most so much
    ("tree", "mcugen speed", "cycles"): 220,
    ("tree", "mcugen size", "flash"): 1_400,
    ("forest of 10", "mcugen speed", "cycles"): 2_100,
    ("forest of 10", "mcugen size", "flash"): 10_500,
}


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


def main() -> None:
    """Measure, print, keep; exit code 1 where a target is missed or an answer is wrong."""
    results = [found for core in CORES for name in MODELS for found in measure(core, name)]
    keep(results)
    missed = [*show(results)]
    print("\n".join(missed) if missed else "Every target is met.")
    sys.exit(bool(missed))


def measure(core: Core, name: str) -> Iterator[Result]:
    """Both forms of mcugen, then micromlgen, on all test rows."""
    one = case(MODELS[name], "digits")
    for optimize in OPTIMIZE:
        code = ours.port(core, one, optimize)
        yield result(core, name, one, f"mcugen {optimize}", code.form, code)
    try:
        yield result(core, name, one, "micromlgen", "if/else on float", micromlgen.port(one.fitted, "class", one.train))
    except FailedError as problem:
        print(f"micromlgen's {name} on {core.board.title}: {problem}", file=sys.stderr)


def result(core: Core, model: str, one: Case, tool: str, form: str, code: Code) -> Result:
    """What a program takes beyond the same program with an empty model."""
    with tempfile.TemporaryDirectory(prefix="mcugen-benchmark-") as folder:
        found = program.measure(core, code, one.test, Path(folder))
    return Result(
        core.name,
        core.unit,
        model,
        tool,
        form,
        cycles=round(float(np.mean(found.cycles)), 1),
        worst=max(found.cycles),
        flash=found.flash,
        ram=found.ram,
        stack=max(found.stacks),
        rows=len(one.test),
        wrong=int((found.answers != one.expected).sum()),
    )


# ---- what comes out -------------------------------------------------------------------------------------------------


def keep(results: Sequence[Result]) -> None:
    """Write results/trees.csv; the versions are in every row, so that rows of several days can stand together."""
    compilers = {core.name: core.compiler for core in CORES}
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
        for core in CORES:
            ours, theirs = (find(results, core, model, by) for by in (tool, "micromlgen"))
            found, peer = getattr(ours, what), getattr(theirs, what) if theirs else None
            most = promised if core.name == "avr" else None
            line = f"{core.name}, {model}, {tool}: {what} {found:,.0f}"
            line += f", target {most:,}" if most is not None else ""
            line += f", micromlgen {peer:,.0f}" if peer is not None else ", micromlgen does not fit"
            print(line)
            if most is not None and found > most:
                yield f"MISSED by {100 * (found / most - 1):.1f} %: {line}"
    yield from (f"WRONG: {r.model}, {r.tool}: {r.wrong} rows" for r in results if "mcugen" in r.tool and r.wrong)


def find(results: Sequence[Result], core: Core, model: str, tool: str) -> Result | None:
    """The result of a tool; None where it has none."""
    return next((r for r in results if (r.core, r.model, r.tool) == (core.name, model, tool)), None)


def cell(text: str, width: int) -> str:
    """Left-aligned, or right-aligned where the width is negative."""
    return f"{text:<{width}}" if width > 0 else f"{text:>{-width}}  "


if __name__ == "__main__":
    main()
