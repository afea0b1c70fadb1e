"""Trainers in the simulators of their boards: rows learnt there, the state that is left, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from mcugen.ir import Array
from mcugen.targets import toolchain_for
from mcugen.targets.driver import PIECE, PIECES, Unit
from mcugen.trainers import ROWS

if TYPE_CHECKING:
    from mcugen.trainers.trainer import Trainer

ROWS_COUNTED = 60


@dataclass(frozen=True)
class Learnt:
    """What a board took rows for before it learnt them (or the code with which it refused them), its state after all, the cycles (or
    instructions) of each, and the deepest stack in bytes.
    """

    classes: list[int]
    state: bytes
    cycles: tuple[int, ...]
    stack: int


def learnt_on(trainers: Sequence[Trainer], rows: Sequence[Array], classes: Sequence[Array]) -> list[Learnt]:
    """Every trainer, all of one board, on its own rows (n, features) and classes (n,) in one run of its simulator; class -1 only predicts.

    E0901 for a board without a simulator, E0601 and E0701 where a tool is missing, E0501 and E0502 where it does not fit.
    """
    board = trainers[0].target.board
    bare = [plain(trainer) for trainer in trainers]
    inputs = []
    for trainer, x, y in zip(bare, rows, classes, strict=True):
        pieces = -(-trainer.memory.state // PIECE)
        more = np.zeros((pieces, x.shape[1]), x.dtype)
        inputs.append([np.concatenate([x, more]), np.concatenate([y, PIECES - np.arange(pieces)]).astype(np.int32)])
    done = toolchain_for(board).run_rows([Unit(t.module, t.files) for t in bare], inputs, board)
    found = []
    for trainer, x, run in zip(bare, rows, done, strict=True):
        labels, read = run.outputs
        state = np.ascontiguousarray(read[len(x) :]).tobytes()[: trainer.memory.state]
        found.append(Learnt(labels[: len(x)].tolist(), state, tuple(run.cycles[: len(x)]), max(run.stacks)))
    return found


@dataclass(frozen=True)
class Taken:
    """What a call takes in a simulator: cycles (or instructions, see `unit`) of a prediction and of a row that is learnt, on average
    and at most, over rows that are made; the deepest stack in bytes.
    """

    predict: float
    learn: float
    most: int
    stack: int
    unit: str


def taken(trainer: Trainer) -> Taken:
    """What the trainer's calls take on its board, counted on rows of no meaning: half of them are only predicted."""
    wanted, rng = trainer.wanted, np.random.default_rng(0)
    limits = ROWS[wanted.input].limits or (-1000, 1000)
    rows = rng.uniform(*limits, (2 * ROWS_COUNTED, wanted.features)).astype(ROWS[wanted.input].numpy)
    classes = rng.integers(0, len(wanted.labels), 2 * ROWS_COUNTED)
    classes[1::2] = -1
    (found,) = learnt_on([trainer], [rows], [classes])
    predicted, learnt = found.cycles[1::2], found.cycles[::2]
    unit = toolchain_for(trainer.target.board).unit
    return Taken(fmean(predicted), fmean(learnt), max(learnt), found.stack, unit)


def plain(trainer: Trainer) -> Trainer:
    """The same trainer without what saves it, for which a program has to bring the store."""
    from mcugen.trainers.trainer import build

    return build(replace(trainer.wanted, stored=False), trainer.target) if trainer.wanted.stored else trainer
