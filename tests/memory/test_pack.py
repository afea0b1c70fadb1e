"""The packer on buffers by hand: the gap it takes, its order, alignment."""

from __future__ import annotations

from random_graphs import mix

from mcugen.ir import DType, GraphBuilder, TensorType
from mcugen.memory.live import Range
from mcugen.memory.pack import Buffer, buffers, pack


def buffer(nbytes: int, first: int, last: int, align: int = 1) -> Buffer:
    return Buffer((f"{nbytes}@{first}",), nbytes, align, Range(first, last))


def test_nothing() -> None:
    assert pack(()) == ()


def test_buffers_that_never_live_together_share_offset_zero() -> None:
    assert pack((buffer(10, 0, 1), buffer(20, 2, 3), buffer(5, 4, 4))) == (0, 0, 0)


def test_the_big_one_goes_first() -> None:
    assert pack((buffer(10, 0, 1), buffer(90, 1, 2), buffer(10, 2, 3))) == (90, 0, 90)


def test_a_gap_is_used_when_it_is_large_enough() -> None:
    # 30 at 0, 20 at 30; 20 lives with nobody that 10 lives with, so 10 fits below it
    assert pack((buffer(30, 0, 1), buffer(20, 1, 3), buffer(10, 2, 3))) == (0, 30, 0)


def test_a_gap_that_is_too_small_is_passed_over() -> None:
    wanted = (buffer(40, 0, 1), buffer(30, 1, 2), buffer(25, 2, 4), buffer(20, 3, 4))
    assert pack(wanted) == (0, 40, 0, 25)


def test_alignment_leaves_a_gap_and_fills_it_later() -> None:
    assert pack((buffer(9, 0, 1), buffer(8, 0, 1, align=8), buffer(7, 0, 1))) == (0, 16, 9)


def test_a_chain_is_one_buffer() -> None:
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((8,), DType.U8))
    (a,) = mix(builder, (x,), TensorType((2,), DType.F32), name="a", in_place=False)
    (b,) = mix(builder, (a,), TensorType((2, 1), DType.I32), name="b", in_place=True)
    (c,) = mix(builder, (b,), TensorType((1, 2), DType.F32), name="c", in_place=True)
    builder.output(*mix(builder, (c,), TensorType((1,), DType.U8), name="y", in_place=False))
    assert buffers(builder.build()) == (Buffer(("a.0", "b.0", "c.0"), 8, 4, Range(0, 3)),)
