"""Live ranges and live bytes of small graphs worked out by hand."""

from __future__ import annotations

import numpy as np
from random_graphs import mix

from mcugen.ir import DType, Graph, GraphBuilder, TensorType
from mcugen.memory.live import Range, live_bytes, live_ranges, taken_over
from mcugen.memory.overlap import shift
from mcugen.ops.elementwise import Elementwise


def bytes_(n: int) -> TensorType:
    return TensorType((n,), DType.U8)


def chain(in_place: bool) -> Graph:
    """x → a → b → c, where a is needed again by c."""
    builder = GraphBuilder("predict")
    x = builder.input("x", bytes_(4))
    (a,) = mix(builder, (x,), bytes_(10), name="a", in_place=in_place)
    (b,) = mix(builder, (a,), bytes_(10), name="b", in_place=in_place)
    (c,) = mix(builder, (b, a), bytes_(10), name="c", in_place=in_place)
    (y,) = mix(builder, (c,), bytes_(10), name="y", in_place=in_place)
    builder.output(y)
    return builder.build()


def test_a_value_lives_from_its_making_to_its_last_use() -> None:
    assert live_ranges(chain(in_place=False)) == {"a.0": Range(0, 2), "b.0": Range(1, 2), "c.0": Range(2, 3)}


def test_input_const_and_output_take_no_part() -> None:
    assert not {"x", "y.0"} & live_ranges(chain(in_place=False)).keys()


def test_a_result_that_nobody_takes_lives_for_its_own_step() -> None:
    builder = GraphBuilder("predict")
    outputs = mix(builder, (builder.input("x", bytes_(1)),), bytes_(1), bytes_(7), name="a", in_place=False)
    builder.output(outputs[0])
    graph = builder.build()
    assert live_ranges(graph) == {"a.1": Range(0, 0)}
    assert live_bytes(graph) == (7,)


def test_state_lives_to_the_end_unless_replaced() -> None:
    builder = GraphBuilder("learn")
    w, u = builder.state("w", np.zeros(3, np.uint8)), builder.state("u", np.zeros(3, np.uint8))
    (v,) = mix(builder, (w,), bytes_(3), name="v", in_place=True)
    (y,) = mix(builder, (v, u), bytes_(3), name="y", in_place=False)
    builder.update(w, v)
    builder.output(y)
    assert live_ranges(builder.build()) == {"w": Range(0, 0), "u": Range(0, 1), "v.0": Range(0, 1)}


def test_live_bytes_without_and_with_in_place() -> None:
    assert live_bytes(chain(in_place=False)) == (10, 20, 30, 10)
    assert live_bytes(chain(in_place=True)) == (10, 20, 20, 10)


def test_in_place_needs_a_dying_input_of_the_same_size_taken_once() -> None:
    assert taken_over(chain(in_place=True), live_ranges(chain(in_place=True))) == {"c.0": "b.0"}
    builder = GraphBuilder("predict")
    x = builder.input("x", bytes_(4))
    (a,) = mix(builder, (x,), bytes_(4), name="a", in_place=True)  # over the caller's buffer: no
    (b,) = mix(builder, (a, a), bytes_(4), name="b", in_place=True)  # its input is also read elsewhere in the node: no
    (c,) = mix(builder, (b,), bytes_(3), name="c", in_place=True)  # another size: no
    (d,) = mix(builder, (c,), TensorType((3,), DType.BOOL), name="d", in_place=True)  # another type, same bytes: yes
    (y,) = mix(builder, (d,), bytes_(3), name="y", in_place=True)  # into the caller's buffer: no
    builder.output(y)
    graph = builder.build()
    assert taken_over(graph, live_ranges(graph)) == {"d.0": "c.0"}


def test_in_place_needs_as_many_elements() -> None:
    """One float compared with four: its bytes are read four times, and are as many as four bools."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((1,), DType.F32))
    (a,) = builder.add(Elementwise("Neg"), x)
    (b,) = builder.add(Elementwise("Equal"), a, builder.const("keys", np.arange(4, dtype=np.float32)))
    (y,) = builder.add(Elementwise("Not"), b)
    builder.output(y)
    graph = builder.build()
    assert taken_over(graph, live_ranges(graph)) == {}
    node = graph.nodes[1]
    assert not shift(graph, node, 0).same
    assert shift(graph, graph.nodes[2], 0).same


def test_a_temp_never_takes_over_state() -> None:
    builder = GraphBuilder("learn")
    w = builder.state("w", np.zeros(3, np.uint8))
    (a,) = mix(builder, (w,), bytes_(3), name="a", in_place=True)  # w's last use, and yet w is not a's to take
    (v,) = mix(builder, (a,), bytes_(3), name="v", in_place=True)
    builder.update(w, v)
    graph = builder.build()
    assert taken_over(graph, live_ranges(graph)) == {}
    assert live_bytes(graph) == (3, 3)
