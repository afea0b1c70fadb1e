"""Constant channels: what goes, what has to stay at padded edges, and the same answers without them."""

from __future__ import annotations

import numpy as np
import pytest

from mcugen.boards import Target, load_board
from mcugen.evaluate import evaluate
from mcugen.ir import DType, Graph, GraphBuilder, Module, TensorType
from mcugen.ops.add_scaled import AddScaled
from mcugen.ops.conv_rows import ConvRows
from mcugen.ops.pool_rows import PoolRows
from mcugen.ops.reshape import Reshape
from mcugen.passes import run
from mcugen.passes.constant_channels import constant_channels
from mcugen.windows import Window

TARGET = Target(load_board("feather_nrf52840"))
DEAD = (1, 2, 5, 6, 7)  # channels without weights


def layer(
    builder: GraphBuilder,
    rng: np.random.Generator,
    x: str,
    outs: int,
    window: Window,
    dead: tuple[int, ...] = (),
    **how,
) -> str:
    """A convolution of integers; `each`: of every channel alone; `sunk`: rows far below all bounds."""
    ins, each = builder.type_of(x).shape[2], how.pop("each", False)
    weights = rng.integers(-90, 90, (outs, window.kernel, window.kernel, 1 if each else ins), dtype=np.int8)
    weights[list(dead)] = 0
    bias = rng.integers(-9000, 9000, outs, dtype=np.int32)
    bias[list(how.pop("sunk", ()))] = -(10**6)
    bias[list(dead)] = how.pop("bias", bias[list(dead)])
    factors = np.full(outs, 1 << 32 - 11, np.int32)
    op = ConvRows(window, window, ins if each else 1, zero=how.pop("zero", 0), to=how.pop("to", 0), **how)
    tables = [builder.const(f"{x}_{what}", one) for what, one in (("w", weights), ("b", bias), ("f", factors))]
    return builder.add(op, x, *tables)[0]


def network(rng: np.random.Generator, bias: object, zero: int) -> Graph:
    """A layer with dead channels, one of each channel, a residual, a pool and a matrix behind the flattened image."""
    builder = GraphBuilder("run")
    x = builder.input("x", TensorType((6, 6, 3), DType.I8))
    first = layer(builder, rng, x, 8, Window(6, 3, 1, 1, 1, 1), DEAD, bias=bias, to=zero, low=-128.0, high=127.0)
    second = layer(builder, rng, first, 8, Window(6, 3, 1, 1, 1, 1), each=True, zero=zero, to=zero)
    (both,) = builder.add(AddScaled(1 << 19, 1 << 19, -7, 20), first, second)
    (pooled,) = builder.add(PoolRows("average", Window(6, 2, 2), Window(6, 2, 2), 0.25, zero, zero), both)
    (flat,) = builder.add(Reshape((1, 1, 72)), pooled)
    y = layer(builder, rng, flat, 5, Window(1, 1), zero=zero)
    builder.output(y, name="y")
    return builder.build()


def same(graph: Graph, found: Graph, rng: np.random.Generator) -> None:
    """Equal answers, bit for bit, extreme inputs among them."""
    shape = graph.values["x"].type.shape
    for x in (*rng.integers(-128, 128, (5, *shape)), np.full(shape, -128), np.full(shape, 127)):
        given = {"x": x.astype(np.int8)}
        np.testing.assert_array_equal(evaluate(found, given)["y"], evaluate(graph, given)["y"])


@pytest.mark.parametrize("zero", [0, -128, 5])
def test_channels_that_say_what_is_padded_go(zero, golden) -> None:
    """Through layers that pad: their sums see the same at every edge."""
    rng = np.random.default_rng(0)
    graph = network(rng, 0, zero)  # 0 steps, and the zero point added
    found = constant_channels(Module("m", (graph,)), TARGET)
    counts = {node.op.name: found.predict.values[node.name].type.shape[-1] for node in found.nodes}
    assert counts == {
        "conv_rows": 5,
        "add_scaled": 4,
        "pool_rows": 4,
        "reshape": 36,
    }  # 3 are left, and one for whole groups
    same(graph, found.predict, rng)
    if zero == 5:
        golden("ir/constant_channels.txt", f"{Module('m', (graph,))}\n\n{found}")


def test_constants_stay_where_edges_see_less_of_them() -> None:
    rng = np.random.default_rng(1)
    graph = network(rng, [4000, -9000, 300000, 2000, 70], 0)
    assert constant_channels(Module("m", (graph,)), TARGET).predict is graph


def test_any_constant_goes_into_a_layer_that_does_not_pad() -> None:
    rng = np.random.default_rng(2)
    builder = GraphBuilder("run")
    x = builder.input("x", TensorType((5, 5, 2), DType.I8))
    first = layer(builder, rng, x, 6, Window(5, 3, 1, 1, 1, 1), (0, 3, 4), to=9)
    builder.output(layer(builder, rng, first, 4, Window(5, 2), zero=9), name="y")
    graph = builder.build()
    found = constant_channels(Module("m", (graph,)), TARGET).predict
    assert [found.values[node.name].type.shape[-1] for node in found.nodes] == [3, 4]
    same(graph, found, rng)


def test_sums_that_never_reach_a_bound_and_rows_of_constants_go() -> None:
    """One after the other: the second layer sees nothing but what the first always says."""
    rng = np.random.default_rng(3)
    builder = GraphBuilder("run")
    x = builder.input("x", TensorType((5, 5, 2), DType.I8))
    first = layer(builder, rng, x, 2, Window(5, 1), low=-20.0, high=127.0, to=-20, sunk=(1,))
    last = layer(builder, rng, first, 3, Window(5, 1), zero=-20, dead=(2,))
    builder.output(last, name="y")
    graph = builder.build()
    found = constant_channels(Module("m", (graph,)), TARGET).predict
    assert [found.values[node.name].type.shape[-1] for node in found.nodes] == [1, 3]  # the caller's stay
    same(graph, found, rng)


@pytest.mark.parametrize("bias", [-0.5, 0.0, 0.5])
def test_of_floats_only_zeros_go(bias) -> None:
    rng = np.random.default_rng(4)
    builder = GraphBuilder("run")
    x = builder.input("x", TensorType((4, 4, 2), DType.F32))
    w = rng.standard_normal((4, 3, 3, 2)).astype(np.float32)
    w[:] *= np.array([0, 1, 0, 1], np.float32).reshape(-1, 1, 1, 1)
    b = np.float32([bias, 1, bias, 1])
    tables = [builder.const("w", w[:3]), builder.const("b", b[:3])]
    (first,) = builder.add(ConvRows(Window(4, 3), Window(4, 3), low=0.0), x, *tables)
    tables = [builder.const(n, rng.standard_normal(s).astype(np.float32)) for n, s in (("v", (3, 1, 1, 3)), ("c", 3))]
    (y,) = builder.add(ConvRows(Window(2, 1), Window(2, 1)), first, *tables)
    builder.output(y, name="y")
    graph = builder.build()
    found = constant_channels(Module("m", (graph,)), TARGET).predict
    assert found.values[found.nodes[0].name].type.shape[-1] == (1 if bias <= 0 else 3)
    given = {"x": rng.standard_normal((4, 4, 2)).astype(np.float32)}
    np.testing.assert_array_equal(evaluate(found, given)["y"], evaluate(graph, given)["y"])


def test_kernels_by_hand_still_take_them() -> None:
    found = run(Module("m", (network(np.random.default_rng(5), 0, 3),)), TARGET)
    assert {node.op.form for node in found.nodes if isinstance(node.op, ConvRows)} == {"dsp", "rows"}
