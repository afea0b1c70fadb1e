"""The commands that go to a board, on simulated ones: build, run, verify --on simulator, report --built, flash, monitor."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from mcugen.cli import cli
from mcugen.targets.serial import open_port
from mcugen.targets.simavr import simulated_board

Require = Callable[..., None]
TOOLS = ("avr-gcc", "simavr", "arduino-core-avr", "platformio", "python:elftools")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A forest on iris, and its rows beside it."""
    import skops.io
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    folder = tmp_path_factory.mktemp("model")
    rows, labels = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[labels]
    skops.io.dump(RandomForestClassifier(5, random_state=0).fit(rows, names), folder / "iris.skops")
    np.save(folder / "rows.npy", rows[::10])
    return folder / "iris.skops"


@pytest.fixture(autouse=True)
def system_platform(require: Require, monkeypatch: pytest.MonkeyPatch) -> None:
    require(*TOOLS)
    monkeypatch.setenv("MCUGEN_PLATFORMIO", "system")


def mcugen(*args: object, exit: int = 0) -> Result:
    result = CliRunner().invoke(cli, [str(arg) for arg in args])
    assert result.exit_code == exit, f"{result.stdout}\n{result.stderr}"
    return result


def test_verify_on_the_simulator(model: Path) -> None:
    said = mcugen("verify", model, "-b", "uno", "--on", "simulator").stdout
    assert "threshold rows on the simulator, 0 disagreements" in said
    assert "deepest stack" in said
    result = mcugen("verify", model, "-b", "mega2560", "-d", model.parent / "rows.npy", "--on", "simulator", "--json")
    found = json.loads(result.stdout)
    assert found["proofs"][0]["rows"] == 15
    cycles = found["measured"]["cycles"]
    assert 0 < cycles["min"] <= cycles["mean"] <= cycles["max"]
    assert cycles["source"] == "measured"


def test_cycles_of_a_core_that_counts_instructions_are_modelled(require: Require, model: Path) -> None:
    require("arm-none-eabi-gcc", "qemu-system-arm")
    rows = model.parent / "rows.npy"
    found = json.loads(mcugen("verify", model, "-b", "metro_m0", "-d", rows, "--on", "simulator", "--json").stdout)
    measured = found["measured"]
    assert measured["instructions"] == measured["cycles"]["mean"]
    assert measured["cycles"]["unit"] == "instructions"
    about = measured["modelled_cycles"]
    assert (about["timing"], about["wait_states"], about["source"]) == ("Cortex-M0+", 0, "modelled")
    assert 1.2 < about["value"] / measured["instructions"] < 2.5
    said = mcugen("verify", model, "-b", "metro_m0", "-d", rows, "--on", "simulator").stdout
    assert f"about {about['value']:,.0f} cycles" in " ".join(said.split())
    assert "(modelled: Cortex-M0+ timing table, no wait states)" in " ".join(said.split())
    found = json.loads(mcugen("verify", model, "-b", "teensy40", "-d", rows, "--on", "simulator", "--json").stdout)
    assert found["measured"]["modelled_cycles"] is None


def test_build_keeps_the_project_where_it_is_told(model: Path, tmp_path: Path) -> None:
    found = json.loads(mcugen("build", model, "-b", "uno", "-o", tmp_path / "out", "--json").stdout)
    assert Path(found["elf"]).is_file()
    measured = found["report"]["measured"]
    assert measured["platform"] == "system"
    assert measured["model_ram"] == {"value": 0, "unit": "B", "source": "measured"}
    assert 0 < measured["model_flash"]["value"] < measured["flash"]["value"] < 32_256


def test_report_of_what_was_built(model: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    said = mcugen("report", model, "-b", "uno", "--built", "--html", page).stdout
    assert "measured: the ELF built with PlatformIO's system platform, and the simulator" in " ".join(said.split())
    assert "ELF: measured" in page.read_text()


def predicted(model: Path, rows: Any) -> list[str]:
    """What scikit-learn says."""
    import skops.io

    types = skops.io.get_untrusted_types(file=model)
    said: list[str] = skops.io.load(model, trusted=types).predict(rows).tolist()
    return said


def test_run_answers_every_row(model: Path) -> None:
    found = json.loads(mcugen("run", model, "-b", "nano", "-d", model.parent / "rows.npy", "--json").stdout)
    said = [line.split()[0] for line in found["serial"].splitlines()[2:]]
    assert said == predicted(model, np.load(model.parent / "rows.npy"))
    assert 0 < found["sram_peak"]["value"] < 2_048


def test_flash_and_monitor(require: Require, model: Path) -> None:
    require("avrdude", "python:serial")
    with simulated_board("uno") as board:
        said = mcugen("flash", model, "-b", "uno", "-p", board.port).stdout
        assert f"flashed Arduino Uno R3 over {board.port}" in said
        command = [sys.executable, "-m", "mcugen", "monitor", "-b", "uno", "-p", board.port]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as monitor:
            assert monitor.stdout is not None
            lines = [monitor.stdout.readline() for _ in range(2)]
            monitor.terminate()
    assert lines[0] == "iris: send 4 numbers, separated by commas\n"
    assert lines[1].startswith("sample row: ")


def answers(line: Any, rows: Iterable[Any]) -> list[str]:
    """The board's labels, each row sent when the one before has been answered."""
    said = []
    for row in rows:
        line.write(",".join(map(str, row)).encode() + b"\n")
        said.append(line.readline().decode().split()[0])
    return said


@pytest.mark.parametrize("name", ["uno", "nano", "mega2560"])
def test_flashed_sketch_answers_rows(require: Require, model: Path, name: str) -> None:
    # Each bootloader starts the sketch in its own way, the Uno's by a watchdog reset.
    require("avrdude", "python:serial")
    rows = np.load(model.parent / "rows.npy")[::6]
    expected = predicted(model, rows)
    assert len(set(expected)) == 3
    with simulated_board(name) as board:
        mcugen("flash", model, "-b", name, "-p", board.port)
        with open_port(board.port, timeout=20) as line:
            for _ in range(2):
                greeting = line.readline(), line.readline()
                assert greeting[1].startswith(b"sample row: ")
                assert answers(line, rows) == expected
                board.reset()
