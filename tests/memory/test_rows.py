"""Layers that run row by row: schedules against what is read, regions, joins and pools made ready for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from random_networks import network

import mcugen
from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.ir import DType, Graph, GraphBuilder, Module, TensorType
from mcugen.memory.check import check
from mcugen.memory.live import live_bytes
from mcugen.memory.plan import MemoryPlan, Rows, plan
from mcugen.memory.regions import regions
from mcugen.memory.rows import MOST_NODES, Held, Region, outside, run_by_rows, steps_of
from mcugen.ops.conv_rows import ConvRows
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.join import Join
from mcugen.ops.pool_rows import PoolRows
from mcugen.passes import PIPELINE, run
from mcugen.passes.by_rows import by_rows
from mcugen.targets import host
from mcugen.targets.driver import Unit
from mcugen.windows import Window

HOST = Target(load_board("host"), by_rows="always")


def pools(*windows: Window, height: int = 12) -> Graph:
    """One pool after the other, of a tensor 12 x 4 x 2 that something else makes first."""
    builder = GraphBuilder("g")
    x = builder.input("x", TensorType((height, 4, 2), DType.I8))
    (x,) = builder.add(Elementwise("Neg"), x)
    for window in windows:
        (x,) = builder.add(PoolRows("max", window, Window(4, 1)), x)
    builder.output(x)
    return builder.build()


def test_a_buffer_gives_rows_away_when_it_is_full() -> None:
    held = Held(10, 3, 2)
    assert [held.first(made) for made in range(8)] == [0, 0, 0, 0, 2, 2, 4, 4]


def region_of(graph: Graph, begin: int = 0, end: int | None = None) -> Region:
    end = len(graph.nodes) if end is None else end
    steps = [steps_of(graph, node) for node in graph.nodes]
    return run_by_rows(graph, steps, begin, end, outside(graph, begin, end))


def test_a_row_is_made_when_it_is_needed() -> None:
    graph = pools(Window(12, 3, 1, 1, 1, 1), Window(12, 3, 2))
    region = region_of(graph)
    first, second = (node.outputs[0] for node in graph.nodes[:2])
    assert region.held[first] == Held(12, 3, 1)
    assert region.held[second] == Held(12, 3, 2)
    assert region.schedule[:8] == (0, 0, 1, 0, 1, 0, 1, 2)
    # The last row of the second tensor is of no use to windows of stride 2, so nobody makes it.
    assert [region.schedule.count(at) for at in range(3)] == [12, 11, 5]


def test_regions_take_less_than_whole_tensors() -> None:
    graph = pools(Window(12, 3, 1, 1, 1, 1), Window(12, 3, 1, 1, 1, 1), Window(12, 3, 2))
    found, none = regions(graph, (MOST_NODES, 0))
    assert [(one.begin, one.end) for one in found] == [(0, 4)]
    assert max(live_bytes(graph, regions=found)) < max(live_bytes(graph))
    assert none == ()


@pytest.mark.parametrize("kind", [DType.F32, DType.I8])
def test_plans_of_random_networks_hold(kind: DType) -> None:
    """`plan` checks each plan itself; here, that a region is there at all, and that its bound is none that a plan goes below."""
    seen = 0
    for seed in range(30):
        module = run(Module("m", (network(seed, kind, layers=16),)), HOST)
        made = plan(module, HOST)
        assert made.arena >= made.lower_bound
        seen += len(made.regions(module.predict))
    assert seen > 15


def faulty(change: str) -> tuple[Module, MemoryPlan]:
    """A plan of three pools whose region is wrong."""
    module = Module("m", (pools(Window(12, 3, 1, 1, 1, 1), Window(12, 3, 1, 1, 1, 1)),))
    made = plan(module, HOST)
    (step,) = made.of(module.predict)
    assert isinstance(step, Rows)
    region = step.region
    if change == "order":
        region = replace(region, schedule=(1, *region.schedule[1:]))
    elif change == "short":
        region = replace(region, schedule=region.schedule[:-1])
    else:
        name = next(iter(region.held))
        held = {**region.held, name: Held(12, 3, 3)}
        region = replace(region, held=held)
    return module, replace(made, steps=(replace(step, region=region),))


@pytest.mark.parametrize(
    ("change", "words"),
    [("order", "which is not made yet"), ("short", "is not made to its last row"), ("step", "is lost")],
)
def test_the_checker_finds_what_is_wrong_with_a_region(change: str, words: str) -> None:
    module, made = faulty(change)
    with pytest.raises(McugenError, match=words):
        check(module, made)


def test_the_checker_finds_rows_that_meet() -> None:
    module = Module("m", (pools(Window(12, 3, 1, 1, 1, 1), Window(12, 3, 1, 1, 1, 1)),))
    made = plan(module, HOST)
    first, second = (node.outputs[0] for node in module.predict.nodes[:2])
    places = {**made.places, second: replace(made.places[second], offset=made.places[first].offset)}
    with pytest.raises(McugenError, match="is lost"):
        check(module, replace(made, places=places))


def test_the_checker_finds_a_row_that_meets_the_scratch_of_its_layer() -> None:
    graph = network(58, DType.I8)
    module = run(Module("m", (graph,)), HOST)
    made = plan(module, HOST)
    (region,) = made.regions(module.predict)
    node = next(node for node in module.predict.nodes[region.begin : region.end] if node.op.scratch)
    row, room = node.outputs
    places = {**made.places, room: replace(made.places[room], offset=made.places[row].offset)}
    wide = tuple(replace(one, nbytes=2 * one.nbytes) for one in made.memories)
    with pytest.raises(McugenError, match=rf"step \d+: %{row} meets what it is worked out in"):
        check(module, replace(made, places=places, memories=wide))


def test_each_reader_joins_for_itself() -> None:
    builder = GraphBuilder("g")
    x, y = (builder.input(name, TensorType((4, 4, 2), DType.F32)) for name in "xy")
    (a,) = builder.add(Join(2), x, y, names=("a",))
    (b,) = builder.add(Join(2), a, x, names=("b",))
    for name in (a, b):
        builder.output(*builder.add(Elementwise("Neg"), name))
    graph = by_rows(Module("m", (builder.build(),)), HOST).predict
    joins = [node.inputs for node in graph.nodes if node.op.name == "join"]
    assert joins == [("x", "y"), ("x", "y", "x")]


def test_a_pool_of_everything_takes_rows_as_they_come() -> None:
    graph = pools(Window(12, 3, 1, 1, 1, 1))
    builder = GraphBuilder("g")
    x = builder.input("x", TensorType((5, 3, 4), DType.F32))
    builder.output(*builder.add(PoolRows("average", Window(5, 5), Window(3, 3), 1 / 15), x))
    (node,) = by_rows(Module("m", (builder.build(),)), HOST).predict.nodes
    assert node.op.running
    taken = steps_of(by_rows(Module("m", (builder.build(),)), HOST).predict, node)
    assert taken is not None
    assert taken.count == 5
    assert [taken.made(steps) for steps in range(6)] == [0, 0, 0, 0, 0, 1]
    assert not any(node.op.running for node in by_rows(Module("m", (graph,)), HOST).predict.nodes)
    assert by_rows in PIPELINE


def test_it_is_asked_for_by_name() -> None:
    with pytest.raises(McugenError, match="by_rows is 'sometimes'"):
        mcugen.compile(b"", by_rows="sometimes")  # type: ignore[arg-type]


def test_the_same_answers_as_numpy() -> None:
    graph = pools(Window(12, 3, 1, 1, 1, 1), Window(12, 12))
    module = by_rows(Module("m", (graph,)), HOST)
    x = np.random.default_rng(0).integers(-128, 128, (12, 4, 2)).astype(np.int8)
    found, before = {"x": x}, {"x": x}
    for here, values in ((module.predict, found), (graph, before)):
        for node in here.nodes:
            values |= zip(node.outputs, node.op.evaluate(*(values[name] for name in node.inputs)), strict=True)
    last = graph.nodes[-1].outputs[0]
    assert np.array_equal(found[last], before[last])


def narrow(name: str) -> Module:
    """Layers of floats on rows of five pixels: four at once, and one."""
    rng, builder = np.random.default_rng(0), GraphBuilder("predict")
    x = builder.input("x", TensorType((9, 5, 8), DType.F32))
    for i, kernel in enumerate((1, 3, 3)):
        pad = kernel // 2
        weights, bias = (rng.standard_normal(shape).astype(np.float32) for shape in ((8, kernel, kernel, 8), (8,)))
        windows = (Window(size, kernel, 1, 1, pad, pad) for size in (9, 5))
        (x,) = builder.add(ConvRows(*windows), x, builder.const(f"w{i}", weights), builder.const(f"b{i}", bias))
    builder.output(*builder.add(PoolRows("max", Window(9, 3, 3), Window(5, 5)), x))
    return Module(name, (builder.build(),))


def test_a_pixel_has_the_same_sum_wherever_rows_end() -> None:
    units = []
    for way in ("never", "always"):
        target = Target(load_board("feather_nrf52840"), by_rows=way)  # type: ignore[arg-type]
        module = run(narrow(f"narrow_{way}"), target)
        made = plan(module, target)
        assert bool(made.regions(module.predict)) is (way == "always")
        units.append(Unit(module, emit(module, made, target)))
    library = host.compile_for_host(units, [*host.STRICT, "-O0"])
    x = np.random.default_rng(1).standard_normal((4, 9, 5, 8)).astype(np.float32)
    whole, rows = (library.run([x], model=i)[0] for i in range(2))
    assert rows.tobytes() == whole.tobytes()


def test_tables_of_rows_have_names_that_c_takes() -> None:
    """Whatever the exporter called the first layer."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((12, 4, 2), DType.I8))
    (x,) = builder.add(Elementwise("Neg"), x, names=("/layer 1/Neg:0",))
    (x,) = builder.add(PoolRows("max", Window(12, 3), Window(4, 1)), x)
    builder.output(*builder.add(PoolRows("max", Window(10, 10), Window(4, 4)), x))
    module = run(Module("net", (builder.build(),)), HOST)
    made = plan(module, HOST)
    assert made.regions(module.predict)
    assert "static const uint8_t net_rows_layer_1_Neg_0[" in emit(module, made, HOST)["src/net.c"]
