"""Ops that make one float32 vector of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import error
from mcugen.ir import DType, TensorType
from mcugen.op import Op
from mcugen.templating import c_floats

LITTLE = 2.0**-40  # of the largest weight: below, what is left of it is rounding in training


@dataclass(frozen=True, eq=False)
class RowOp(Op):
    """An op whose only input is an `f32` vector of `width` elements and whose only output one of `height`."""

    @property
    def width(self) -> int:
        """Elements of the input."""
        raise NotImplementedError

    @property
    def height(self) -> int:
        """Elements of the output."""
        return self.width

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = vector(self.width)
        if inputs != (wanted,):
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"{self.name} takes {wanted}, not {found}", help="give it one row of float32")
        return (vector(self.height),)


def vector(size: int) -> TensorType:
    """The type of a row of `size` float32."""
    return TensorType((size,), DType.F32)


@dataclass(frozen=True, eq=False)
class Numbers:
    """A float of each element, as templates need them: a table in flash, or one literal where all are the same."""

    values: npt.NDArray[np.float32]

    @property
    def same(self) -> str:
        """The literal; empty where they differ."""
        first = self.values[:1].view(np.uint32)
        return next(c_floats(self.values[:1])) if (self.values.view(np.uint32) == first).all() else ""

    @property
    def kind(self) -> str:
        """How templates write it."""
        return "one" if self.same else "table"

    @property
    def literals(self) -> list[str]:
        """A literal each."""
        return [*c_floats(self.values)]

    @property
    def nbytes(self) -> int:
        """Bytes of the table."""
        return 0 if self.same else 4 * len(self.values)


def sizes_of_features(
    weights: npt.NDArray[np.float64], seen: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.float64]:
    """How large the features of made-up rows are, (features,), where nothing but weights (sums, features) says so.

    As large as the weights are small; a feature of next to no weight beside the others, as one has that never changed in
    training, is as large as these are. With the exponents of rows that were seen, (n, features), as large as those get.
    """
    if seen is not None and len(seen):
        exponents = seen.max(axis=0)
        sizes, counts = np.ldexp(1.0, np.clip(exponents - 127, -100, 100)), exponents > 0
    else:
        largest = np.abs(weights).max(axis=0)
        sizes, counts = 1 / np.clip(largest, 1e-30, 1e30), largest > largest.max() * LITTLE
    return np.where(counts, sizes, np.median(sizes[counts])) if counts.any() else np.ones(len(sizes))


def single(values: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """The numbers as float32; above the largest comes infinity, of a signalling NaN a quiet one."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(values, np.float64).astype(np.float32)
