"""linear and distances on an AVR and a Cortex-M4F: NumPy's answers in every width, link and output.

Both cores have loops of their own for products, which the host does not run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcugen.boards import Target, load_board
from mcugen.emit import emit
from mcugen.memory.plan import plan
from mcugen.targets import toolchain_for
from mcugen.targets.driver import Unit

sys.path.insert(0, str(Path(__file__).parents[1] / "ops"))
import test_linear

BOARDS = {"mega2560": ("avr-gcc", "simavr"), "feather_nrf52840": ("arm-none-eabi-gcc", "qemu-system-arm")}
ROWS = 25


def another_third_left_out(ops: list[Any], core: int) -> list[Any]:
    """Of every three ops one is not asked of this core: of each shape another width, and by the other core it is."""
    return [op for i, op in enumerate(ops) if (i + i // 3) % 3 != core]


@pytest.mark.long
@pytest.mark.parametrize("board", BOARDS)
def test_cores_give_numpys_answers(board: str, require: Any) -> None:
    """Labels to the bit; numbers to what rounds after a sum, and probabilities to the cores' own exp."""
    require(*BOARDS[board], "python:elftools")
    target = Target(load_board(board))
    shapes = [shape for shape in test_linear.SHAPES if shape.rows < 99]
    made = [test_linear.made(shape, i) for i, shape in enumerate(shapes)]
    every = [test_linear.decided(op, form) for op in made for form in test_linear.FORMS]
    ops = another_third_left_out(every, [*BOARDS].index(board))
    rng = np.random.default_rng(0)
    inputs = [rng.permutation(test_linear.rows_for(op, 0))[:ROWS] for op in ops]
    ops[::2] = [op.seen(x) for op, x in zip(ops[::2], inputs[::2], strict=True)]
    units = []
    for i, op in enumerate(ops):
        module = test_linear.unit(op, f"m{i}").module
        units.append(Unit(module, emit(module, plan(module, target), target)))
    runs = toolchain_for(target.board).run_rows(units, [[x] for x in inputs], target.board)
    for op, x, run in zip(ops, inputs, runs, strict=True):
        test_linear.assert_same(op, x, list(run.outputs), f"{board} {op.describe()}")
