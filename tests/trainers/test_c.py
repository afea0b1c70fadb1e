"""The C of trainers: NumPy's answers bit for bit, here under sanitizers, in the simulators of 8 and 32 bits; C99 and C++11."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from sanitized import check_as_cpp, check_on_avr, run_sanitized

import mcugen
from mcugen import Trainer
from mcugen.ir import Array
from mcugen.targets.driver import DROP, Unit
from mcugen.trainers.device import learnt_on
from mcugen.trainers.pairs import Tables
from mcugen.trainers.replayed import differing, replayed

TABLES = Tables(
    np.array([-300, -200, -700, -500], np.int16),
    ((4, 0, 2), (5,)),  # of all pairs; PAIRS leave out (1, 2), which is number 3
    tuple(np.random.default_rng(5).integers(-900, 0, (size, 4)).astype(np.int16) for size in (8, 2)),
)
PAIRS = ((0, 1), (0, 2), (2, 3), (1, 3), (0, 3))
ASKED: tuple[dict[str, Any], ...] = (
    {"classes": 2, "n_features": 5},
    {"classes": 2, "n_features": 5, "C": 0.3, "rule": "pa", "scaler": "none"},
    {"classes": 3, "n_features": 5, "C": 0.3, "rule": "pa1", "numeric": "int16", "watch": "classes"},
    {"classes": 3, "n_features": 5, "C": 30, "numeric": "int16", "input": "int16"},
    {"classes": 2, "n_features": 7, "C": 0.3, "numeric": "int8", "input": "uint8"},
    {
        "classes": 2,
        "n_features": 30,
        "rule": "pa",
        "numeric": "int8",
        "input": "int8",
        "scaler": "none",
        "watch": "classes",
    },
    {"classes": 2, "n_features": 3, "rule": "pa1", "C": 1e-6, "numeric": "int16", "scaler": "none", "watch": "nothing"},
    {"classes": 2, "n_features": 9, "input": "int16", "C": 1},
    {"classes": 2, "n_features": 9, "input": "uint8", "C": 1, "scaler": "none"},
    {"classes": 4, "n_features": 9, "learner": "multiclass-pa", "numeric": "int8", "input": "int8", "C": 0.2},
    {"classes": 4, "n_features": 9, "learner": "multiclass-pa", "scaler": "none", "rule": "pa1", "C": 0.1},
    {
        "classes": 3,
        "n_features": 700,
        "learner": "multiclass-pa",
        "numeric": "int16",
        "input": "int8",
        "scaler": "none",
    },
    {"classes": 2, "n_features": 5, "learner": "opt-ovo", "averaged": True, "samples": 4},
    {"classes": 2, "n_features": 5, "learner": "opt-ovo", "decoder": "soft", "numeric": "int8", "input": "int8"},
    {"classes": 4, "n_features": 9, "learner": "opt-ovo", "numeric": "int16", "input": "int8"},
    {"classes": 4, "n_features": 9, "learner": "opt-ovo", "decoder": "soft", "pairs": PAIRS},
    {"classes": 4, "n_features": 9, "learner": "opt-ovo", "decoder": "soft", "pairs": PAIRS, "numeric": "int8"},
    {"classes": 4, "n_features": 9, "learner": "opt-ovo", "pairs": PAIRS, "numeric": "int16", "samples": 8},
    {"classes": 5, "n_features": 9, "learner": "opt-ovo", "decoder": "soft", "numeric": "int16", "input": "uint8"},
    {"classes": 4, "n_features": 9, "learner": "opt-ovo", "decoder": "bayes", "tables": TABLES, "pairs": PAIRS},
    {"classes": 6, "n_features": 9, "learner": "opt-ovo", "decoder": "ddag", "numeric": "int16", "input": "int8"},
    {"classes": 3, "n_features": 9, "learner": "opt-ovo", "decoder": "ddag", "samples": 12, "averaged": True},
    {"classes": 2, "n_features": 5, "learner": "arow"},
    {"classes": 4, "n_features": 9, "learner": "arow", "r": 0.2, "input": "int8", "samples": 10, "averaged": True},
    {"classes": 3, "n_features": 9, "learner": "multiclass-pa", "averaged": True, "numeric": "int16", "input": "int8"},
    {"classes": 2, "n_features": 5, "learner": "opt-sgd", "averaged": False, "momentum": 0.8, "l2": 0.01},
    {"classes": 4, "n_features": 5, "learner": "opt-sgd", "batch": 7, "l2": 0.1, "eta": 0.5, "samples": 12},
    {"classes": 3, "n_features": 5, "learner": "opt-ovo", "base": "sgd", "l2": 0.1, "eta": 0.5, "pending": 2},
    {"classes": 4, "n_features": 5, "learner": "opt-ovo", "base": "sgd", "momentum": 0.5, "l2": 0.1, "pairs": PAIRS},
    {"classes": 4, "n_features": 5, "learner": "opt-ovo", "base": "sgd", "batch": 3, "decoder": "ddag", "samples": 9},
    {"classes": 3, "n_features": 5, "learner": "opt-ovo", "base": "sgd", "averaged": True, "decoder": "soft"},
    {"classes": 2, "n_features": 5, "learner": "opt-ovo", "base": "sgd", "batch": 2},
    {"classes": 4, "n_features": 9, "learner": "opt-ovo", "droppable": True, "C": 1, "samples": 8, "watch": "classes"},
    {
        "classes": 4,
        "n_features": 9,
        "learner": "opt-ovo",
        "droppable": True,
        "C": 1,
        "numeric": "int16",
        "input": "uint8",
    },
    {"classes": 4, "n_features": 9, "learner": "opt-ovo", "droppable": True, "C": 1, "numeric": "int8", "pairs": PAIRS},
    {
        "classes": 4,
        "n_features": 3,
        "learner": "opt-ovo",
        "droppable": True,
        "C": 1,
        "numeric": "int16",
        "averaged": True,
    },
    {"classes": 3, "n_features": 5, "learner": "opt-ovo", "droppable": True, "base": "sgd", "averaged": True},
    {"classes": 4, "n_features": 6, "numeric": "int16", "input": "int8", "samples": 20, "replays": 2, "pending": 3},
    {"classes": 7, "n_features": 6, "numeric": "int16", "input": "int8", "samples": 30, "weighted": True, "seed": 9},
    {"classes": 3, "n_features": 6, "samples": 9, "policy": "reservoir", "replays": 3},
    {"classes": 3, "n_features": 6, "samples": 9, "direct": False, "replays": 2, "numeric": "int16"},
    {"classes": 5, "n_features": 2, "samples": 12, "policy": "ring", "numeric": "int16"},
)
IDS = [" ".join(f"{value}" for name, value in one.items() if name not in ("pairs", "tables")) for one in ASKED]


def trainers(board: str) -> list[Trainer]:
    return [
        mcugen.trainer(**one, board=board, name=f"t{i}", check_fit=False, store=False) for i, one in enumerate(ASKED)
    ]


def stream(trainer: Trainer) -> tuple[Array, Array]:
    """Rows of very different features, one that is always the same among them, in classes of very different sizes. Where pairs can be dropped, they
    are after a few rows, which drops none, and twice after many.
    """
    droppable = trainer.wanted.learner.live()
    count = 40 if trainer.wanted.features > 100 else 360 if droppable else 300 if trainer.wanted.samples else 90
    wanted, rng = trainer.wanted, np.random.default_rng(trainer.wanted.features)
    size = {"int16": 100.0, "float32": 1.0}.get(wanted.input, 3.0)
    rows = size * (rng.normal(size=(count, wanted.features)) * rng.uniform(1, 9, wanted.features) + 4)
    rows[:, -1] = 3
    limits = (
        (-30_000, 30_000)
        if wanted.input in ("int16", "float32")
        else (0, 255)
        if wanted.input == "uint8"
        else (-128, 127)
    )
    classes = np.minimum(rng.exponential(size=count) * 1.3, len(wanted.labels) - 1).astype(np.int64)
    if droppable:
        rows = rows / 5 + 9 * size * classes[:, None] * np.eye(wanted.features)[0]  # neighbours tell all
        classes[[20, 185, 350]] = DROP
    return np.clip(rows, *limits).astype(wanted.input), classes


def learnt_here(trainer: Trainer, rows: Array, classes: Array) -> list[int]:
    """What this computer takes rows for; 0 where pairs are dropped instead."""
    found: list[int] = []
    for at, y in enumerate(classes):
        one = slice(at, at + 1)
        found += [0 * trainer.drop()] if y == DROP else trainer.host.learn(rows[one], classes[one]).tolist()
    return found


@cache
def here(number: int) -> tuple[Trainer, list[int]]:
    """A trainer after its stream, on this computer, and what it took the rows for."""
    trainer = mcugen.trainer(**ASKED[number])
    return trainer, learnt_here(trainer, *stream(trainer))


@pytest.mark.parametrize("number", range(len(ASKED)), ids=IDS)
def test_the_c_is_numpy(number: int) -> None:
    trainer, found = here(number)
    wanted, state = replayed(trainer, *stream(trainer))
    assert found == wanted
    assert not differing(trainer, trainer.state, state)


def test_pairs_are_dropped_in_these_streams() -> None:
    droppable = [here(number)[0] for number, asked in enumerate(ASKED) if asked.get("droppable")]
    assert sum(len(one.pairs_) < one.host.values["bias"].size for one in droppable) >= 3


def test_sanitizers_find_nothing() -> None:
    every = trainers("uno")
    inputs = [stream(trainer) for trainer in every]
    given = [[rows, classes.astype(np.int32)] for rows, classes in inputs]
    for number, (labels, _) in enumerate(run_sanitized([Unit(t.module, t.files) for t in every], given)):
        assert labels.tolist() == here(number)[1]


@pytest.mark.parametrize("board", ["mega2560", "feather_nrf52840", "esp32c3"])
def test_boards_learn_bit_by_bit_what_this_computer_learns(board: str) -> None:
    """Floats, too: no learner but those that descend gradients takes more than the operations that IEEE 754 rounds."""
    every = {i: trainer for i, trainer in enumerate(trainers(board)) if trainer.memory.state < 4_000}
    assert len(every) > len(ASKED) - 3
    numbers, learnt = [*every], {}
    parts = [numbers[::2], numbers[1::2]]  # all of them are too much for the RAM of one program
    for some in parts[: 1 if board == "esp32c3" else 2]:  # what its compiler takes is the C of the other 32 bits
        rows, classes = zip(*(stream(every[number]) for number in some), strict=True)
        learnt |= dict(zip(some, learnt_on([every[number] for number in some], rows, classes), strict=True))
    for number, found in learnt.items():
        trainer, classes = here(number)
        assert found.classes == classes, IDS[number]
        assert not differing(trainer, found.state, trainer.host.values), IDS[number]
        assert found.stack <= every[number].report.stack.value, IDS[number]


def test_10_000_updates_of_integers_are_the_same_everywhere() -> None:
    asked = [
        {"n_features": 6, "numeric": "int16", "input": "int8"},
        {"n_features": 6, "classes": 3, "numeric": "int8", "input": "uint8", "learner": "multiclass-pa", "samples": 20},
    ]
    rng = np.random.default_rng(3)
    for one in asked:
        classes = rng.integers(0, one.get("classes", 2), 10_000)
        rows = (rng.normal(size=(10_000, 6)) * 9 + 40 + 7 * classes[:, None]).clip(0, 127).astype(one["input"])
        states = set()
        for board in ("mega2560", "feather_nrf52840"):
            trainer = mcugen.trainer(**one, board=board, store=False)
            (found,) = learnt_on([trainer], [rows], [classes])
            states |= {found.state, trainer.partial_fit(rows, classes).state}
        assert len(states) == 1


def test_c99_and_cpp11_without_a_warning_here_and_on_avr() -> None:
    units = [Unit(t.module, t.files) for t in trainers("uno")]
    check_as_cpp(units)
    check_on_avr(units)
