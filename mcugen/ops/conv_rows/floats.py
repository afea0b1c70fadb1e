"""Tables for processors that multiply floats (Cortex-M4F, M7): a stream of floats in the order of their use. Of four output
channels after the other: biases, then their weights tap after tap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mcugen.ir import Array

if TYPE_CHECKING:
    from mcugen.ops.conv_rows import ConvRows

WIDTH = 4  # channels, and pixels, that are worked out together


def suits(op: ConvRows, channels: int, outs: int) -> bool:
    """Whether there is a kernel for it."""
    bounded = (op.low, op.high) == (-np.inf, np.inf) or (op.low, op.high) == (0.0, np.inf)
    if op.depthwise:
        return bounded and op.kernel == (3, 3) and outs == channels and channels % WIDTH == 0
    return bounded and op.groups == 1 and outs % WIDTH == 0


def room(op: ConvRows, channels: int, together: int) -> int:
    """Floats of scratch: a block's inputs, or a window that leaves the input."""
    if op.depthwise:
        return 0 if op.rows.inside and op.columns.inside else 9 * channels
    if together == 1 and op.pointwise:
        return 0
    return together * op.rows.kernel * op.columns.kernel * channels


def table(weights: Array, bias: Array) -> npt.NDArray[np.float32]:
    """The stream for weights (M, kernel, kernel, C / groups) and a bias (M,)."""
    w = np.asarray(weights, np.float32).reshape(len(weights) // WIDTH, WIDTH, -1)
    begin = np.asarray(bias, np.float32).reshape(-1, 1, WIDTH)
    return np.concatenate([begin, w.transpose(0, 2, 1)], axis=1).ravel()


def unpacked(op: ConvRows, stream: Array, channels: int) -> tuple[Array, Array]:
    """The weights and the bias of a stream."""
    each = op.rows.kernel * op.columns.kernel * channels // op.groups
    parts = np.asarray(stream).reshape(-1, each + 1, WIDTH)
    weights = parts[:, 1:].transpose(0, 2, 1).reshape(op.outs, *op.kernel, channels // op.groups)
    return weights, parts[:, 0].ravel()
