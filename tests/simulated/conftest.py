"""C for a simulated AVR."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Require = Callable[..., None]
CompileAvr = Callable[..., Path]


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
