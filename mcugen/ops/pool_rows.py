"""pool_rows: pools on pixel-major tensors: ONNX MaxPool, AveragePool, QLinearAveragePool and the global ones,
https://onnx.ai/onnx/operators/onnx__AveragePool.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op, Rows, Work
from mcugen.requantise import MOST
from mcugen.windows import Window, gathered


@dataclass(frozen=True, eq=False)
class PoolRows(Op):
    """The largest number of a window (`max`), or its sum times `factor` (`average`), of each channel.

    Input (H, W, C) of `f32` or `i8`, output (windows, windows, C) of its type. What lies outside counts for nothing. The sum of
    an `i8` is one of (x - zero); it becomes a float, and with `factor` the nearest whole number, halves to the even one, to which
    `to` is added. With `scales`, of x and of y, a mean of `i8` is one of floats, each step rounded as onnxruntime rounds it: products
    of (x - zero) and the first scale, their sum over their count, that over the second; `apart`, four sums of every fourth
    product are added at last. Where it `runs`, a pool of everything takes the input's rows as they come, and its second output, `i32` or
    `f32` (C,), is scratch. E0201 for another type or shape.
    """

    name: ClassVar[str] = "pool_rows"
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    function: str
    rows: Window
    columns: Window
    factor: float = 1.0
    zero: int = 0
    to: int = 0
    scales: tuple[float, float] | None = None
    runs: bool = False

    @property
    def running(self) -> bool:  # type: ignore[override]  # by form
        return self.runs

    @property
    def scratch(self) -> int:  # type: ignore[override]  # by form
        return int(self.running)

    @property
    def can_run(self) -> bool:
        """Whether it looks at every pixel once, so that it can take them as they come."""
        whole = all(w.kernel == w.size and w.inside and w.out == 1 for w in (self.rows, self.columns))
        return whole and not self.scales

    @property
    def count(self) -> int:
        """Over which sums are divided."""
        return round(1 / self.factor)

    @property
    def apart(self) -> bool:
        """Whether onnxruntime adds four sums: over a whole image, and in windows of 2 x 2 side by side."""
        inside = self.rows.inside and self.columns.inside
        kernel = self.rows.kernel, self.columns.kernel
        whole = kernel == (self.rows.size, self.columns.size)
        return inside and (whole or (kernel == (2, 2) and self.rows.stride == self.columns.stride == 2))

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        good = (
            len(inputs) == 1
            and inputs[0].dtype in (DType.F32, DType.I8)
            and len(inputs[0].shape) == 3
            and inputs[0].shape[:2] == (self.rows.size, self.columns.size)
            and min(self.rows.out, self.columns.out) > 0
        )
        if not good:
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"{self.function} pool does not go with {found}", help="check kernel, pads and dtype")
        channels = inputs[0].shape[2]
        sums = (TensorType((channels,), DType.F32 if inputs[0].dtype is DType.F32 else DType.I32),)
        return TensorType((self.rows.out, self.columns.out, channels), inputs[0].dtype), *(sums if self.running else ())

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        found = self._pooled(inputs[0])
        types = self.infer(*(TensorType(one.shape, DType.of(one.dtype)) for one in inputs))
        return found, *(np.zeros(t.shape, t.dtype.numpy) for t in types[1:])

    def _pooled(self, x: Array) -> Array:
        fill = -np.inf if self.function == "max" else float(self.zero)
        windows = gathered(x, self.rows, self.columns, fill)
        if self.function == "max":
            return np.asarray(windows.max(axis=(2, 3)).astype(x.dtype))
        if self.scales:
            return self._by_float(windows - self.zero)
        sums = (windows - self.zero).sum(axis=(2, 3))
        if x.dtype.kind == "f":
            return np.asarray(sums * self.factor, np.float32)
        steps = np.rint(sums.astype(np.float32) * np.float32(self.factor)).astype(np.int64)
        return np.asarray(np.clip(steps + self.to, -128, 127).astype(np.int8))

    def _by_float(self, windows: Array) -> Array:
        """Means of (out, out, kernel, kernel, C), quantised."""
        assert self.scales is not None
        first, second = (np.float32(scale) for scale in self.scales)
        parts = windows.reshape(*windows.shape[:2], -1, windows.shape[4]).astype(np.float32) * first
        alone = parts.shape[2] // 4 * 4 if self.apart else 0
        four = np.zeros((4, *parts[:, :, 0].shape), np.float32)
        for i in range(alone):
            four[i % 4] += parts[:, :, i]
        sums = (four[0] + four[2]) + (four[1] + four[3])
        for i in range(alone, parts.shape[2]):
            sums += parts[:, :, i]
        steps = np.rint(np.clip(sums / np.float32(self.count) / second, -MOST, MOST)).astype(np.int64)
        return np.asarray(np.clip(steps + self.to, -128, 127).astype(np.int8))

    def reads(self, at: int, *inputs: TensorType) -> tuple[Rows | None, ...]:
        return (self.rows.taps(at),)

    def describe(self) -> str:
        return f"{self.function} kernel={self.rows.kernel}x{self.columns.kernel}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        from mcugen.work import rows

        return rows.pool(self, *inputs)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "function": self.function,
            "rows": self.rows,
            "columns": self.columns,
            "ins": inputs[0].shape[2],
            "factor": self.factor,
            "zero": self.zero,
            "to": self.to,
            "scales": self.scales,
            "count": self.count,
            "apart": self.apart,
            "running": self.running,
            "total": inputs[0].size,
        }
