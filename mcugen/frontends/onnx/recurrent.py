"""Recurrent layers: LSTM, GRU, RNN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mcugen.diagnostics import did_you_mean
from mcugen.frontends.onnx.call import Call, Operand
from mcugen.frontends.onnx.shape import transposed
from mcugen.ops.recurrent import ACTIVATIONS, GATES, Activation, Recurrent

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter

USUAL: Mapping[str, tuple[str, ...]] = {
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
    "GRU": ("Sigmoid", "Tanh"),
    "RNN": ("Tanh",),
}
ALPHA: Mapping[str, float] = {
    "LeakyRelu": 0.01,
    "ThresholdedRelu": 1.0,
    "HardSigmoid": 0.2,
    "Elu": 1.0,
    "Affine": 1.0,
    "ScaledTanh": 1.0,
}
BETA: Mapping[str, float] = {"HardSigmoid": 0.5, "ScaledTanh": 1.0}
BACKWARDS: Mapping[str, tuple[bool, ...]] = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


def _recurrent(call: Call) -> None:
    lstm = call.op == "LSTM"
    batch_first = bool(call.attribute("layout", 0))
    x = transposed(call, call.operand(0), (1, 0, 2)) if batch_first else call.operand(0)
    time, batch, _ = call.tensors.type_of(x).shape
    backwards = BACKWARDS[call.attribute("direction", "forward")]
    directions, hidden = len(backwards), call.attribute("hidden_size") or call.type(2).shape[2]
    lengths = call.constant(4, "sequence_lens")
    if lengths is not None and (np.ravel(lengths) != time).any():
        raise call.refused(
            "its sequences are of different lengths", "give sequences of one length: leave sequence_lens out"
        )
    rows = GATES[call.op] * hidden
    call.bounded(directions * max(2 * rows, batch * hidden))

    def given(i: int, shape: tuple[int, ...], state: bool = False) -> Operand:
        if not call.has(i):
            return np.zeros(shape, np.float32)
        found = call.operand(i)
        return transposed(call, found, (1, 0, 2)) if state and batch_first else found

    state = (directions, batch, hidden)
    operands = [x, call.operand(1), call.operand(2), given(3, (directions, 2 * rows)), given(5, state, True)]
    operands += [given(6, state, True), given(7, (directions, 3 * hidden))] if lstm else []
    op = Recurrent(
        call.op, hidden, backwards, _activations(call, directions), float(call.attribute("clip", 0.0)),
        bool(call.attribute("linear_before_reset", 0)), bool(call.attribute("input_forget", 0)),
    )  # fmt: skip
    y, *last = call.add_all(op, *operands)[:-1]
    if batch_first:
        call.gives(transposed(call, y, (2, 0, 1, 3)), *(transposed(call, one, (1, 0, 2)) for one in last))
    else:
        call.gives(y, *last)


def _activations(call: Call, directions: int) -> tuple[tuple[Activation, ...], ...]:
    usual = USUAL[call.op]
    names = call.attribute("activations") or [*usual] * directions
    known = {name.lower(): name for name in ACTIVATIONS}
    unknown = [name for name in names if name.lower() not in known]
    if unknown or len(names) != len(usual) * directions:
        help = (did_you_mean(unknown[0], ACTIVATIONS) if unknown else "") + f"use some of {', '.join(ACTIVATIONS)}"
        raise call.refused(f"the activations {', '.join(names)} are not supported", help)
    proper = [known[name.lower()] for name in names]
    alphas, betas = [*(call.attribute("activation_alpha") or [])], [*(call.attribute("activation_beta") or [])]
    found: list[Activation] = []
    for name in proper:
        alpha = alphas.pop(0) if alphas and name in ALPHA else ALPHA.get(name, 0.0)
        beta = betas.pop(0) if betas and name in BETA else BETA.get(name, 0.0)
        found.append((name, float(alpha), float(beta)))
    return tuple(tuple(found[d * len(usual) : (d + 1) * len(usual)]) for d in range(directions))


CONVERTERS: Mapping[str, Converter] = dict.fromkeys(GATES, _recurrent)
