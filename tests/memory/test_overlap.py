"""Overlap: the distances against every shift by brute force, over small windows; and what both ends of it save."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from mcugen.ir import DType, GraphBuilder, TensorType
from mcugen.memory.overlap import Shift, apart, rows_read, shift
from mcugen.op import Op, Rows
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.join import Join
from mcugen.ops.pool_rows import PoolRows
from mcugen.windows import Window

WINDOWS = [
    Window(size, kernel, stride, dilation, before, after)
    for size, kernel, stride, dilation, before, after in product((1, 4, 7), (1, 2, 3), (1, 2), (1, 2), (0, 1), (0, 2))
    if (kernel - 1) * dilation < size + before + after
]


def works(reads: list[Rows], taken: int, made: int, size: int, at: int, backward: bool) -> bool:
    """Whether rows written one by one, `at` bytes after the input's first one, leave those alone that are still read."""
    memory = np.full(3 * (size * taken + len(reads) * made) + 1, -1)
    x, y = len(memory) // 3, len(memory) // 3 + at
    memory[x : x + size * taken] = np.arange(size * taken)
    for row in reversed(range(len(reads))) if backward else range(len(reads)):
        memory[y + row * made : y + (row + 1) * made] = -2
        first, end = reads[row]
        if (memory[x + first * taken : x + end * taken] != np.arange(first * taken, end * taken)).any():
            return False
    return True


@pytest.mark.parametrize(("channels_in", "channels_out"), [(1, 1), (3, 2), (2, 5)])
def test_the_distances_are_the_least_that_work(channels_in: int, channels_out: int) -> None:
    for window in WINDOWS:
        builder = GraphBuilder("g")
        x = builder.input("x", TensorType((window.size, 1, channels_in), DType.I8))
        op = Taps(window, channels_out)
        builder.output(*builder.add(op, x))
        graph = builder.build()
        found = shift(graph, graph.nodes[0], 0)
        reads = [window.taps(at) for at in range(window.out)]
        taken, made = window.size * channels_in, window.out * channels_out
        for at in range(-made - 2, taken + 3):
            assert at > -found.below or works(reads, channels_in, channels_out, window.size, at, backward=False)
            assert at < found.above or works(reads, channels_in, channels_out, window.size, at, backward=True)
        if all(end > first for first, end in reads):  # one byte nearer is too near
            assert not works(reads, channels_in, channels_out, window.size, 1 - found.below, backward=False)
            assert not works(reads, channels_in, channels_out, window.size, found.above - 1, backward=True)


class Taps(Op):
    """Something that makes rows of so many bytes from the rows under a window."""

    name = "taps"

    def __init__(self, window: Window, channels: int) -> None:
        object.__setattr__(self, "window", window)
        object.__setattr__(self, "channels", channels)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return (TensorType((self.window.out, 1, self.channels), DType.I8),)

    def reads(self, at: int, *inputs: TensorType) -> tuple[Rows | None, ...]:
        return (self.window.taps(at),)


def test_what_a_shift_saves() -> None:
    assert apart(10, 4).saves(10, 4) == 0
    assert Shift(0, 10, same=True).saves(10, 10) == 10
    assert Shift(2, 10).saves(10, 10) == 8
    assert Shift(-3, 10).saves(10, 4) == 4  # inside of the input
    assert Shift(12, 3).saves(10, 12) == 7  # over its end


def test_an_input_that_is_read_whole_stays_apart() -> None:
    builder = GraphBuilder("g")
    x, bias = (builder.input(n, TensorType(s, DType.F32)) for n, s in (("x", (4, 3)), ("bias", (1, 3))))
    builder.output(*builder.add(Elementwise("Add"), x, bias))
    builder.output(*builder.add(Join(0), x, x), name="joined")
    graph = builder.build()
    assert shift(graph, graph.nodes[0], 0) == Shift(12, 12, same=True)
    assert shift(graph, graph.nodes[0], 1) == Shift(48, 12)
    assert rows_read(graph.nodes[1], graph.types(("x", "x")), graph.values["joined"].type) == []


def test_a_pool_lies_over_its_input() -> None:
    builder = GraphBuilder("g")
    x = builder.input("x", TensorType((8, 8, 4), DType.I8))
    builder.output(*builder.add(PoolRows("max", Window(8, 2, 2), Window(8, 2, 2)), x))
    graph = builder.build()
    found = shift(graph, graph.nodes[0], 0)
    assert found == Shift(16, 208)  # a row lower; or so that the last row goes over the last two, from the end
    assert found.saves(256, 64) == 48
