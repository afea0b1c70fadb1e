"""`pio test` of generated projects, on this computer and in simulators, called as a user without the registry calls it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier
from tools import require

import mcugen
from mcugen.cli import cli
from mcugen.targets.platformio import PINNED, project_platform
from mcugen.vectors import choose

X, Y = load_iris(return_X_y=True)
TEXTS = np.array(["setosa", "größe", "virginica"])[Y]
MODELS: dict[str, Any] = {
    "label": DecisionTreeClassifier(random_state=0).fit(X, TEXTS),
    "proba": RandomForestClassifier(7, random_state=0).fit(X, Y),
    "value": RandomForestRegressor(7, random_state=0).fit(X, X[:, 2] ** 2 - 9),
}
AVR = ("avr-gcc", "arduino-core-avr", "platformio", "simavr", "gcc")
ARM = ("arm-none-eabi-gcc", "qemu-system-arm", "platformio")
RISCV = ("riscv64-unknown-elf-gcc", "qemu-system-riscv32", "platformio")


def project(folder: Path, kind: str, board: str) -> int:
    """Write the project; returns how many vectors it has."""
    of = mcugen.compile(MODELS[kind], board, name="iris", output=kind)
    of.write(folder, "platformio", rows=X)
    found = choose(of.module, of.source.reference, X)
    assert found is not None
    return len(found)


def mcugen_pio(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mcugen", "pio", *map(str, args)]
    env = {**os.environ, "MCUGEN_PLATFORMIO": "system"}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=300, check=False)


@pytest.mark.parametrize("kind", MODELS)
def test_natively_and_on_a_simulated_uno(tmp_path: Path, kind: str) -> None:
    require(*AVR)
    count = project(tmp_path, kind, "uno")
    done = mcugen_pio("test", "-d", tmp_path, "-e", "native", "-e", "uno_simulated")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{2 * count} test cases: {2 * count} succeeded" in done.stdout
    assert "PlatformIO with the system platform" in done.stderr
    assert re.search(r"uno_simulated +\* +PASSED", done.stdout)


@pytest.mark.parametrize(("board", "tools"), [
    ("leonardo", AVR),  # whose serial port is USB; the Mega has the Uno's core
    ("metro_m0", ARM),
    ("bluepill_f103c8", ARM),
    ("feather_nrf52840", ARM),
    ("esp32c3", RISCV),
])  # fmt: skip
def test_on_other_simulated_boards(tmp_path: Path, board: str, tools: tuple[str, ...]) -> None:
    require(*tools)
    count = project(tmp_path, "proba", board)
    done = mcugen_pio("test", "-d", tmp_path, "-e", f"{board}_simulated")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count} test cases: {count} succeeded" in done.stdout


def test_pio_run_builds_the_board_and_nothing_else(tmp_path: Path) -> None:
    require(*AVR)
    project(tmp_path, "label", "uno")
    done = mcugen_pio("run", "-d", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(p.name for p in (tmp_path / ".pio" / "build").iterdir() if p.is_dir()) == ["uno"]


@pytest.mark.parametrize("environment", ["native", "uno_simulated"])
def test_a_fault_in_the_c_fails(tmp_path: Path, environment: str) -> None:
    require(*AVR)
    count = project(tmp_path, "label", "uno")
    source = tmp_path / "lib" / "iris" / "src" / "iris.c"
    text, changed = re.subn(r"return label;", "return label == 2 ? 1 : label;", source.read_text())
    assert changed == 1
    source.write_text(text)
    done = mcugen_pio("test", "-d", tmp_path, "-e", environment)
    assert done.returncode != 0
    failed = re.search(r"(\d+) test cases: (\d+) failed, (\d+) succeeded", done.stdout + done.stderr)
    assert failed is not None, done.stdout + done.stderr
    assert int(failed[1]) == count
    assert int(failed[2]) > 0
    assert re.search(r"vector \d+: class 1, expected 2\s+\[FAILED\]", done.stdout)


@pytest.mark.parametrize("environment", ["native", "uno_simulated"])
def test_tests_that_end_early_fail(tmp_path: Path, environment: str) -> None:
    require(*AVR)
    project(tmp_path, "label", "uno")
    source = tmp_path / "test" / "test_iris.c"
    text = source.read_text()
    assert "        say(&result);" in text
    source.write_text(
        text.replace("        say(&result);", "        if (i == 3) for (;;) __builtin_trap();\n        say(&result);")
    )
    done = mcugen_pio("test", "-d", tmp_path, "-e", environment)
    assert done.returncode != 0
    assert re.search(rf"{environment} +\* +ERRORED", done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, PINNED),
        ({"platformio.ini": "nonsense"}, PINNED),
        ({"platformio.ini": "[env:native]\nplatform = native\n"}, PINNED),
        ({"platformio.ini": "[env:native]\nplatform = native\n[env:x]\nplatform = ststm32@19.6.0\n"}, "ststm32@19.6.0"),
    ],
)
def test_the_platform_that_a_project_asks_for(tmp_path: Path, files: dict[str, str], found: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert project_platform(tmp_path) == found


def test_simulate_shows_what_comes_over_serial(tmp_path: Path) -> None:
    require(*AVR)
    project(tmp_path, "value", "uno")
    mcugen_pio("run", "-d", tmp_path)
    said = CliRunner().invoke(cli, ["simulate", str(tmp_path / ".pio/build/uno/firmware.elf"), "-b", "uno"])
    assert said.exit_code == 0
    assert said.stdout.startswith("iris: send 4 numbers")


@pytest.mark.parametrize(
    ("file", "board", "code"),
    [
        ("none.elf", "uno", "E0101"),
        ("text.elf", "uno", "E0702"),
        ("text.elf", "huzzah32", "E0901"),
        ("text.elf", "unoo", "E0401"),
    ],
)
def test_simulate_refuses(tmp_path: Path, file: str, board: str, code: str) -> None:
    require("simavr")
    (tmp_path / "text.elf").write_text("no program")
    said = CliRunner().invoke(cli, ["simulate", str(tmp_path / file), "-b", board])
    assert f"error[{code}]" in said.stderr
    assert said.exit_code != 0


def test_options_behind_the_command_are_platformios(tmp_path: Path) -> None:
    require("platformio")
    done = mcugen_pio("test", "--help")
    assert done.returncode == 0
    assert "--without-uploading" in done.stdout
    assert mcugen_pio("nonsense").returncode == 2
