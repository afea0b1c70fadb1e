"""Fits the cost model of tree ensembles to measured models: `python benchmarks/cost_model.py [--quick] [--arch NAME]`.

Trains trees and forests on real and made-up data, compiles each as the boards' frameworks do (-Os), links many into one
program, takes the flash from its symbols, runs it in the architecture's simulator for cycles (or instructions) and stack,
and fits the weights of mcugen/ops/tree_ensemble/cost.py by least squares on relative errors. All forms and outputs of every
fifth model are held out and only judged. `--quick` measures fewer models and writes nothing.

`--arch xtensa` has no simulator and no ESP32 compiler: flash is the size of the objects that the LX106's compiler makes
(the same base instructions, call0 ABI), stack comes from its -fstack-usage, and nothing is counted.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
    make_regression,
)
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mcugen.boards import Arch, Board, Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.frontends import read
from mcugen.interface import signature
from mcugen.ir import DType
from mcugen.memory.plan import plan
from mcugen.op import Cost, Form
from mcugen.ops.tree_ensemble import TreeEnsemble, cost
from mcugen.ops.tree_ensemble import forms as tree_forms
from mcugen.ops.tree_ensemble.grid import INTEGERS, Grid
from mcugen.targets import elf, toolchain_for
from mcugen.targets.driver import Unit, write_driver
from mcugen.targets.sketch import model_part

BOARDS = {  # a board of each architecture, with room for many models at once
    "avr": "mega2560",
    "cortex-m0plus": "pico",
    "cortex-m3": "bluepill_f103c8",
    "cortex-m4f": "feather_nrf52840",
    "cortex-m7": "teensy40",
    "riscv32": "esp32c3",
    "xtensa": "esp32dev",
}
TOGETHER = {"avr": 4}  # models in a program
ROWS = 150
XTENSA = (
    "xtensa-lx106-elf-gcc",
    "-mlongcalls",
    "-Os",
    "-std=c99",
    "-ffreestanding",
    "-ffunction-sections",
    "-fdata-sections",
)
HEADERS = {  # it comes without a C library
    "string.h": "#include <stddef.h>\nvoid *memcpy(void *, const void *, size_t);\n",
    "math.h": "".join(f"float {name}(float);\n" for name in ("expf", "fabsf", "sqrtf", "tanhf"))
    + "float ldexpf(float, int);\n",
}
BOOSTED = 20  # trees of gradient boosting
SIZES = (
    (1, None, 1),
    (1, 4, 1),
    (1, None, 5),
    (2, 8, 1),
    (3, 5, 2),
    (10, 3, 1),
    (10, 6, 3),
    (25, 4, 1),
    (5, None, 1),
    (100, 3, 1),
    (BOOSTED, 3, 1),
)


@dataclass(frozen=True)
class Case:
    """A model in one form for one output, to be measured: the number of its model, its op and C, and rows of its data."""

    model: int
    what: str
    op: TreeEnsemble
    unit: Unit
    rows: Any


@dataclass(frozen=True)
class Sample:
    """A measured case: its flash (bytes), mean cycles or instructions, and stack (bytes)."""

    case: Case
    flash: int
    cycles: float
    stack: int

    @property
    def op(self) -> TreeEnsemble:
        """The op with its form decided."""
        return self.case.op


@dataclass(frozen=True)
class Fitted:
    """A figure that is fitted: what it depends on, and the floor below which errors count absolute, above relative."""

    features: Callable[[TreeEnsemble, str, Arch], Mapping[str, float]]
    floor: float


FIGURES = {
    "flash": Fitted(cost.code_features, 400.0),
    "cycles": Fitted(cost.cycle_features, 100.0),
    "stack": Fitted(cost.stack_features, 1e9),
}


def data() -> Iterator[tuple[str, Any, Any]]:
    """Real data sets, then made-up ones of 4 to 200 features, classes and numbers; about 0 on average, so half negative."""
    for load in (load_iris, load_wine, load_breast_cancer, load_digits, load_diabetes):
        x, y = load(return_X_y=True)
        yield load.__name__[5:], x, y
    for i, (features, classes) in enumerate(((4, 2), (9, 4), (12, 3), (20, 5), (40, 2), (100, 4), (200, 7))):
        informative = max(3, features // 2)
        x, y = make_classification(
            600,
            features,
            n_informative=informative,
            n_redundant=0,
            n_classes=classes,
            n_clusters_per_class=1,
            random_state=i,
        )
        yield f"made_{features}x{classes}", x, y
    x, y = make_regression(500, 15, random_state=0)
    yield "made_regression", x, y
    yield "made_wide", x, np.exp(9 * np.random.default_rng(0).standard_normal(len(x)))


def models(sizes: Sequence[tuple[int, int | None, int]]) -> Iterator[tuple[str, Any, Any]]:
    """Fitted models with rows of their data: float32, and for every third model of as many bits as integers have, too."""
    numbers = count()
    for name, x, y in data():
        number = name in ("diabetes", "made_regression", "made_wide")
        for trees, depth, least in sizes:
            options: dict[str, Any] = {"max_depth": depth, "min_samples_leaf": least, "random_state": 0}
            single, several = (
                (DecisionTreeRegressor, RandomForestRegressor)
                if number
                else (DecisionTreeClassifier, RandomForestClassifier)
            )
            if trees == 2 and not number:
                several = ExtraTreesClassifier
            if trees == BOOSTED:
                several = GradientBoostingRegressor if number else GradientBoostingClassifier
            if not number and (trees == 2 or least == 5):  # shares that are no counts of samples
                options["class_weight"] = {label: 1 + 0.1 * float(np.sqrt(label + 2)) for label in np.unique(y)}
            model = single(**options) if trees == 1 else several(n_estimators=trees, **options)
            for rows in (x.astype(np.float32), *(map(x_as, (x, x), INTEGERS) if next(numbers) % 3 == 0 else ())):
                what = f"{name} of {rows.dtype} trees={trees} depth={depth} least={least}"
                yield what, clone(model).fit(rows, y), rows[:ROWS]


def x_as(x: Any, kind: DType) -> Any:
    """Rows spread over the integers of a type."""
    low, high = x.min(axis=0), x.max(axis=0)
    least, most = Grid(kind).ends
    return np.rint(least + (x - low) / np.where(high > low, high - low, 1) * (most - least)).astype(kind.numpy)


def cases(board: Board, sizes: Sequence[tuple[int, int | None, int]]) -> Iterator[Case]:
    """Every model in every output and form that the architecture has."""
    target, numbers = Target(board), count()
    for place, (what, model, rows) in enumerate(models(sizes)):
        for output in ("label", "proba") if hasattr(model, "classes_") else ("value",):
            module = read(model, name="m", output=output, input=DType.of(rows.dtype)).module
            node = module.predict.nodes[0]
            for form in forms(node.op, board, far=place % 4 == 0):
                op = node.op.with_form(Form(form, Cost()), target)
                predict = replace(module.predict, nodes=(replace(node, op=op),))
                decided = replace(module, name=f"m{next(numbers)}", functions=(predict,))
                unit = Unit(decided, emit(decided, plan(decided, target), target))
                yield Case(place, f"{what} {output} {form}", op, unit, rows)


def forms(op: TreeEnsemble, board: Board, far: bool) -> Iterator[str]:
    """The forms of a board, none where it can have none; near tables as far ones, too, which only large models have."""
    try:
        found = tree_forms.available(op, board)
    except McugenError:
        return
    for form in found:
        yield form
        if board.arch == "avr" and far and form in ("table", "table_ranks"):
            yield f"{form}_far"


def kept(op: TreeEnsemble) -> str:
    """The name of a form's weights."""
    return cost.key_of(op.form, op.x)


def measured(cases: Sequence[Case], board: Board) -> Iterator[Sample]:
    """The figures of cases that are linked into one program; in halves where they do not fit together."""
    units = [case.unit for case in cases]
    with tempfile.TemporaryDirectory() as folder:
        try:
            program = toolchain_for(board).link(units, board, Path(folder))
            runs = toolchain_for(board).run_program(
                program, units, [case.rows if isinstance(case.rows, list) else [case.rows] for case in cases], board
            )
            for case, run in zip(cases, runs, strict=True):
                flash, ram = model_part(program, case.unit.module.name)
                assert ram == 0
                yield Sample(case, flash, float(np.mean(run.cycles)), max(run.stacks))
        except McugenError as problem:
            if len(cases) == 1:
                print(f"left out: {cases[0].what}: {problem.diagnostics[0].message}", file=sys.stderr)
                return
            half = len(cases) // 2
            yield from measured(cases[:half], board)
            yield from measured(cases[half:], board)


def on_xtensa(cases: Sequence[Case], board: Board) -> Iterator[Sample]:
    """Flash and stack of cases from their objects, literals among them; the deepest call is of the prediction and one below it."""
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            source = next(f for f in write_driver(Path(folder), [case.unit]) if f.parent.name == "0")
            for name, text in HEADERS.items():
                Path(folder, name).write_text(text)
            built = Path(folder, "model.o")
            subprocess.run([*XTENSA, "-isystem", folder, "-fstack-usage", "-c", source, "-o", built], check=True)
            flash = sum(
                size for name, size in elf.sections(built).items() if re.match(r"\.(text|literal|rodata)", name)
            )
            label = [s for s in elf.symbols(built) if "_label" in s.name]
            frames = re.findall(r":(\w+)\t(\d+)\t", built.with_suffix(".su").read_text())
        own = {name: int(size) for name, size in frames if "_label" not in name}
        top = own.pop(signature(case.unit.module, case.unit.module.predict).symbol)
        yield Sample(case, flash - sum(s.size for s in label), 0.0, top + max(own.values(), default=0))


def samples(board: Board, sizes: Sequence[tuple[int, int | None, int]]) -> Iterator[Sample]:
    """All cases, measured."""
    measure = on_xtensa if board.arch == "xtensa" else measured
    waiting = cases(board, sizes)
    while together := [*islice(waiting, TOGETHER.get(board.arch, 16))]:
        found = [*measure(together, board)]
        print(f"{found[-1].case.what if found else ''}", file=sys.stderr)
        yield from found


def tables(sample: Sample, figure: str) -> int:
    """What of a figure is counted and not fitted: the bytes of the tables."""
    return cost.table_bytes(sample.op, sample.op.form) if figure == "flash" else 0


def fitted(chosen: Sequence[Sample], figure: str, board: Board) -> dict[str, float]:
    """The weights of one figure by least squares; a little ridge keeps features that always come together apart."""
    features, floor = FIGURES[figure].features, FIGURES[figure].floor
    rows = [features(s.op, s.op.form, board.arch) for s in chosen]
    known = np.array([getattr(s, figure) - tables(s, figure) for s in chosen])
    return least_squares(rows, known, 1 / np.maximum([getattr(s, figure) for s in chosen], floor))


def least_squares(
    rows: Sequence[Mapping[str, float]], known: Any, weight: Any, *, solve: Callable[[Any, Any], Any] | None = None
) -> dict[str, float]:
    """The weights with which rows of features add up to what is known, each row's error weighed; a little ridge keeps features
    that always come together apart. `solve` is another solver of least squares.
    """
    names = sorted({name for row in rows for name in row})
    matrix = np.array([[row.get(name, 0.0) for name in names] for row in rows]) * weight[:, np.newaxis]
    ridge = 1e-4 * np.eye(len(names)) * weight.mean()
    system = np.concatenate([matrix, ridge]), np.concatenate([known * weight, np.zeros(len(names))])
    found = solve(*system) if solve else np.linalg.lstsq(*system, rcond=None)[0]
    return {name: round(float(w), 3) for name, w in zip(names, found, strict=True) if abs(w) >= 0.0005}


def judge(weights: cost.Weights, judged: Sequence[Sample], board: Board, title: str) -> None:
    """Print how far the estimates are off."""
    for form, figures in weights.items():
        for figure in figures:
            chosen = [s for s in judged if kept(s.op) == form]
            if chosen:
                print(f"{title:9} {form:19} {figure:6} {_judgement(figures[figure], chosen, figure, board)}")


def _judgement(weights: Mapping[str, float], chosen: Sequence[Sample], figure: str, board: Board) -> str:
    features = FIGURES[figure].features
    guesses = np.array([cost.dot(weights, features(s.op, s.op.form, board.arch)) + tables(s, figure) for s in chosen])
    truth = np.array([getattr(s, figure) for s in chosen])
    off = np.abs(guesses - truth)
    percent = 100 * off / np.maximum(truth, 1)
    bad = {"flash": (percent > 5) & (off > 100), "cycles": percent > 20, "stack": off > 16}[figure]
    limit = {"flash": "5 % and 100 B", "cycles": "20 %", "stack": "16 B"}[figure]
    worst = [chosen[i].case.what for i in np.flatnonzero(bad)[:3]]
    said = f"mean {percent.mean():5.1f} %, worst {percent.max():5.1f} %, {off.max():7.0f}"
    return f"{len(chosen):4} models: {said}; over {limit}: {int(bad.sum())} {worst}"


def fit(found: Sequence[Sample], board: Board) -> cost.Weights:
    """The weights, printed beside how far they are off: fitted to four of five models."""
    known, held = ([s for s in found if (s.case.model % 5 == 4) == out] for out in (False, True))
    figures = ("flash", "stack") if board.arch == "xtensa" else tuple(FIGURES)
    weights = {
        form: {f: fitted([s for s in known if kept(s.op) == form], f, board) for f in figures}
        for form in sorted({kept(s.op) for s in known})
    }
    judge(weights, known, board, "fitted")
    judge(weights, held, board, "held out")
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=BOARDS, default="avr")
    parser.add_argument("--quick", action="store_true", help="fewer models; nothing is written")
    parser.add_argument("--judge", action="store_true", help="judge the weights as they are; nothing is written")
    asked = parser.parse_args()
    board = replace(load_board(BOARDS[asked.arch]), copied=False)
    if asked.arch == "cortex-m3":  # QEMU's has more
        board = replace(board, flash=1 << 20)
    found = [*samples(board, SIZES[::4] if asked.quick else SIZES)]
    if asked.judge:
        judge(cost.weights(asked.arch), found, board, "as it is")
        return
    weights = fit(found, board)
    if not asked.quick:
        out = Path(cost.__file__).parent / f"cost_{asked.arch}.json"
        out.write_text(json.dumps(weights, indent=1, sort_keys=True) + "\n")
        print(f"written: {out.name}")


if __name__ == "__main__":
    main()
