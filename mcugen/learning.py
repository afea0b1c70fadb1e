"""The numbers that trainers keep and what they count in: floats, or integers with a fixed point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType

Integers = npt.NDArray[np.int64]
FEATURE_BITS = 5  # fraction bits of a standardised feature in int8: it reaches from -4 to 4
MARGIN_BITS = 12  # of a margin
STEP_BITS = 15  # of the size of a step, which is below 1
AT_ONCE = 510  # features whose products with int16 are a sum of 32 bits
BLOCK = 256  # of more than those
FEW, SOME = 8, 24  # features below which weights of int8 have to reach further


def fraction(weights: DType, features: int) -> int:
    """Bits of a weight behind the point: int16 reaches from -8 to 8; int8 from -4, -2 or -1, the nearer the more features share in
    a margin.
    """
    if weights is DType.I16:
        return 12
    return 5 if features < FEW else 6 if features < SOME else 7


def features_and_rows(name: str, *inputs: TensorType) -> tuple[int, int]:
    """Features of a row and rows of weights, of the types of z (d,), weights (r, d) and bias (r,); E0201 where they are none."""
    z, weights, bias = inputs
    wanted = DType.F32 if weights.dtype is DType.F32 else DType.I8
    fits = len(z.shape) == 1 and weights.shape == (*bias.shape, *z.shape) and weights.dtype is bias.dtype
    if not fits or z.dtype is not wanted or weights.dtype not in (DType.F32, DType.I16, DType.I8):
        found = ", ".join(map(str, inputs))
        raise error(
            "E0201", f"{name} takes features, weights and biases that go together, not {found}", help="see its docs"
        )
    return z.size, bias.size


@dataclass(frozen=True)
class Kept:
    """How means and variances of rows of integers are kept: the types, and the fraction bits of a mean and of a deviation from it.

    A deviation has 16 bits, its square 32.
    """

    mean: DType
    mean_bits: int
    deviation_bits: int


def bit_set(count: int) -> TensorType:
    """A bit for each of `count`, the first in the lowest bit of the first byte."""
    return TensorType((-(-count // 8),), DType.U8)


def are_set(bits: Array, count: int) -> npt.NDArray[np.bool_]:
    """Which of `count` bits are set: (count,)."""
    return np.unpackbits(np.asarray(bits, np.uint8), bitorder="little")[:count].astype(bool)


def as_bits(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """The bits of a mask (count,)."""
    return np.packbits(mask, bitorder="little")


WEYL = 40_503  # of 2^16, the golden ratio: a sequence that rounds as chance does
KEPT = {
    DType.I8: Kept(DType.I16, 7, 7),
    DType.U8: Kept(DType.I16, 7, 7),
    DType.I16: Kept(DType.I32, 14, 0),
}


def part_of(whole: Integers, part: int, dither: Integers | int) -> Integers:
    """whole * part / 2^16 of uint32, part at most 2^16, rounded by a dither of 16 bits; without a number of 64 bits on the way."""
    return (whole >> 16) * part + (((whole & 0xFFFF) * part + dither) >> 16)
