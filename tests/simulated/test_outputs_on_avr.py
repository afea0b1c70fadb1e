"""The outputs `decision` and `transform`, and rows of bytes, on a simulated Uno: the numbers, the sketch's text, pio test."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from test_unit_tests import AVR, mcugen_pio

import mcugen
from mcugen.cli import cli
from mcugen.compile import Compiled
from mcugen.deploy import build, row_text
from mcugen.measure import measure
from mcugen.targets import toolchain_for
from mcugen.targets.simavr import simulated_board
from mcugen.vectors import choose

X, Y = load_iris(return_X_y=True)
DIGITS, NUMBERS = load_digits(return_X_y=True)
BYTES = 15 * DIGITS[:, 10:14]
pytestmark = pytest.mark.usefixtures("avr")


@pytest.fixture
def avr(require: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    require(*AVR, "python:elftools")
    monkeypatch.setenv("MCUGEN_PLATFORMIO", "system")


def decision() -> Compiled:
    return mcugen.compile(LogisticRegression(max_iter=500).fit(X, Y), name="iris", output="decision")


def transform() -> Compiled:
    return mcugen.compile(StandardScaler().fit(X), name="iris")


def of_bytes() -> Compiled:
    model = DecisionTreeClassifier(max_depth=5, random_state=0).fit(BYTES, NUMBERS)
    return mcugen.compile(model, name="iris", output="proba", input="uint8")


ROWS: dict[Any, Any] = {decision: X, transform: X, of_bytes: BYTES[:150]}


@pytest.mark.parametrize("made", ROWS)
def test_the_same_numbers_on_a_simulated_uno(made: Any) -> None:
    of = made()
    for rows in (ROWS[made], None):
        found = measure(of, rows)
        assert found.proof.proven, found.proof.worst
        assert found.proof.on == "simulator"


def answers(of: Compiled, folder: Path, lines: list[bytes]) -> list[str]:
    """What the sketch says to each line, without the time it took."""
    built = build(of, folder)
    sent = b"".join(lines)
    done = toolchain_for(of.target.board).run(built.elf, of.target.board, sent)
    return [re.sub(r" +\(\d+ us\)$", "", line) for line in done.serial.decode().splitlines()[1:]]


def test_the_sketch_says_decisions(tmp_path: Path) -> None:
    of = decision()
    rows = X[::30]
    said = answers(of, tmp_path, [*row_text(rows).splitlines(True), b"1,,2,3\n", b"1,nan,2,3\n", b"1,2,3,1e39\n"])
    expected = of.decision_function(rows)
    for line, label, numbers in zip(said, of.predict(rows), expected, strict=False):
        first, rest = line.split("  d = ")
        assert int(first) == label
        assert np.allclose([*map(float, rest.split())], numbers, atol=1e-5)
    assert said[len(rows) :] == 3 * ["error: a field is not a finite number"]


def test_the_sketch_says_transformed_rows(tmp_path: Path) -> None:
    of = transform()
    said = answers(of, tmp_path, row_text(X[::30]).splitlines(True))
    found = [[*map(float, line.split())] for line in said]
    assert np.allclose(found, of.transform(X[::30]), atol=1e-5)


def test_the_sketch_takes_whole_numbers_only(tmp_path: Path) -> None:
    of = of_bytes()
    rows = np.array([[0, 255, 7, 30], [255, 0, 0, 0]])
    bad = ["256,0,0,0", "-1,0,0,0", "0.5,0,0,0", "0,,0,0", "nan,0,0,0", "1e2,0,0,0", f"{'9' * 20},0,0,0", "0x1,0,0,0"]
    good = [b" 0 , 255,7,30\n", b"255,+0,00,0\n"]
    said = answers(of, tmp_path, [*good, *(f"{line}\n".encode() for line in bad), b"1,2,3\n"])
    expected = [f"{i}  p = " for i in of.predict(rows)]
    assert [line.partition("p = ")[0] + "p = " for line in said[:2]] == expected
    assert said[2:-1] == len(bad) * ["error: a field is no whole number from 0 to 255"]
    assert said[-1] == "error: a row has 4 numbers, this one 3"


@pytest.mark.parametrize("made", ROWS)
def test_pio_test(tmp_path: Path, made: Any) -> None:
    of = made()
    of.write(tmp_path, "platformio", rows=ROWS[made])
    count = len(choose(of.module, of.source.reference, ROWS[made]) or ())
    done = mcugen_pio("test", "-d", tmp_path, "-e", "native", "-e", "uno_simulated")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{2 * count} test cases: {2 * count} succeeded" in done.stdout


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import skops.io

    monkeypatch.chdir(tmp_path)
    skops.io.dump(DecisionTreeClassifier(max_depth=5, random_state=0).fit(BYTES, NUMBERS), "digits.skops")
    np.save("rows.npy", BYTES[:20].astype(np.uint8))
    asked = ["digits.skops", "-b", "uno", "--input", "uint8", "--data", "rows.npy"]
    said = CliRunner().invoke(cli, ["verify", *asked, "--on", "simulator"])
    assert said.exit_code == 0, said.stdout + said.stderr
    assert "proven: 20 rows of rows.npy on the simulator, 0 disagreements" in said.stdout
    said = CliRunner().invoke(cli, ["run", *asked])
    assert said.exit_code == 0, said.stdout + said.stderr
    assert len(re.findall(r"(?m)^\d  \(\d+ us\)$", said.stdout)) == 20
    assert re.search(r"(?m)^sample row: \d  \(", said.stdout)
    assert "error" not in said.stdout


@pytest.mark.parametrize("output", ["label", "proba"])
def test_flashed_and_asked_with_the_command_that_flash_prints(tmp_path: Path, require: Any, output: str) -> None:
    """Frames carry a row's bytes as they are; the command has every option that decides the C."""
    import skops.io

    require("avrdude", "python:serial")
    skops.io.dump(DecisionTreeClassifier(max_depth=5, random_state=0).fit(BYTES, NUMBERS), tmp_path / "digits.skops")
    np.save(tmp_path / "my rows.npy", BYTES[:20])
    model, data = str(tmp_path / "digits.skops"), str(tmp_path / "my rows.npy")
    options = ["--input", "uint8", "--output", output, "--optimize", "size", "--name", "mine", "-d", data]
    with simulated_board("uno") as board:
        said = CliRunner().invoke(cli, ["flash", model, "-b", "uno", "-p", board.port, *options])
        assert said.exit_code == 0, said.stdout + said.stderr
        (command,) = [line for line in said.stdout.splitlines() if line.startswith("prove it: mcugen ")]
        said = CliRunner().invoke(cli, shlex.split(command.removeprefix("prove it: mcugen ")))
    assert said.exit_code == 0, said.stdout + said.stderr
    assert f"20 rows of {data} on the board, 0 disagreements" in said.stdout
