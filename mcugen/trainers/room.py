"""Whether a board has room for a trainer, and what it has room for instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from mcugen.diagnostics import McugenError, error
from mcugen.report import has_ram, require_fit
from mcugen.trainers.learner import Learner
from mcugen.trainers.multiclass_pa import MulticlassPA
from mcugen.trainers.opt_ovo import OptOVO
from mcugen.trainers.trainpp import TrainPP

if TYPE_CHECKING:
    from mcugen.trainers import Format, Wanted
    from mcugen.trainers.trainer import Trainer

FORMATS: tuple[Format, ...] = ("int16", "int8")


def require_room(trainer: Trainer) -> None:
    """E0501 and E0502 where the board is too small: with what would do on it."""
    found = trainer.report
    if has_ram(found):
        require_fit(found, trainer.module.loc)
        return
    kept = trainer.memory.state
    message = f"needs {found.ram.value:,} B of RAM; {found.title} has {found.ram_free:,} B free"
    others = [f"{text}: {ram:,} B" for text, ram in _instead(trainer)]
    help = "; ".join([*others[:4], "use a board with more RAM: `mcugen boards` lists them"])
    notes = [f"state {kept:,} B, a row {found.buffers:,} B, stack {found.stack.value:,} B"]
    raise error("E0501", message, help=help, loc=trainer.module.loc, notes=notes)


def _instead(trainer: Trainer) -> Iterator[tuple[str, int]]:
    """Trainers of as many features and classes that fit, the best answers first, with the RAM that they need: of the same rows, then
    of rows that take less.
    """
    from mcugen.trainers.trainer import build

    classes, named = len(trainer.wanted.labels), set()
    for rows, text in _rows(trainer.wanted):
        for numeric, learner in _learners(classes):
            try:
                other = build(replace(rows, learner=learner, numeric=numeric, start={}), trainer.target)
            except McugenError:
                continue
            found = list(_fitting(other, text))
            if found and (numeric, learner.name) not in named:
                named.add((numeric, learner.name))
                yield from found


def _rows(wanted: Wanted) -> Iterator[tuple[Wanted, str]]:
    """The rows that were asked for, those of bytes, and those of bytes that the caller has standardised."""
    yield wanted, ""
    if wanted.input not in ("int8", "uint8"):
        yield replace(wanted, input="int8"), " --input int8"
    if wanted.scaler == "running":
        yield replace(wanted, input="int8", scaler="none"), " --input int8 --scaler none"


def _fitting(other: Trainer, rows: str) -> Iterator[tuple[str, int]]:
    """A trainer that has room, or as much of it as has."""
    learner = other.wanted.learner
    if has_ram(other.report):
        yield f"`{learner.name} --numeric {other.wanted.numeric}{rows}`", other.report.ram.value
    elif isinstance(learner, OptOVO):
        yield from _pruned(other, rows)


def _learners(classes: int) -> Iterator[tuple[Format, Learner]]:
    several: tuple[Learner, ...] = (MulticlassPA(), OptOVO(classes=classes))
    for learner in several if classes > 2 else (TrainPP(),):
        for numeric in FORMATS:
            yield numeric, learner


def _pruned(full: Trainer, rows: str) -> Iterator[tuple[str, int]]:
    """Opt-OVO with as many pairs as the board has room for."""
    learner = full.wanted.learner
    assert isinstance(learner, OptOVO)
    pairs, classes = len(learner.kept_pairs), len(full.wanted.labels)
    each = full.wanted.weights.nbytes * (full.wanted.features + 1) + 4  # its weights, and a margin on the stack
    over = full.report.ram.value - full.report.ram_free
    left = pairs - -(-over // each)
    if left >= classes:
        text = f"`opt-ovo --numeric {full.wanted.numeric}{rows}` with {left} of its {pairs} pairs"
        yield text, full.report.ram.value - (pairs - left) * each
