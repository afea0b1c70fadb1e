"""The same answers on every kind of processor as on this computer: labels, and the bits of every float.

One board stands for each core. Its flash is made larger where the largest forest needs more than the board has: here it is
the core that is asked, not the board.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
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
from mcugen.targets.host import compile_for_host

pytestmark = pytest.mark.long

CORES = {
    "mega2560": ("avr-gcc", "simavr"),
    "feather_nrf52840": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "bluepill_f103c8": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "metro_m0": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "teensy40": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "esp32c3": ("riscv64-unknown-elf-gcc", "qemu-system-riscv32"),
}
SIZES = (1, 2, 5, 10, 30, 100)
DATA = {"iris": load_iris, "digits": load_digits}


@pytest.fixture(params=CORES)
def board(request: pytest.FixtureRequest, require: Any) -> Board:
    require(*CORES[request.param])
    found = load_board(request.param)
    return found if found.arch == "avr" else replace(found, flash=4 << 20)


def unit(model: Any, name: str, output: str, target: Target) -> Unit:
    module = run_passes(read_estimator(model, name, output), target)
    return Unit(module, emit(module, plan(module, target), target))


def compare(units: list[Unit], rows: Array, board: Board) -> None:
    """Every output of every row has the host's bits."""
    host = compile_for_host(units)
    found = toolchain_for(board).run_rows(units, [[rows]] * len(units), board)
    for i, (one, there) in enumerate(zip(units, found, strict=True)):
        here = host.run([rows], i)
        assert len(there.cycles) == len(there.stacks) == len(rows)
        for ours, theirs in zip(here, there.outputs, strict=True):
            assert np.array_equal(ours.view(np.uint32), theirs.view(np.uint32)), f"{one.module.name} on {board.name}"


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("optimize", ["size", "speed"])
def test_forests_of_1_to_100_trees(data: str, optimize: Any, board: Board) -> None:
    x, y = DATA[data](return_X_y=True)
    rows, target = x.astype(np.float32), Target(board, optimize)
    units, truth = [], []
    for trees in SIZES:
        leaves = 40 if optimize == "speed" else None  # thousands of branches take a compiler minutes
        model = RandomForestClassifier(trees, max_leaf_nodes=leaves, random_state=trees).fit(x, y)
        units += [unit(model, f"{kind}{trees}", kind, target) for kind in ("label", "proba")]
        truth.append(model)
    compare(units, rows, board)
    host = compile_for_host(units)
    for i, model in enumerate(truth):  # and the host's are scikit-learn's
        proba = np.sort(model.predict_proba(rows), axis=1)
        clear = proba[:, -1] - proba[:, -2] > 1e-12  # nearer ones are decided by a float64 sum's rounding
        assert np.array_equal(host.run([rows], 2 * i)[0][clear], model.predict(rows)[clear])


def numbers() -> Iterator[tuple[str, Any, Any]]:
    for name, load in DATA.items():
        x, y = load(return_X_y=True)
        yield name, x, x[:, -1] * 0.37 + y - 3


def test_numbers_of_every_tree(board: Board) -> None:
    for name, x, y in numbers():
        rows, target = x.astype(np.float32), Target(board, "size")
        forest = RandomForestRegressor(100, max_leaf_nodes=20, random_state=0).fit(x, y)
        units = [unit(tree, f"t{i}", "value", target) for i, tree in enumerate(forest.estimators_)]
        units += [unit(forest, f"{name}_all", "value", target)]
        compare(units, rows, board)
