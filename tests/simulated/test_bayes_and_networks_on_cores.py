"""Naive Bayes, perceptrons and quadratic discriminants on an AVR and a Cortex-M4F: NumPy's answers in every width.

Both cores have loops of their own for products and squares, which the host does not run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_linear_on_cores import another_third_left_out

from mcugen.boards import load_board
from mcugen.targets import toolchain_for

sys.path.insert(0, str(Path(__file__).parents[1] / "ops"))
import test_gaussian_nb
import test_mlp
import test_quadratic
from row_op import assert_same, assert_same_pairs, decided, rows_for, unit

BOARDS = {"mega2560": ("avr-gcc", "simavr"), "feather_nrf52840": ("arm-none-eabi-gcc", "qemu-system-arm")}
ROWS = 12


def ops(board: str) -> list[Any]:
    """Every shape that a board's RAM and tables take, in every form."""
    found: list[Any] = []
    for module in (test_gaussian_nb, test_mlp):
        shapes = [s for s in module.SHAPES if "300" not in str(s)]
        made = [(module.made(shape, i), module.forms_of(shape)) for i, shape in enumerate(shapes)]
        found += [decided(op, form, board) for op, forms in made for form in forms]
    shapes = [s for s in test_quadratic.SHAPES if s.features < 99 and len(s.rows) < 99 and s.output != "decision"]
    return found + [decided(test_quadratic.made(shape, i), "float32", board) for i, shape in enumerate(shapes)]


def features_of(op: Any) -> int:
    return int(op.features) if op.name == "mlp" else op.model.features if op.name == "quadratic" else op.mean.shape[1]


@pytest.mark.long
@pytest.mark.parametrize("board", BOARDS)
def test_cores_give_numpys_answers(board: str, require: Any) -> None:
    require(*BOARDS[board], "python:elftools")
    made = another_third_left_out(ops(board), [*BOARDS].index(board))
    rng = np.random.default_rng(0)
    inputs = [rng.permutation(rows_for(op, features_of(op), 0))[:ROWS] for op in made]
    inputs = [np.where(np.isfinite(x), x, np.float32(1)) for x in inputs]
    units = [unit(op, f"m{i}", features_of(op), op.output, board) for i, op in enumerate(made)]
    runs = toolchain_for(load_board(board)).run_rows(units, [[x] for x in inputs], load_board(board))
    for op, x, run in zip(made, inputs, runs, strict=True):
        with np.errstate(all="ignore"):
            (assert_same_pairs if op.pairs else assert_same)(
                op.answers(x), [*run.outputs], f"{op.name} {op.describe()}"
            )
