"""Layers: pixel-major twins, what is taken into a layer, and sums in the convolution before them."""

from __future__ import annotations

import numpy as np

from mcugen.boards import Target, load_board
from mcugen.evaluate import evaluate
from mcugen.ir import DType, Graph, GraphBuilder, Module, TensorType
from mcugen.ops.contract import Contract
from mcugen.ops.conv import Conv
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.pool import Pool
from mcugen.ops.reshape import Reshape
from mcugen.passes import run
from mcugen.passes.dead_code import dead_code
from mcugen.passes.fuse_sums import fuse_sums
from mcugen.passes.layers import layers
from mcugen.windows import windows

TARGET = Target(load_board("esp32c3"))
RNG = np.random.default_rng(0)


def table(builder: GraphBuilder, name: str, *shape: int) -> str:
    return builder.const(name, RNG.standard_normal(shape).astype(np.float32))


def conv(builder: GraphBuilder, x: str, w: str, *bias: str, **given: object) -> str:
    sizes, kernel = builder.type_of(x).shape[2:], builder.type_of(w).shape[2:]
    found = windows(sizes, kernel, given.get("strides"), None, given.get("pads"))
    return builder.add(Conv(found, given.get("groups", 1)), x, w, *bias)[0]


def residual() -> Graph:
    """A convolution with normalisation and ReLU, a second one added to it, a pool and a matrix behind a flattened image."""
    builder = GraphBuilder("run")
    x = builder.input("x", TensorType((1, 2, 5, 6), DType.F32))
    first = conv(builder, x, table(builder, "w0", 4, 2, 3, 3), table(builder, "b0", 4), pads=[1, 1, 1, 1])
    (scaled,) = builder.add(Elementwise("Mul"), first, table(builder, "scale", 1, 4, 1, 1))
    (moved,) = builder.add(Elementwise("Add"), scaled, table(builder, "shift", 4, 1, 1))
    (passed,) = builder.add(Elementwise("Relu"), moved)
    second = conv(builder, passed, table(builder, "w1", 4, 4, 1, 1))
    (both,) = builder.add(Elementwise("Add"), passed, second)
    (kept,) = builder.add(Elementwise("Relu"), both)
    (pooled,) = builder.add(Pool("max", windows((5, 6), (2, 2), (2, 2), None, None)), kept)
    (flat,) = builder.add(Reshape((1, 24)), pooled)
    (y,) = builder.add(Contract(("ik", "jk"), "ij"), flat, table(builder, "w2", 3, 24))
    builder.output(y, name="y")
    return builder.build()


def test_a_network_becomes_pixel_major_layers(golden) -> None:
    graph = residual()
    found = run(Module("m", (graph,)), TARGET, pipeline=(layers, dead_code, fuse_sums, dead_code))
    text = str(found)
    assert [node.op.name for node in found.nodes].count("conv_rows") == 3
    assert [node.op.name for node in found.nodes].count("strided") == 1  # the input's; the others are gone
    golden("ir/layers.txt", text)
    x = RNG.standard_normal((1, 2, 5, 6)).astype(np.float32)
    np.testing.assert_allclose(
        evaluate(found.predict, {"x": x})["y"], evaluate(graph, {"x": x})["y"], rtol=1e-4, atol=1e-5
    )


def test_what_is_taken_twice_stays() -> None:
    """A convolution whose result is needed beside its ReLU is no part of that."""
    builder = GraphBuilder("run")
    x = builder.input("x", TensorType((1, 2, 4, 4), DType.F32))
    first = conv(builder, x, table(builder, "w", 2, 2, 3, 3))
    (passed,) = builder.add(Elementwise("Relu"), first)
    (both,) = builder.add(Elementwise("Mul"), passed, first)
    builder.output(both, name="y")
    graph = builder.build()
    found = run(Module("m", (graph,)), TARGET)
    x = RNG.standard_normal((1, 2, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(
        evaluate(found.predict, {"x": x})["y"], evaluate(graph, {"x": x})["y"], rtol=1e-5, atol=1e-6
    )
    assert [node.op.name for node in found.nodes].count("conv_rows") == 1


def test_weights_that_come_when_it_runs_stay_as_they_are() -> None:
    builder = GraphBuilder("run")
    x = builder.input("x", TensorType((1, 2, 4, 4), DType.F32))
    w = builder.input("w", TensorType((2, 2, 3, 3), DType.F32))
    builder.output(conv(builder, x, w), name="y")
    assert [node.op.name for node in run(Module("m", (builder.build(),)), TARGET).nodes] == ["conv"]
