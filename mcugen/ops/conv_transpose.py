"""conv_transpose: ONNX ConvTranspose, https://onnx.ai/onnx/operators/onnx__ConvTranspose.html."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.functions import FLOATS
from mcugen.ir import Array, TensorType
from mcugen.op import Op
from mcugen.windows import Window


@dataclass(frozen=True, eq=False)
class ConvTranspose(Op):
    """The transpose of a convolution whose input is this op's output: every element of x adds a kernel to y.

    `windows` are those of that convolution, over y. Inputs of one float type: x (N, C, windows), w (C, M / groups, kernel), and
    a bias (M,) where there is one. Output (N, M, sizes). E0201 for other shapes.
    """

    name: ClassVar[str] = "conv_transpose"
    onnx: ClassVar[tuple[str, ...]] = ("ConvTranspose",)
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    windows: tuple[Window, ...]
    counts: tuple[int, ...]  # of x's elements along each axis
    groups: int = 1

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        rank = len(self.windows)
        good = (
            len(inputs) in (2, 3)
            and len({t.dtype for t in inputs}) == 1
            and inputs[0].dtype in FLOATS
            and all(len(t.shape) == rank + 2 for t in inputs[:2])
            and inputs[0].shape[1] == inputs[1].shape[0]
            and inputs[1].shape[0] % self.groups == 0
            and inputs[0].shape[2:] == self.counts
            and all(w.size > 0 for w in self.windows)
            and (len(inputs) == 2 or inputs[2].shape == (inputs[1].shape[1] * self.groups,))
        )
        if not good:
            found = ", ".join(map(str, inputs)) or "nothing"
            text = f"ConvTranspose with {self.groups} groups does not go with {found}"
            raise error("E0201", text, help="check channels, groups, kernel and pads of the exported model")
        shape = (inputs[0].shape[0], inputs[1].shape[1] * self.groups, *(w.size for w in self.windows))
        return (TensorType(shape, inputs[0].dtype),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x: Any = inputs[0]
        w: Any = inputs[1]
        parts = x.reshape(x.shape[0], self.groups, -1, *x.shape[2:])
        weights = w.reshape(self.groups, -1, *w.shape[1:])
        room = [
            max((n - 1) * a.stride + a.reach, a.before + a.size) for n, a in zip(self.counts, self.windows, strict=True)
        ]
        out = np.zeros((x.shape[0], self.groups, w.shape[1], *room), x.dtype)
        for tap in product(*(range(a.kernel) for a in self.windows)):
            place: Any = tuple(
                slice(t * a.dilation, t * a.dilation + (n - 1) * a.stride + 1, a.stride)
                for t, n, a in zip(tap, self.counts, self.windows, strict=True)
            )
            out[(slice(None),) * 3 + place] += np.einsum("ngc...,gcm->ngm...", parts, weights[(..., *tap)])
        cut = tuple(slice(a.before, a.before + a.size) for a in self.windows)
        found = out[(slice(None),) * 3 + cut].reshape(x.shape[0], -1, *(a.size for a in self.windows))
        if len(inputs) == 3:
            found = found + inputs[2].reshape(-1, *(1,) * len(self.windows))
        return (np.asarray(found, x.dtype),)

    def macc(self, *inputs: TensorType) -> int:
        return inputs[0].size * prod(inputs[1].shape[1:])

    def describe(self) -> str:
        kernel = "x".join(str(w.kernel) for w in self.windows)
        return f"kernel={kernel}{f' groups={self.groups}' if self.groups > 1 else ''}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        (y,) = self.infer(*inputs)
        return {
            "windows": self.windows,
            "counts": self.counts,
            "batch": inputs[0].shape[0],
            "groups": self.groups,
            "ins": inputs[1].shape[0] // self.groups,
            "outs": inputs[1].shape[1],
            "points": prod(self.counts),
            "area": prod(w.size for w in self.windows),
            "taps": prod(w.kernel for w in self.windows),
            "total": max(t.size for t in (*inputs, y)),
        }
