"""Trainers in the simulators: rows learnt there, and the state that is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcugen import Trainer
from mcugen.ir import Array
from mcugen.targets import toolchain_for
from mcugen.targets.driver import PIECE, PIECES, Unit


@dataclass(frozen=True)
class Learnt:
    """What a board took rows for before it learnt them, its state after all, cycles (or instructions) of each, and the deepest stack."""

    classes: list[int]
    state: bytes
    cycles: tuple[int, ...]
    stack: int


def learnt_on(trainers: list[Trainer], rows: list[Array], classes: list[Array]) -> list[Learnt]:
    """Every trainer, all of one board, on its own rows in one run of its simulator; class -1 only predicts."""
    board = trainers[0].target.board
    inputs = []
    for trainer, x, y in zip(trainers, rows, classes, strict=True):
        pieces = -(-trainer.memory.state // PIECE)
        more = np.zeros((pieces, x.shape[1]), x.dtype)
        inputs.append([np.concatenate([x, more]), np.concatenate([y, PIECES - np.arange(pieces)]).astype(np.int32)])
    done = toolchain_for(board).run_rows([Unit(t.module, t.files) for t in trainers], inputs, board)
    found = []
    for trainer, x, run in zip(trainers, rows, done, strict=True):
        labels, pieces = run.outputs
        state = pieces[len(x) :].tobytes()[: trainer.memory.state]
        found.append(Learnt(labels[: len(x)].tolist(), state, run.cycles[: len(x)], max(run.stacks)))
    return found
