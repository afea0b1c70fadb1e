"""polyak: the mean of weights over the rows that were learnt; Polyak & Juditsky, SIAM J. Control Optim. 30(4) (1992) 838-855."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.learning import WEYL, are_set, bit_set, part_of
from mcugen.op import Op
from mcugen.ops.welford import MOST


@dataclass(frozen=True, eq=False)
class Polyak(Op):
    """Mean weights and biases with those after one row more; in place: the outputs lie where the inputs do.

        n = min(n + 1, 32767);  mean += (weights - mean) / n

    Inputs: weights (r, d) and bias (r,), `f32` or `i16`, their means, of the same types, and n, `u16`; with `i16` the dither `u16` that
    rounds them: what is added is mostly less than half of their last bit. With a bit a row of weights, `u8`, only those change whose
    bit is set.
    """

    name: ClassVar[str] = "polyak"
    updates: ClassVar[tuple[int, ...]] = (2, 3, 4, 5)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        weights, bias, *others = inputs
        scalar = TensorType((), DType.U16)
        wanted = [weights, bias, scalar, *([scalar] if weights.dtype is DType.I16 else [])]
        live = [bit_set(bias.size)] if len(others) > len(wanted) else []
        if weights.shape[:1] != bias.shape or weights.dtype not in (DType.F32, DType.I16) or others != wanted + live:
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"polyak takes weights and their means, not {found}", help="see its docs")
        return inputs[2 : len(inputs) - len(live)]

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        given: tuple[Any, ...] = inputs
        weights, bias, mean, mean_bias, count, *dither = given
        if dither and dither[-1].dtype == np.uint8:
            return self._of_some(*inputs)
        n = min(int(count) + 1, MOST)
        new = np.asarray(n, np.uint16)
        if not dither:
            part = np.float32(1) / np.float32(n)
            return mean + (weights - mean) * part, mean_bias + (bias - mean_bias) * part, new
        off = np.concatenate([(one.astype(np.int64) - m).ravel() for one, m in ((weights, mean), (bias, mean_bias))])
        rounds = (int(dither[0]) + WEYL * np.arange(1, off.size + 1)) & 0xFFFF
        by = np.sign(off) * part_of(abs(off), 65_536 // n, rounds)
        found = mean.ravel() + by[: mean.size], mean_bias + by[mean.size :]
        kept = found[0].reshape(mean.shape).astype(np.int16), found[1].astype(np.int16)
        return *kept, new, np.asarray(rounds[-1], np.uint16)

    def _of_some(self, *inputs: Array) -> tuple[Array, ...]:
        """The rows of weights whose bit is set change as if there were no others."""
        *given, bits = inputs
        live = are_set(bits, given[1].size)
        found = self.evaluate(*(one[live] for one in given[:4]), *given[4:])
        means = [np.array(one) for one in given[2:4]]
        for whole, part in zip(means, found, strict=False):
            whole[live] = part
        return *means, *found[2:]

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        weights, bias = inputs[:2]
        return {
            "weights": weights.size,
            "rows": bias.size,
            "weight_t": weights.dtype.c,
            "most": MOST,
            "weyl": WEYL,
            "live": inputs[-1].dtype is DType.U8,
        }
