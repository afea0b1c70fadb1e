"""The board's end of the serial protocol, as C: its unit tests under sanitizers, both languages, and what it takes of an Uno."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from sanitized import C99, CPP, SANITIZE
from tools import tool

from mcugen.data import firmware_dir

SOURCE = firmware_dir() / "link" / "mcugen_link.c"
TESTS = firmware_dir() / "test"
FLASH = 1_260  # bytes of an Uno's 32,256 that the protocol may take
RAM = 2 + 4 + 2 + 2 + 1 + 64  # the pointer to the model, a time, two numbers of rows, where a frame is, the frame


def run(*command: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[:4000]
    return done.stdout


def test_unit_tests_under_sanitizers(tmp_path: Path) -> None:
    program = tmp_path / "link_test"
    run(tool(C99[0]), *C99[1:], *SANITIZE, TESTS / "link_test.c", SOURCE, "-o", program)
    said = run(program)
    assert said.split() == [line for line in said.split() if line.startswith("test_")]
    assert "test_noise" in said.split()


@pytest.mark.parametrize("language", [C99, CPP])
@pytest.mark.parametrize("compiler", ["gcc", "avr-gcc", "arm-none-eabi-gcc", "riscv64-unknown-elf-gcc"])
def test_c99_and_cpp11_without_a_warning(compiler: str, language: tuple[str, ...]) -> None:
    chip = {"avr-gcc": ["-mmcu=atmega328p"], "riscv64-unknown-elf-gcc": ["-march=rv32imc", "-mabi=ilp32"]}
    specs = ["--specs=picolibc.specs"] if compiler.startswith("riscv") else []
    command = [tool(compiler), *specs, *chip.get(compiler, []), "-Os", *language[1:], "-pedantic"]
    for file in (SOURCE, *sorted(TESTS.glob("link_*.c"))) if compiler == "gcc" else (SOURCE,):
        run(*command, "-c", file, "-o", "/dev/null")


@pytest.mark.parametrize("mcu", ["atmega328p", "atmega2560"])
def test_it_is_small(tmp_path: Path, mcu: str) -> None:
    built = tmp_path / "link.o"
    run(tool("avr-gcc"), f"-mmcu={mcu}", "-Os", "-std=c99", "-c", SOURCE, "-o", built)
    text, data, bss = map(int, run(tool("avr-size"), built).splitlines()[1].split()[:3])
    assert text <= FLASH
    assert data + bss == 0
    user = tmp_path / "user.c"
    user.write_text(f'#include "{SOURCE.with_suffix(".h")}"\nmcugen_link line;\n')
    run("avr-gcc", f"-mmcu={mcu}", "-Os", "-std=c99", "-fno-common", "-c", user, "-o", built)
    assert int(run("avr-size", built).splitlines()[1].split()[2]) == RAM
