"""Models verified over serial on simulated boards: flashed by the real uploader, over a line that garbles bytes, with the
reset button pressed in the middle.

What a board needs for these tests is in BOARDS: a name, and a context that gives a flashed board's port and its reset button.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tools
from click.testing import CliRunner, Result
from test_streams_on_boards import eye

from mcugen import compile
from mcugen.cli import cli
from mcugen.compile import Compiled
from mcugen.deploy import build, project_folder
from mcugen.measure import time_over
from mcugen.targets import toolchain_for
from mcugen.targets.cores import CORES
from mcugen.targets.link import Line, Session, rows_as_bytes
from mcugen.targets.qemu import simulated_board as qemu_board
from mcugen.targets.serial import open_line
from mcugen.targets.simavr import simulated_board

Require = Callable[..., None]
SHARED = ("platformio", "python:elftools", "python:serial")
AVR_TOOLS = ("avr-gcc", "simavr", "arduino-core-avr", "avrdude")
QEMU_TOOLS = ("arm-none-eabi-gcc", "qemu-system-arm", "riscv64-unknown-elf-gcc", "qemu-system-riscv32")


@dataclass(frozen=True)
class Flashed:
    """A board that runs a model's sketch: its port, and its reset button."""

    port: str
    reset: Callable[[], None]


@contextmanager
def avr(name: str, compiled: Compiled) -> Iterator[Flashed]:
    """A simulated AVR board, flashed by avrdude through its own bootloader."""
    tools.require(*AVR_TOOLS)
    with simulated_board(name) as board:
        flash(compiled, board.port)
        yield Flashed(board.port, board.reset)


@contextmanager
def qemu(name: str, compiled: Compiled) -> Iterator[Flashed]:
    """A board under QEMU with the sketch that our bare platform links within the board's limits; opening does not reset it."""
    tools.require(*QEMU_TOOLS)
    board = compiled.target.board
    with project_folder(None) as folder:
        built = build(compiled, folder)
        with qemu_board(CORES[board.arch], built.elf) as running:
            yield Flashed(running.port, running.reset)


def flash(compiled: Compiled, port: str) -> None:
    with project_folder(None) as folder:
        build(compiled, folder)
        toolchain_for(compiled.target.board).flash(folder, compiled.target.board, port)


Get = Callable[[str, Compiled], AbstractContextManager[Flashed]]
QEMU = ("feather_nrf52840", "metro_m0", "bluepill_f103c8", "esp32c3")
BOARDS: dict[str, Get] = {"uno": avr, **dict.fromkeys(QEMU, qemu)}  # the Mega has the Uno's core
EACH = [name if name == "uno" else pytest.param(name, marks=pytest.mark.long) for name in BOARDS]


@pytest.fixture(autouse=True)
def system_platform(require: Require, monkeypatch: pytest.MonkeyPatch) -> None:
    require(*SHARED)
    monkeypatch.setenv("MCUGEN_PLATFORMIO", "system")


def forest() -> tuple[Any, Any]:
    """A classifier of 6 trees whose labels are texts, and rows of its data in another order."""
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    return RandomForestClassifier(6, random_state=0).fit(x, names), np.random.default_rng(0).permutation(x)[:60]


def tree() -> tuple[Any, Any]:
    """A regression tree, and rows of its data."""
    from sklearn.datasets import load_diabetes
    from sklearn.tree import DecisionTreeRegressor

    x, y = load_diabetes(return_X_y=True)
    return DecisionTreeRegressor(max_depth=6, random_state=0).fit(x, y), x[:40]


@dataclass
class Garbling:
    """A line of which some bytes are changed, lost or followed by another one, in both directions.

    presses  bytes to the board after which its reset button is pressed
    """

    line: Line
    noise: float
    reset: Callable[[], None]
    presses: list[int]
    seed: int = 0
    sent: int = 0
    damaged: int = 0
    pressed: int = 0
    dice: random.Random = field(default_factory=lambda: random.Random(0))

    def garbled(self, data: bytes) -> bytes:
        found = bytearray()
        for byte in data:
            if self.dice.random() >= self.noise:
                found.append(byte)
                continue
            self.damaged += 1
            found += self.dice.choice([bytes([self.dice.randrange(256)]), b"", bytes([byte, self.dice.randrange(256)])])
        return bytes(found)

    def write(self, data: bytes) -> None:
        self.sent += len(data)
        if self.presses and self.sent > self.presses[0]:
            half = len(data) // 2
            self.line.write(self.garbled(data[:half]))
            self.presses.pop(0)
            self.pressed += 1
            self.reset()
            data = data[half:]
        self.line.write(self.garbled(data))

    def read(self, seconds: float) -> bytes:
        came = self.line.read(seconds)
        return self.garbled(came) or (b"\xff" if came else b"")  # empty would mean that the time is up


@pytest.mark.parametrize("name", EACH)
def test_verified_over_a_garbling_line_with_resets(name: str) -> None:
    estimator, rows = tree() if name in ("uno", "feather_nrf52840") else forest()
    compiled = compile(estimator, name, name="model")
    with BOARDS[name](name, compiled) as board, open_line(board.port) as line:
        garbling = Garbling(line, 0.01, board.reset, [800, 2_000])
        found = time_over(compiled, garbling, board.port, rows)
    assert garbling.pressed == 2
    assert garbling.damaged > 20
    assert (found.proof.rows, found.proof.wrong) == (len(rows), 0)
    assert found.proof.on == "board"
    assert 0 <= found.least <= found.mean <= found.most < 5_000
    assert found.most > 0


@pytest.mark.long
@pytest.mark.parametrize("way", ["stream_input", "arena_input"])
def test_an_input_that_the_board_keeps_nowhere(way: str) -> None:
    """Row after row, or in memory that the network uses for other things: no row twice, none lost."""
    model, x = eye()
    compiled = compile(model.SerializeToString(), "uno", name="eye", **{way: True})
    rows = x.reshape(len(x), -1)
    with avr("uno", compiled) as board, open_line(board.port) as line:
        garbling = Garbling(line, 0.003, board.reset, [3_000])
        found = time_over(compiled, garbling, board.port, rows)
    assert garbling.pressed == 1
    assert (found.proof.rows, found.proof.wrong) == (len(rows), 0)
    assert 10_000 < found.least <= found.most < 100_000


def test_answers_are_the_hosts_bit_by_bit() -> None:
    """Probabilities and their index, of more bytes than one frame carries; afterwards the line takes text again."""
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier

    x, y = make_classification(
        300, 6, n_informative=6, n_redundant=0, n_classes=14, n_clusters_per_class=1, random_state=0
    )
    compiled = compile(
        RandomForestClassifier(3, max_depth=4, random_state=0).fit(x, y), "uno", name="m", output="proba"
    )
    rows = x[:25].astype(np.float32)
    index, proba = compiled.run([rows])
    with avr("uno", compiled) as board, open_line(board.port) as line:
        session = Session(line, compiled.hash)
        assert session.open().outputs == 4 + 14 * 4
        said = [session.predict(row).outputs for row in rows_as_bytes(compiled.module, [rows])]
        line.write(",".join(map(str, rows[0])).encode() + b"\n")
        text = b""
        while b" us)\r\n" not in text:
            came = line.read(5.0)
            assert came, text
            text += came
    assert text.startswith(f"{index[0]}  p = {proba[0][0]:.6f} ".encode())
    assert said == [index[i].astype("<i4").tobytes() + proba[i].tobytes() for i in range(len(rows))]


def mcugen(*args: object, exit: int = 0) -> Result:
    result = CliRunner().invoke(cli, [str(arg) for arg in args])
    assert result.exit_code == exit, f"{result.stdout}\n{result.stderr}"
    return result


def test_the_commands(tmp_path: Path) -> None:
    import skops.io

    tools.require(*AVR_TOOLS)
    estimator, rows = forest()
    skops.io.dump(estimator, tmp_path / "iris.skops")
    np.save(tmp_path / "rows.npy", rows[:20])
    model = tmp_path / "iris.skops"
    with simulated_board("uno") as board:
        on = ("-b", "uno", "-p", board.port)
        said = mcugen("flash", model, *on).stdout
        (command,) = [line.removeprefix("prove it: mcugen ") for line in said.splitlines() if "prove it" in line]
        found = json.loads(mcugen(*command.split(), "-d", tmp_path / "rows.npy", "--json").stdout)
        assert found["proofs"][0]["on"] == "board"
        assert (found["proofs"][0]["rows"], found["proven"], found["port"]) == (20, True, board.port)
        time = found["measured"]["time"]
        assert 0 < time["min"] <= time["mean"] <= time["max"]
        assert (time["unit"], time["source"]) == ("us", "measured")

        said = mcugen("verify", model, *on, "--on", "board").stdout
        assert "threshold rows on the board, 0 disagreements" in said
        assert " µs (measured)" in said

        refused = mcugen("verify", model, *on, "--on", "board", "--output", "proba", exit=5).stderr
        assert "error[E0706]" in refused
        assert f"`mcugen flash {model} --board uno --output proba --port {board.port}`" in refused


CHATTER = """#include <Arduino.h>
void setup() { Serial.begin(115200); }
void loop() { Serial.println(millis()); delay(150); }
"""


@pytest.mark.long
def test_a_board_that_runs_another_program(tmp_path: Path) -> None:
    import skops.io

    tools.require(*AVR_TOOLS)
    estimator, _ = forest()
    skops.io.dump(estimator, tmp_path / "iris.skops")
    compiled = compile(estimator, "uno", name="iris")
    compiled.write(tmp_path / "project", "platformio")
    (tmp_path / "project" / "src" / "main.cpp").write_text(CHATTER)
    with simulated_board("uno") as board:
        toolchain_for(compiled.target.board).flash(tmp_path / "project", compiled.target.board, board.port)
        said = mcugen("verify", tmp_path / "iris.skops", "-b", "uno", "-p", board.port, "--on", "board", exit=5).stderr
    assert "error[E0705]: nothing at the serial port speaks mcugen's protocol" in said
    assert "mcugen flash" in said
