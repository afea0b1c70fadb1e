"""sgd_step: stochastic gradient descent on the logistic loss, in small batches with momentum; Robbins & Monro, Ann. Math. Stat. 22(3) (1951)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.learning import are_set, bit_set, features_and_rows
from mcugen.op import Op

MOST_STEPS = 65_535


@dataclass(frozen=True, eq=False)
class SgdStep(Op):
    """Weights and biases after a row of class y, for which they gave these margins; in place: the outputs lie where the inputs do.

    Each row of weights is a learner of its own. With m its margin, t = 1 where the row is of its class, else 0, and step n of rate
    eta_n = eta / (1 + l2 eta n), n at most 65535, of a batch of rows

        g = mean of (sigma(m) - t) z + l2 weights;  velocity = momentum velocity - eta_n g;  weights += velocity

    and of biases the same without l2. With one row of weights t is 1 for class 1; with pairs of classes (r, 2) row r tells the first,
    where t is 1, from the second, learns nothing of others, and has counts of its own. sigma(m) = 1 / (1 + exp(-m)) with the C library's
    exp: boards may differ in the last bits.

    Inputs, all `f32` but for integers: z (d,), margins (r,), y `i32`, weights (r, d), bias (r,), the count of steps `u16`; with
    momentum, or more than one row in a batch, velocities of the shapes of weights and bias, and how many rows of the
    batch there were, `u16`; and the pairs, `u8`, where there are any: then counts are (r,), too;
    with a bit a pair, `u8`, those whose bit is not set learn nothing.
    """

    name: ClassVar[str] = "sgd_step"
    updates: ClassVar[tuple[int, ...]] = (3, 4, 5, 6, 7, 8)
    includes: ClassVar[tuple[str, ...]] = ("math.h",)

    eta: float
    l2: float = 0.0
    momentum: float = 0.0
    batch: int = 1

    @property
    def moves(self) -> bool:
        """Whether there are velocities."""
        return self.momentum > 0 or self.batch > 1

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        z, margins, y, weights, bias, *others = inputs
        features_and_rows(self.name, z, weights, bias)
        pairs = [TensorType((bias.size, 2), DType.U8), bit_set(bias.size)]
        pairs = pairs[: sum(one.dtype is DType.U8 for one in others)]
        count = TensorType(bias.shape if pairs else (), DType.U16)
        wanted = ([count, weights, bias, count] if self.moves else [count]) + pairs
        if weights.dtype is not DType.F32 or margins != bias or y != TensorType((), DType.I32) or others != wanted:
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"sgd_step takes floats that go together, not {found}", help="see its docs")
        return inputs[3 : len(inputs) - len(pairs)]

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        if inputs[-1].dtype == np.uint8:
            return self._of_pairs(*inputs)
        return self._stepped(*inputs)

    def _of_pairs(self, *inputs: Array) -> tuple[Array, ...]:
        """Each row of weights that y is of learns alone: class 1 is the first of its pair."""
        z, margins, y, *state = inputs
        live = are_set(state.pop(), margins.size) if state[-1].ndim == 1 else np.ones(margins.size, bool)
        pairs = state.pop()
        kept = [np.array(one) for one in state]
        for row in np.flatnonzero((pairs == y).any(axis=1) & live):
            side = np.asarray(pairs[row, 0] == y, np.int32)
            own = [one[row] if one.ndim == 1 and one.dtype == np.uint16 else one[row : row + 1] for one in kept]
            for at, new in zip(kept, self._stepped(z, margins[row : row + 1], side, *own), strict=True):
                at[row] = new if new.ndim == 0 else new[0]
        return tuple(kept)

    def _stepped(self, *inputs: Array) -> tuple[Array, ...]:
        given: tuple[Any, ...] = inputs
        z, margins, y, weights, bias, steps, *moved = given
        with np.errstate(over="ignore"):
            found = np.float32(1) / (np.float32(1) + np.exp(-margins))
        found[int(y) if len(found) > 1 else 0] -= np.float32(1 if len(found) > 1 or y else 0)
        rate = np.float32(self.eta) / (np.float32(1) + np.float32(self.l2 * self.eta) * np.float32(steps))
        shrinks, part = rate * np.float32(self.l2), rate / np.float32(self.batch)
        new = np.asarray(min(int(steps) + 1, MOST_STEPS), np.uint16)
        if not moved:
            by = found * part
            return weights - (weights * shrinks + by[:, None] * z), bias - by, new
        velocity, velocity_bias, rows = moved
        if rows == 0:
            velocity = velocity * np.float32(self.momentum) - weights * shrinks
            velocity_bias = velocity_bias * np.float32(self.momentum)
        by = found * part
        velocity, velocity_bias = velocity - by[:, None] * z, velocity_bias - by
        rows = np.asarray((int(rows) + 1) % self.batch, np.uint16)
        if rows == 0:
            weights, bias, steps = weights + velocity, bias + velocity_bias, new
        return weights, bias, steps, velocity, velocity_bias, rows

    def describe(self) -> str:
        return f"eta={self.eta:g} l2={self.l2:g} momentum={self.momentum:g} batch={self.batch}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "features": inputs[0].size,
            "rows": inputs[1].size,
            "eta": self.eta,
            "l2": self.l2,
            "slows": self.l2 * self.eta,
            "momentum": self.momentum,
            "batch": self.batch,
            "moves": self.moves,
            "pairs": inputs[-1].dtype is DType.U8,
            "live": inputs[-1].dtype is DType.U8 and len(inputs[-1].shape) == 1,
            "most": MOST_STEPS,
        }
