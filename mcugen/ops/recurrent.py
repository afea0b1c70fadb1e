"""recurrent: ONNX LSTM, GRU, RNN, https://onnx.ai/onnx/operators/onnx__LSTM.html."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op

GATES: Mapping[str, int] = {"LSTM": 4, "GRU": 3, "RNN": 1}
Activation = tuple[str, float, float]  # ONNX's name, alpha, beta
ACTIVATIONS: Mapping[str, Callable[..., Any]] = {
    "Affine": lambda x, a, b: a * x + b,
    "Elu": lambda x, a, b: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0))),
    "HardSigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "LeakyRelu": lambda x, a, b: np.where(x < 0, a * x, x),
    "Relu": lambda x, a, b: np.maximum(x, 0),
    "ScaledTanh": lambda x, a, b: a * np.tanh(b * x),
    "Sigmoid": lambda x, a, b: 1 / (1 + np.exp(-x)),
    "Softplus": lambda x, a, b: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "Softsign": lambda x, a, b: x / (1 + np.abs(x)),
    "Tanh": lambda x, a, b: np.tanh(x),
    "ThresholdedRelu": lambda x, a, b: np.where(x > a, x, 0),
}


@dataclass(frozen=True, eq=False)
class Recurrent(Op):
    """A recurrent layer over time, forwards, backwards or both.

    Inputs, all f32: x (time, batch, features), w (directions, gates * hidden, features), r (directions, gates * hidden, hidden),
    b (directions, 2 * gates * hidden), the states at the start (directions, batch, hidden), of an LSTM its cells as well and
    peepholes (directions, 3 * hidden). Outputs: y (time, directions, batch, hidden), the last states, of an LSTM the last cells;
    at the end a scratch (gates * hidden,) for one step. E0201 for other shapes.
    """

    name: ClassVar[str] = "recurrent"
    onnx: ClassVar[tuple[str, ...]] = ("LSTM", "GRU", "RNN")
    includes: ClassVar[tuple[str, ...]] = ("math.h", "string.h")
    scratch: ClassVar[int] = 1

    function: str
    hidden: int
    backwards: tuple[bool, ...]  # of each direction
    activations: tuple[tuple[Activation, ...], ...]  # of each direction: of the gates, of the cell, of its output
    clip: float = 0.0
    after_reset: bool = False  # GRU: the reset is applied after the product
    coupled: bool = False  # LSTM: the forget gate is 1 - the input gate

    @property
    def gates(self) -> int:
        """How many gates there are."""
        return GATES[self.function]

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        rows, directions = self.gates * self.hidden, len(self.backwards)
        time, batch, features = inputs[0].shape if inputs and len(inputs[0].shape) == 3 else (0, 0, 0)
        state = (directions, batch, self.hidden)
        wanted: list[tuple[int, ...]] = [
            (time, batch, features),
            (directions, rows, features),
            (directions, rows, self.hidden),
        ]
        wanted += [(directions, 2 * rows), state]
        wanted += [state, (directions, 3 * self.hidden)] if self.function == "LSTM" else []
        if [t.shape for t in inputs] != wanted or any(t.dtype is not DType.F32 for t in inputs):
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error(
                "E0201", f"{self.function} of {self.hidden} does not go with {found}", help="export it in float32"
            )
        shapes: list[tuple[int, ...]] = [(time, *state), state, *([state] if self.function == "LSTM" else []), (rows,)]
        return tuple(TensorType(shape, DType.F32) for shape in shapes)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x, w, r, b, states, *more = (np.asarray(one, np.float64) for one in inputs)
        cells = more[0] if more else np.zeros_like(states)
        y, last, ends = np.zeros((len(x), *states.shape)), states.copy(), cells.copy()
        for d, back in enumerate(self.backwards):
            h, c = states[d], cells[d]
            for t in reversed(range(len(x))) if back else range(len(x)):
                with np.errstate(all="ignore"):
                    h, c = self._step(x[t], w[d], r[d], b[d], h, c, more[1][d] if more else None, self.activations[d])
                y[t, d] = h
            last[d], ends[d] = h, c
        found = [y, last, *([ends] if more else []), np.zeros(self.gates * self.hidden)]
        return tuple(one.astype(np.float32) for one in found)

    def _step(self, x: Any, w: Any, r: Any, b: Any, h: Any, c: Any, p: Any, acts: Any) -> tuple[Any, Any]:
        def act(i: int, v: Any) -> Any:
            name, alpha, beta = acts[i]
            return ACTIVATIONS[name](np.clip(v, -self.clip, self.clip) if self.clip else v, alpha, beta)

        rows = self.gates * self.hidden
        given, back = x @ w.T + b[:rows], h @ r.T + b[rows:]
        parts, backs = np.split(given, self.gates, axis=1), np.split(back, self.gates, axis=1)
        if self.function == "RNN":
            return act(0, parts[0] + backs[0]), c
        if self.function == "GRU":
            z, reset = act(0, parts[0] + backs[0]), act(0, parts[1] + backs[1])
            inner = (
                reset * backs[2]
                if self.after_reset
                else (reset * h) @ r[2 * self.hidden :].T + b[rows + 2 * self.hidden :]
            )
            new = act(1, parts[2] + inner)
            return (1 - z) * new + z * h, c
        pi, po, pf = np.split(p, 3)
        i = act(0, parts[0] + backs[0] + pi * c)
        f = 1 - i if self.coupled else act(0, parts[2] + backs[2] + pf * c)
        c = f * c + i * act(1, parts[3] + backs[3])
        o = act(0, parts[1] + backs[1] + po * c)
        return o * act(2, c), c

    def macc(self, *inputs: TensorType) -> int:
        time, batch, features = inputs[0].shape
        return time * batch * len(self.backwards) * self.gates * self.hidden * (features + self.hidden)

    def describe(self) -> str:
        return f"{self.function} hidden={self.hidden} directions={len(self.backwards)}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        time, batch, features = inputs[0].shape
        return {
            "function": self.function, "hidden": self.hidden, "rows": self.gates * self.hidden, "time": time, "batch": batch,
            "features": features, "backwards": self.backwards, "activations": self.activations, "clip": self.clip,
            "after_reset": self.after_reset, "coupled": self.coupled, "total": max(t.size for t in (*inputs, *self.infer(*inputs))),
        }  # fmt: skip
