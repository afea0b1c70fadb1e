"""The same answers on every kind of processor as on this computer: labels, and the bits of every float.

One board stands for each core. Its flash is made larger where the largest forest needs more than the board has: here it is
the core that is asked, not the board.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from one_library import library_of
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from mcugen.boards import Board, Target, load_board
from mcugen.emit import emit
from mcugen.frontends.sklearn import read_estimator
from mcugen.ir import Array
from mcugen.memory.plan import plan
from mcugen.passes import run as run_passes
from mcugen.targets import toolchain_for
from mcugen.targets.driver import Unit

pytestmark = pytest.mark.long

CORES = {
    "mega2560": ("avr-gcc", "simavr"),
    "feather_nrf52840": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "bluepill_f103c8": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "metro_m0": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "teensy40": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "esp32c3": ("riscv64-unknown-elf-gcc", "qemu-system-riscv32"),
}
SIZES = (1, 2, 10, 100)
DATA = {"iris": load_iris, "digits": load_digits}
ALIKE = ("bluepill_f103c8", "teensy40")  # a Cortex-M3 and an M7 run what the M4 runs: the smaller data will do
PAIRS = [
    (board, data, optimize)
    for optimize in ("size", "speed")
    for board in CORES
    for data in DATA
    # A compiler takes long for thousands of branches: those of digits are asked of two cores, those of an M7 are an M4's.
    if (data == "iris" or board not in ALIKE)
    and (optimize == "size" or (board in ("mega2560", "feather_nrf52840") if data == "digits" else board != "teensy40"))
]
UNOPTIMIZED = ("-std=c99", "-O0")
ROWS = 60  # of a data set, at least: this computer answers all of them in tests/models


@pytest.fixture(params=CORES)
def board(request: pytest.FixtureRequest, require: Any) -> Board:
    require(*CORES[request.param])
    found = load_board(request.param)
    return found if found.arch == "avr" else replace(found, flash=4 << 20)


def unit(model: Any, name: str, output: str, target: Target) -> Unit:
    module = run_passes(read_estimator(model, name, output), target)
    return Unit(module, emit(module, plan(module, target), target))


def compare(units: list[Unit], rows: list[Array], wanted: list[list[Array]], board: Board) -> None:
    """Every output of every row, of each unit its own, has the wanted bits."""
    found = toolchain_for(board).run_rows(units, [[asked] for asked in rows], board)
    for unit, asked, there, outputs in zip(units, rows, found, wanted, strict=True):
        assert len(there.cycles) == len(there.stacks) == len(asked)
        for ours, theirs in zip(outputs, there.outputs, strict=True):
            assert ours.dtype == theirs.dtype
            assert np.array_equal(ours.view(np.uint32), theirs.view(np.uint32)), f"{unit.module.name} on {board.name}"


@dataclass(frozen=True)
class Forests:
    """Forests of 1 to 100 trees, rows, and what this computer answers: of each forest labels, then labels and probabilities."""

    models: list[RandomForestClassifier]
    rows: Array
    answers: list[list[Array]]


@cache
def forests(data: str, optimize: Any) -> Forests:
    """Trained once for all cores, and asked here in the C of one of them; it is scikit-learn's labels that are right."""
    x, y = DATA[data](return_X_y=True)
    rows = x.astype(np.float32)[:: len(x) // ROWS]
    leaves = 20 if optimize == "speed" else None  # thousands of branches take a compiler minutes
    models = [RandomForestClassifier(n, max_leaf_nodes=leaves, random_state=n).fit(x, y) for n in SIZES]
    host = library_of(units_of(models, Target(load_board("mega2560"), optimize)), UNOPTIMIZED)
    answers = [host.run([rows], i) for i in range(len(host.units))]
    for (model, _), (labels, *_) in zip(asked(models), answers, strict=True):
        proba = np.sort(model.predict_proba(rows), axis=1)
        clear = proba[:, -1] - proba[:, -2] > 1e-12  # nearer ones are decided by a float64 sum's rounding
        assert np.array_equal(labels[clear], model.predict(rows)[clear])
    return Forests(models, rows, answers)


def units_of(models: list[RandomForestClassifier], target: Target) -> list[Unit]:
    return [unit(m, f"{kind}{m.n_estimators}", kind, target) for m, kind in asked(models)]


def asked(models: list[RandomForestClassifier]) -> list[tuple[RandomForestClassifier, str]]:
    """Models and outputs: of the largest, which takes a compiler as long as all others, probabilities come with its labels."""
    return [(m, kind) for m in models for kind in ("label", "proba") if kind == "proba" or m.n_estimators < SIZES[-1]]


@pytest.mark.parametrize(("board", "data", "optimize"), PAIRS, indirect=["board"])
def test_forests_of_1_to_100_trees(data: str, optimize: Any, board: Board) -> None:
    known = forests(data, optimize)
    units = units_of(known.models, Target(board, optimize))
    compare(units, [known.rows] * len(units), known.answers, board)


@cache
def numbers() -> list[tuple[str, RandomForestRegressor, Array, Array]]:
    """Forests whose trees have float leaves, of both data sets, their rows, and what this computer answers to these in C."""
    found = []
    for name, load in DATA.items():
        x, y = load(return_X_y=True)
        forest = RandomForestRegressor(16, max_leaf_nodes=20, random_state=0).fit(x, x[:, -1] * 0.37 + y - 3)
        here = library_of([unit(forest, name, "value", Target(load_board("mega2560"), "size"))], UNOPTIMIZED)
        rows = x.astype(np.float32)
        found.append((name, forest, rows, here.run([rows])[0]))
    return found


def test_numbers_of_every_tree(board: Board) -> None:
    """Of a tree alone scikit-learn's own number is wanted, rounded to float32, in rows enough for its 20 leaves; of all trees
    this computer's, in every row."""
    for name, forest, rows, answers in numbers()[: 1 if board.name in ALIKE else 2]:
        target = Target(board, "size")
        together = unit(forest, f"{name}_all", "value", target)
        units = [unit(tree, f"t{i}", "value", target) for i, tree in enumerate(forest.estimators_)]
        some = rows[:: 1 + len(rows) // 500]
        wanted = [[tree.predict(some).astype(np.float32)] for tree in forest.estimators_]
        given = [*[some] * len(units), rows]
        compare([*units, together], given, [*wanted, [answers]], board)
