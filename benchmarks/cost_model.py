"""Fits the cost model of tree ensembles to measured models: `python benchmarks/cost_model.py [--quick] [--arch cortex-m]`.

Trains trees and forests on real and made-up data, builds each for an ATmega2560 by avr-gcc -Os as the Arduino core's flags
have it, counts its flash by its symbols and its cycles and stack under simavr, and fits the weights of
mcugen/ops/tree_ensemble/cost.py by least squares on relative errors. Every fifth model is held out and only judged.
With `--arch cortex-m`, flash alone is fitted, to Thumb-2 code by arm-none-eabi-gcc -Os; nothing is run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
    make_regression,
)
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.frontends import read
from mcugen.memory.plan import plan
from mcugen.op import Cost, Form
from mcugen.ops.tree_ensemble import TreeEnsemble, cost
from mcugen.targets import toolchain_for
from mcugen.targets.driver import Unit, write_driver
from mcugen.targets.elf import symbols
from mcugen.targets.sketch import model_part

ARM = "cortex-m" in sys.argv
BOARD = load_board("feather_nrf52840" if ARM else "mega2560")
FORMS = ("branches", "table") if ARM else ("branches", "branches16", "table", "table_far")
ROWS = 150
OUT = Path(cost.__file__).parent / ("cost_cortex-m.json" if ARM else "cost_avr.json")
# Cortex-M by hand, from the timings of its instructions: a split loads, compares and jumps; a walk also decodes.
BY_HAND = {
    "branches": {
        "cycles": {"split L": 9.0, "split R": 9.0, "split N": 9.0, "tree": 14.0},
        "stack": {"sums": 1.0, "base": 40.0},
    },
    "table": {
        "cycles": {"split L": 24.0, "split R": 24.0, "split N": 24.0, "tree": 30.0},
        "stack": {"sums": 1.0, "base": 48.0},
    },
}
SIZES = (
    (1, None, 1),
    (1, 4, 1),
    (1, None, 5),
    (2, 8, 1),
    (3, 5, 2),
    (10, 3, 1),
    (10, 6, 3),
    (25, 4, 1),
)


@dataclass(frozen=True)
class Sample:
    """A measured model: its op with the form decided, and its flash (bytes), mean cycles and stack (bytes)."""

    what: str
    op: TreeEnsemble
    flash: int
    cycles: float
    stack: int


ALL_FIGURES: dict[str, tuple[Callable[[TreeEnsemble, str], Mapping[str, float]], float]] = {
    "flash": (cost.code_features, 400.0),  # errors below this count absolute, above relative
    "cycles": (cost.cycle_features, 100.0),
    "stack": (cost.stack_features, 1e9),
}
FIGURES = {"flash": ALL_FIGURES["flash"]} if ARM else ALL_FIGURES


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
    """Fitted models with rows of their data."""
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
            if not number and (trees == 2 or least == 5):  # shares that are no counts of samples
                options["class_weight"] = {label: 1 + 0.1 * float(np.sqrt(label + 2)) for label in np.unique(y)}
            model = single(**options) if trees == 1 else several(n_estimators=trees, **options)
            yield f"{name} trees={trees} depth={depth} least={least}", model.fit(x, y), x[:ROWS].astype(np.float32)


def samples(sizes: Sequence[tuple[int, int | None, int]]) -> Iterator[Sample]:
    """Every model in every output and form that an ATmega2560 can hold."""
    target = Target(BOARD)
    for what, model, rows in models(sizes):
        for output in ("label", "proba") if hasattr(model, "classes_") else ("value",):
            module = read(model, name="m", output=output).module
            node = module.predict.nodes[0]
            for form in FORMS:
                op = node.op.with_form(Form(form, Cost()), target)
                decided = replace(module, functions=(replace(module.predict, nodes=(replace(node, op=op),)),))
                unit = Unit(decided, emit(decided, plan(decided, target), target))
                try:
                    yield _measured(f"{what} {output} {form}", op, unit, rows)
                except McugenError as problem:
                    print(f"left out: {what} {output} {form}: {problem.diagnostics[0].message}", file=sys.stderr)


def _measured(what: str, op: TreeEnsemble, unit: Unit, rows: Any) -> Sample:
    if ARM:
        return Sample(what, op, _thumb_size(unit), 0.0, 0)
    with tempfile.TemporaryDirectory() as folder:
        flash, ram = model_part(toolchain_for(BOARD).link([unit], BOARD, Path(folder)), "m")
    (run,) = toolchain_for(BOARD).run_rows([unit], [[rows]], BOARD)
    assert ram == 0
    return Sample(what, op, flash, float(np.mean(run.cycles)), max(run.stacks))


def _thumb_size(unit: Unit) -> int:
    with tempfile.TemporaryDirectory() as folder:
        source = next(f for f in write_driver(Path(folder), [unit]) if f.name == "m.c")
        flags = ["-mcpu=cortex-m4", "-mthumb", "-Os", "-std=c99", "-ffunction-sections", "-fdata-sections"]
        subprocess.run(["arm-none-eabi-gcc", *flags, "-c", source, "-o", f"{folder}/m.o"], check=True)
        return sum(symbol.size for symbol in symbols(Path(folder, "m.o")) if symbol.name.startswith("m_"))


def fitted(chosen: Sequence[Sample], figure: str) -> dict[str, float]:
    """The weights of one figure by least squares; a little ridge keeps features that always come together apart."""
    features, floor = FIGURES[figure]
    rows = [features(s.op, s.op.form) for s in chosen]
    names = sorted({name for row in rows for name in row})
    known = np.array(
        [getattr(s, figure) - (cost.table_bytes(s.op, s.op.form) if figure == "flash" else 0) for s in chosen]
    )
    weight = 1 / np.maximum([getattr(s, figure) for s in chosen], floor)
    matrix = np.array([[row.get(name, 0.0) for name in names] for row in rows]) * weight[:, np.newaxis]
    ridge = 1e-4 * np.eye(len(names)) * weight.mean()
    found, *_ = np.linalg.lstsq(
        np.concatenate([matrix, ridge]), np.concatenate([known * weight, np.zeros(len(names))]), rcond=None
    )
    return {name: round(float(w), 3) for name, w in zip(names, found, strict=True) if abs(w) >= 0.0005}


def judge(weights: cost.Weights, judged: Sequence[Sample], title: str) -> None:
    """Print how far the estimates are off."""
    for form in FORMS:
        for figure, (features, _) in FIGURES.items():
            chosen = [s for s in judged if s.op.form == form]
            if not chosen:
                continue
            tables = [cost.table_bytes(s.op, form) if figure == "flash" else 0 for s in chosen]
            guesses = np.array(
                [cost.dot(weights[form][figure], features(s.op, form)) + t for s, t in zip(chosen, tables, strict=True)]
            )
            truth = np.array([getattr(s, figure) for s in chosen])
            off, percent = np.abs(guesses - truth), 100 * np.abs(guesses - truth) / truth
            print(
                f"{title:9} {form:10} {figure:6} {len(chosen):4} models: mean {percent.mean():5.1f} %, worst {percent.max():5.1f} %, {off.max():7.0f}",
                end="",
            )
            if figure == "flash":
                bad = (percent > 5) & (off > 100)
                print(
                    f"; over both 5 % and 100 B: {int(bad.sum())} {[chosen[i].what for i in np.flatnonzero(bad)[:3]]}",
                    end="",
                )
            print()


def main() -> None:
    sizes = SIZES[::4] if "--quick" in sys.argv else SIZES
    found = []
    for i, sample in enumerate(samples(sizes)):
        found.append(sample)
        if i % 50 == 49:
            print(f"{i + 1} models measured", file=sys.stderr)
    held = found[::5]
    known = [s for s in found if s not in held]
    weights = {
        form: {figure: fitted([s for s in known if s.op.form == form], figure) for figure in FIGURES} for form in FORMS
    }
    judge(weights, known, "fitted")
    judge(weights, held, "held out")
    if "--quick" not in sys.argv:
        weights = {form: figures | (BY_HAND[form] if ARM else {}) for form, figures in weights.items()}
        OUT.write_text(json.dumps(weights, indent=1, sort_keys=True) + "\n")
        print(f"written: {OUT.name}")


if __name__ == "__main__":
    main()
