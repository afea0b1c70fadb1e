"""Temporaries in several memories: legal, within each, what is moved most in the fastest, and the bits of one memory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import modules, outcome, over_bytes, without_plan
from random_networks import network
from sanitized import run_sanitized

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.ir import DType, Module, Storage
from mcugen.memory.check import check
from mcugen.memory.live import Range
from mcugen.memory.pack import Buffer, pack
from mcugen.memory.place import _Search, moved
from mcugen.memory.plan import MemoryPlan, Place, plan
from mcugen.passes import run
from mcugen.ram import Ram, rams_of
from mcugen.targets import host
from mcugen.targets.driver import Unit

UNO = Target(load_board("uno"))
FEATHER = Target(load_board("feather_nrf52840"))


def share(made: MemoryPlan, part: float) -> tuple[Ram, ...]:
    """Memories of which the first holds a part of a plan's arena, and the second all of it."""
    return Ram("fast", max(1, int(made.arena * part))), Ram("slow", max(1, 2 * made.arena))


@settings(max_examples=40, deadline=None)
@given(modules(), st.sampled_from([0.3, 0.6, 1.5]))
def test_a_plan_in_two_memories_is_legal_and_gives_the_same_results(module: Module, part: float) -> None:
    made = plan(module, replace(UNO, ram=share(plan(module, UNO), part)))
    assert [one.name for one in made.memories] == ["fast", "slow", "state"]
    assert made.missing == 0
    assert all(one.live <= one.nbytes for one in made.arenas)
    temps = {v.name for graph in module.functions for v in graph.of(Storage.TEMP)}
    assert {made.places[name].memory for name in temps} <= {"fast", "slow"}
    assert outcome(module, over_bytes(made)) == outcome(module, without_plan)


# ---- which lies where ------------------------------------------------------------------------------------------------


def found(buffers: Sequence[tuple[int, int, int, int]], *sizes: int) -> tuple[int, ...]:
    """The memories of buffers (bytes, moved, first step, last step)."""
    wanted = tuple(Buffer((str(i),), one[0], 1, Range(*one[2:])) for i, one in enumerate(buffers))
    memories = tuple(Ram(f"m{i}", size) for i, size in enumerate(sizes))
    return _Search(wanted, {}, memories, [one[1] for one in buffers]).found()


def cost(buffers: Sequence[tuple[int, int, int, int]], where: Sequence[int]) -> int:
    return sum(one[1] * memory for one, memory in zip(buffers, where, strict=True))


def test_what_is_moved_most_for_its_size_is_in_the_fastest() -> None:
    assert found([(60, 90, 0, 1), (50, 400, 0, 1), (40, 50, 0, 1)], 100, 200) == (1, 0, 0)


def test_what_never_meets_shares_the_fastest() -> None:
    assert found([(100, 10, 0, 1), (100, 20, 2, 3), (100, 5, 1, 2)], 100, 100) == (0, 0, 1)


def test_what_fits_one_memory_only_has_it_first() -> None:
    """The smallest are moved most; were they placed first, nothing were left for the largest."""
    assert found([(8, 900, 0, 1), (60, 10, 0, 1), (90, 5, 0, 1)], 64, 100) == (1, 0, 1)


def test_an_exchange_that_density_does_not_see() -> None:
    """The first is moved more for each byte, the second more in all, and there is room for one of them."""
    assert found([(10, 100, 0, 1), (90, 500, 0, 1)], 95, 1000) == (1, 0)


def test_what_fits_nowhere_is_in_the_roomiest() -> None:
    assert found([(8, 900, 0, 1), (500, 10, 0, 1)], 64, 100) == (0, 1)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.integers(1, 99), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=6
    )
)
def test_all_choices_of_a_few_buffers_are_hardly_better(some: list[tuple[int, int, int, int]]) -> None:
    """Of all ways to put up to six buffers into 12 and 40 bytes the best has at most twice as much moved in the fast ones."""
    buffers = [(size, use, first, first + more) for size, use, first, more in some]

    def fits(where: Sequence[int], memory: int, size: int) -> bool:
        held = [Buffer((str(i),), b[0], 1, Range(*b[2:])) for i, b in enumerate(buffers) if where[i] == memory]
        return all(at + one.nbytes <= size for at, one in zip(pack(held), held, strict=True))

    legal = [w for w in product((0, 1), repeat=len(buffers)) if fits(w, 0, 12) and fits(w, 1, 40)]
    where = found(buffers, 12, 40)
    if legal:
        assert where in legal
        total = sum(one[1] for one in buffers)
        best = min(cost(buffers, one) for one in legal)
        assert total - cost(buffers, where) >= (total - best) / 2


def test_what_is_moved_of_a_layer() -> None:
    """A sum of products reads an element of its scratch a product, and its input as often as rows are made of it."""
    module = run(Module("n", (network(1, DType.I8),)), FEATHER)
    graph, use = module.predict, moved(module.predict)
    layer = next(node for node in graph.nodes if node.op.scratch and node.inputs[0] in graph.producer)
    scratch, types = layer.outputs[-1], graph.types(layer.inputs)
    assert use[scratch] == layer.op.macc(*types) * graph.values[scratch].type.dtype.nbytes
    assert use[layer.outputs[0]] > graph.values[layer.outputs[0]].type.nbytes


# ---- the C -----------------------------------------------------------------------------------------------------------


def unit(name: str, seed: int, target: Target) -> tuple[Unit, MemoryPlan]:
    module = run(Module(name, (network(seed, (DType.F32, DType.I8)[seed % 2]),)), target)
    made = plan(module, target)
    return Unit(module, emit(module, made, target)), made


WAYS: tuple[dict[str, Any], ...] = (
    {"by_rows": "never"},
    {"by_rows": "always"},
    {"by_rows": "always", "stream_input": True},
    {"by_rows": "never", "arena_input": True},
)


def test_networks_in_two_memories_have_the_bits_of_one() -> None:
    """Whole tensors and rows, an input in them or streamed, floats and integers; no sanitizer finds anything."""
    units, inputs, split, rng = [], [], 0, np.random.default_rng(0)
    for seed in range(12):
        target = replace(FEATHER, **WAYS[seed // 2 % 4])
        one, whole = unit(f"one{seed}", seed, target)
        two, made = unit(f"two{seed}", seed, replace(target, ram=share(whole, 0.5)))
        assert made.missing == 0
        split += all(memory.nbytes for memory in made.arenas)
        type = one.module.predict.of(Storage.INPUT)[0].type
        x = rng.integers(-128, 128, (2, *type.shape)).astype(type.dtype.numpy)
        units += [one, two]
        inputs += [[x], [x]]
    assert split > 8
    answers = run_sanitized(units, inputs)
    for one, two in zip(answers[::2], answers[1::2], strict=True):
        assert [a.tobytes() for a in two] == [a.tobytes() for a in one]


def test_the_c_says_where_its_temporaries_lie() -> None:
    one, made = unit("net", 3, replace(FEATHER, ram=rams_of("fast:100,psram:4M")))
    header, text = one.files["src/net.h"], one.files["src/net.c"]
    for memory in made.arenas:
        macro = f"NET_ARENA_{memory.name.upper()}"
        assert f" *   {memory.name + ':':<16} {memory.nbytes:,} B, {macro}\n" in header
        assert f"static uint8_t net_arena_{memory.name}[{memory.nbytes}] {macro}" in text
    assert '__attribute__((section(".bss.memory.psram")))' in text
    assert not re.search(r"bss\.memory\.fast|net_arena\b", text)
    assert "net_arena" not in header
    page = emit(one.module, made, replace(FEATHER, ram=rams_of("fast:100,psram:4M")), header=True)["net.h"]
    assert "NET_ARENA_PSRAM" in page


def test_what_the_compiler_is_told_goes_before_the_default() -> None:
    one, _ = unit("net", 3, replace(FEATHER, ram=rams_of("fast:100,psram:4M")))
    told = '-DNET_ARENA_PSRAM=__attribute__((section("psram")))'
    x = np.zeros((1, *one.module.predict.of(Storage.INPUT)[0].type.shape), np.int8)
    found = [host.compile_for_host([one], [*host.STRICT, "-O0", *more]).run([x])[0] for more in ((), (told,))]
    np.testing.assert_array_equal(*found)


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fast", "there is no size"),
        ("fast:", "there is no size"),
        ("fast:64q", "there is no size"),
        ("fast:0", "no memory has 0 B"),
        ("fast:9999999M", "no memory has"),
        ("Fast:1k", "small letters"),
        ("a-b:1k", "small letters"),
        ("state:1k", "none of its words is arena, "),
        ("arena:1k", "none of its words is arena, "),
        ("my_predict:1k", "none of its words is arena, "),  # a model called a_arena_my has a function of this name
        (":1k", "small letters"),
        ("", "small letters"),
        ("a:1k,,b:1k", "small letters"),
        ("a:1k,a:2k", "names a twice"),
        (7, "small letters"),
    ],
)
def test_what_is_no_memory_is_refused(text: object, says: str) -> None:
    with pytest.raises(McugenError, match=says) as refused:
        rams_of(text)
    assert refused.value.diagnostics[0].code == "E0112"


def test_sizes_are_bytes_k_and_m() -> None:
    assert rams_of(" a:3, b:64k,c:4M ,d:2KB") == (Ram("a", 3), Ram("b", 65536), Ram("c", 1 << 22), Ram("d", 2048))
    assert rams_of(None) == ()


def test_a_memory_is_no_larger_than_the_boards() -> None:
    with pytest.raises(McugenError, match=r"Arduino Uno R3 has 2,048 B of it, not 4,096 B"):
        Target(load_board("uno"), ram=rams_of("ram:4k"))


def test_which_memory_lies_in_the_boards_ram() -> None:
    teensy = Target(load_board("teensy40"))
    assert [
        replace(teensy, ram=rams_of(text)).own for text in ("a:1k,b:1k", "a:1k,ram:1k", "ocram:1k,b:1k", "ocram:1k")
    ] == [
        "a",
        "ram",
        "b",
        "",
    ]


def test_what_is_live_where_a_regions_result_lies_in_another_memory() -> None:
    """Its rows have the input's dead rows to themselves then: counted as if they had not, more were live than the memory has."""
    target = replace(FEATHER, by_rows="always", stream_input=True)
    module = run(Module("n", (network(1978, DType.F32, layers=21),)), target)
    made = plan(module, replace(target, ram=(Ram("fast", 2062), Ram("slow", 1029))))
    assert [(one.live, one.nbytes) for one in made.arenas] == [(2020, 2020), (864, 864)]


def test_the_same_offsets_in_one_memory_are_refused() -> None:
    """What lies apart in two memories meets in one."""
    module = run(Module("n", (network(1, DType.I8),)), FEATHER)
    made = plan(module, replace(FEATHER, ram=rams_of("fast:100,slow:1M")))
    fast, slow, state = made.memories
    assert min(fast.nbytes, slow.nbytes) > 0
    places = {name: replace(place, memory="fast") for name, place in made.places.items()}
    memories = (replace(fast, nbytes=slow.nbytes + fast.nbytes), replace(slow, nbytes=0), state)
    with pytest.raises(McugenError, match=r"meet|over its input|loses") as refused:
        check(module, replace(made, memories=memories, places=places))
    assert {one.code for one in refused.value.diagnostics} == {"E0202"}


def test_a_plan_past_its_memory_is_refused() -> None:
    module = run(Module("n", (network(1, DType.I8),)), FEATHER)
    made = plan(module, replace(FEATHER, ram=rams_of("fast:1k,slow:1M")))
    name, place = next((n, p) for n, p in made.places.items() if p.memory == "fast")
    moved_out = {**made.places, name: Place("elsewhere", place.offset, place.nbytes)}
    with pytest.raises(McugenError, match="lies outside of elsewhere"):
        check(module, replace(made, places=moved_out))
