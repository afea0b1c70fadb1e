"""The project of every board that has a simulator builds unchanged through PlatformIO, and its sketch answers there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

import mcugen
from mcugen.boards import all_boards, load_board
from mcugen.deploy import build, row_text, sample_row
from mcugen.diagnostics import McugenError
from mcugen.targets import toolchain_for

Require = Callable[..., None]
TOOLS = {
    "avr": ("avr-gcc", "arduino-core-avr", "simavr"),
    "riscv32": ("riscv64-unknown-elf-gcc", "qemu-system-riscv32"),
    "cortex": ("arm-none-eabi-gcc", "qemu-system-arm"),
}
SIMULATED = [board.name for board in all_boards() if board.simulator]
ROWS = load_iris().data[::10].astype("float32")


@pytest.fixture(scope="module")
def forest() -> Any:
    iris = load_iris()
    return RandomForestClassifier(5, random_state=0).fit(iris.data, iris.target)


@pytest.mark.parametrize("name", SIMULATED)
def test_the_sketch_builds_and_answers(
    name: str, forest: Any, tmp_path: Path, require: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = load_board(name)
    require("platformio", "python:elftools", *TOOLS[board.arch.partition("-")[0]])
    monkeypatch.setenv("MCUGEN_PLATFORMIO", "system")
    compiled = mcugen.compile(forest, board=name, name="iris", check_answers=False)
    built = build(compiled, tmp_path, sample_row(compiled, ROWS))
    assert built.platform == "system"
    assert 0 < built.flash < board.flash
    assert 0 < built.ram < board.ram - board.stack_reserve
    if name == "leonardo":  # its Serial is USB, and nothing is at the other end in simavr
        with pytest.raises(McugenError, match=r"E0901.*USB"):
            toolchain_for(board).run(built.elf, board, row_text(ROWS))
        return
    done = toolchain_for(board).run(built.elf, board, row_text(ROWS))
    said = re.findall(r"^(?:sample row: )?(\d+)\s+\(", done.serial.decode(), re.MULTILINE)
    assert [int(label) for label in said] == [*forest.predict(ROWS[:1]), *forest.predict(ROWS)]


def test_the_leonardo_answers_without_its_usb(forest: Any, require: Require) -> None:
    from mcugen.measure import measure

    require(*TOOLS["avr"])
    measured = measure(mcugen.compile(forest, board="leonardo", check_answers=False), ROWS)
    assert measured.proof.proven
    assert measured.proof.rows == len(ROWS)


def test_all_but_xtensa_are_simulated() -> None:
    assert len(SIMULATED) == 15
    assert {b.name for b in all_boards() if not b.simulator} == {"host", "huzzah32", "esp32dev", "esp32s3"}
