"""IR text in, IR text out: what depends on constants alone becomes a constant."""

from __future__ import annotations

from textwrap import dedent

import numpy as np

from mcugen.boards import Target, load_board
from mcugen.ir import DType, GraphBuilder, Module, Storage, TensorType, verify_module
from mcugen.ops.add import Add
from mcugen.ops.relu import Relu
from mcugen.passes.fold_constants import fold_constants

UNO = Target(load_board("uno"))
VECTOR = TensorType((3,), DType.F32)


def text(module: Module) -> str:
    return "\n" + str(module)


def folded(builder: GraphBuilder) -> Module:
    return verify_module(fold_constants(Module("m", (builder.build(),)), UNO))


def test_a_chain_over_constants_becomes_one_constant() -> None:
    builder = GraphBuilder("predict")
    x = builder.input("x", VECTOR)
    w = builder.const("w", np.array([-1, 2, 3], np.float32))
    b = builder.const("b", np.array(-2.5, np.float32))
    (shifted,) = builder.add(Add(), w, b, names=("shifted",))
    (clipped,) = builder.add(Relu(), shifted, names=("clipped",))
    builder.output(*builder.add(Add(), x, clipped, names=("y",)))
    module = Module("m", (builder.build(),))
    assert text(module) == dedent("""
        module m

        predict:
          input %x : 3:f32
          const %w : 3:f32
          const %b : f32
          %shifted = add(%w, %b) : 3:f32
          %clipped = relu(%shifted) : 3:f32
          %y = add(%x, %clipped) : 3:f32
          return %y
    """)
    after = verify_module(fold_constants(module, UNO))
    assert text(after) == dedent("""
        module m

        predict:
          input %x : 3:f32
          const %w : 3:f32
          const %b : f32
          const %shifted : 3:f32
          const %clipped : 3:f32
          %y = add(%x, %clipped) : 3:f32
          return %y
    """)
    np.testing.assert_array_equal(after.predict.values["clipped"].data, np.array([0, 0, 0.5], np.float32))


def test_an_output_is_still_written_at_run_time() -> None:
    builder = GraphBuilder("predict")
    (inner,) = builder.add(Relu(), builder.const("w", np.ones(3, np.float32)), names=("inner",))
    builder.output(*builder.add(Relu(), inner, names=("y",)))
    assert text(folded(builder)) == dedent("""
        module m

        predict:
          const %w : 3:f32
          const %inner : 3:f32
          %y = relu(%inner) : 3:f32
          return %y
    """)


def test_state_is_not_a_constant() -> None:
    builder = GraphBuilder("learn")
    w = builder.state("w", np.ones(3, np.float32))
    (new,) = builder.add(Relu(), w, names=("new",))
    builder.update(w, new)
    before = builder.build()
    assert str(fold_constants(Module("m", (before,)), UNO).predict) == str(before)


def test_the_module_that_went_in_is_as_it_was() -> None:
    builder = GraphBuilder("predict")
    (inner,) = builder.add(Relu(), builder.const("w", np.ones(3, np.float32)), names=("inner",))
    builder.output(*builder.add(Relu(), inner, names=("y",)))
    module = Module("m", (builder.build(),))
    before = str(module)
    fold_constants(module, UNO)
    assert str(module) == before
    assert module.predict.values["inner"].storage is Storage.TEMP
