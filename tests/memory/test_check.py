"""Faults put into a legal plan one by one: the checker names the values each time."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from random_graphs import mix

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.ir import DType, Graph, GraphBuilder, Module, TensorType
from mcugen.memory.check import check
from mcugen.memory.plan import Memory, MemoryPlan, Place, plan
from mcugen.ops.pool_rows import PoolRows
from mcugen.windows import Window

VECTOR = TensorType((4,), DType.F32)


def module() -> Module:
    """a and b are live together; c may be written over b, d over nothing; `w` is STATE that learn replaces."""
    builder = GraphBuilder("learn")
    x, w = builder.input("x", VECTOR), builder.state("w", np.zeros(4, np.float32))
    (a,) = mix(builder, (x,), VECTOR, name="a", in_place=False)
    (b,) = mix(builder, (x,), VECTOR, name="b", in_place=False)
    (c,) = mix(builder, (b, a), VECTOR, name="c", in_place=True)
    (d,) = mix(builder, (c, w), VECTOR, name="d", in_place=False)
    (v,) = mix(builder, (w, d), VECTOR, name="v", in_place=True)
    builder.update(w, v)
    builder.output(*mix(builder, (d,), VECTOR, name="y", in_place=False))
    other = GraphBuilder("predict")
    w = other.state("w", np.zeros(4, np.float32))
    (p,) = mix(other, (w,), VECTOR, name="p", in_place=False)
    other.output(*mix(other, (p,), VECTOR, name="z", in_place=False))
    return Module("m", (builder.build(), other.build()))


def legal() -> MemoryPlan:
    return plan(module(), Target(load_board("uno")))


def refused(made: MemoryPlan) -> str:
    with pytest.raises(McugenError) as caught:
        check(module(), made)
    assert {d.code for d in caught.value.diagnostics} == {"E0202"}
    return str(caught.value)


def moved(**places: Place | None) -> MemoryPlan:
    """The legal plan with some values elsewhere (`a` for `a.0`), or nowhere."""
    made = legal()
    new = {n if n == "w" else f"{n}.0": place for n, place in places.items()}
    kept = {n: p for n, p in {**made.places, **new}.items() if p is not None}
    return replace(made, places=MappingProxyType(kept))


def arena(offset: int, nbytes: int = 16) -> Place:
    return Place("arena", offset, nbytes)


def test_the_legal_plan_is_let_through() -> None:
    made = legal()
    check(module(), made)
    assert made.arena == 32
    assert made.places["c.0"] == made.places["b.0"] != made.places["a.0"]


def test_two_live_values_in_one_place() -> None:
    text = refused(moved(a=arena(0), b=arena(0), c=arena(0)))
    assert "%a.0 and %b.0 meet: mix finds the second where it needs the first" in text


def test_two_live_values_that_share_four_bytes() -> None:
    assert "%a.0 and %b.0 meet" in refused(moved(a=arena(0), b=arena(12), c=arena(16)))


def at_zero(graph: Graph, *names: str) -> str:
    """What the checker says of a legal plan after these values were moved to offset 0 of their memory."""
    one = Module("m", (graph,))
    made = plan(one, Target(load_board("uno")))
    places = {**made.places, **{n: replace(made.places[n], offset=0) for n in names}}
    with pytest.raises(McugenError) as caught:
        check(one, replace(made, places=MappingProxyType(places)))
    return str(caught.value)


def test_two_outputs_of_one_node_even_if_nobody_takes_the_first() -> None:
    builder = GraphBuilder("predict")
    _, used = mix(builder, (builder.input("x", VECTOR),), VECTOR, VECTOR, name="pair", in_place=False)
    builder.output(*mix(builder, (used,), VECTOR, name="y", in_place=False))
    assert "%pair.0 and %pair.1 meet" in at_zero(builder.build(), "pair.0", "pair.1")


def test_in_place_is_for_the_first_output_alone() -> None:
    builder = GraphBuilder("predict")
    (a,) = mix(builder, (builder.input("x", VECTOR),), VECTOR, name="a", in_place=False)
    pair = mix(builder, (a,), TensorType((2,), DType.F32), VECTOR, name="pair", in_place=True)
    builder.output(*mix(builder, pair, VECTOR, name="y", in_place=False))
    text = at_zero(builder.build(), "a.0", "pair.1")
    assert "mix may not write %pair.1 over its input %a.0" in text


def test_in_place_that_the_op_does_not_allow() -> None:
    places = {"a": arena(16), "b": arena(0), "c": arena(0), "d": arena(0)}
    assert "mix may not write %d.0 over its input %c.0" in refused(moved(**places))


def test_in_place_over_the_wrong_input() -> None:
    assert "mix may not write %c.0 over its input %a.0" in refused(moved(a=arena(16), b=arena(0), c=arena(16)))


def test_in_place_that_is_shifted() -> None:
    shifted = moved(a=arena(0), b=arena(16), c=arena(20))
    wide = tuple(replace(m, nbytes=64) for m in shifted.memories)
    assert "mix may not write %c.0 over its input %b.0" in refused(replace(shifted, memories=wide))


@pytest.mark.parametrize("offset", [-4, 20, 32])
def test_outside_of_its_memory(offset: int) -> None:
    assert f"%a.0 at {offset} lies outside of arena (32 B)" in refused(moved(a=arena(offset)))


def test_a_memory_that_is_not_there() -> None:
    assert "%a.0 at 0 lies outside of ccm (0 B)" in refused(moved(a=Place("ccm", 0, 16)))


def test_misaligned() -> None:
    assert "%a.0 at 2 is not aligned to 4 B" in refused(moved(a=arena(2)))


def test_too_few_bytes() -> None:
    assert "%a.0 takes 16 B and has 12 B" in refused(moved(a=arena(0, 12)))


def test_no_place() -> None:
    assert "%a.0 has no place" in refused(moved(a=None))


def test_a_state_pair_that_lies_apart() -> None:
    assert "state %w and its next value %v.0 lie apart" in refused(moved(v=arena(0)))


def test_a_temp_over_state_that_must_outlive_the_call() -> None:
    text = refused(moved(p=Place("state", 0, 16)))
    assert "predict: %w and %p.0 meet: whoever calls next finds the second where it needs the first" in text


def test_a_temp_over_the_state_of_another_function() -> None:
    learn, _ = module().functions
    builder = GraphBuilder("predict")
    (p,) = mix(builder, (builder.input("x", VECTOR),), VECTOR, name="p", in_place=False)
    builder.output(*mix(builder, (p,), VECTOR, name="z", in_place=False))
    both = Module("m", (learn, builder.build()))
    made = plan(both, Target(load_board("uno")))
    places = {**made.places, "p.0": made.places["w"]}
    with pytest.raises(McugenError, match=r"predict: %w and %p\.0 meet"):
        check(both, replace(made, places=MappingProxyType(places)))


def test_two_states_in_one_place() -> None:
    builder = GraphBuilder("predict")
    states = [builder.state(name, np.zeros(4, np.float32)) for name in ("w", "u")]
    builder.output(*mix(builder, (*states,), VECTOR, name="y", in_place=False))
    assert "%w and %u meet" in at_zero(builder.build(), "w", "u")


def test_a_node_left_out() -> None:
    assert "learn does not run every node once" in refused(replace(legal(), steps=legal().steps[1:]))


def test_a_node_run_twice() -> None:
    assert "learn does not run every node once" in refused(replace(legal(), steps=(legal().steps[0], *legal().steps)))


def test_an_order_against_the_flow() -> None:
    first, second, third, *rest = legal().steps
    assert "%c.0 is made before %b.0, which it takes" in refused(replace(legal(), steps=(first, third, second, *rest)))


def test_all_faults_at_once() -> None:
    assert refused(moved(a=None, b=arena(2))).count("error[E0202]") == 2


def pooled() -> Module:
    """Two pools, one after the other: each may lie over its input."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((16, 4, 3), DType.I8))
    (a,) = builder.add(PoolRows("max", Window(16, 1), Window(4, 1)), x, names=("a",))
    (b,) = builder.add(PoolRows("max", Window(16, 3, 2, 1, 1, 1), Window(4, 2, 2)), a, names=("b",))
    builder.output(*builder.add(PoolRows("max", Window(8, 8), Window(2, 2)), b, names=("y",)))
    return Module("m", (builder.build(),))


@pytest.mark.parametrize("backward", [False, True])
def test_an_output_that_reaches_one_byte_too_far_into_its_input(backward: bool) -> None:
    module = pooled()
    made = plan(module, Target(load_board("uno")))
    steps = tuple(replace(step, backward=backward and step.node == 1) for step in made.steps)
    # a row of b is 6 B, two rows of a are 24 B, and the window begins one row earlier
    least = 192 - 48 + 6 if backward else -6
    for offset in range(-60, 220):
        places = {**made.places, "a": arena(200, 192), "b": arena(200 + offset, 48)}
        moved = replace(
            made, places=MappingProxyType(places), memories=(Memory("arena", 600, 1), made.memory("state")), steps=steps
        )
        fine = offset >= least if backward else offset <= least
        if fine or offset >= 192 or offset <= -48:
            check(module, moved)
        else:
            with pytest.raises(McugenError, match="loses %a while it writes row"):
                check(module, moved)


def test_an_output_in_the_very_place_of_an_input_that_it_may_not_take_over() -> None:
    made = plan(pooled(), Target(load_board("uno")))
    copied = GraphBuilder("predict")
    x = copied.input("x", TensorType((16, 4, 3), DType.I8))
    (a,) = copied.add(PoolRows("max", Window(16, 1), Window(4, 1)), x, names=("a",))
    (b,) = copied.add(PoolRows("max", Window(16, 1), Window(4, 1)), a, names=("b",))
    copied.output(*copied.add(PoolRows("max", Window(16, 16), Window(4, 4)), b, names=("y",)))
    module = Module("m", (copied.build(),))
    places = dict.fromkeys(("a", "b"), arena(0, 192))
    moved = replace(
        made,
        places=MappingProxyType(places),
        memories=(Memory("arena", 600, 1), made.memory("state")),
        steps=made.steps,
    )
    with pytest.raises(McugenError, match="loses %a while it writes row"):
        check(module, moved)  # a row is made of the row that it would be written over
