"""svm and knn on an AVR and a Cortex-M4F: NumPy's answers in every width, kernel, metric and output; no label is wrong.

Both cores have loops of their own for squares and exponents, which the host does not run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import mcugen
from mcugen.boards import load_board
from mcugen.measure import measure
from mcugen.targets import toolchain_for

sys.path.insert(0, str(Path(__file__).parents[1] / "ops"))
import test_knn
import test_svm

BOARDS = {"mega2560": ("avr-gcc", "simavr"), "feather_nrf52840": ("arm-none-eabi-gcc", "qemu-system-arm")}
ROWS = 6
LARGEST = 1_200  # numbers of points: a simulator takes long for more


def usual(x: np.ndarray) -> np.ndarray:
    """Some of the rows, all of finite numbers."""
    kept = x[np.isfinite(x).all(axis=1)]
    return np.random.default_rng(0).permutation(kept)[:ROWS]


def chosen(tests: Any, seed: int) -> list[Any]:
    """Every shape in one width, and what is not among these of every width, kernel or metric, and output."""

    def small(seed: int) -> list[Any]:
        ops = tests.cases(seed)
        return [op for op in ops if not op.far and (op.vectors if tests is test_svm else op.points).size < LARGEST]

    def kind(op: Any) -> tuple[str, str, str]:
        return op.form, op.kernel.name if tests is test_svm else op.metric, op.output

    shapes = small(seed)
    seen = {kind(op) for op in shapes}
    return shapes + [op for op in {kind(op): op for op in small(0)}.values() if kind(op) not in seen]


@pytest.mark.long
@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("tests", [test_svm, test_knn], ids=["svm", "knn"])
def test_cores_give_numpys_answers(tests: Any, board: str, require: Any) -> None:
    require(*BOARDS[board], "python:elftools")
    ops = chosen(tests, 1 + [*BOARDS].index(board))
    inputs = [usual(tests.rows_for(op, 0)) for op in ops]
    units = [tests.unit(op, f"m{i}", board) for i, op in enumerate(ops)]
    runs = toolchain_for(load_board(board)).run_rows(units, [[x] for x in inputs], load_board(board))
    for op, x, run in zip(ops, inputs, runs, strict=True):
        tests.assert_same(op, x, list(run.outputs), f"{board} {op.describe()}")


@pytest.mark.long
@pytest.mark.parametrize("board", BOARDS)
def test_no_label_is_wrong(board: str, require: Any) -> None:
    """Machines and neighbours of real rows, in the format that the board gets for them."""
    require(*BOARDS[board], "python:elftools")
    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    for model in (SVC(), SVC(kernel="poly"), SVC(kernel="sigmoid"), KNeighborsClassifier(3), KNeighborsClassifier(1)):
        fitted = make_pipeline(StandardScaler(), model).fit(x[::2], y[::2])
        found = measure(mcugen.compile(fitted, board=board, data=x[::2]), x[1::2])
        assert found.proof.proven, f"{model}: {found.proof}"
