"""add: NumPy against compiled C, with the second input from memory and from flash; and graphs of add and relu."""

from __future__ import annotations

import numpy as np
import pytest
from sanitized import assert_same_floats, check_as_cpp, check_on_avr, compiled, hard_floats, run_sanitized

from mcugen.diagnostics import McugenError
from mcugen.ir import Array, DType, Graph, GraphBuilder, Storage, TensorType
from mcugen.ops.add import Add
from mcugen.ops.relu import Relu

PAIRS = [
    ((1,), (1,)), ((4,), (4,)), ((2, 3), (2, 3)),  # equal
    ((4,), ()), ((2, 3), (1,)), ((2, 3), (1, 1)), ((300,), ()),  # one number
    ((2, 3), (3,)), ((2, 3), (1, 3)), ((2, 3, 4), (3, 4)), ((2, 3, 4), (4,)), ((2, 1, 3), (1, 3)),  # trailing
    ((255,), (255,)), ((256,), (256,)), ((256, 2), (2,)), ((2, 256), (256,)), ((8_000,), (8_000,)),  # index widths
]  # fmt: skip


def tensor(shape: tuple[int, ...]) -> TensorType:
    return TensorType(shape, DType.F32)


def two_inputs(x: tuple[int, ...], y: tuple[int, ...]) -> Graph:
    builder = GraphBuilder("run")
    builder.output(*builder.add(Add(), builder.input("x", tensor(x)), builder.input("y", tensor(y))))
    return builder.build()


def one_constant(x: tuple[int, ...], y: Array) -> Graph:
    builder = GraphBuilder("run")
    builder.output(*builder.add(Add(), builder.input("x", tensor(x)), builder.const("y", y)))
    return builder.build()


def rows_of(shape: tuple[int, ...]) -> int:
    return 2 if np.prod(shape) > 999 else 40


def added(x: Array, y: Array) -> Array:
    with np.errstate(all="ignore"):
        return Add().evaluate(x, y)[0]


def test_two_inputs_from_memory() -> None:
    rng = np.random.default_rng(0)
    units = [compiled(two_inputs(x, y), name=f"m{i}") for i, (x, y) in enumerate(PAIRS)]
    inputs = [[hard_floats(rng, rows_of(x), x), hard_floats(rng, rows_of(x), y)] for x, y in PAIRS]
    for pair, (x, y), (z,) in zip(PAIRS, inputs, run_sanitized(units, inputs), strict=True):
        for row in range(len(x)):
            assert_same_floats(z[row], added(x[row], y[row]), str(pair))


def test_a_constant_from_flash() -> None:
    rng = np.random.default_rng(1)
    constants = [rng.normal(size=y).astype(np.float32) for _, y in PAIRS]
    units = [
        compiled(one_constant(x, c), name=f"m{i}") for i, ((x, _), c) in enumerate(zip(PAIRS, constants, strict=True))
    ]
    inputs = [[hard_floats(rng, rows_of(x), x)] for x, _ in PAIRS]
    for pair, c, (x,), (z,) in zip(PAIRS, constants, inputs, run_sanitized(units, inputs), strict=True):
        assert_same_floats(z, added(x, c), str(pair))


def random_graph(rng: np.random.Generator) -> Graph:
    """Up to twelve nodes over two shapes, constants on either side, and one to four outputs."""
    builder = GraphBuilder("run")
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 9))
    shapes = {
        builder.input("x", tensor((rows, columns))): (rows, columns),
        builder.input("y", tensor((columns,))): (columns,),
    }
    for name in ("c", "d"):
        shape = ((columns,), (rows, columns))[int(rng.integers(2))]
        shapes[builder.const(name, rng.normal(size=shape).astype(np.float32))] = shape
    made = [*builder.add(Add(), "x", "y", names=("t0",))]
    shapes[made[0]] = (rows, columns)
    for _ in range(rng.integers(1, 12)):
        x = str(rng.choice([*shapes]))
        fitting = [n for n, shape in shapes.items() if shape in (shapes[x], shapes[x][1:])]
        op, inputs = (Relu(), (x,)) if rng.random() < 0.4 else (Add(), (x, str(rng.choice(fitting))))
        (out,) = builder.add(op, *inputs, names=(f"t{len(made)}",))
        shapes[out] = shapes[x]
        made.append(out)
    for name in dict.fromkeys([made[0], made[-1], *map(str, rng.choice(made, 2))]):
        builder.output(name)
    return builder.build()


def evaluated(graph: Graph, given: dict[str, Array]) -> dict[str, Array]:
    values = given | {v.name: v.data for v in graph.of(Storage.CONST) if v.data is not None}
    for node in graph.nodes:
        with np.errstate(all="ignore"):
            values |= dict(zip(node.outputs, node.op.evaluate(*(values[n] for n in node.inputs)), strict=True))
    return values


def test_graphs_through_the_arena() -> None:
    rng = np.random.default_rng(2)
    graphs = [random_graph(rng) for _ in range(60)]
    units = [compiled(g, name=f"m{i}") for i, g in enumerate(graphs)]
    inputs = [[hard_floats(rng, 5, v.type.shape) for v in g.of(Storage.INPUT)] for g in graphs]
    for graph, given, results in zip(graphs, inputs, run_sanitized(units, inputs), strict=True):
        for row in range(5):
            values = evaluated(graph, {v.name: a[row] for v, a in zip(graph.of(Storage.INPUT), given, strict=True)})
            for value, found in zip(graph.of(Storage.OUTPUT), results, strict=True):
                assert_same_floats(found[row], values[value.name], f"{graph}\n%{value.name}")


def test_the_c_is_cpp_too_and_compiles_for_avr() -> None:
    rng = np.random.default_rng(3)
    units = [compiled(random_graph(rng), name=f"m{i}") for i in range(20)]
    check_as_cpp(units)
    check_on_avr(units)


@pytest.mark.parametrize(("x", "y"), PAIRS[:12])
def test_infer_is_numpys_broadcast(x: tuple[int, ...], y: tuple[int, ...]) -> None:
    assert Add().infer(tensor(x), tensor(y)) == (tensor(np.broadcast_shapes(x, y)),)


@pytest.mark.parametrize(
    ("x", "y"), [((3,), (4,)), ((3,), (2, 3)), ((3,), (1, 3)), ((2, 3), (2, 1)), ((2, 3), (2,)), ((), (3,))]
)
def test_broadcasts_that_add_does_not_make(x: tuple[int, ...], y: tuple[int, ...]) -> None:
    with pytest.raises(McugenError, match="add cannot repeat") as caught:
        Add().infer(tensor(x), tensor(y))
    assert caught.value.diagnostics[0].code == "E0201"


@pytest.mark.parametrize("inputs", [(), (tensor((3,)),), (tensor((3,)), TensorType((3,), DType.I32))])
def test_what_add_does_not_take(inputs: tuple[TensorType, ...]) -> None:
    with pytest.raises(McugenError, match="add takes two f32 tensors, not"):
        Add().infer(*inputs)
