"""What the report estimates of trees beside what is measured, on data and models that benchmarks/cost_model.py has not seen.

Of seven in eight models flash is within 10 % or 100 bytes of the ELF's model part, RAM within 16 bytes of what the simulator
says, and cycles (or instructions) are within 15 %; of others a compiler follows what one tree has shown into the next. In the mean
flash is within 5 % and cycles within 10 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, make_classification, make_regression
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mcugen.boards import Board, Target, load_board
from mcugen.emit import emit
from mcugen.frontends.sklearn import read_estimator
from mcugen.ir import Array
from mcugen.memory.plan import plan
from mcugen.op import Cost, Form
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.leaves import Output
from mcugen.report import Report, report
from mcugen.targets import elf, toolchain_for
from mcugen.targets.driver import Unit
from mcugen.targets.sketch import part_of

pytestmark = pytest.mark.long

BOARDS = ("mega2560", "pico", "feather_nrf52840", "esp32c3")
TOOLS = {
    "avr": ("avr-gcc", "simavr"),
    "cortex": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "riscv32": ("riscv64-unknown-elf-gcc", "qemu-system-riscv32"),
}
ROWS = 150
NEAR_TABLES = 50_000  # bytes of tables in one program: all must be within 64 KiB


@dataclass(frozen=True, eq=False)
class Case:
    """A model in one form for one output: its C, its report, and rows of its data."""

    what: str
    op: TreeEnsemble
    unit: Unit
    report: Report
    rows: Array


@dataclass(frozen=True, eq=False)
class Measured:
    """Bytes: flash of all that the model has in the ELF, and RAM: static, the caller's buffers, and the deepest stack; cycles
    of a call, or instructions.
    """

    flash: int
    ram: int
    cycles: float


def forms(board: Board) -> set[str]:
    """Those of rows of float32; far tables are those of larger models."""
    found = {"branches", "branches_ranks", "table", "table_ranks"}
    return found | ({"branches16"} if board.arch == "avr" else {"branches_float"} if board.fpu else set())


def blobs(seed: int, rows: int, features: int, classes: int, **options: Any) -> tuple[Array, Array]:
    return make_classification(
        rows, features, n_informative=max(3, features - 3), n_redundant=0, n_classes=classes, n_clusters_per_class=2,
        random_state=seed, **options,
    )  # fmt: skip


def models() -> Iterator[tuple[str, Any, Array]]:
    """Fitted models and their rows: labels of all kinds, weights, many trees, few leaves, features near and far."""
    x, y = blobs(21, 400, 6, 3, class_sep=0.7)
    names = np.array(["left", "in between", "größer"])[y]
    yield "strings", DecisionTreeClassifier(min_samples_leaf=3, random_state=1).fit(x, names), x
    x, y = blobs(22, 1500, 11, 2, flip_y=0.15)
    yield "deep", DecisionTreeClassifier(random_state=1).fit(x, y), x
    x, y = blobs(23, 900, 9, 4, weights=[0.6, 0.25, 0.1, 0.05], flip_y=0.1)
    balanced = RandomForestClassifier(15, max_depth=5, class_weight="balanced", random_state=1)
    yield "balanced", balanced.fit(x, y * 7 - 3), x
    weight = np.random.default_rng(0).random(len(y))
    # Not by a bootstrap: scikit-learn 1.9 draws by weight there, and its leaves hold counts again.
    weighted = ExtraTreesClassifier(6, max_leaf_nodes=25, random_state=1)
    yield "weighted", weighted.fit(x, y, sample_weight=weight), x
    uneven = DecisionTreeClassifier(max_depth=5, class_weight={0: 1, 1: 2**0.5, 2: np.pi, 3: np.e}, random_state=1)
    yield "uneven", uneven.fit(x, y), x
    x, y = blobs(24, 700, 8, 2, flip_y=0.05)
    yield "forty", RandomForestClassifier(40, max_depth=4, random_state=1).fit(x, y), x
    x, y = blobs(25, 800, 30, 5)
    yield "few_leaves", RandomForestClassifier(20, max_leaf_nodes=12, random_state=1).fit(x, y * 1000), x
    x, y = blobs(26, 500, 14, 3)
    names = np.array(["ja", "nein", "vielleicht"])[y]
    yield "extra", ExtraTreesClassifier(12, max_depth=6, random_state=1).fit(x, names), x
    x, y = blobs(27, 400, 25, 6)
    yield "extra_full", ExtraTreesClassifier(3, random_state=1).fit(x, y), x
    x, y = load_diabetes(return_X_y=True, scaled=False)
    yield "number", DecisionTreeRegressor(max_leaf_nodes=40, random_state=1).fit(x, y), x
    yield "numbers", RandomForestRegressor(12, max_depth=5, min_samples_leaf=3, random_state=1).fit(x, y), x
    weight = np.random.default_rng(0).random(len(y))
    weighted = ExtraTreesRegressor(40, max_leaf_nodes=10, random_state=1)
    yield "weighted_numbers", weighted.fit(x, y, sample_weight=weight), x
    x, y = make_regression(400, 18, random_state=28)
    yield "made_numbers", RandomForestRegressor(5, max_leaf_nodes=50, random_state=1).fit(x, y), x
    yield "boosted_numbers", GradientBoostingRegressor(n_estimators=15, random_state=1).fit(x, y), x
    yield "median", AdaBoostRegressor(n_estimators=8, random_state=1).fit(x, y), x
    x, y = blobs(29, 500, 10, 3)
    yield "boosted", GradientBoostingClassifier(n_estimators=12, random_state=1).fit(x, y), x
    yield "voted", AdaBoostClassifier(n_estimators=15, random_state=1).fit(x, y), x
    x, y = blobs(30, 500, 20, 2)
    boosted = HistGradientBoostingClassifier(max_iter=10, max_leaf_nodes=8, random_state=1)
    yield "histograms", boosted.fit(x, y), x
    yield "odd_ones", IsolationForest(n_estimators=12, max_samples=50, random_state=1).fit(x), x


@cache
def fitted() -> tuple[tuple[str, Any, Array], ...]:
    """They are the same for every board."""
    return (*models(),)


def outputs(model: Any) -> tuple[Output, ...]:
    if isinstance(model, IsolationForest):
        return ("label", "decision")
    return ("label", "proba") if hasattr(model, "classes_") else ("value",)


def cases(board: Board) -> Iterator[Case]:
    """Every model in every output, in every second form (the next one has the others), of which the board has room for twice."""
    target, number = Target(board), 0
    for i, (what, model, rows) in enumerate(fitted()):
        for k, output in enumerate(outputs(model)):
            module = read_estimator(model, "m", output)
            (node,) = module.predict.nodes
            for form in [one.name for one in node.op.forms(target)][(i + k) % 2 :: 2]:
                op = node.op.with_form(Form(form, Cost()), target)
                predict = replace(module.predict, nodes=(replace(node, op=op),))
                decided = replace(module, name=f"e{number}", functions=(predict,))
                memory = plan(decided, target)
                found = report(decided, memory, target)
                if 2 * found.flash.value < board.flash:
                    number += 1
                    unit = Unit(decided, emit(decided, memory, target))
                    yield Case(f"{what} {output} {form}", op, unit, found, rows[:ROWS].astype(np.float32))


def programs(batch: list[Case], board: Board) -> Iterator[list[Case]]:
    """As many cases to a program as fit."""
    room, chosen = min(0.7 * board.flash, NEAR_TABLES), list[Case]()
    for case in batch:
        if sum(c.report.flash.value for c in [*chosen, case]) > room:
            yield chosen
            chosen = []
        chosen.append(case)
    yield chosen


def measure(program: list[Case], board: Board, folder: Path) -> Iterator[Measured]:
    """Each case's figures. The driver asks for no labels, so the function that gives them is added from its object."""
    units = [case.unit for case in program]
    toolchain = toolchain_for(board)
    built = toolchain.link(units, board, folder)
    runs = toolchain.run_program(built, units, [[case.rows] for case in program], board)
    symbols = elf.symbols(built)
    linked = {symbol.name for symbol in symbols}
    for i, (case, run) in enumerate(zip(program, runs, strict=True)):
        name = case.unit.module.name
        flash, static = part_of(symbols, name)
        label = [s for s in elf.symbols(folder / str(i) / f"{name}.o") if s.name.startswith(f"{name}_label")]
        assert not linked & {symbol.name for symbol in label}
        yield Measured(
            flash + sum(s.size for s in label),
            static + case.report.buffers + max(run.stacks),
            float(np.mean(run.cycles)),
        )


@pytest.fixture(scope="module", params=BOARDS)
def measured(request, require, tmp_path_factory) -> list[tuple[Case, Measured]]:
    board = load_board(request.param)
    require("python:elftools", *TOOLS[board.arch.partition("-")[0]])
    folder = tmp_path_factory.mktemp("estimates")
    batch = [*cases(board)]
    found = [
        one
        for i, program in enumerate(programs(batch, board))
        for one in measure(program, board, folder / str(i))
    ]  # fmt: skip
    return [*zip(batch, found, strict=True)]


def test_all_kinds_are_among_them(measured, request):
    assert len(measured) >= 30
    assert {case.op.form for case, _ in measured} == forms(load_board(request.node.callspec.params["measured"]))
    leaves = [case.op.encodings.leaves for case, _ in measured]
    assert {one.kind for one in leaves} >= {"votes", "shares", "numbers", "sums", "weights", "median"}
    assert 5 in {one.share_bytes for one in leaves}  # 40-bit shares: the samples are weighted


def test_flash_is_within_10_percent_or_100_bytes_for_most(measured):
    outside = {
        case.what: (case.report.flash.value, found.flash)
        for case, found in measured
        if abs(case.report.flash.value - found.flash) > max(100, 0.1 * found.flash)
    }
    assert len(outside) <= len(measured) // 8, f"(estimated, measured): {outside}"
    tables = {what for what in outside if " table" in what}
    assert len(tables) <= len(measured) // 25, tables


def test_ram_is_within_16_bytes_for_most(measured):
    outside = {
        case.what: (case.report.ram.value, found.ram)
        for case, found in measured
        if abs(found.ram - case.report.ram.value) > 16
    }
    assert len(outside) <= len(measured) // 8, f"(estimated, measured): {outside}"


def test_flash_is_near_in_the_mean(measured):
    off = {case.what: abs(case.report.flash.value / found.flash - 1) for case, found in measured}
    assert np.mean([*off.values()]) <= 0.05, sorted(off.items(), key=lambda one: -one[1])[:5]


def test_cycles_are_within_15_percent_for_most_and_near_in_the_mean(measured):
    off = {case.what: abs(case.report.cycles.value / found.cycles - 1) for case, found in measured}
    worst = sorted(off.items(), key=lambda one: -one[1])
    assert sum(far > 0.15 for _, far in worst) <= len(measured) // 8, worst
    assert np.mean([*off.values()]) <= 0.1, worst[:5]
