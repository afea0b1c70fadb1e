"""welford: means and variances of features as rows come, Welford, Technometrics 4(3) (1962) 419-420."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.learning import KEPT, WEYL, Integers, part_of
from mcugen.op import Op

MOST = 32_767


@dataclass(frozen=True, eq=False)
class Welford(Op):
    """Count, means and variances with one row more; in place: the outputs lie where the inputs do.

        n = min(n + 1, 32767);  mean += (x - mean) / n;  variance += ((x - mean)² (1 - 1 / n) - variance) / n

    with the mean from before, so that from row 32767 on old rows fade and nothing grows. Inputs: x (d,), count `u16`, mean and
    variance (d,), all `f32`; or x `i8`, `u8` or `i16`, means and variances as `learning.KEPT` has them, and the dither `u16` that
    rounds them: what is added is mostly less than half of their last bit.
    """

    name: ClassVar[str] = "welford"
    updates: ClassVar[tuple[int, ...]] = (1, 2, 3, 4)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        x, count, mean, variance, *dither = inputs
        kept = KEPT.get(x.dtype)
        types = (kept.mean, DType.U32) if kept else (DType.F32, DType.F32)
        fits = [mean, variance] == [TensorType(x.shape, one) for one in types]
        scalar = TensorType((), DType.U16)
        if not fits or count != scalar or dither != ([scalar] if kept else []) or not (kept or x.dtype is DType.F32):
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"welford takes rows with their means and variances, not {found}", help="see its docs")
        return inputs[1:]

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        given: tuple[Any, ...] = inputs
        x, count, mean, variance, *dither = given
        n = min(int(count) + 1, MOST)
        if dither:
            made = self._integers(x, n, mean.astype(np.int64), variance.astype(np.int64), int(dither[0]))
            return np.asarray(n, np.uint16), *made
        part = np.float32(1) / np.float32(n)
        off = x - mean
        new = (mean + off * part).astype(np.float32)
        return np.asarray(n, np.uint16), new, (variance + (off * (x - new) - variance) * part).astype(np.float32)

    def _integers(self, x: Array, n: int, mean: Integers, variance: Integers, dither: int) -> tuple[Array, ...]:
        kept = KEPT[DType.of(x.dtype)]
        whole = x.astype(np.int64) << kept.mean_bits
        if n == 1:
            return whole.astype(kept.mean.numpy), variance.astype(np.uint32), np.asarray(dither, np.uint16)
        part, off = 65_536 // n, whole - mean
        steps = (dither + WEYL * np.arange(1, x.size + 1)) & 0xFFFF
        square = deviation(off, kept.mean_bits - kept.deviation_bits) ** 2
        square = square - part_of(square, part, 0)
        mean = mean + np.sign(off) * part_of(abs(off), part, steps)
        apart = square - variance
        variance = variance + np.sign(apart) * part_of(abs(apart), part, steps ^ 0xFFFF)
        return mean.astype(kept.mean.numpy), variance.astype(np.uint32), np.asarray(steps[-1], np.uint16)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        kept = KEPT.get(inputs[0].dtype)
        return {"features": inputs[0].size, "most": MOST, "kept": kept, "weyl": WEYL}


def deviation(off: Integers, less: int) -> Integers:
    """What a feature is off its mean, with `less` fraction bits less, rounded."""
    return (off + (1 << less - 1)) >> less if less else off
