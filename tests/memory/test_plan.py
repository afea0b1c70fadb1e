"""Plans of random modules: legal, bounded, the same twice, and right when run over real bytes."""

from __future__ import annotations

from itertools import product
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import mix, modules, outcome, over_bytes, without_plan

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.ir import DType, GraphBuilder, Module, Storage, TensorType
from mcugen.memory.check import check
from mcugen.memory.plan import Memory, MemoryPlan, Place, plan

UNO = Target(load_board("uno"))


@given(modules())
def test_a_plan_is_legal_and_bounded(module: Module) -> None:
    made = plan(module, UNO)
    check(module, made)
    temps = [v for g in module.functions for v in g.of(Storage.TEMP)]
    assert made.lower_bound <= made.arena <= sum(v.type.nbytes + 7 for v in temps)
    assert set(made.places) == {
        v.name for g in module.functions for v in g.values.values() if v.storage in (Storage.TEMP, Storage.STATE)
    }
    assert made.proven == (made.arena == made.lower_bound)


@given(modules())
def test_a_plan_gives_the_results_that_values_of_their_own_give(module: Module) -> None:
    assert outcome(module, over_bytes(plan(module, UNO))) == outcome(module, without_plan)


@given(modules())
def test_the_same_module_gives_the_same_plan(module: Module) -> None:
    left, right = plan(module, UNO), plan(module, UNO)
    assert (left.memories, dict(left.places), left.steps) == (right.memories, dict(right.places), right.steps)


@given(modules())
def test_state_is_pinned_and_apart_from_the_arena(module: Module) -> None:
    made = plan(module, UNO)
    for graph in module.functions:
        assert all(made.places[old] == made.places[new] for old, new in graph.state)
        assert all(made.places[v.name].memory == "state" for v in graph.of(Storage.STATE))
        assert all(made.places[v.name].memory == "arena" for v in graph.of(Storage.TEMP))
    kept = {v.name: v.type.nbytes for g in module.functions for v in g.of(Storage.STATE) if v.name not in g.producer}
    assert made.state == sum(kept.values())


def tiny_graph(sizes: list[int], picks: list[int], in_place: list[bool]) -> Module:
    """Up to four byte vectors, each made from the value that `picks` says, all taken by the last node but one."""
    builder = GraphBuilder("predict")
    seen = [builder.input("x", TensorType((1,), DType.U8))]
    for i, (size, pick, over) in enumerate(zip(sizes, picks, in_place, strict=True)):
        kind = TensorType((size,), DType.U8)
        seen += mix(builder, (seen[pick % len(seen)],), kind, name=f"t{i}", in_place=over)
    builder.output(*mix(builder, (seen[-1], seen[1]), TensorType((1,), DType.U8), name="y", in_place=False))
    return Module("m", (builder.build(),))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4), st.booleans()), min_size=2, max_size=4))
def test_no_legal_plan_at_all_is_below_the_lower_bound(nodes: list[tuple[int, int, bool]]) -> None:
    """All placements of up to four values below the bound: the checker refuses every one."""
    module = tiny_graph(*(list(column) for column in zip(*nodes, strict=True)))
    made = plan(module, UNO)
    space = made.lower_bound - 1
    memories = (Memory("arena", space, 1), made.memory("state"))
    for offsets in product(*(range(max(space - p.nbytes, -1) + 1) for p in made.places.values())):
        places = {n: Place("arena", at, p.nbytes) for at, (n, p) in zip(offsets, made.places.items(), strict=True)}
        with pytest.raises(McugenError):
            check(module, MemoryPlan(memories, MappingProxyType(places), made.steps))


@settings(max_examples=300, deadline=None)
@given(modules(), st.data())
def test_what_the_checker_lets_through_is_right(module: Module, data: st.DataObject) -> None:
    """Move values of a plan about: either the checker refuses, or the results over real bytes are still the right ones."""
    made = plan(module, UNO)
    places = dict(made.places)
    for name in data.draw(st.lists(st.sampled_from([*places]), max_size=3) if places else st.just([])):
        memory = data.draw(st.sampled_from(made.memories))
        places[name] = Place(memory.name, data.draw(st.integers(0, memory.nbytes)), places[name].nbytes)
    moved = MemoryPlan(made.memories, MappingProxyType(places), made.steps)
    try:
        check(module, moved)
    except McugenError:
        return
    assert outcome(module, over_bytes(moved)) == outcome(module, without_plan)


def test_functions_share_one_arena() -> None:
    functions = []
    for name, size in (("predict", 100), ("learn", 60)):
        builder = GraphBuilder(name)
        x = builder.input("x", TensorType((1,), DType.F32))
        (big,) = mix(builder, (x,), TensorType((size,), DType.U8), name=f"{name}.big", in_place=False)
        builder.output(*mix(builder, (big,), TensorType((1,), DType.F32), name=f"{name}.y", in_place=False))
        functions.append(builder.build())
    made = plan(Module("m", tuple(functions)), UNO)
    assert (made.arena, made.lower_bound, made.proven, made.state) == (100, 100, True, 0)
    assert [(s.function, s.node, s.live) for s in made.steps] == [
        ("predict", 0, 100), ("predict", 1, 100), ("learn", 0, 60), ("learn", 1, 60),
    ]  # fmt: skip
    assert [s.node for s in made.of(functions[1])] == [0, 1]


def test_state_is_laid_out_without_gaps_and_shared_by_name() -> None:
    functions = []
    for name in ("predict", "learn"):
        builder = GraphBuilder(name)
        narrow, wide = builder.state("n", np.zeros(3, np.uint8)), builder.state("w", np.zeros(2, np.float32))
        builder.output(*mix(builder, (narrow, wide), TensorType((1,), DType.F32), name=f"{name}.y", in_place=False))
        functions.append(builder.build())
    made = plan(Module("m", tuple(functions)), UNO)
    assert dict(made.places) == {"w": Place("state", 0, 8), "n": Place("state", 8, 3)}
    assert made.memory("state") == Memory("state", 11, 4)


def test_a_model_of_one_node_takes_no_ram() -> None:
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((1,), DType.F32))
    builder.output(*mix(builder, (x,), TensorType((1,), DType.F32), name="y", in_place=True))
    made = plan(Module("m", (builder.build(),)), UNO)
    assert (made.arena, made.lower_bound, made.proven, dict(made.places)) == (0, 0, True, {})
