"""Simulator tests need tools that a laptop may lack: a missing one skips with its reason there, and fails in CI."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mcugen.diagnostics import McugenError
from mcugen.targets.platformio import find_pio
from mcugen.targets.simavr import arduino_core, runner

Require = Callable[..., None]
CompileAvr = Callable[..., Path]

SPECIAL: dict[str, Callable[[], object]] = {
    "simavr": lambda: runner("avr_run"),
    "arduino-core-avr": arduino_core,
    "platformio": find_pio,
}


def _missing(tool: str) -> str:
    """Why the tool cannot be used here, empty when it can. `python:x` is a Python package."""
    if tool.startswith("python:"):
        return "" if importlib.util.find_spec(tool.removeprefix("python:")) else "not installed"
    if tool not in SPECIAL:
        return "" if shutil.which(tool) else "not on PATH"
    try:
        SPECIAL[tool]()
    except McugenError as problem:
        return str(problem)
    return ""


@pytest.fixture(scope="session")
def require() -> Require:
    """`require("avr-gcc", "simavr")`: go on only where all of them are to be had."""

    def require_tools(*tools: str) -> None:
        for tool in tools:
            if reason := _missing(tool):
                (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{tool}: {reason}")

    return require_tools


@pytest.fixture
def compile_avr(require: Require, tmp_path: Path) -> CompileAvr:
    """`compile_avr(c_text, mcu="atmega328p", flags=())` -> ELF."""
    require("avr-gcc", "simavr")

    def compile_text(text: str, mcu: str = "atmega328p", flags: tuple[str, ...] = ()) -> Path:
        source, elf = tmp_path / "firmware.c", tmp_path / "firmware.elf"
        source.write_text(text)
        command = ["avr-gcc", f"-mmcu={mcu}", "-Os", "-Wall", "-Werror", "-std=gnu11", *flags, "-o", elf, source]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return elf

    return compile_text
