"""conv_rows: convolutions and fully connected layers on pixel-major tensors, an output row at a time: Conv, Gemm, MatMul,
QLinearConv, https://onnx.ai/onnx/operators/onnx__Conv.html.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op, Rows, Work
from mcugen.ops.add_scaled import AddScaled
from mcugen.ops.add_steps import AddSteps
from mcugen.ops.conv_rows import floats, fours, packed
from mcugen.requantise import USUAL, by_floats, rescaled
from mcugen.windows import Window, gathered

ROWS, DSP, FPU = "rows", "dsp", "fpu"  # forms


@dataclass(frozen=True, eq=False)
class ConvRows(Op):
    """y[o, p, m] = the sum over a window of x * w[m], and a bias; dense, or depthwise where there is a group for every channel.

    Inputs of `f32`: x (H, W, C), weights (M, kernel, kernel, C / groups), bias (M,). Of `i8`: x, weights `i8`, bias `i32`, and
    factors `i32` (M,) of 2^-`shift` by which sums of (x - zero) * w are scaled; rounded, halves upwards, and `to` added; `by_float`
    factors are `f32`, the product is one of float32, and halves become even. Where it
    `adds`, the second input is like the output, and added before the bounds; of `i8` by `scaled`, with its own bounds. Decided, the
    tables are packed as the form wants them, an `i8` bias has the zero point in it, and the last output is scratch. Output
    (windows, windows, M) of x's type, from `low` to `high`. E0201 for other shapes and groups.
    """

    name: ClassVar[str] = "conv_rows"
    packs: ClassVar[bool] = True

    rows: Window
    columns: Window
    groups: int = 1
    low: float = -inf
    high: float = inf
    zero: int = 0
    to: int = 0
    adds: bool = False
    scaled: AddScaled | AddSteps | None = None
    by_float: bool = False
    shift: int = USUAL
    form: str = ""
    outs: int = 0

    @property
    def scratch(self) -> int:  # type: ignore[override]  # by form
        return int(bool(self.form) and self._room((self.rows.size, self.columns.size, 1)) > 0)

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]  # by form
        return ("math.h", "string.h") if self.form == FPU else ("string.h",)

    @property
    def in_place(self) -> int | None:  # type: ignore[override]  # what is added may become the sum
        return 1 if self.adds else None

    @property
    def kernel(self) -> tuple[int, int]:
        """Taps along both axes."""
        return self.rows.kernel, self.columns.kernel

    @property
    def pointwise(self) -> bool:
        """Whether a window is a single pixel, never outside."""
        return self.kernel == (1, 1) and self.rows.inside and self.columns.inside

    @property
    def depthwise(self) -> bool:
        """Whether every output looks at one channel only."""
        return self.groups > 1

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        x = inputs[0] if inputs else TensorType((), DType.F32)
        if not self._takes(*inputs):
            found = ", ".join(map(str, inputs)) or "nothing"
            text = f"conv_rows with {self.groups} groups does not go with {found}"
            raise error("E0201", text, help="check channels, groups, kernel and pads of the exported model")
        y = TensorType((self.rows.out, self.columns.out, self.outs or inputs[1 + self.adds].shape[0]), x.dtype)
        if self.adds and inputs[1] != y:
            raise error("E0201", f"conv_rows adds {inputs[1]} to {y}", help="add a tensor of the result's type")
        if not self.scratch:
            return (y,)
        return y, TensorType((self._room(x.shape),), DType.U32 if self.form == DSP else x.dtype)

    def _takes(self, *given: TensorType) -> bool:
        x = given[0] if given else TensorType((), DType.F32)
        inputs = (*given[:1], *given[2:]) if self.adds else given
        good = (
            x.dtype in (DType.F32, DType.I8)
            and len(x.shape) == 3
            and x.shape[:2] == (self.rows.size, self.columns.size)
            and self.groups in (1, x.shape[2])
            and min(self.rows.out, self.columns.out) > 0
        )
        if not good or self.form in (DSP, FPU):
            return good and len(inputs) == 2
        factors = DType.F32 if self.by_float else DType.I32
        wanted = [DType.F32] * 3 if x.dtype is DType.F32 else [DType.I8, DType.I8, DType.I32, factors]
        if self._by_fours(x):
            taps = self.rows.kernel * self.columns.kernel * x.shape[2]
            stream = TensorType((self.outs * taps,), DType.U8)
            return inputs[1] == stream and [t.dtype for t in inputs[2:]] == wanted[2:]
        if [t.dtype for t in inputs] != wanted or len(inputs[1].shape) != 4:
            return False
        outs = inputs[1].shape[0]
        per_group = (*self.kernel, x.shape[2] // self.groups)
        return (
            inputs[1].shape == (outs, *per_group)
            and outs % self.groups == 0
            and all(t.shape == (outs,) for t in inputs[2:])
        )

    def _by_fours(self, x: TensorType) -> bool:
        """Whether it is decided for the stream of fours.py."""
        return self.form == ROWS and x.dtype is DType.I8 and not self.depthwise

    def _room(self, shape: tuple[int, ...]) -> int:
        """Elements of scratch."""
        channels = shape[2]
        if self.form == DSP:
            return packed.room(self, channels) + self._sums_room
        if self.form == FPU:
            return floats.room(self, channels, packed.together(self)) + self._sums_room
        if self.depthwise or self.pointwise:
            return 0
        return self.rows.kernel * self.columns.kernel * channels

    @property
    def _sums_room(self) -> int:
        """Elements of scratch for what is added afterwards."""
        if not self.adds or self.form not in (DSP, FPU):
            return 0
        count = packed.together(self) * self.outs
        return -(-count // 4) if self.form == DSP else count

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = inputs[0]
        tables: tuple[Array, ...] = inputs[1 + self.adds :]
        if self.form in (DSP, FPU):
            tables = {DSP: packed, FPU: floats}[self.form].unpacked(self, tables[0], x.shape[2])
        weights, bias, *factors = tables
        if weights.dtype == np.uint8:
            weights = fours.unpacked(weights, (self.outs, *self.kernel, x.shape[2]))
        sums = self._sums(x, np.asarray(weights, np.float64), self.zero if not self.form else 0)
        sums += np.asarray(bias, np.float64)
        found: Array
        if not factors:
            sums += np.asarray(inputs[1], np.float64) if self.adds else 0.0
            found = np.clip(sums, self.low, self.high).astype(np.float32)
        else:
            low, high = self.bounds
            found = np.clip(self.steps(sums.astype(np.int64), factors[0]) + self.to, low, high).astype(np.int8)
            found = self.scaled.evaluate(inputs[1], found)[0] if self.scaled else found
        types = self.infer(*(TensorType(one.shape, DType.of(one.dtype)) for one in inputs))
        return (np.asarray(found), *(np.zeros(t.shape, t.dtype.numpy) for t in types[1:]))

    def steps(self, sums: npt.NDArray[np.int64], factors: Array) -> npt.NDArray[np.int64]:
        """Sums of integers, in steps of the output, without its zero point."""
        return by_floats(sums, factors) if self.by_float else rescaled(sums, factors, self.shift)

    def _sums(self, x: Array, weights: npt.NDArray[np.float64], less: int) -> npt.NDArray[np.float64]:
        """Sums of products in float64, which is exact for integers; outside of the input is 0, or the zero point."""
        windows = gathered(x, self.rows, self.columns, self.zero) - less
        if self.depthwise:
            parts = weights[..., 0].reshape(x.shape[2], -1, *self.kernel)
            found: npt.NDArray[np.float64] = np.einsum("opuvc,cmuv->opcm", windows, parts)
            return found.reshape(*found.shape[:2], -1)
        flat: npt.NDArray[np.float64] = windows.reshape(*windows.shape[:2], -1) @ weights.reshape(len(weights), -1).T
        return flat

    def reads(self, at: int, *inputs: TensorType) -> tuple[Rows | None, ...]:
        tables: tuple[None, ...] = (None,) * (len(inputs) - 1 - self.adds)
        return self.rows.taps(at), *([(at, at + 1)] if self.adds else []), *tables

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the largest of an `i8` output."""
        return int(max(self.low, -128)), int(min(self.high, 127))

    def macc(self, *inputs: TensorType) -> int:
        outs = self.rows.out * self.columns.out * (self.outs or inputs[1 + self.adds].shape[0])
        return outs * self.rows.kernel * self.columns.kernel * inputs[0].shape[2] // self.groups

    def describe(self) -> str:
        groups = f" groups={self.groups}" if self.groups > 1 else ""
        between = f" {self.low:g}..{self.high:g}" if (self.low, self.high) != (-inf, inf) else ""
        return f"kernel={self.kernel[0]}x{self.kernel[1]}{groups}{between}{' adds' if self.adds else ''}{f' form={self.form}' if self.form else ''}"

    def packed(
        self, target: Target, types: tuple[TensorType, ...], tables: tuple[Array, ...]
    ) -> tuple[Self, tuple[Array, ...]]:
        """This op decided for a target, and its tables as the form wants them."""
        channels = types[0].shape[2]
        outs = len(tables[0])
        if types[0].dtype is DType.F32:
            if target.board.dsp and target.board.fpu and floats.suits(self, channels, outs):
                return replace(self, form=FPU, outs=outs), (floats.table(*tables),)
            return replace(self, form=ROWS, outs=outs), tables
        weights, bias, factors = tables
        folded = np.asarray(bias, np.int64) - self.zero * np.asarray(weights, np.int64).reshape(outs, -1).sum(axis=1)
        made = weights, folded.astype(np.int32), factors
        shared = self.depthwise or packed.fits(weights, made[1])
        if target.board.dsp and packed.suits(self, channels, outs) and shared and self.shift == USUAL:
            decided = replace(self, form=DSP, outs=outs)
            return decided, (packed.table(decided, channels, *made),)
        if not self.depthwise:
            made = fours.table(weights), *made[1:]
        return replace(self, form=ROWS, outs=outs), made

    def work(self, target: Target, *inputs: TensorType) -> Work | None:
        from mcugen.work import rows

        return rows.convolution(self, *inputs) if self.form else None

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        x, (y, *_) = inputs[0], self.infer(*inputs)
        return {
            "form": self.form,
            "rows": self.rows,
            "columns": self.columns,
            "ins": x.shape[2],
            "outs": self.outs,
            "depthwise": self.depthwise,
            "pointwise": self.pointwise,
            "low": self.low,
            "high": self.high,
            "bounds": self.bounds,
            "adds": self.adds,
            "sums_at": self._room(x.shape) - self._sums_room,
            "scaled": self.scaled,
            "by_float": self.by_float,
            "shift": self.shift,
            "zero": self.zero,
            "to": self.to,
            "together": packed.together(self),
            "steps": packed.steps(self, x.shape[2]) if self.form == DSP else 0,
            "total": max(x.size, y.size, self.outs * self.rows.kernel * self.columns.kernel * x.shape[2]),
        }
