"""conv: ONNX Conv, https://onnx.ai/onnx/operators/onnx__Conv.html."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op
from mcugen.windows import Window

TAKEN = (DType.F32, DType.F64, DType.I32)


@dataclass(frozen=True, eq=False)
class Conv(Op):
    """Convolution over one to three spatial axes, in groups; what lies outside of the input counts as 0.

    Inputs, of one type among f32, f64, i32: x (N, C, sizes), w (M, C / groups, kernel), and a bias (M,) where there is one.
    Output (N, M, windows). Added up in the type itself, int32 wraps around. E0201 for other shapes.
    """

    name: ClassVar[str] = "conv"
    onnx: ClassVar[tuple[str, ...]] = ("Conv",)
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    windows: tuple[Window, ...]
    groups: int = 1

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        rank = len(self.windows)
        good = (
            len(inputs) in (2, 3)
            and len({t.dtype for t in inputs}) == 1
            and inputs[0].dtype in TAKEN
            and all(len(t.shape) == rank + 2 for t in inputs[:2])
            and inputs[0].shape[1] == inputs[1].shape[1] * self.groups
            and inputs[1].shape[0] % self.groups == 0
            and inputs[1].shape[2:] == tuple(w.kernel for w in self.windows)
            and inputs[0].shape[2:] == tuple(w.size for w in self.windows)
            and (len(inputs) == 2 or inputs[2].shape == inputs[1].shape[:1])
            and all(w.out > 0 for w in self.windows)
        )
        if not good:
            found = ", ".join(map(str, inputs)) or "nothing"
            text = f"Conv with {self.groups} groups does not go with {found}"
            raise error("E0201", text, help="check channels, groups, kernel and pads of the exported model")
        shape = (inputs[0].shape[0], inputs[1].shape[0], *(w.out for w in self.windows))
        return (TensorType(shape, inputs[0].dtype),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x: Any = inputs[0]
        w: Any = inputs[1]
        pads = [(a.before, max(0, (a.out - 1) * a.stride + a.reach - a.size - a.before)) for a in self.windows]
        padded: Any = np.pad(x, [(0, 0), (0, 0), *pads]).reshape(x.shape[0], self.groups, -1, *_padded(x, pads))
        parts = w.reshape(self.groups, -1, *w.shape[1:])
        out = np.zeros((x.shape[0], self.groups, parts.shape[1], *(a.out for a in self.windows)), x.dtype)
        for tap in product(*(range(a.kernel) for a in self.windows)):
            place: Any = tuple(
                slice(t * a.dilation, t * a.dilation + (a.out - 1) * a.stride + 1, a.stride)
                for t, a in zip(tap, self.windows, strict=True)
            )
            out += np.einsum("ngc...,gmc->ngm...", padded[(slice(None),) * 3 + place], parts[(..., *tap)])
        out = out.reshape(x.shape[0], w.shape[0], *out.shape[3:])
        if len(inputs) == 3:
            out = out + inputs[2].reshape(-1, *(1,) * len(self.windows))
        return (np.asarray(out, x.dtype),)

    def macc(self, *inputs: TensorType) -> int:
        pixels = inputs[0].shape[0] * prod(w.out for w in self.windows)
        return pixels * prod(inputs[1].shape)

    def describe(self) -> str:
        kernel = "x".join(str(w.kernel) for w in self.windows)
        return f"kernel={kernel}{f' groups={self.groups}' if self.groups > 1 else ''}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        (y,) = self.infer(*inputs)
        return {
            "windows": self.windows,
            "batch": inputs[0].shape[0],
            "groups": self.groups,
            "ins": inputs[1].shape[1],
            "outs": inputs[1].shape[0] // self.groups,
            "area": prod(w.size for w in self.windows),
            "taps": prod(w.kernel for w in self.windows),
            "total": max(t.size for t in (*inputs, y)),
        }


def _padded(x: Array, pads: list[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(n + a + b for n, (a, b) in zip(x.shape[2:], pads, strict=True))
