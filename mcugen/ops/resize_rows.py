"""resize_rows: ONNX Resize and Upsample, one row of pixels after the other, https://onnx.ai/onnx/operators/onnx__Resize.html."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Cost, Op, Rows


@dataclass(frozen=True)
class Taps:
    """One axis of `size` elements: output i is the sum of weights[i][k] * x[first[i] + k], with as many weights for every i."""

    size: int
    first: tuple[int, ...]
    weights: tuple[tuple[float, ...], ...]

    @classmethod
    def picked(cls, size: int, indices: Array) -> Taps:
        """Elements by their indices."""
        return cls(size, tuple(int(i) for i in indices), ((1.0,),) * len(indices))

    @classmethod
    def of(cls, matrix: Array) -> Taps:
        """Sums with the weights (out, size), as many side by side as the widest row of it has."""
        size, used = matrix.shape[1], matrix != 0
        begin, end = used.argmax(axis=1), size - used[:, ::-1].argmax(axis=1)
        taps = int((end - begin).max())
        first = np.minimum(begin, size - taps)
        weights = np.take_along_axis(matrix, first[:, None] + np.arange(taps), axis=1).astype(np.float32)
        return cls(size, tuple(first.tolist()), tuple(map(tuple, weights.tolist())))

    @property
    def out(self) -> int:
        """How many elements there are."""
        return len(self.first)

    @property
    def count(self) -> int:
        """How many taps each has."""
        return len(self.weights[0])

    @property
    def floats(self) -> npt.NDArray[np.float32]:
        """The weights as an array (out, count)."""
        return np.array(self.weights, np.float32)

    @property
    def weighted(self) -> bool:
        """Whether elements are more than moved."""
        return self.count > 1 or any(row != (1.0,) for row in self.weights)

    @property
    def changes(self) -> bool:
        """Whether the output is not the input."""
        return self.weighted or self.first != tuple(range(self.size))


@dataclass(frozen=True, eq=False)
class ResizeRows(Op):
    """Each pixel is a weighted sum of a few pixels that are side by side: y[i, j] = the sum over u, v of
    rows.weights[i][u] * columns.weights[j][v] * x[rows.first[i] + u, columns.first[j] + v], channel by channel.

    Input (images * H, W, C) of `f32`, or of `i8` where pixels are only moved; output (images * rows.out, columns.out, C) of its
    type, image after image. Weights are multiplied first, and products added up u by u, v by v, in `f32`. E0201 for another type
    or shape.
    """

    name: ClassVar[str] = "resize_rows"
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    rows: Taps
    columns: Taps
    images: int = 1

    @property
    def moves(self) -> bool:
        """Whether every pixel is one of the input's."""
        return not (self.rows.weighted or self.columns.weighted)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        axes = self.rows, self.columns
        good = (
            len(inputs) == 1
            and (inputs[0].dtype is DType.F32 or (inputs[0].dtype is DType.I8 and self.moves))
            and len(inputs[0].shape) == 3
            and inputs[0].shape[:2] == (self.images * self.rows.size, self.columns.size)
            and all(min(a.first) >= 0 and max(a.first) + a.count <= a.size for a in axes)
        )
        if not good:
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"{self.describe()} does not go with {found}", help="check sizes, scales and dtype")
        return (TensorType((self.images * self.rows.out, self.columns.out, inputs[0].shape[2]), inputs[0].dtype),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = inputs[0].reshape(self.images, self.rows.size, *inputs[0].shape[1:])
        down, right = np.asarray(self.rows.first)[:, None], np.asarray(self.columns.first)
        shape = self.images * self.rows.out, self.columns.out, x.shape[3]
        if self.moves:
            return (np.asarray(x[:, down, right].reshape(shape)),)
        high, wide = self.rows.floats, self.columns.floats
        sums: npt.NDArray[np.float32] = np.zeros((self.images, self.rows.out, *shape[1:]), np.float32)
        for u in range(self.rows.count):
            for v in range(self.columns.count):
                weights = high[:, u, None, None] * wide[:, v, None]
                sums += weights * np.asarray(x[:, down + u, right + v], np.float32)
        return (sums.reshape(shape),)

    def reads(self, at: int, *inputs: TensorType) -> tuple[Rows | None, ...]:
        image, line = divmod(at, self.rows.out)
        first = image * self.rows.size + self.rows.first[line]
        return ((first, first + self.rows.count),)

    def describe(self) -> str:
        images = f" images={self.images}" if self.images > 1 else ""
        return ("nearest" if self.moves else f"taps={self.rows.count}x{self.columns.count}") + images

    def macc(self, *inputs: TensorType) -> int:
        taps = 0 if self.moves else self.rows.count * self.columns.count
        return taps * self.images * self.rows.out * self.columns.out * inputs[0].shape[2]

    def cost(self, target: Target, *inputs: TensorType) -> Cost:
        ordinary = super().cost(target, *inputs)
        return replace(ordinary, flash=ordinary.flash + sum(map(_tables, (self.rows, self.columns))))

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        (out,) = self.infer(*inputs)
        return {
            "rows": self.rows,
            "columns": self.columns,
            "row_weights": self.rows.floats,
            "column_weights": self.columns.floats,
            "images": self.images,
            "channels": out.shape[2],
            "moves": self.moves,
            "total": max(inputs[0].size, out.size),
        }


def _tables(axis: Taps) -> int:
    """The bytes of an axis in flash."""
    width = 1 if max(axis.first) < 256 else 2 if max(axis.first) < 65536 else 4
    return (axis.out * width if axis.changes else 0) + (4 * axis.out * axis.count if axis.weighted else 0)
