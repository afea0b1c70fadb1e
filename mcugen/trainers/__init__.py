"""Trainers: models that learn on the device. A trainer is a module like any other, with `predict` and `learn` over one state."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Literal

import numpy as np

from mcugen.ir import Array, DType, Graph, GraphBuilder, Label, Module, TensorType
from mcugen.learning import FEATURE_BITS, KEPT, Kept
from mcugen.op import Op
from mcugen.ops.cast import Cast
from mcugen.ops.draw import Draw
from mcugen.ops.keep import Keep
from mcugen.ops.quantize import Quantize
from mcugen.ops.remember import Policy, Remember
from mcugen.ops.standardise import Standardise
from mcugen.ops.watch import UNKNOWN, Watch
from mcugen.ops.welford import Welford
from mcugen.trainers.learner import WEIGHTS, Learner

Scaler = Literal["running", "frozen", "none"]
Format = Literal["float32", "int16", "int8"]
Watched = Literal["nothing", "all", "classes"]
Input = Literal["float32", "int8", "uint8", "int16"]
ROWS = {"float32": DType.F32, "int8": DType.I8, "uint8": DType.U8, "int16": DType.I16}


@cache
def all_learners() -> dict[str, type[Learner]]:
    """Every learner by name: the classes of that kind in this folder's files."""
    found: dict[str, type[Learner]] = {}
    for module in pkgutil.iter_modules(__path__):
        scope = vars(import_module(f"{__name__}.{module.name}"))
        here = [
            v
            for v in scope.values()
            if isinstance(v, type) and issubclass(v, Learner) and v.__module__.endswith(module.name)
        ]
        found |= {one.name: one for one in here if one is not Learner}
    return found


@dataclass(frozen=True)
class Wanted:
    """What a trainer is to be.

    learner   with its options
    features  of a row
    labels    of the classes, in order
    numeric   what weights are kept in
    scaler    running: means and variances are learnt from the rows; frozen: they stay as they are in `start`; none: rows come
              standardised
    input     what a row is made of
    watched   what is counted: nothing, how well all goes, or that of each class, too
    pending   how many rows are kept whose classes come later
    samples   how many rows are remembered, and learnt again: `replays` of them after each row
    direct    whether a row is learnt itself, too, or only remembered
    stored    whether the state can be saved
    start     first content of the state by name, where it does not begin with nothing
    """

    name: str
    learner: Learner
    features: int
    labels: tuple[Label, ...]
    numeric: Format = "float32"
    scaler: Scaler = "running"
    input: Input = "float32"
    watched: Watched = "all"
    pending: int = 0
    samples: int = 0
    policy: Policy = "cbrs"
    replays: int = 1
    weighted: bool = False
    direct: bool = True
    seed: int = 1
    stored: bool = True
    start: Mapping[str, Array] = field(default_factory=dict)

    @property
    def row(self) -> DType:
        """The type of a row's features."""
        return ROWS[self.input]

    @property
    def weights(self) -> DType:
        """The type of weights."""
        return WEIGHTS[self.numeric]

    @property
    def scaled(self) -> Kept | None:
        """How the scaler keeps what it learns of rows of integers; None of floats."""
        return KEPT[self.row] if self.row is not DType.F32 and self.weights is not DType.F32 else None

    @property
    def scaler_state(self) -> dict[str, Array]:
        """What the scaler keeps."""
        kept = self.scaled
        mean, variance = (kept.mean.numpy, np.dtype(np.uint32)) if kept else (np.dtype(np.float32),) * 2
        found: dict[str, Array] = {} if self.scaler != "running" else {"count": np.zeros((), np.uint16)}
        if self.scaler != "none":
            found |= {"mean": np.zeros(self.features, mean), "variance": np.zeros(self.features, variance)}
        return found | ({"scaler_dither": np.zeros((), np.uint16)} if kept and self.scaler == "running" else {})

    @property
    def learner_state(self) -> dict[str, Array]:
        """What the learner keeps."""
        return self.learner.state(self.features, self.learner.rows(len(self.labels)), self.weights)

    @property
    def watch_state(self) -> dict[str, Array]:
        """What is counted."""
        if self.watched == "nothing":
            return {}
        zeros = {
            "seen": np.uint32,
            "right": np.uint32,
            "error": np.uint16,
            "rise": np.uint16,
            "known": np.uint8,
            "alarm": np.uint8,
        }
        found: dict[str, Array] = {name: np.zeros((), one) for name, one in zeros.items()}
        found["error"] = np.array(UNKNOWN, np.uint16)
        if self.watched == "classes":
            k = len(self.labels)
            found |= {"class_error": np.full(k, UNKNOWN, np.uint16), "class_rise": np.zeros(k, np.uint16)}
            found |= {"class_known": np.zeros(k, np.uint8), "confusion": np.zeros((k, k), np.uint16)}
        return found

    @property
    def memory_state(self) -> dict[str, Array]:
        """The samples that are remembered."""
        if not self.samples:
            return {}
        slot, k = np.dtype(np.uint8 if self.samples < 256 else np.uint16), len(self.labels)
        return {
            "samples": np.zeros((self.samples, self.features), self.row.numpy),
            "slots": np.zeros(self.samples, slot),
            "held": np.zeros(k, slot),
            "class_seen": np.zeros(k, np.uint32),
            "full": np.zeros(k, np.uint8),
            "random": np.array(self.seed, np.uint32),
        }

    @property
    def pending_state(self) -> dict[str, Array]:
        """The rows whose classes come later."""
        if not self.pending:
            return {}
        rows = np.zeros((self.pending, self.features), self.row.numpy)
        return {"pending": rows, "tickets": np.zeros(self.pending, np.uint16), "last_ticket": np.zeros((), np.uint16)}

    @property
    def state(self) -> dict[str, Array]:
        """What is kept, by name, with its first content."""
        kept = self.scaler_state | self.learner_state | self.watch_state | self.memory_state | self.pending_state
        return kept | {name: np.asarray(self.start[name], kept[name].dtype) for name in kept if name in self.start}


def module_of(wanted: Wanted) -> Module:
    """The module of a trainer: `predict` and `learn` over the same STATE, which is the caller's. Besides `ask`, which predicts and keeps
    the row, `replay`, which learns from a sample that is remembered, and `drop`, after which rows of weights of no use are left out.
    """
    graphs = [_predict(wanted, "predict"), _learn(wanted)]
    graphs += [_predict(wanted, "ask")] if wanted.pending else []
    graphs += [_replay(wanted)] if wanted.samples else []
    graphs += [_drop(wanted)] if wanted.learner.live() else []
    return Module(wanted.name, tuple(graphs), arena="stack", state="stored" if wanted.stored else "caller")


def _predict(wanted: Wanted, function: str) -> Graph:
    builder = _begin(wanted, function)
    prefix = "" if function == "predict" else f"{function}_"
    *_, label = _judged(wanted, builder, "x", prefix)
    if function == "ask":
        _update(builder, Keep(), ("x",), tuple(wanted.pending_state))
    builder.output(label, labels=wanted.labels, name="label")
    return builder.build()


def _learn(wanted: Wanted) -> Graph:
    """The row is judged by what was known before it, as `predict` does; then weights and scaler learn of it."""
    builder = _begin(wanted, "learn")
    y = builder.input("y", TensorType((), DType.I32))
    row, z, margins, label = _judged(wanted, builder, "x", "row_")
    wanted.learner.judge(builder, margins, label)
    if wanted.direct:
        wanted.learner.learn(builder, z, margins, y, "row_")
    if wanted.scaler == "running":
        _update(builder, Welford(), (row,), tuple(wanted.scaler_state))
    if wanted.watched != "nothing":
        _update(builder, Watch(), (label, y), tuple(wanted.watch_state))
    if wanted.samples:
        _update(builder, Remember(wanted.policy), ("x", y), tuple(wanted.memory_state))
    builder.output(label, labels=wanted.labels, name="label")
    return builder.build()


def _replay(wanted: Wanted) -> Graph:
    """A sample that is remembered is learnt once more; the scaler knows it already."""
    builder = _begin(wanted, "replay")
    memory = ("random", "samples", "slots", "held")
    names = ("random1", "sample", "sample_class")
    random, sample, y = builder.add(Draw(wanted.weighted, wanted.replays), *memory, names=names)
    builder.update("random", random)
    z = _standardised(wanted, builder, _row(wanted, builder, sample, "sample_given"), "sample_z")
    wanted.learner.learn(builder, z, "", y, "sample_")
    return builder.build()


def _drop(wanted: Wanted) -> Graph:
    """The learner says of which rows of weights nobody has use."""
    builder = _begin(wanted, "drop")
    wanted.learner.drop(builder)
    return builder.build()


def _judged(wanted: Wanted, builder: GraphBuilder, x: str, prefix: str) -> tuple[str, str, str, str]:
    """A row as the scaler takes it, and as the learner does, its margins and its class."""
    row = _row(wanted, builder, x, f"{prefix}given")
    z = _standardised(wanted, builder, row, f"{prefix}z")
    margins, label = wanted.learner.predict(builder, z, prefix)
    return row, z, margins, label


def _update(builder: GraphBuilder, op: Op, given: tuple[str, ...], kept: tuple[str, ...]) -> None:
    """A node that changes what is kept."""
    for old, new in zip(kept, builder.add(op, *given, *kept, names=tuple(f"{name}1" for name in kept)), strict=True):
        builder.update(old, new)


def _begin(wanted: Wanted, function: str) -> GraphBuilder:
    builder = GraphBuilder(function)
    if function not in ("replay", "drop"):
        builder.input("x", TensorType((wanted.features,), wanted.row))
    for name, data in wanted.state.items():
        builder.state(name, data)
    return builder


def _row(wanted: Wanted, builder: GraphBuilder, x: str, name: str) -> str:
    """A row as the scaler takes it: one that counts in floats is given floats."""
    if wanted.row is DType.F32 or wanted.weights is not DType.F32:
        return x
    return builder.add(Cast(), x, names=(name,))[0]


def _standardised(wanted: Wanted, builder: GraphBuilder, row: str, name: str) -> str:
    """The row as the learner takes it."""
    to = DType.F32 if wanted.weights is DType.F32 else DType.I8
    if wanted.scaler != "none":
        return builder.add(Standardise(to), row, "mean", "variance", names=(name,))[0]
    if builder.type_of(row).dtype is to:
        return row
    step = builder.const(f"{name}_step", np.array(1 / 2**FEATURE_BITS, np.float32))
    zero = builder.const(f"{name}_zero", np.array(0, np.int8))
    return builder.add(Quantize(), row, step, zero, names=(name,))[0]
