"""pa_step: an update of passive-aggressive learners, Crammer et al., JMLR 7 (2006) 551-585, https://jmlr.org/papers/v7/crammer06a.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.learning import FEATURE_BITS, MARGIN_BITS, STEP_BITS, WEYL, are_set, bit_set, features_and_rows, fraction
from mcugen.op import Op

Rule = Literal["pa", "pa1", "pa2"]
LONGEST = 1e15  # a step in floats: weights stay finite whatever comes
MOST_STEP = 2**STEP_BITS - 1
NOWHERE = 2**32 - 1  # the squared length of what has no direction
LARGEST_LOSS = 64  # of integers


@dataclass(frozen=True, eq=False)
class PaStep(Op):
    """Weights and biases after a row of class y, for which they gave these margins; in place: the outputs lie where the inputs do.

    Each row of weights is a learner of its own: with m its margin and t = 1 where the row is of its class, else -1,

        loss = max(0, 1 - t m);  tau = loss / |z|² (pa), min(C, loss / |z|²) (pa1), loss / (|z|² + 1 / 2C) (pa2)
        weights += t tau z;  bias += t tau

    With one row of weights t is 1 for class 1; with pairs of classes (r, 2) row r tells the first, where t is 1, from the second, and
    learns nothing of others; else row r's class is r. With `joint` rows of weights learn together: with m the margin of class y less
    the largest of the others, the row of class y moves by tau z, that other one by -tau z, and |z|² counts twice.

    With `skips` a row of nothing but 0 moves no bias: its features are not known yet, and the bias alone would go too far.

    Inputs: z (d,), margins (r,), y `i32`, weights (r, d), bias (r,) as op `margins` has them, where weights are `i8` the state of
    the dither, `u16`, and the pairs, `u8`, where there are any, with a bit a pair, `u8`, where those whose bit is not set
    learn nothing. Integers count tau with 15 fraction
    bits, from one division, below 1; weights of
    16 bits round to the nearest, of 8 bits with a dither (Weyl's sequence), as most steps are less than half of their last bit. They
    stop at their limits.
    """

    name: ClassVar[str] = "pa_step"
    updates: ClassVar[tuple[int, ...]] = (3, 4, 5)

    rule: Rule
    c: float = 1.0
    joint: bool = False
    skips: bool = False

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        z, margins, y, weights, bias, *others = inputs
        _, rows = features_and_rows(self.name, z, weights, bias)
        dither = [TensorType((), DType.U16)] if weights.dtype is DType.I8 else []
        of_pairs = [*dither, TensorType((rows, 2), DType.U8)]
        wanted = dither, of_pairs, [*of_pairs, bit_set(rows)]
        if margins.shape != (rows,) or y != TensorType((), DType.I32) or others not in wanted:
            found = ", ".join(map(str, inputs))
            raise error(
                "E0201", f"pa_step takes a margin a row of weights and a class, not {found}", help="see its docs"
            )
        return inputs[3 : 5 + len(dither)]

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        z, margins, y, *state = inputs
        weights, bias, *others = (np.array(one) for one in state)
        dither, pairs = [one for one in others if one.shape == ()], [one for one in others if one.shape != ()]
        rounding = dither[0] if dither else np.zeros((), np.uint16)
        live = are_set(pairs[1], bias.size) if len(pairs) > 1 else np.ones(bias.size, bool)
        every = self.moved(int(y), margins, pairs[0] if pairs else None)
        for row, side, margin in [one for one in every if live[one[0]]]:
            if z.dtype == np.float32:
                self._float(z, margin, side, weights[row], bias[row : row + 1])
            else:
                self._fixed(z, int(margin), side, weights[row], bias[row : row + 1], rounding)
        return (weights, bias, *dither)

    def moved(self, y: int, margins: Array, pairs: Array | None) -> list[tuple[int, int, Any]]:
        """The rows of weights that learn of class y: which, on which side it lies of them, and the margin that counts."""
        every = [*margins]
        if self.joint:
            other = max((row for row in range(len(every)) if row != y), key=lambda row: (every[row], -row))
            return [(y, 1, every[y] - every[other]), (other, -1, every[other] - every[y])]
        if pairs is not None:
            return [(row, 1 if a == y else -1, every[row]) for row, (a, b) in enumerate(pairs.tolist()) if y in (a, b)]
        if len(every) == 1:
            return [(0, 1 if y else -1, every[0])]
        return [(row, 1 if row == y else -1, margin) for row, margin in enumerate(every)]

    def _float(self, z: Any, margin: Any, side: int, weights: Any, bias: Any) -> None:
        loss, size = np.float32(1) - np.float32(side) * margin, np.float32(0)
        for value in z:
            size += value * value
        size = size * np.float32(2) if self.joint else size
        size = size + np.float32(0.5 / self.c) if self.rule == "pa2" else size
        if not loss > 0 or not size > 0 or (self.skips and not z.any()):
            return
        most = np.float32(min(self.c, LONGEST) if self.rule == "pa1" else LONGEST)
        step = np.float32(side) * min(loss / size, most)
        weights += step * z
        bias += step

    def _fixed(self, z: Any, margin: int, side: int, weights: Any, bias: Any, dither: Any) -> None:
        facts = self.fixed(DType.of(weights.dtype), z.size)
        loss = min(facts["one"] - side * margin, facts["most_loss"])
        size = int((z.astype(np.int64) ** 2).sum()) * (1 + self.joint) + facts["more"]
        size = NOWHERE if not z.any() and (self.skips or not facts["more"]) else size
        if loss <= 0:
            return
        step = side * min((loss * facts["scale"] + size // 2) // size, facts["most"])
        for at, values in ((weights, z.astype(np.int64)), (bias, np.array([1 << FEATURE_BITS]))):
            rounds = facts["half"] if weights.dtype == np.int16 else self._dithered(dither, len(values), facts["down"])
            sums = at.astype(np.int64) + ((step * values + rounds) >> facts["down"])
            at[:] = np.clip(sums, facts["least_weight"], facts["most_weight"])

    def _dithered(self, dither: Any, count: int, down: int) -> Any:
        """What is added before `down` bits are dropped, a weight each; the sequence goes on from there the next time."""
        steps = (int(dither) + WEYL * np.arange(1, count + 1)) & 0xFFFF
        dither[...] = steps[-1]
        return steps >> (16 - down)

    def fixed(self, weights: DType, features: int) -> dict[str, int]:
        """The constants of the arithmetic in integers."""
        least, most = weights.limits or (0, 0)
        down = STEP_BITS + FEATURE_BITS - fraction(weights, features)
        return {
            "one": 1 << MARGIN_BITS,
            "most_loss": (LARGEST_LOSS << MARGIN_BITS) - 1,
            "scale": 1
            << STEP_BITS + 2 * FEATURE_BITS - MARGIN_BITS,  # a loss times it, over a squared length, is a step
            "more": max(1, round(512 / self.c)) if self.rule == "pa2" else 0,
            "most": max(1, min(round(self.c * 2**STEP_BITS), MOST_STEP)) if self.rule == "pa1" else MOST_STEP,
            "down": down,
            "half": 1 << down - 1,
            "least_weight": least,
            "most_weight": most,
        }

    def describe(self) -> str:
        return self.rule + (f" C={self.c:g}" if self.rule != "pa" else "") + " joint" * self.joint

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        kind = inputs[3].dtype
        features, rows = features_and_rows(self.name, inputs[0], *inputs[3:5])
        return {
            "features": features,
            "rows": rows,
            "weight_t": kind.c,
            "rule": self.rule,
            "c": self.c,
            "longest": LONGEST,
            "more": 0.5 / self.c,
            "joint": self.joint,
            "skips": self.skips,
            "weyl": WEYL,
            "pairs": inputs[-1].dtype is DType.U8,
            "live": inputs[-1].dtype is DType.U8 and len(inputs[-1].shape) == 1,
            "fixed": None if kind is DType.F32 else self.fixed(kind, features),
        }
