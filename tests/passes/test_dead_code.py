"""IR text in, IR text out: what no OUTPUT or STATE needs is gone."""

from __future__ import annotations

from textwrap import dedent

import numpy as np

from mcugen.boards import Target, load_board
from mcugen.ir import DType, GraphBuilder, Module, TensorType, verify_module
from mcugen.ops.add import Add
from mcugen.ops.linear import Linear
from mcugen.ops.relu import Relu
from mcugen.passes.dead_code import dead_code

VECTOR = TensorType((3,), DType.F32)


def swept(builder: GraphBuilder) -> str:
    module = dead_code(Module("m", (builder.build(),)), Target(load_board("uno")))
    return "\n" + str(verify_module(module).predict) + "\n"


def test_dead_chains_go_with_their_constants_and_inputs_stay() -> None:
    builder = GraphBuilder("predict")
    x, _ = builder.input("x", VECTOR), builder.input("unused", VECTOR)
    w, b = builder.const("w", np.ones(3, np.float32)), builder.const("b", np.ones(3, np.float32))
    (kept,) = builder.add(Add(), x, b, names=("kept",))
    (dead,) = builder.add(Add(), kept, w, names=("dead",))
    builder.add(Relu(), dead, names=("dead_too",))
    builder.output(*builder.add(Relu(), kept, names=("y",)))
    assert swept(builder) == dedent("""
        predict:
          input %x : 3:f32
          input %unused : 3:f32
          const %b : 3:f32
          %kept = add(%x, %b) : 3:f32
          %y = relu(%kept) : 3:f32
          return %y
    """)


def test_what_state_needs_is_alive_and_unused_state_stays() -> None:
    builder = GraphBuilder("learn")
    x, w = builder.input("x", VECTOR), builder.state("w", np.zeros(3, np.float32))
    builder.state("counts", np.zeros(2, np.uint16))
    (clipped,) = builder.add(Relu(), x, names=("clipped",))
    (new,) = builder.add(Add(), w, clipped, names=("new",))
    builder.add(Relu(), new, names=("dead",))
    builder.update(w, new)
    assert swept(builder) == dedent("""
        learn:
          input %x : 3:f32
          state %w : 3:f32
          state %counts : 2:u16
          %clipped = relu(%x) : 3:f32
          %new = add(%w, %clipped) : 3:f32
          state %w -> %new
          return
    """)


def test_a_graph_with_nothing_dead_is_the_same_text() -> None:
    builder = GraphBuilder("predict")
    builder.output(*builder.add(Relu(), builder.input("x", VECTOR), names=("y",)))
    assert swept(builder) == f"\n{builder.build()}\n"


def test_a_class_without_its_probabilities_asks_for_none() -> None:
    builder = GraphBuilder("predict")
    op = Linear(np.eye(3), np.zeros(3), "proba", "softmax")
    index, _ = builder.add(op, builder.input("x", VECTOR), names=("index", "proba"))
    builder.output(index, name="label")
    assert swept(builder) == dedent("""
        predict:
          input %x : 3:f32
          %label = linear(%x) {rows=3 output=label} : i32
          return %label
    """)
