"""arow_step: an update of AROW, Crammer, Kulesza, Dredze, "Adaptive regularization of weight vectors", NIPS 22 (2009)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.learning import features_and_rows
from mcugen.op import Op


@dataclass(frozen=True, eq=False)
class ArowStep(Op):
    """Weights and how unsure each is, after a row of class y, for which they gave these margins; in place: the outputs lie where the
    inputs do.

    Each row of weights is a learner of its own. With m its margin, t = 1 where the row is of its class, else -1, and a 1 behind z
    for the bias,

        loss = max(0, 1 - t m);  beta = 1 / (Σ sigma z² + r);  where there is a loss
        weights += t loss beta sigma z;  sigma -= beta (sigma z)²

    the diagonal of the paper's update. With one row of weights t is 1 for class 1.

    Inputs, all `f32` but for y: z (d,), margins (r,), y `i32`, weights (r, d), bias (r,), and their sigmas, of the same shapes.
    """

    name: ClassVar[str] = "arow_step"
    updates: ClassVar[tuple[int, ...]] = (3, 4, 5, 6)

    r: float = 1.0

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        z, margins, y, weights, bias, *sigmas = inputs
        features_and_rows(self.name, z, weights, bias)
        if (
            weights.dtype is not DType.F32
            or margins != bias
            or y != TensorType((), DType.I32)
            or sigmas != [weights, bias]
        ):
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"arow_step takes floats that go together, not {found}", help="see its docs")
        return inputs[3:]

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        z, margins, y, *state = inputs
        weights, bias, sigma, sigma_bias = (np.array(one) for one in state)
        one, r = np.float32(1), np.float32(self.r)
        for row, margin in enumerate(margins):
            side = np.float32(1 if int(y) == (row if len(margins) > 1 else 1) else -1)
            loss = one - side * margin
            if not loss > 0:
                continue
            spread = sigma_bias[row]
            for s, value in zip(sigma[row], z, strict=True):
                spread += s * value * value
            beta = one / (spread + r)
            step, by = side * (loss * beta), sigma[row] * z
            weights[row] += step * by
            sigma[row] = np.maximum(sigma[row] - beta * (by * by), 0)
            bias[row] += step * sigma_bias[row]
            sigma_bias[row] -= beta * (sigma_bias[row] * sigma_bias[row])
        return weights, bias, sigma, sigma_bias

    def describe(self) -> str:
        return f"r={self.r:g}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {"features": inputs[0].size, "rows": inputs[1].size, "r": self.r}
