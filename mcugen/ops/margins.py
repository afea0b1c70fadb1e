"""margins: what linear learners see in a row, a sum of products each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.learning import AT_ONCE, BLOCK, FEATURE_BITS, MARGIN_BITS, are_set, bit_set, features_and_rows, fraction
from mcugen.op import Op


@dataclass(frozen=True, eq=False)
class Margins(Op):
    """m = weights · z + bias, a number a row of weights.

    Inputs: z (d,), weights (r, d) and bias (r,), all `f32`; or z `i8` with 5 fraction bits, weights and bias `i16` or `i8` with those
    of `learning.fraction`. Output (r,), `f32`, or `i32` with 12 fraction bits, rounded to the nearest: the sum, or, where it would
    not fit 32 bits, those of 256 features each.

    With a class y `i32` and pairs of classes `u8` (r, 2) only rows whose pair y is in are worked out, with a bit a row, `u8`,
    only those whose bit is set; the others have 0.
    """

    name: ClassVar[str] = "margins"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        _, rows = features_and_rows(self.name, *inputs[:3])
        own, live = (TensorType((), DType.I32), TensorType((rows, 2), DType.U8)), (bit_set(rows),)
        if inputs[3:] not in ((), own, live, own + live):
            found = ", ".join(map(str, inputs[3:]))
            raise error("E0201", f"margins takes a class, a pair and a bit a row, not {found}", help="see its docs")
        return (TensorType((rows,), DType.F32 if inputs[0].dtype is DType.F32 else DType.I32),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        z, weights, bias, *others = inputs
        if others:
            (every,) = self.evaluate(z, weights, bias)
            counts = np.ones(bias.size, bool)
            if len(others) > 1:
                counts &= (others[1] == others[0]).any(axis=1)
            if len(others) != 2:
                counts &= are_set(others[-1], bias.size)
            return (np.where(counts, every, every.dtype.type(0)),)
        if z.dtype == np.float32:
            sums = bias.astype(np.float32).copy()
            for i in range(z.size):
                sums += weights[:, i] * z[i]
            return (sums,)
        kind, features = DType.of(weights.dtype), z.size
        products = weights.astype(np.int64) * z.astype(np.int64)
        own = bias.astype(np.int64) << FEATURE_BITS
        if kind is DType.I8:
            return (((products.sum(axis=1) + own) << _up(features)).astype(np.int32),)
        step = features if features <= AT_ONCE else BLOCK
        if features > AT_ONCE:
            found, own = bias.astype(np.int64), 0 * own
        else:
            found = 0 * own
        for at in range(0, features, step):
            found = found + ((products[:, at : at + step].sum(axis=1) + own + 16) >> FEATURE_BITS)
        return (found.astype(np.int32),)

    def macc(self, *inputs: TensorType) -> int:
        return inputs[1].size

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return sum_facts(*inputs[:3]) | {"pairs": len(inputs) > 4, "live": len(inputs) in (4, 6)}


def sum_facts(*inputs: TensorType) -> dict[str, Any]:
    """What templates/margin.c.j2 needs, of the types of z, weights and bias."""
    features, rows = features_and_rows("margins", *inputs)
    kind = inputs[1].dtype
    return {
        "features": features,
        "rows": rows,
        "weight_t": kind.c,
        "up": _up(features) if kind is DType.I8 else 0,
        "block": BLOCK if kind is DType.I16 and features > AT_ONCE else 0,
    }


def _up(features: int) -> int:
    """Fraction bits that sums of int8 lack."""
    return MARGIN_BITS - FEATURE_BITS - fraction(DType.I8, features)
