"""standardise: features by the mean and the variance that are known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.learning import FEATURE_BITS, KEPT, Integers
from mcugen.op import Op
from mcugen.ops.welford import deviation

LIMIT = 127 / 32  # standard deviations: what int8 holds
FAR = 128.0  # and what a float may have: a feature that hardly varied must not drown the others
# 128 / sqrt(v) for a variance v between 1/4 and 1, in steps of 1/64
ROOTS = np.minimum(255, np.round(128 / np.sqrt((np.arange(16, 64) + 0.5) / 64))).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Standardise(Op):
    """z = (x - mean) / sqrt(variance), at most 128 either way, in integers 127/32; 0 where the variance is.

    Inputs: x, mean and variance (d,), all `f32`; output of `f32`, or of `i8` with 5 fraction bits, rounded to the nearest. Or x
    `i8`, `u8` or `i16`, mean and variance as `learning.KEPT` has them, output `i8`, off by less than 2 % of itself.
    """

    name: ClassVar[str] = "standardise"

    to: DType = DType.F32

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        x, mean, variance = inputs
        kept = KEPT.get(x.dtype)
        types = (kept.mean, DType.U32) if kept else (DType.F32, DType.F32)
        fits = [mean, variance] == [TensorType(x.shape, one) for one in types]
        if not fits or not (kept or x.dtype is DType.F32) or self.to not in (DType.F32, DType.I8)[bool(kept) :]:
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"standardise takes rows, means and variances, not {found}", help="see its docs")
        return (TensorType(x.shape, self.to),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        given: tuple[Any, ...] = inputs
        x, mean, variance = given
        if x.dtype != np.float32:
            return (self._integers(x, mean.astype(np.int64), variance.astype(np.int64)),)
        with np.errstate(all="ignore"):
            z = np.where(variance > np.float32(0), (x - mean) / np.sqrt(variance), np.float32(0))
        z = np.clip(z, np.float32(-self._limit), np.float32(self._limit)).astype(np.float32)
        if self.to is DType.F32:
            return (z,)
        return (np.floor(z * np.float32(2**FEATURE_BITS) + np.float32(0.5)).astype(np.int8),)

    def _integers(self, x: Array, mean: Integers, variance: Integers) -> Array:
        kept = KEPT[DType.of(x.dtype)]
        off = deviation((x.astype(np.int64) << kept.mean_bits) - mean, kept.mean_bits - kept.deviation_bits)
        shifts = [max(0, (32 - int(v).bit_length()) // 2) for v in variance]
        found = np.zeros(x.shape, np.int8)
        for i, (d, v, shift) in enumerate(zip(off.tolist(), variance.tolist(), shifts, strict=True)):
            if v:
                root = int(ROOTS[((v << 2 * shift) >> 26) - 16])
                found[i] = min(127, max(-127, (d * root + (1 << 17 - shift)) >> (18 - shift)))
        return found

    @property
    def _limit(self) -> float:
        return FAR if self.to is DType.F32 else LIMIT

    def describe(self) -> str:
        return self.to.short

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "features": inputs[0].size,
            "short": self.to.short,
            "limit": self._limit,
            "one": 2**FEATURE_BITS,
            "kept": KEPT.get(inputs[0].dtype),
            "roots": ROOTS,
        }
