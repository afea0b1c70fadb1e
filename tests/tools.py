"""What tests need beside Python: a missing tool skips with its reason on a laptop, and fails where CI is set."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable

import pytest

from mcugen.diagnostics import McugenError
from mcugen.targets.platformio import find_pio
from mcugen.targets.simavr import arduino_core, runner

SPECIAL: dict[str, Callable[[], object]] = {
    "simavr": lambda: runner("avr_run"),
    "arduino-core-avr": arduino_core,
    "platformio": find_pio,
}


def require(*tools: str) -> None:
    """Go on only where all of them are to be had. `python:x` is a Python package, all else a program but for SPECIAL."""
    for one in tools:
        if not is_there(one):
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{one} is not installed")


def tool(name: str) -> str:
    """The tool's name, for a command line."""
    require(name)
    return name


def is_there(tool: str) -> bool:
    """Whether it can be used here."""
    if tool.startswith("python:"):
        return importlib.util.find_spec(tool.removeprefix("python:")) is not None
    if tool not in SPECIAL:
        return shutil.which(tool) is not None
    try:
        SPECIAL[tool]()
    except McugenError:
        return False
    return True
