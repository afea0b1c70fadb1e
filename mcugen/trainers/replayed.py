"""A trainer's graphs worked out in NumPy, row by row: what the C of any board has to come to, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mcugen.diagnostics import error
from mcugen.evaluate import evaluate
from mcugen.ir import Array, Graph
from mcugen.targets.driver import DROP
from mcugen.trainers import ROWS

if TYPE_CHECKING:
    from mcugen.trainers.trainer import Trainer

REPLAY = "replay"
PROVEN = 40  # rows
RELATIVE, ABSOLUTE = 1e-4, 1e-5  # of numbers that went through exp: its rounding grows with every row
COST = 2_000_000  # elements of weights that a proof in NumPy goes through at most


def replayed(trainer: Trainer, rows: Array, classes: Array) -> tuple[list[int], dict[str, Array]]:
    """What each row (n, features) of a class (n,) was taken for before it was learnt, and the state after all, by name. Where the class
    is DROP, what no decision needs is dropped instead, and 0 comes.
    """
    graphs = {graph.name: graph for graph in trainer.module.functions}
    state = {name: np.asarray(value) for name, value in trainer.wanted.state.items()}
    found = []
    for x, y in zip(rows, classes, strict=True):
        if y == DROP:
            _called(graphs["drop"], state, {}, ())
            found.append(0)
            continue
        made = _called(graphs["learn"], state, {"x": x, "y": np.asarray(y, np.int32)}, ("label",))
        found.append(int(made["label"].item()))
        for _ in range(trainer.wanted.replays if REPLAY in graphs else 0):
            _called(graphs[REPLAY], state, {}, ())
    return found, state


def _called(
    graph: Graph, state: dict[str, Array], given: dict[str, Array], wanted: tuple[str, ...]
) -> dict[str, Array]:
    """A call of a function, which changes the state."""
    made = evaluate(graph, {**state, **given}, (*wanted, *(new for _, new in graph.state)))
    state |= {old: made[new] for old, new in graph.state}
    return made


def differing(trainer: Trainer, content: bytes, state: Mapping[str, Array]) -> list[str]:
    """The names of what a state of C has other than this one: in any bit, or in more than the last bits of floats where the learner
    is not exact.
    """
    found = trainer.host.decoded(content)
    if trainer.wanted.learner.exact:
        return [name for name, value in state.items() if found[name].tobytes() != value.tobytes()]
    return [name for name, value in state.items() if not np.allclose(found[name], value, RELATIVE, ABSOLUTE)]


def prove(trainer: Trainer) -> int:
    """Learn some rows in the C on this computer and in NumPy; returns how many. E0801 where the states differ."""
    wanted, rng = trainer.wanted, np.random.default_rng(1)
    each = sum(value.size for value in wanted.state.values()) + 1
    count = max(4, min(PROVEN, COST // each))
    limits = ROWS[wanted.input].limits or (-100, 100)
    rows = rng.uniform(*limits, (count, wanted.features)).astype(ROWS[wanted.input].numpy)
    classes = rng.integers(0, len(wanted.labels), count)
    kept = trainer.state
    trainer.reset()
    found = trainer.host.learn(rows, classes).tolist()
    answers, state = replayed(trainer, rows, classes)
    wrong = differing(trainer, trainer.host.state, state)
    trainer.state = kept
    if found != answers or wrong:
        what = f"the state differs in {', '.join(wrong)}" if wrong else "a row is taken for another class"
        raise error("E0801", f"after {count} rows {what}", help="this is a bug in mcugen: please report it")
    return count
