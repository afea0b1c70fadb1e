"""Tables for processors with instructions for pairs of int16 (Cortex-M4, M7): a stream of words in the order of their use.

Dense: two output channels share a word for two taps, each half 256 * odd + even. Multiplied by a pair of inputs it adds to
256 * S_odd + S_even; the sign-extended low bytes of the same word give S_even alone, so that a word of flash serves four
multiply-accumulates and S_odd is what is left. For that |S_odd| has to stay below 2^23.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mcugen.ir import Array

if TYPE_CHECKING:
    from mcugen.ops.conv_rows import ConvRows

Integers = npt.NDArray[np.int64]
BLOCK = 4  # pixels that are worked out together
LIMIT = 1 << 23
LARGEST = 128  # of an input


def suits(op: ConvRows, channels: int, outs: int) -> bool:
    """Whether there is a kernel for it."""
    if op.depthwise:
        return op.kernel == (3, 3) and outs == channels and channels % 4 == 0
    return op.groups == 1 and outs % 2 == 0


def fits(weights: Array, bias: Array) -> bool:
    """Whether the sums of dense weights (rows, ...) and a folded bias (rows,) can share words, whatever the input."""
    w = np.asarray(weights, np.int64).reshape(len(weights), -1)
    odd, even = w[1::2], w[0::2]
    most = np.abs(np.asarray(bias, np.int64))[1::2] + LARGEST * np.abs(odd).sum(axis=1)
    return bool((most < LIMIT).all() and not ((odd == -128) & (even[: len(odd)] < 0)).any())


def steps(op: ConvRows, channels: int) -> int:
    """Pairs of taps, a multiple of 4."""
    run = op.columns.kernel * channels
    return -(-op.rows.kernel * sum(1 for _ in _pairs(run)) // 4) * 4


def room(op: ConvRows, channels: int) -> int:
    """Words of scratch: a block's inputs as pairs, and where windows leave the input a part of one that is filled up."""
    inside = op.rows.inside and op.columns.inside
    if op.depthwise:
        return 0 if inside else -(-9 * channels // 4)
    run = 0 if inside and op.columns.dilation == 1 else -(-op.columns.kernel * channels // 4)
    return together(op) * steps(op, channels) + run


def together(op: ConvRows) -> int:
    """Pixels that are worked out together at most."""
    width = op.columns.out
    if op.pointwise and op.rows.stride == op.columns.stride == 1:
        width *= op.rows.out
    return BLOCK if width >= BLOCK else 1


def _pairs(run: int) -> Iterator[tuple[int, int]]:
    """Which bytes of a run go together, in the order in which words of four come apart; -1 for none."""
    for at in range(0, run - 3, 4):
        yield at, at + 2
        yield at + 1, at + 3
    at, left = run // 4 * 4, run % 4
    if left:
        yield at, at + 1 if left > 1 else -1
    if left == 3:
        yield at + 2, -1


def _order(op: ConvRows, channels: int) -> Integers:
    """The taps of each step, (steps, 2), counted through a window; -1 for none."""
    run = op.columns.kernel * channels
    found = [(u * run + a, u * run + b if b >= 0 else -1) for u in range(op.rows.kernel) for a, b in _pairs(run)]
    return np.array(found + [(-1, -1)] * (steps(op, channels) - len(found)), np.int64)


def table(op: ConvRows, channels: int, weights: Array, bias: Array, factors: Array) -> npt.NDArray[np.uint32]:
    """The stream for weights (M, kernel, kernel, C / groups), a folded bias (M,) and factors (M,), `f32` as their bits."""
    words = np.asarray(factors, np.float32).view(np.int32) if op.by_float else factors
    parts = np.asarray(weights, np.int64), np.asarray(bias, np.int64), np.asarray(words, np.int64)
    made = _depthwise(*parts) if op.depthwise else _dense(_order(op, channels), *parts)
    return (made & 0xFFFFFFFF).astype(np.uint32).ravel()


def _dense(order: Integers, weights: Integers, bias: Integers, factors: Integers) -> Integers:
    """Of two channels after the other: biases, a word for each step, factors."""
    flat = np.concatenate([weights.reshape(len(weights), -1), np.zeros((len(weights), 1), np.int64)], axis=1)
    halves = 256 * flat[1::2] + flat[0::2]
    words = (halves[:, order[:, 0]] & 0xFFFF) | (halves[:, order[:, 1]] & 0xFFFF) << 16
    begin = np.stack([bias[0::2], 256 * bias[1::2] + bias[0::2]], axis=1)
    return np.concatenate([begin, words, factors.reshape(-1, 2)], axis=1)


# Taps (row, column) of a 3 x 3 window that a word has for one channel, low half first; the last tap has words of two channels.
PAIRS = (((0, 2), (1, 2)), ((0, 1), (1, 1)), ((0, 0), (1, 0)), ((2, 2), (2, 1)))
LAST = (2, 0)


def _depthwise(weights: Integers, bias: Integers, factors: Integers) -> Integers:
    """Of four channels after the other: biases, words for four pairs of taps, two for the last tap, factors."""
    w = weights[..., 0].reshape(-1, 4, 3, 3) & 0xFFFF
    pairs = [w[:, :, a, b] | w[:, :, c, d] << 16 for (a, b), (c, d) in PAIRS]
    last = w[:, :, LAST[0], LAST[1]]
    return np.concatenate(
        [bias.reshape(-1, 4), *pairs, last[:, :2] | last[:, 2:] << 16, factors.reshape(-1, 4)], axis=1
    )


def unpacked(op: ConvRows, words: Array, channels: int) -> tuple[Array, Array, Array]:
    """The weights, the bias and the factors of a stream."""
    signed = np.asarray(words, np.uint32).astype(np.int64)
    found = _depthwise_of(signed.reshape(-1, 26), channels) if op.depthwise else _dense_of(op, signed, channels)
    weights, bias, factors = found
    return weights, bias, factors.astype(np.uint32).view(np.float32) if op.by_float else factors


def _dense_of(op: ConvRows, signed: Integers, channels: int) -> tuple[Array, Array, Array]:
    order = _order(op, channels)
    stream = signed.reshape(-1, len(order) + 4)
    halves = np.stack([_signed(stream[:, 2:-2], 16), _signed(stream[:, 2:-2] >> 16, 16)], axis=2)
    flat = np.zeros((op.outs, op.rows.kernel * op.columns.kernel * channels + 1), np.int64)
    even = _signed(halves, 8)
    flat[0::2, order] = even
    flat[1::2, order] = (halves - even) >> 8
    low = _signed(stream[:, 0], 32)
    high = _signed(stream[:, 1] - stream[:, 0], 32) >> 8
    weights = flat[:, :-1].reshape(op.outs, *op.kernel, channels)
    return weights, np.stack([low, high], axis=1).ravel(), stream[:, -2:].ravel()


def _depthwise_of(stream: Integers, channels: int) -> tuple[Array, Array, Array]:
    w = np.zeros((len(stream), 4, 3, 3), np.int64)
    for i, ((a, b), (c, d)) in enumerate(PAIRS):
        words = stream[:, 4 + 4 * i : 8 + 4 * i]
        w[:, :, a, b], w[:, :, c, d] = _signed(words, 16), _signed(words >> 16, 16)
    last = stream[:, 20:22]
    w[:, :2, LAST[0], LAST[1]], w[:, 2:, LAST[0], LAST[1]] = _signed(last, 16), _signed(last >> 16, 16)
    return w.reshape(channels, 3, 3, 1), _signed(stream[:, :4], 32).ravel(), stream[:, 22:].ravel()


def _signed(words: Integers, bits: int) -> Integers:
    """The lowest bits as two's complement."""
    return ((words + (1 << bits - 1)) & ((1 << bits) - 1)) - (1 << bits - 1)
