"""Windows that slide over the spatial axes of a tensor N x C x D1 x D2 ...: convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mcugen.ir import Array


@dataclass(frozen=True)
class Window:
    """One spatial axis: the input's size, the window's, its step, the distance of its taps, and what is padded on both sides.

    `ceil` lets a last window begin that the padding does not fill; it has at least one element of the input or its padding
    before it, ONNX's rule.
    """

    size: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0
    ceil: bool = False

    @property
    def reach(self) -> int:
        """From a window's first tap to its last, both counted."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def out(self) -> int:
        """How many windows there are."""
        room = self.size + self.before + self.after - self.reach
        count = -(-room // self.stride) + 1 if self.ceil else room // self.stride + 1
        if count <= 0 or (room < 0 and not self.ceil):
            return 0
        if self.ceil and (count - 1) * self.stride >= self.size + self.before:
            count -= 1
        return count

    def taps(self, at: int) -> tuple[int, int]:
        """The elements of the input that window `at` lies on, from the first, up to and without the second."""
        first = at * self.stride - self.before
        begin = min(max(first, 0), self.size)
        return begin, min(max(first + self.reach, begin), self.size)

    @property
    def inside(self) -> bool:
        """Whether no tap of any window leaves the input."""
        return self.before == 0 and (self.out - 1) * self.stride + self.reach <= self.size


def gathered(x: Array, rows: Window, columns: Window, outside: float) -> npt.NDArray[np.float64]:
    """Every window of a pixel-major tensor (H, W, C) as (windows, windows, kernel, kernel, C), `outside` where it leaves it."""
    axes = (rows, columns)
    pads = [(a.before, max(0, (a.out - 1) * a.stride + a.reach - a.size - a.before)) for a in axes]
    whole = np.pad(np.asarray(x, np.float64), [*pads, (0, 0)], constant_values=outside)
    u, v = (np.arange(a.out)[:, None] * a.stride + np.arange(a.kernel)[None, :] * a.dilation for a in axes)
    found: npt.NDArray[np.float64] = whole[u[:, None, :, None], v[None, :, None, :]]
    return found


def windows(
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    pads: Sequence[int] | None,
    auto: str = "NOTSET",
    ceil: bool = False,
) -> tuple[Window, ...]:
    """The windows of every axis from ONNX's attributes; `auto` is its auto_pad. A window of one tap has no distance of taps."""
    rank = len(sizes)
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    pads = pads or [0] * (2 * rank)
    found = []
    for i, (size, k, stride, dilation) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        before, after = (pads[i], pads[i + rank]) if auto == "NOTSET" else (0, 0)
        if auto.startswith("SAME"):
            more = max((-(-size // stride) - 1) * stride + (k - 1) * dilation + 1 - size, 0)
            before, after = (more // 2, more - more // 2) if auto == "SAME_UPPER" else (more - more // 2, more // 2)
        found.append(Window(size, k, stride, dilation if k > 1 else 1, before, after, ceil))
    return tuple(found)
