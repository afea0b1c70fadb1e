"""What learning takes on boards, for benchmarks/trainers.py: cycles in the simulator, flash of the linked program, RAM with its stack."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import mcugen
from benchmarks.learning import C, Figure, Labels, Rows, data, shuffled
from mcugen.targets import elf
from mcugen.targets.avr import toolchain
from mcugen.targets.simavr import simulate
from mcugen.trainers.device import Learnt, learnt_on
from mcugen.trainers.trainer import Trainer

# A program that learns the rows that come over its serial port: the class, then d bytes. It answers what the row was taken for.
PROGRAM = """\
#include <avr/io.h>
#include "trainer.h"

static trainer_state state;
static uint8_t row[TRAINER_FEATURES];

static uint8_t received(void) {
    while (!(UCSR0A & _BV(RXC0))) {
    }
    return UDR0;
}

int main(void) {
    UCSR0B = _BV(RXEN0) | _BV(TXEN0);
    trainer_init(&state);
    for (;;) {
        const uint8_t y = received();
        for (uint8_t i = 0; i < TRAINER_FEATURES; i++) {
            row[i] = received();
        }
        UDR0 = (uint8_t)trainer_learn(&state, row, y);
        GPIOR0 = (uint8_t)(trainer_stats(&state).error >> 8);
    }
}
"""
# The same program where nothing is learnt.
REST = PROGRAM.replace("trainer_init(&state)", "(void)state").replace("trainer_learn(&state, row, y)", "(row[0] + y)")
REST = REST.replace("trainer_stats(&state).error >> 8", "row[1]")


SCALED = {"none": "rows about 0", "running": "scaler"}
RAW = {"none": "int8", "running": "uint8"}


def on_boards(_seeds: int) -> Iterator[Figure]:
    """Each is counted once: seeds change nothing but which rows are learnt."""
    yield from steps()
    yield from binary()
    yield from ten_classes()
    yield from zeros_and_ones()
    yield from pairs_on_a_samd21()
    yield from everywhere()


def steps() -> Iterator[Figure]:
    """d = 64: predict, which is a score and what is around it, and learn, which is a score and an update."""
    x, y = of_digits(2, 200)
    before = {"int16": ("3,500", "12,300"), "float32": ("11,700", "49,200")}  # the score and the update alone
    for numeric, kind, most in (("int16", "int8", (3_500, 12_000)), ("float32", "float32", (None, None))):
        one = of_board("train++", "uno", 64, 2, numeric=numeric, input=kind, scaler="none", watch="nothing", C=0.1)
        rows = given(x, "none") if kind == "int8" else given(x, "none") / 32
        learnt, asked = counted(one, rows, y), counted(one, rows, np.full_like(y, -1))
        for what, found, target, by in zip(("predict", "learn"), (asked, learnt), most, before[numeric], strict=True):
            what = f"d = 64, {numeric}, {what}: cycles at most"
            yield Figure("boards", "digits 0 and 1", "train++", what, max(found.cycles), target, True, before=by)


def binary() -> Iterator[Figure]:
    """d = 30, bytes, a running scaler and statistics: a whole program for the Uno beside the same one without a trainer."""
    x, y = data("breast_cancer")
    rows = np.round(255 * (x - x.min(axis=0)) / np.ptp(x, axis=0))
    one = of_board("train++", "uno", 30, 2, numeric="int16", input="uint8")
    order = np.random.RandomState(0).permutation(len(y))
    flash, ram, right = program_of(one, rows[order], y[order])
    what = "int16, scaler, statistics"
    yield Figure("boards", "breast_cancer", "train++", f"{what}: B of flash", flash, 2_500, True)
    yield Figure("boards", "breast_cancer", "train++", f"{what}: B of RAM, with stack and row", ram, 400, True)
    yield Figure("boards", "breast_cancer", "train++", f"{what}: prequential", right)


def ten_classes() -> Iterator[Figure]:
    """K = 10, d = 64, int16 on the Uno, which has 2,048 B: a whole program, as above."""
    x, y = of_digits(10)
    for scaler, what in SCALED.items():
        one = of_board("multiclass-pa", "uno", 64, 10, numeric="int16", input=RAW[scaler], scaler=scaler)
        flash, ram, right = program_of(one, given(x, scaler), y)
        yield Figure(
            "boards", "digits", "multiclass-pa", f"int16, {what}: B of RAM, with stack and row", ram, 2_048, True
        )
        yield Figure("boards", "digits", "multiclass-pa", f"int16, {what}: B of flash", flash)
        yield Figure("boards", "digits", "multiclass-pa", f"int16, {what}: prequential", right)


def zeros_and_ones() -> Iterator[Figure]:
    """The 252 rows of digits 0 and 1 that are 70 % of them, learnt in one pass by an Uno of 16 MHz, from nothing.

    As the target is meant, which is 252 scores and updates: of rows about 0. And of raw ones, whose means and variances are learnt, too.
    """
    x, y = of_digits(2)
    for numeric, scaler, most in (("int16", "none", 0.25), ("int16", "running", None), ("int8", "running", None)):
        one = of_board("train++", "uno", 64, 2, numeric=numeric, input=RAW[scaler], scaler=scaler)
        rows = given(x, scaler)
        seconds = sum(counted(one, rows[:252], y[:252]).cycles) / one.target.board.clock
        what = f"{numeric}, {SCALED[scaler]}"
        yield Figure("boards", "digits 0 and 1", "train++", f"{what}: s for 252 rows", seconds, most, True)
        yield Figure(
            "boards", "digits 0 and 1", "train++", f"{what}: the other 108", 100 * one.score(rows[252:], y[252:])
        )


def pairs_on_a_samd21() -> Iterator[Figure]:
    """Opt-OVO with all 45 pairs of digits on the Cortex-M0+ on which it was reported; instructions are no time."""
    x, y = of_digits(10, 400)
    one = of_board("opt-ovo", "metro_m0", 64, 10, numeric="int16", input="uint8")
    learnt, asked = counted(one, x, y), counted(one, x, np.full_like(y, -1))
    for what, found, by in (("predict", asked, "11.8 ms"), ("learn", learnt, "")):
        what = f"int16, SAMD21, {what}: instructions"
        yield Figure("boards", "digits", "opt-ovo", what, float(np.mean(found.cycles)), before=by)


def everywhere() -> Iterator[Figure]:
    """10,000 updates of integers here, on an AVR in simavr and on a Cortex-M4F in QEMU."""
    random = np.random.RandomState(0)
    x, y = of_digits(10)
    drawn = random.randint(0, len(y), 10_000)
    for learner, numeric, features in (("train++", "int16", 16), ("multiclass-pa", "int8", 16)):
        rows, classes = x[drawn, 16 : 16 + features].astype(np.uint8), y[drawn] % (2 if learner == "train++" else 10)
        apart = 0
        for board in ("mega2560", "feather_nrf52840"):
            one = of_board(learner, board, features, int(classes.max()) + 1, numeric=numeric, input="uint8")
            (found,) = learnt_on([one], [rows], [classes])
            here = one.partial_fit(rows, classes).state
            apart += sum(a != b for a, b in zip(found.state, here, strict=True))
        what = f"{numeric}, AVR, M4F and here: bytes of state that differ"
        yield Figure("boards", "digits, 10,000 updates", learner, what, apart, 0, True)


# ---- rows, trainers, programs ---------------------------------------------------------------------------------------


def of_digits(classes: int, count: int | None = None) -> tuple[Rows, Labels]:
    """Rows of the first digits, 0 to 16 each, in random order, and their classes."""
    x, y = shuffled("digits", 0)
    chosen = y < classes
    return x[chosen][:count], y[chosen][:count]


def given(x: Rows, scaler: str) -> Rows:
    """Digits as a trainer with that scaler takes them: raw, or about 0 with 5 fraction bits."""
    return 8 * (x - 8) if scaler == "none" else x


def of_board(learner: str, board: str, features: int, classes: int, **options: object) -> Trainer:
    """A trainer for a board, without functions that save."""
    given = {"C": C, **options}
    return mcugen.trainer(  # without the room that an Arduino sketch takes for itself: these programs have none
        learner, n_features=features, classes=classes, board=board, store=False, check_fit=False, **given
    )  # type: ignore[arg-type]


def counted(one: Trainer, rows: Rows, classes: Labels) -> Learnt:
    """Rows in the board's simulator, from nothing. This computer learns them, too: answers and state have to be the same."""
    sent = rows.astype(one.wanted.input)
    (found,) = learnt_on([one], [sent], [classes])
    one.reset()
    here = one.host.learn(sent, classes).tolist()
    if found.classes != here or found.state != one.state:
        sys.exit(f"{one.wanted.learner} learns otherwise on the simulated {one.target.board.title}")
    return found


def program_of(one: Trainer, rows: Rows, classes: Labels) -> tuple[int, int, float]:
    """Flash in bytes beyond the program without the trainer, all RAM that was in use at most, percent right before it was learnt."""
    sent, board = rows.astype(one.wanted.input), one.target.board
    with tempfile.TemporaryDirectory(prefix="mcugen-boards-") as folder:
        program, rest = linked(one, PROGRAM, Path(folder) / "learns"), linked(one, REST, Path(folder) / "rest")
        flash = elf.usage(program).flash - elf.usage(rest).flash
        stream = b"".join(bytes([y]) + row.tobytes() for row, y in zip(sent, classes.tolist(), strict=True))
        done = simulate(program, mcu=board.mcu, freq=board.clock, uart_in=stream, quiet=board.clock, limit=1 << 40)
    one.reset()
    if list(done.serial) != one.host.learn(sent, classes).tolist():
        sys.exit(f"the program answers otherwise than this computer: {done.end} {done.reason}")
    return flash, done.sram_peak, 100 * float(np.mean(np.array(list(done.serial)) == classes))


def linked(one: Trainer, main: str, folder: Path) -> Path:
    """A program of a main() and the trainer's C, as sketches are compiled."""
    folder.mkdir()
    for name, text in {**{Path(name).name: text for name, text in one.files.items()}, "main.c": main}.items():
        (folder / name).write_text(text)
    board = one.target.board
    command, _ = toolchain.compiler(board)
    options = [*toolchain.options(board), "-std=c99", "-Wl,--gc-sections", "-o", "program.elf"]
    sources = sorted(path.name for path in folder.glob("*.c"))
    subprocess.run([*command, *options, *sources, "-lm"], cwd=folder, check=True)
    return folder / "program.elf"
