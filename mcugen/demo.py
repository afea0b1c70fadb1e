"""`mcugen demo`: the main job on real data, from `fit` to the serial output of a flashed board, and every number measured."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from mcugen.compile import Compiled, compile
from mcugen.diagnostics import CODES, EXIT_VERIFY, Diagnostic, McugenError, error
from mcugen.folder import write
from mcugen.ir import Array
from mcugen.targets import toolchain_for
from mcugen.targets.serial import open_port
from mcugen.targets.sketch import model_part
from mcugen.targets.toolchain import Build
from mcugen.verify import Proof, require

Show = Callable[[str], None]

BOARD = "uno"
TREES = 10
SENT = 20  # rows sent to the flashed board
SERIAL_SECONDS = 20.0  # a flashed board waits for its bootloader and has said all after about two


@dataclass(frozen=True, eq=False)
class Digits:
    """scikit-learn's digits and a forest fitted on its training part. Rows are (n, 64) float64."""

    rows: Array
    test: Array
    truth: Array
    forest: Any

    @property
    def sample(self) -> Array:
        """The row that the sketch holds and answers at its start: the first of the test part."""
        first: Array = self.test[0]
        return first


@dataclass
class Steps:
    """Runs one step after the other: what a step cannot do is said and kept, and the next one goes on without it."""

    show: Show
    problems: list[Diagnostic]

    @contextmanager
    def step(self, title: str) -> Iterator[Show]:
        """Show the title, then the step's lines indented under it."""
        self.show(f"\n{title}")
        try:
            yield lambda line: self.show(f"  {line}")
        except McugenError as problem:
            self.problems += [d for d in problem.diagnostics if d not in self.problems]
            for one in problem.diagnostics:
                self.show(f"  not done: {one.message}")

    def finish(self) -> None:
        """Raise what is missing, all at once; a disagreement comes first, because it decides the exit code."""
        if self.problems:
            raise McugenError(sorted(self.problems, key=lambda d: CODES[d.code].exit_code != EXIT_VERIFY))


def demo(out: Path, show: Show) -> None:
    """Train a forest on digits, compile it for the Uno, prove, build, run and flash it; leave the files in `out`.

    A missing tool is said and left out. Raises McugenError at the end, with everything that could not be done (exit code 5),
    or with the rows that differ (exit code 4).
    """
    steps = Steps(show, [])
    digits = train()
    compiled = compile(digits.forest, BOARD, name="digits", optimize="size", check_answers=False)
    with steps.step("The model") as say:
        _show_model(digits, compiled, say)
    project, built = _write(digits, compiled, out), None
    with steps.step("The C on this computer, against scikit-learn") as say:
        _on_host(digits, compiled, say)
    with steps.step("The C on a simulated ATmega328P, against scikit-learn") as say:
        _on_simulator(digits, compiled, say)
    with steps.step("The sketch, built by PlatformIO") as say:
        built = _build(compiled, project, say)
    with steps.step("The sketch, flashed by avrdude to a simulated Arduino Uno") as say:
        if built is None:
            say("not done: nothing was built")
        else:
            _flash(digits, compiled, project, say)
    with steps.step(f"Files in {out}") as say:
        _show_files(compiled, say)
    steps.finish()


def train() -> Digits:
    """Digits in two stratified parts, and a forest of fully grown trees fitted on the first."""
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import train_test_split

    rows, labels = load_digits(return_X_y=True)
    split = train_test_split(rows, labels, test_size=0.3, stratify=labels, random_state=0)
    train_rows, test, train_labels, truth = split
    forest = RandomForestClassifier(n_estimators=TREES, random_state=0).fit(train_rows, train_labels)
    return Digits(rows, test, truth, forest)


def _show_model(digits: Digits, compiled: Compiled, say: Show) -> None:
    nodes = sum(tree.tree_.node_count for tree in digits.forest.estimators_)
    depth = max(tree.get_depth() for tree in digits.forest.estimators_)
    trained = len(digits.rows) - len(digits.test)
    say(f"digits: {len(digits.rows):,} images of 8x8 pixels; {trained:,} to train, {len(digits.test):,} to test")
    say(f"{digits.forest}: {TREES} trees of depth up to {depth}, {nodes:,} nodes")
    for layer in compiled.report.layers:
        others = "; ".join(f"{form.name} would take {form.cost.flash:,} B" for form in layer.others)
        say(f"compiled for {compiled.target.board.title} as {layer.form} in flash, about {layer.flash:,} B ({others})")


# ---- files ----------------------------------------------------------------------------------------------------------


def _write(digits: Digits, compiled: Compiled, out: Path) -> Path:
    """The Arduino library, the PlatformIO project, the model and its rows; returns the project's folder."""
    import skops.io

    rows = io.BytesIO()
    np.save(rows, digits.rows)
    write(out, {"digits.skops": skops.io.dumps(digits.forest), "digits.npy": rows.getvalue()})
    sample = digits.sample.tolist()
    project = out / "platformio"
    compiled.write(out / "arduino" / compiled.module.name, "arduino", sample)
    compiled.write(project, "platformio", sample)
    return project


def _show_files(compiled: Compiled, say: Show) -> None:
    say(f"arduino/{compiled.module.name}/   a library for the Arduino IDE, with an example")
    say("platformio/       the PlatformIO project, with the same sketch")
    say("digits.skops      the fitted forest; digits.npy: all rows")


# ---- proofs ---------------------------------------------------------------------------------------------------------


def _on_host(digits: Digits, compiled: Compiled, say: Show) -> None:
    proofs = [compiled.verify(digits.rows, source="rows of digits"), compiled.verify()]
    _show_proofs(proofs, compiled, say)
    ours = float(np.mean(compiled.predict(digits.test) == digits.truth))
    theirs = float(np.mean(digits.forest.predict(digits.test) == digits.truth))
    say(f"accuracy on the test part: C {ours:.4f}, scikit-learn {theirs:.4f}")


def _show_proofs(proofs: list[Proof], compiled: Compiled, say: Show) -> None:
    from mcugen.report.show import proof_line

    for proof in proofs:
        say(proof_line(proof))
    for proof in proofs:
        require(proof, compiled.source.loc)


def _on_simulator(digits: Digits, compiled: Compiled, say: Show) -> None:
    from mcugen.measure import measure

    board = compiled.target.board
    counted = measure(compiled, digits.rows, source="rows of digits")
    thresholds = measure(compiled)
    flash, static = _model_alone(compiled)
    say(f"flash: {flash:,} B, code and tables of the model alone")
    say(f"SRAM: {static} B static, {counted.stack} B of stack at the deepest")
    say(f"cycles per prediction: {counted.least:,} to {counted.most:,}, mean {counted.mean:,.0f}")
    least, mean, most = (cycles / board.clock * 1e3 for cycles in (counted.least, counted.mean, counted.most))
    say(f"time at {board.clock / 1e6:g} MHz: {least:.3f} to {most:.3f} ms, mean {mean:.3f} ms")
    _show_proofs([counted.proof, thresholds.proof], compiled, say)


def _model_alone(compiled: Compiled) -> tuple[int, int]:
    """Flash and static RAM of the model's own part of an ELF without a framework."""
    with TemporaryDirectory(prefix="mcugen-demo-") as folder:
        board = compiled.target.board
        program = toolchain_for(board).link([compiled.unit], board, Path(folder))
        return model_part(program, compiled.module.name)


# ---- PlatformIO -----------------------------------------------------------------------------------------------------


def _build(compiled: Compiled, project: Path, say: Show) -> Build:
    board = compiled.target.board
    build = toolchain_for(board).build(project, board, compiled.module.name)
    platforms = {
        "system": "mcugen's platform over this computer's avr-gcc and Arduino core",
        "registry": f"the registry's {board.platformio.platform if board.platformio else ''}",
    }
    say(f"pio run: success, with {platforms[build.platform]}")
    say(f"flash of the whole ELF: {_share(build.flash, board.flash)}; {build.model_flash:,} B of it are the model")
    say(f"static RAM of the whole ELF: {_share(build.ram, board.ram)}; {build.model_ram:,} B of it are the model")
    return build


def _share(used: int, limit: int) -> str:
    return f"{used:,} B of {limit:,} B ({used / limit:.1%})"


def _flash(digits: Digits, compiled: Compiled, project: Path, say: Show) -> None:
    from mcugen.targets.simavr import simulated_board

    board = compiled.target.board
    with simulated_board(board.name) as simulated:
        log = toolchain_for(board).flash(project, board, simulated.port)
        for line in log.splitlines():
            if "bytes of flash" in line:
                say(line.strip())
        lines = _talk(simulated.port, digits.test[1 : SENT + 1])
    say("its serial output:")
    for line in lines[:2]:
        say(f"  {line}")
    expected = [str(label) for label in digits.forest.predict(digits.test[: SENT + 1])]
    answers = [line.removeprefix("sample row: ").split()[0] for line in lines[1:]]
    for answer, right in zip(answers, expected, strict=True):
        if answer != right:
            help = "do not use this C; please report the model that led to it"
            raise error(
                "E0801", f"the sketch answers {answer}, scikit-learn {right}", help=help, loc=compiled.source.loc
            )
    say(f"scikit-learn's answer to the sample row: {expected[0]}, the same")
    say(f"{SENT} more test rows, sent to its serial port: {SENT} answers, all of them scikit-learn's")


def _talk(port: str, rows: Array) -> list[str]:
    """What the sketch says at its start (what it takes, and its answer to the sample row), then its answer to each row."""
    with open_port(port, timeout=0.2) as line:  # opening resets the board
        said = [_line(line), _line(line)]
        for row in rows:
            line.write(",".join(map(str, row)).encode() + b"\n")
            said.append(_line(line))
    return said


def _line(port: Any) -> str:
    got, end = b"", time.monotonic() + SERIAL_SECONDS
    while not got.endswith(b"\n"):
        if time.monotonic() > end:
            raise error("E0702", "the flashed sketch is silent", help="run the demo again on a machine with less to do")
        got += port.readline()
    return bytes(got).decode(errors="replace").strip()
