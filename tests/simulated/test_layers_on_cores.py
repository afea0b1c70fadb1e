"""Convolutions on cores that have loops of their own for them, which the host does not run: the host's bits."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcugen.boards import load_board
from mcugen.ir import DType
from mcugen.targets import toolchain_for

sys.path.insert(0, str(Path(__file__).parents[1] / "ops"))
import test_conv_rows
from sanitized import run_sanitized

BOARDS = {
    "teensy40": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "mega2560": ("avr-gcc", "simavr"),
    "feather_nrf52840": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "zero": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "esp32c3": ("riscv64-unknown-elf-gcc", "qemu-system-riscv32"),
}


@pytest.mark.parametrize("kind", [DType.I8, DType.F32])
@pytest.mark.parametrize("board", BOARDS)
def test_cores_give_the_hosts_bits(board: str, kind: DType, require: Any) -> None:
    check(board, kind, False, require)


def test_floats_that_round_integers_give_the_hosts_bits(require: Any) -> None:
    check("feather_nrf52840", DType.I8, True, require)


def check(board: str, kind: DType, by_float: bool, require: Any) -> None:
    """Every case on a simulated core."""
    require(*BOARDS[board], "python:elftools")
    made, units, inputs = test_conv_rows.made_for(kind, board, by_float)
    runs = toolchain_for(load_board(board)).run_rows(units, inputs, load_board(board))
    results = [run.outputs for run in runs]
    test_conv_rows.compare(kind, made, units, inputs, results)
    for found, (wanted, *_) in zip(results, run_sanitized(units, inputs), strict=True):
        np.testing.assert_array_equal(found[0], wanted)
