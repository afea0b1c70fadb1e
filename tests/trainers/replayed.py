"""A trainer's graphs worked out in NumPy, row by row: what the C of any board has to come to, bit for bit."""

from __future__ import annotations

import numpy as np

from mcugen import Trainer
from mcugen.evaluate import evaluate
from mcugen.ir import Array, Graph

REPLAY = "replay"


def replayed(trainer: Trainer, rows: Array, classes: Array) -> tuple[list[int], dict[str, Array]]:
    """What each row was taken for before it was learnt, and the state after all."""
    graphs = {graph.name: graph for graph in trainer.module.functions}
    state = {name: np.asarray(value) for name, value in trainer.wanted.state.items()}
    found = []
    for x, y in zip(rows, classes, strict=True):
        made = _called(graphs["learn"], state, {"x": x, "y": np.asarray(y, np.int32)}, ("label",))
        found.append(int(made["label"]))
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


def assert_state(trainer: Trainer, wanted: dict[str, Array], what: str) -> None:
    """The state of the C on this computer is this one."""
    found = trainer.host.values
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, err_msg=f"{what}: {name}")
