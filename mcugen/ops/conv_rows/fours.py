"""Tables for processors without instructions for several products: a stream of bytes in the order of their use. Of four output
channels after the other, tap after tap, then of each that is left over. The bytes are weights and 128, without a sign: Cortex-M0+
loads such in one instruction.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mcugen.ir import Array

WIDTH = 4  # channels that are worked out together
MORE = 128  # than a weight


def table(weights: Array) -> npt.NDArray[np.uint8]:
    """The stream for weights (M, kernel, kernel, C)."""
    flat = np.asarray(weights, np.int16).reshape(len(weights), -1) + MORE
    whole = len(flat) // WIDTH * WIDTH
    together = flat[:whole].reshape(-1, WIDTH, flat.shape[1]).transpose(0, 2, 1)
    return np.concatenate([together.ravel(), flat[whole:].ravel()]).astype(np.uint8)


def unpacked(stream: Array, shape: tuple[int, int, int, int]) -> npt.NDArray[np.int8]:
    """The weights of a stream, (M, kernel, kernel, C)."""
    outs, flat = shape[0], np.asarray(stream, np.int16) - MORE
    taps, whole = len(flat) // outs, outs // WIDTH * WIDTH
    together = flat[: whole * taps].reshape(-1, taps, WIDTH).transpose(0, 2, 1)
    return np.concatenate([together.ravel(), flat[whole * taps :]]).astype(np.int8).reshape(shape)
