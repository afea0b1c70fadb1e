"""pool: ONNX MaxPool, AveragePool, LpPool and the global ones, https://onnx.ai/onnx/operators/onnx__MaxPool.html."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import error
from mcugen.functions import FLOATS
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op
from mcugen.windows import Window


@dataclass(frozen=True, eq=False)
class Pool(Op):
    """One number for each window of each channel: the largest (`max`), the mean (`average`), or a norm (`lp`).

    Input (N, C, sizes): f32 or f64, for `max` i8 and u8 as well; output of its type, (N, C, windows). Padding counts for
    nothing, but for a mean's divisor where `count_padding`. With `indices` the second output `i64` has the place of each largest
    element in the whole tensor, its spatial axes in C order, or `column_major`. E0201 for another type or shape.
    """

    name: ClassVar[str] = "pool"
    onnx: ClassVar[tuple[str, ...]] = (
        "MaxPool",
        "AveragePool",
        "LpPool",
        "GlobalMaxPool",
        "GlobalAveragePool",
        "GlobalLpPool",
    )
    includes: ClassVar[tuple[str, ...]] = ("math.h", "string.h")

    function: str
    windows: tuple[Window, ...]
    count_padding: bool = False
    p: int = 2
    indices: bool = False
    column_major: bool = False

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        kinds = FLOATS + ((DType.I8, DType.U8) if self.function == "max" else ())
        good = (
            len(inputs) == 1
            and inputs[0].dtype in kinds
            and inputs[0].shape[2:] == tuple(w.size for w in self.windows)
            and all(w.out > 0 for w in self.windows)
        )
        if not good:
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"{self.function} pool does not go with {found}", help="check kernel, pads and dtype")
        shape = (*inputs[0].shape[:2], *(w.out for w in self.windows))
        found_type = TensorType(shape, inputs[0].dtype)
        return (found_type, TensorType(shape, DType.I64)) if self.indices else (found_type,)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = np.asarray(inputs[0], np.float64)
        taps = [*product(*(range(w.kernel) for w in self.windows))]
        every = [self._under(x, tap) for tap in taps]
        there = np.stack([np.broadcast_to(ok, values.shape) for values, ok in every])
        values = np.stack([values for values, _ in every])
        if self.function == "max":
            kept = np.where(there, values, -np.inf)
            found = kept.max(axis=0)
            results = [found.astype(inputs[0].dtype)]
            return (*results, self._places(kept.argmax(axis=0), taps, x.shape)) if self.indices else (*results,)
        kept = np.where(there, values, 0.0)
        if self.function == "lp":
            return (((np.abs(kept) ** self.p).sum(axis=0) ** (1 / self.p)).astype(inputs[0].dtype),)
        # In the order of the C and as precise, so that what is rounded after it is rounded alike.
        total = np.zeros(kept.shape[1:], inputs[0].dtype)
        for one in kept.astype(inputs[0].dtype):
            total = total + one
        return (np.asarray(total / self.counts.astype(inputs[0].dtype)),)

    def _under(
        self, x: npt.NDArray[np.float64], tap: tuple[int, ...]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """What lies under a tap of every window, and whether that is an element of the input."""
        places = [
            np.arange(w.out) * w.stride + t * w.dilation - w.before for t, w in zip(tap, self.windows, strict=True)
        ]
        inside = [(at >= 0) & (at < w.size) for at, w in zip(places, self.windows, strict=True)]
        clipped = [np.clip(at, 0, w.size - 1) for at, w in zip(places, self.windows, strict=True)]
        ok = inside[0]
        for more in inside[1:]:
            ok = np.logical_and.outer(ok, more)
        under: Any = (slice(None), slice(None), *np.ix_(*clipped))
        return x[under], np.asarray(ok)

    @property
    def counts(self) -> npt.NDArray[np.float64]:
        """By how much each window's sum is divided."""
        found = np.ones(())
        for w in self.windows:
            starts = np.arange(w.out) * w.stride
            taps = starts[:, None] + np.arange(w.kernel) * w.dilation
            low, high = (0, w.before + w.size + w.after) if self.count_padding else (w.before, w.before + w.size)
            found = np.multiply.outer(found, ((taps >= low) & (taps < high)).sum(axis=1))
        return found

    def _places(self, best: npt.NDArray[np.intp], taps: list[tuple[int, ...]], shape: tuple[int, ...]) -> Array:
        order = [*range(len(self.windows))][:: -1 if self.column_major else 1]
        steps = {a: prod(self.windows[b].size for b in order[order.index(a) + 1 :]) for a in order}
        base = np.arange(prod(shape[:2])).reshape(*shape[:2], *(1,) * len(self.windows)) * prod(shape[2:])
        found = base.astype(np.int64)
        for axis, w in enumerate(self.windows):
            at = np.arange(w.out) * w.stride - w.before
            at = at.reshape((-1,) + (1,) * (len(self.windows) - axis - 1))
            found = found + (at + np.array([t[axis] for t in taps])[best] * w.dilation) * steps[axis]
        return np.asarray(found, np.int64)

    def describe(self) -> str:
        return f"{self.function} kernel={'x'.join(str(w.kernel) for w in self.windows)}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        counts = self.counts
        order = [*range(len(self.windows))][:: -1 if self.column_major else 1]
        return {
            "function": self.function,
            "windows": self.windows,
            "planes": prod(inputs[0].shape[:2]),
            "area": prod(w.size for w in self.windows),
            "count": int(counts.flat[0]) if (counts == counts.flat[0]).all() else None,
            "count_padding": self.count_padding,
            "p": self.p,
            "indices": self.indices,
            "steps": [prod(self.windows[b].size for b in order[order.index(a) + 1 :]) for a in range(len(order))],
            "total": inputs[0].size,
        }
