"""Fits the cost model of tree ensembles to measured models: `python -m benchmarks.cost_model [--quick] [--arch NAME]`.

Trains trees and forests on real and made-up data, compiles each as the boards' frameworks do (-Os), links many into one
program, takes the flash from its symbols, runs it in the architecture's simulator for cycles (or instructions) and stack,
and fits the weights of mcugen/ops/tree_ensemble/cost.py to relative errors. All forms and outputs of every
fifth model are held out and only judged. `--quick` measures fewer models and writes nothing. `--data` and `--only` measure the models
of some data sets, and fit some weights with all others as they are: for what none of the models had before.

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
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from types import MappingProxyType
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
    make_friedman1,
    make_regression,
)
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBRegressor

from benchmarks.weights import likely
from mcugen.boards import Arch, Board, Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.frontends import read
from mcugen.interface import signature
from mcugen.ir import DType
from mcugen.memory.plan import plan
from mcugen.op import Cost, Form
from mcugen.ops.tree_ensemble import TreeEnsemble, code, cost, cycles
from mcugen.ops.tree_ensemble import forms as tree_forms
from mcugen.ops.tree_ensemble.grid import INTEGERS, Grid
from mcugen.ops.tree_ensemble.trees import Trees
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
TOGETHER = {"avr": 6}  # models in a program
ROWS = 60
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
    "math.h": "".join(
        f"float {name}(float);\n"
        for name in ("expf", "expm1f", "fabsf", "floorf", "log1pf", "logf", "sinf", "sqrtf", "tanhf")
    )
    + 'float frexpf(float, int *);\nfloat ldexpf(float, int);\n#define INFINITY __builtin_inff()\n#define NAN __builtin_nanf("")\n',
}
CLASSIFIERS: tuple[Callable[[], Any], ...] = (  # every data set has every other of them
    lambda: DecisionTreeClassifier(),
    lambda: RandomForestClassifier(10, max_depth=6, min_samples_leaf=3),
    lambda: GradientBoostingClassifier(n_estimators=20),
    lambda: RandomForestClassifier(100, max_depth=3),
    lambda: DecisionTreeClassifier(max_depth=4),
    lambda: AdaBoostClassifier(n_estimators=25),
    lambda: RandomForestClassifier(25, max_depth=4),
    lambda: ExtraTreesClassifier(2, max_depth=8, class_weight=UNEVEN),
    lambda: HistGradientBoostingClassifier(max_iter=15, max_leaf_nodes=10),
    lambda: RandomForestClassifier(5, max_leaf_nodes=150),
    lambda: GradientBoostingClassifier(n_estimators=8, max_depth=2),
    lambda: ExtraTreesClassifier(10, max_leaf_nodes=60),
    lambda: DecisionTreeClassifier(min_samples_leaf=5, class_weight=UNEVEN),
    lambda: AdaBoostClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=10),
    lambda: RandomForestClassifier(3, max_depth=5, min_samples_leaf=2),
    lambda: RandomForestClassifier(6),  # whose trees vote
    lambda: ExtraTreesClassifier(3),
)
REGRESSORS: tuple[Callable[[], Any], ...] = (
    lambda: DecisionTreeRegressor(max_depth=4),
    lambda: RandomForestRegressor(10, max_depth=6, min_samples_leaf=3),
    lambda: GradientBoostingRegressor(n_estimators=20),
    lambda: AdaBoostRegressor(n_estimators=10),
    lambda: RandomForestRegressor(50, max_depth=3),
    lambda: IsolationForest(n_estimators=20, max_samples=64),
    lambda: DecisionTreeRegressor(min_samples_leaf=5),
    lambda: HistGradientBoostingRegressor(max_iter=15, max_leaf_nodes=10),
    lambda: RandomForestRegressor(3, max_depth=5),
    lambda: GradientBoostingRegressor(n_estimators=40, max_depth=2),
    lambda: AdaBoostRegressor(n_estimators=25),
    lambda: IsolationForest(n_estimators=8, max_samples=200),
    lambda: RandomForestRegressor(5, min_samples_leaf=2),
)
COUNTERS: tuple[Callable[[], Any], ...] = (  # of counts of events, whose leaves' sum is a logarithm
    lambda: HistGradientBoostingRegressor(loss="poisson", max_iter=15, max_leaf_nodes=10),
    lambda: XGBRegressor(objective="count:poisson", n_estimators=15, max_depth=4, n_jobs=1),
    lambda: XGBRegressor(n_estimators=10, max_depth=5, n_jobs=1),
    lambda: HistGradientBoostingRegressor(loss="gamma", max_iter=6, max_leaf_nodes=20),
    lambda: XGBRegressor(objective="reg:gamma", n_estimators=25, max_depth=2, n_jobs=1),
    lambda: XGBRegressor(n_estimators=5, max_depth=6, n_jobs=1),
)
UNEVEN = "uneven"  # weights of classes with which shares are no counts of samples


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
    """A measured case: its flash (bytes), mean cycles or instructions, stack (bytes), and the sizes of its functions."""

    case: Case
    flash: int
    cycles: float
    stack: int
    functions: Mapping[str, int] = field(default_factory=dict)

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
    "flash": Fitted(code.code_features, 400.0),
    "cycles": Fitted(cycles.cycle_features, 100.0),
    "stack": Fitted(code.stack_features, 200.0),
}


def data() -> Iterator[tuple[str, Any, Any]]:
    """Real data sets, then made-up ones of 4 to 200 features, classes and numbers; about 0 on average, so half negative. The
    real ones come a second time, for the models that they did not have the first time.
    """
    for load in (load_iris, load_wine, load_breast_cancer, load_digits, load_diabetes):
        x, y = load(return_X_y=True)
        yield load.__name__[5:], x, y
    for i, (features, classes) in enumerate(((4, 2), (9, 4), (12, 3), (20, 5), (40, 2), (100, 4), (200, 7))):
        yield made(i, features, classes)
    x, y = make_regression(500, 15, random_state=0)
    yield "made_regression", x, y
    yield "made_wide", x, np.exp(9 * np.random.default_rng(0).standard_normal(len(x)))
    yield made(20, 3, 3)
    for load in (load_iris, load_wine, load_breast_cancer, load_digits):
        x, y = load(return_X_y=True)
        yield f"{load.__name__[5:]} again", x, y
    for i, (features, classes) in enumerate(((6, 2), (14, 6), (30, 3)), 21):
        yield made(i, features, classes)
    yield "friedman", *make_friedman1(400, random_state=0)
    x, y = make_regression(300, 4, noise=5, random_state=1)
    yield "made_few", x, y
    for i, features in enumerate((5, 12, 24)):
        yield counts(i, features)


def counts(seed: int, features: int) -> tuple[str, Any, Any]:
    """Rows of which half of the features are whole numbers, as XGBoost's thresholds are then, and some are missing; with how often
    something happened to each.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((600, features))
    x[:, ::2] = np.rint(x[:, ::2] * 8 + rng.choice([0, 20], (features + 1) // 2))
    spread = (x - x.mean(axis=0)) / x.std(axis=0)
    y = 1.0 + rng.poisson(np.exp(np.clip(spread @ rng.standard_normal(features) / np.sqrt(features), -3, 3)))
    x[rng.random(x.shape) < 0.08] = np.nan
    return f"counts_{features}", x, y


def made(seed: int, features: int, classes: int) -> tuple[str, Any, Any]:
    """A made-up data set with its name."""
    x, y = make_classification(
        600,
        features,
        n_informative=max(3, features // 2),
        n_redundant=0,
        n_classes=classes,
        n_clusters_per_class=1,
        random_state=seed,
    )
    return f"made_{features}x{classes}", x, y


def models(every: int, of: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every so many of the fitted models with rows of their data: float32, and for each fourth one of as many bits as integers
    have, too. `of`: a pattern of the names of data sets.
    """
    numbers = count()
    for place, (name, x, y) in enumerate(data()):
        if not re.search(of, name):
            continue
        whole = not np.isnan(x).any()
        kinds = COUNTERS if not whole else REGRESSORS if np.issubdtype(y.dtype, np.floating) else CLASSIFIERS
        for fresh in kinds[place % 2 :: 2] if kinds is CLASSIFIERS else kinds:
            model = fresh()
            seeds = {key: 0 for key in model.get_params() if key.endswith("random_state")}
            if model.get_params().get("class_weight") == UNEVEN:
                seeds["class_weight"] = {label: 1 + 0.1 * float(np.sqrt(label + 2)) for label in np.unique(y)}
            number = next(numbers)
            if number % every:
                continue
            for rows in (x.astype(np.float32), *(map(x_as, (x, x), INTEGERS) if whole and number % 4 == 0 else ())):
                what = re.sub(r"\s+|\w+=None,\s*", " ", f"{name} of {rows.dtype} {model}")
                yield what, clone(model).set_params(**seeds).fit(rows, y), rows[:: max(1, len(rows) // ROWS)]


def outputs(model: Any) -> Iterator[str]:
    """What a model can be asked for."""
    if isinstance(model, IsolationForest):
        return iter(("label", "decision"))
    if not hasattr(model, "classes_"):
        return iter(("value",))
    return iter(("label", "proba", "decision") if hasattr(model, "decision_function") else ("label", "proba"))


def x_as(x: Any, kind: DType) -> Any:
    """Rows spread over the integers of a type."""
    low, high = x.min(axis=0), x.max(axis=0)
    least, most = Grid(kind).ends
    return np.rint(least + (x - low) / np.where(high > low, high - low, 1) * (most - least)).astype(kind.numpy)


def cases(board: Board, every: int, of: str) -> Iterator[Case]:
    """Every model in every form that the architecture has, for one of its outputs."""
    target, numbers = Target(board), count()
    for place, (what, model, rows) in enumerate(models(every, of)):
        asked = [*outputs(model)]
        output = asked[place % len(asked)]
        module = read(model, name="m", output=output, input=DType.of(rows.dtype)).module
        node = module.predict.nodes[0]
        known = replace(node.op, trees=replace(node.op.trees, visits=passed(node.op.trees, rows)))
        for form in forms(known, board, far=place % 3 == 0):
            op = known.with_form(Form(form, Cost()), target)
            predict = replace(module.predict, nodes=(replace(node, op=op),))
            decided = replace(module, name=f"m{next(numbers)}", functions=(predict,))
            unit = Unit(decided, emit(decided, plan(decided, target), target))
            yield Case(place, f"{what} {output} {form}", op, unit, rows)


def passed(trees: Trees, rows: Any) -> Any:
    """The share of the rows that passes each node."""
    found = np.zeros(len(trees.feature))
    for root in trees.roots:
        below = [(int(root), np.arange(len(rows)))]
        while below:
            node, here = below.pop()
            found[node] = len(here) / len(rows)
            if trees.feature[node] >= 0:
                asked = rows[here, trees.feature[node]]
                left = np.where(np.isnan(asked), trees.missing_left[node], asked <= trees.threshold[node])
                below += [(int(trees.left[node]), here[left]), (int(trees.right[node]), here[~left])]
    return found


def forms(op: TreeEnsemble, board: Board, far: bool) -> Iterator[str]:
    """The forms of a board, none where it can have none; near tables as far ones, too, which only large models have."""
    try:
        found = tree_forms.available(op, board)
    except McugenError:
        return
    for form in found:
        if board.arch == "xtensa" and form == "branches_float":
            continue  # the LX106 has no unit for floats
        yield form
        if board.arch == "avr" and far and form in ("table", "table_ranks"):
            yield f"{form}_far"


def kept(op: TreeEnsemble) -> str:
    """The name of a form's own weights."""
    return cost.kind_of(op.form, op.x)


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
                name = case.unit.module.name
                flash, _ = model_part(program, name)
                own = (s for s in elf.symbols(program) if s.name.startswith(f"{name}_"))
                sizes = {s.name.removeprefix(f"{name}_").split(".")[0]: s.size for s in own}
                yield Sample(case, flash, float(np.mean(run.cycles)), max(run.stacks), sizes)
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


def samples(board: Board, every: int, of: str) -> Iterator[Sample]:
    """All cases of data sets that a pattern names, measured."""
    measure = on_xtensa if board.arch == "xtensa" else measured
    waiting = cases(board, every, of)
    while together := [*islice(waiting, TOGETHER.get(board.arch, 16))]:
        found = [*measure(together, board)]
        print(f"{found[-1].case.what if found else ''}", file=sys.stderr)
        yield from found


def tables(sample: Sample, figure: str, board: Board) -> int:
    """What of a figure is counted and not fitted: the bytes of the tables."""
    return code.table_bytes(sample.op, sample.op.form, board.arch) if figure == "flash" else 0


SIZES = {
    "flash": (60.0, 8.0),
    "cycles": (30.0, 12.0),
    "stack": (40.0, 8.0),
}  # what a kind may take, and each of many things
LIBRARY = 600.0  # cycles that a function of the library may take
CALLING = ("base", "outputs")  # how the names of features begin that may call one
OWN = 0.15  # of any of these: what it may be more in one form


def fitted(
    chosen: Sequence[Sample],
    figure: str,
    board: Board,
    only: str = "",
    held: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, float]:
    """The weights of one figure, over all forms: what is done with leaves is the same in all, and few models of each kind are
    needed in each form. Those whose names `only` does not match are held as they are.
    """
    features, floor = FIGURES[figure].features, FIGURES[figure].floor
    truth = np.array([getattr(s, figure) for s in chosen], float)
    held = {name: weight for name, weight in held.items() if not re.search(only, name)}
    rows, known, most = list[dict[str, float]](), list[float](), Counter[str]()
    for sample in chosen:
        found = features(sample.op, sample.op.form, board.arch)
        every = {**found, **{f"{name} ({kept(sample.op)})": value for name, value in found.items()}}
        rows.append({name: value for name, value in every.items() if re.search(only, name)})
        most |= Counter(rows[-1])
        known.append(sum(held.get(name, 0.0) * value for name, value in every.items()))

    def scale(name: str) -> float:
        of_kind, of_each = SIZES[figure]
        usual = LIBRARY if figure == "cycles" and name.startswith(CALLING) else of_kind if most[name] <= 1 else of_each
        return usual * (OWN if name.endswith(")") else 1)

    fixed = np.array(known) + [tables(s, figure, board) for s in chosen]
    return {**held, **likely(rows, truth - fixed, np.maximum(truth, floor), scale)}


def judge(weights: cost.Weights, judged: Sequence[Sample], board: Board, title: str) -> None:
    """Print how far the estimates are off."""
    for form in sorted({kept(s.op) for s in judged}):
        chosen = [s for s in judged if kept(s.op) == form]
        for figure in weights:
            print(f"{title:9} {form:19} {figure:6} {_judgement(weights[figure], chosen, figure, board)}")


def _judgement(weights: Mapping[str, float], chosen: Sequence[Sample], figure: str, board: Board) -> str:
    features = FIGURES[figure].features
    guesses = np.array(
        [
            cost.dot(weights, s.op, s.op.form, features(s.op, s.op.form, board.arch)) + tables(s, figure, board)
            for s in chosen
        ]
    )
    truth = np.array([getattr(s, figure) for s in chosen])
    off = np.abs(guesses - truth)
    percent = 100 * off / np.maximum(truth, 1)
    bad = {"flash": (percent > 10) & (off > 100), "cycles": percent > 15, "stack": off > 16}[figure]
    limit = {"flash": "10 % and 100 B", "cycles": "15 %", "stack": "16 B"}[figure]
    worst = [chosen[i].case.what for i in np.argsort(-percent * bad)[: min(3, int(bad.sum()))]]
    said = f"mean {percent.mean():5.1f} %, worst {percent.max():5.1f} %, {off.max():7.0f}"
    return f"{len(chosen):4} models: {said}; over {limit}: {int(bad.sum())} {worst}"


def fit(found: Sequence[Sample], board: Board) -> cost.Weights:
    """The weights, fitted to all models; how far those are off that are fitted to four of five models is printed."""
    order = np.random.default_rng(0).permutation(1 + max(s.case.model for s in found))
    apart = {int(model) for model in order[::5]}
    known, held = ([s for s in found if (s.case.model in apart) == out] for out in (False, True))
    figures = ("flash", "stack") if board.arch == "xtensa" else tuple(FIGURES)
    weights = {f: fitted(known, f, board) for f in figures}
    judge(weights, known, board, "fitted")
    judge(weights, held, board, "held out")
    return {f: fitted(found, f, board) for f in figures}


def mended(found: Sequence[Sample], board: Board, only: str) -> cost.Weights:
    """The weights as they are but for those that match, which are fitted; how far all are off before and after is printed."""
    known = cost.weights(board.arch)
    judge(known, found, board, "as it was")
    weights = {figure: fitted(found, figure, board, only, held) for figure, held in known.items()}
    judge(weights, found, board, "as it is")
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=BOARDS, default="avr")
    parser.add_argument("--quick", action="store_true", help="fewer models; nothing is written")
    parser.add_argument("--judge", action="store_true", help="judge the weights as they are; nothing is written")
    parser.add_argument("--data", default="", help="a pattern of the data sets whose models are measured")
    parser.add_argument("--only", default="", help="a pattern of the weights that are fitted; the others stay")
    asked = parser.parse_args()
    board = replace(load_board(BOARDS[asked.arch]), copied=False)
    if asked.arch == "cortex-m3":  # QEMU's has more
        board = replace(board, flash=1 << 20)
    found = [*samples(board, 5 if asked.quick else 1, asked.data)]
    if asked.judge:
        judge(cost.weights(asked.arch), found, board, "as it is")
        return
    weights = mended(found, board, asked.only) if asked.only else fit(found, board)
    if not asked.quick:
        out = Path(cost.__file__).parent / f"cost_{asked.arch}.json"
        out.write_text(json.dumps(weights, indent=1, sort_keys=True) + "\n")
        print(f"written: {out.name}")


if __name__ == "__main__":
    main()
