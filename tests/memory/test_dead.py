"""Bytes that nobody needs any more: worked out from plans, and spoilt in C. What is wrong with a plan shows in the answers."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sanitized import SANITIZE, run_sanitized
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, PolynomialFeatures
from tools import tool

import mcugen
from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import check_header, emit
from mcugen.ir import DType, Graph, GraphBuilder, Module, TensorType
from mcugen.memory.check import check
from mcugen.memory.dead import Before, before_calls
from mcugen.memory.plan import MemoryPlan, Rows, plan
from mcugen.memory.rows import Held
from mcugen.ops.arrive import Arrive
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.pool_rows import PoolRows
from mcugen.ops.reshape import Reshape
from mcugen.ram import Ram
from mcugen.targets import host
from mcugen.targets.driver import Unit
from mcugen.windows import Window

WHOLE, BY_ROWS = (Target(load_board("host"), by_rows=way) for way in ("never", "always"))  # type: ignore[arg-type]


def negated(builder: GraphBuilder, x: str, name: str) -> str:
    return builder.add(Elementwise("Neg"), x, names=(name,))[0]


def meeting() -> Graph:
    """a is needed again after b was made, and c of it."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((4,), DType.F32))
    a, b = (negated(builder, x, name) for name in "ab")
    c = negated(builder, b, "c")
    builder.output(*builder.add(Elementwise("Sub"), c, a))
    return builder.build()


def rows() -> Graph:
    """Two pools of three rows of 8 bytes each."""
    builder = GraphBuilder("predict")
    x = negated(builder, builder.input("x", TensorType((12, 4, 2), DType.I8)), "rows")
    for name in ("first", "second"):
        (x,) = builder.add(PoolRows("max", Window(12, 3, 1, 1, 1, 1), Window(4, 1)), x, names=(name,))
    builder.output(negated(builder, x, "y"))
    return builder.build()


def test_what_is_dead_before_each_call() -> None:
    graph = meeting()
    memory = plan(Module("m", (graph,)), WHOLE)
    a, b = (memory.places[name].offset for name in "ab")
    assert memory.places["b"] == memory.places["c"]
    assert before_calls(graph, memory) == (
        Before(dead=((0, 32),), used=((a, a + 16),)),
        Before(dead=(), used=((b, b + 16),)),
        Before(dead=(), used=((b, b + 16),)),
        Before(dead=(), used=((0, 32),)),
    )


def test_rows_die_with_the_last_window_that_reads_them() -> None:
    graph = rows()
    memory = plan(Module("m", (graph,)), BY_ROWS)
    (region,) = memory.regions(graph)
    before = before_calls(graph, memory)
    assert len(before) == len(region.schedule)
    assert before[0].dead == ((0, memory.arena),)
    # The first window is at rows 0 and 1, the second at 0 to 2: row 0 is dead when the next is made, and the others are not.
    second = [turn for turn, at in enumerate(region.schedule) if at == 1][1]
    begin = memory.places["rows"].offset
    assert region.held["rows"] == Held(12, 3, 1)
    assert (begin, begin + 8) in before[second + 1].dead


def wrong(change: str) -> tuple[Module, MemoryPlan]:
    """A plan that `check` refuses."""
    module, target = (
        (Module(change, (meeting(),)), WHOLE) if change == "place" else (Module(change, (rows(),)), BY_ROWS)
    )
    made = plan(module, target)
    if change == "place":
        made = replace(made, places={**made.places, "b": made.places["a"]})
    elif change == "rows":
        made = replace(made, places={**made.places, "second": made.places["first"]})
    else:
        (step,) = made.of(module.predict)
        assert isinstance(step, Rows)
        region = replace(step.region, held={**step.region.held, "first": Held(12, 3, 2)})
        made = replace(made, steps=(replace(step, region=region),))
    with pytest.raises(McugenError):
        check(module, made)
    return module, made


def checked(module: Module, memory: MemoryPlan) -> Unit:
    return Unit(module, {**emit(module, memory, WHOLE), **check_header(module, memory, WHOLE)})


def test_what_is_wrong_with_a_plan_shows_in_c() -> None:
    """Buffers that meet, and rows that meet: the number that spoils bytes comes out in the answers, which a right plan's never do."""
    right = [checked(Module(name, (graph(),)), plan(Module(name, (graph(),)), target)) for name, graph, target in RIGHT]
    units = [*right, *(checked(*wrong(change)) for change in ("place", "rows"))]
    rng = np.random.default_rng(0)
    inputs = [rng.uniform(-1, 1, (2, 4)).astype(np.float32), rng.integers(-9, 9, (2, 12, 4, 2)).astype(np.int8)]
    libraries = [host.compile_for_host(units, [*host.STRICT, "-O0", *flags]) for flags in ((), *SPOILT)]
    answers = [
        [library.run([inputs[at % 2]], model=at)[0].tobytes() for library in libraries] for at in range(len(units))
    ]
    for same in answers[:2]:
        assert len({*same}) == 1
    for _, first, second in answers[2:]:
        assert first != second


RIGHT = (("fine", meeting, WHOLE), ("fine_rows", rows, BY_ROWS))
SPOILT = (("-DMCUGEN_CHECK=0x7F",), ("-DMCUGEN_CHECK=0x80",))


def test_a_row_that_goes_too_early_is_read_outside_of_its_buffer() -> None:
    x = np.zeros((1, 12, 4, 2), np.int8)
    with pytest.raises(AssertionError, match="use-after-poison"):
        run_sanitized([checked(*wrong("early"))], [[x]], (*SANITIZE, *SPOILT[0]))


def test_each_of_several_memories_is_spoilt() -> None:
    """Before the first call all of both is dead, and of the memory that nothing lies in there is no array."""
    target = replace(WHOLE, ram=(Ram("fast", 16), Ram("none", 1), Ram("slow", 64)))
    module = Module("two", (meeting(),))
    memory = plan(module, target)
    assert [one.nbytes for one in memory.arenas] == [16, 0, 16]
    table = check_header(module, memory, target)["test/two_check.h"]
    assert "uint8_t *const arenas[] = {two_arena_fast, two_arena_slow};" in table
    assert "dead[2][4] = {\n    {0, 0, 0, 16},\n    {0, 1, 0, 16},\n};" in table


def test_an_arena_in_which_nothing_dies_compiles_with_its_check() -> None:
    builder = GraphBuilder("predict")
    (x,) = builder.add(Arrive((Reshape((4,)),)), builder.input("x", TensorType((4,), DType.F32)))
    builder.output(negated(builder, x, "y"))
    module = Module("m", (builder.build(),))
    unit = checked(module, plan(module, WHOLE))
    assert "dead[1][4] = {\n    {0, 0, 0, 0},\n};" in unit.files["test/m_check.h"]
    ((found,),) = run_sanitized([unit], [[np.ones((2, 4), np.float32)]], (*SANITIZE, "-DMCUGEN_CHECK=0x7F"))
    assert (found == -1).all()


def test_there_is_nothing_to_check_without_an_arena() -> None:
    builder = GraphBuilder("predict")
    builder.output(negated(builder, builder.input("x", TensorType((4,), DType.F32)), "y"))
    module = Module("m", (builder.build(),))
    memory = plan(module, WHOLE)
    assert check_header(module, memory, WHOLE) == {}
    assert "MCUGEN_CHECK" not in emit(module, memory, WHOLE)["src/m.c"]


def test_a_written_library_checks_itself(tmp_path: Path) -> None:
    """Its arena is on the stack, and its unit tests run twice over spoilt bytes."""
    tool("make")
    rng = np.random.default_rng(0)
    x = rng.uniform(0.1, 1, (60, 3))
    model = make_pipeline(Normalizer(), PolynomialFeatures(2), Normalizer(), LogisticRegression())
    compiled = mcugen.compile(model.fit(x, x[:, 0] > x[:, 1]), board="uno", name="pipe")
    assert compiled.module.arena == "stack"
    compiled.write(tmp_path / "pipe", "c")
    done = subprocess.run(
        ["make", "-C", "test", "check"], cwd=tmp_path / "pipe", capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(", 0 wrong") == 2
    assert "make -C test check" in (tmp_path / "pipe" / "README.md").read_text()
