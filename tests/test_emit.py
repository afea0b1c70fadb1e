"""The emitter: what it makes of any graph compiles without a warning everywhere, and does what NumPy does."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sanitized import (
    OPTIMIZE,
    SANITIZE,
    TARGET,
    assert_same_floats,
    check_as_cpp,
    check_on_avr,
    compiled,
    run_main,
    run_sanitized,
)
from toy_ops import Argmax, Cast, Scale, Total, casts, toys

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.ir import Array, DType, Graph, GraphBuilder, Module, Storage, TensorType
from mcugen.memory.plan import plan
from mcugen.ops.add import Add
from mcugen.ops.relu import Relu
from mcugen.targets.driver import Unit

__all__ = ["toys"]
pytestmark = pytest.mark.usefixtures("toys")


def f32(*shape: int) -> TensorType:
    return TensorType(shape, DType.F32)


def floats(*values: float) -> Array:
    return np.array(values, np.float32)


def run_row(unit: Unit, *inputs: Array) -> list[Array]:
    """The outputs for one row."""
    check_as_cpp([unit])
    check_on_avr([unit])
    results = run_sanitized([unit], [[np.asarray(x)[np.newaxis] for x in inputs]])[0]
    return [found[0] for found in results]


def source(unit: Unit) -> str:
    return unit.files["src/m.c"]


# ---- numbers --------------------------------------------------------------------------------------------------------


def test_a_number_that_one_node_makes_and_another_takes() -> None:
    builder = GraphBuilder("run")
    x = builder.input("x", f32(3))
    (total,) = builder.add(Total(), x, names=("total",))
    builder.output(*builder.add(Scale(), x, total))
    unit = compiled(builder.build())
    assert "const float total = m_op_toy_total(x);" in source(unit)
    assert_same_floats(run_row(unit, floats(1, 2, 3))[0], floats(6, 12, 18), "scaled")


def test_numbers_that_are_written_and_taken_through_pointers() -> None:
    """relu and add take and write by address: a variable's, an output's, a parameter's, the state's, a table's."""
    builder = GraphBuilder("run")
    t = builder.input("t", f32())
    c = builder.const("c", np.float32(10))
    s = builder.state("s", np.float32(100))
    (a,) = builder.add(Relu(), t, names=("a",))
    (b,) = builder.add(Add(), a, c, names=("b",))
    (d,) = builder.add(Add(), b, t, names=("d",))
    (s2,) = builder.add(Add(), s, d, names=("s2",))
    (e,) = builder.add(Add(), d, s2, names=("e",))
    builder.update(s, s2)
    for name in (b, d, e):
        builder.output(name)
    unit = compiled(builder.build())
    assert "int m_run(float t, float *b, float *d, float *e);" in unit.files["src/m.h"]
    check_on_avr([unit])
    rows = run_sanitized([unit], [[floats(1, -2)]])[0]
    np.testing.assert_array_equal(np.column_stack(rows), [[11, 12, 124], [10, 8, 128]])


def test_a_number_is_returned_where_it_is_all_there_is() -> None:
    builder = GraphBuilder("run")
    builder.output(*builder.add(Total(), builder.input("x", f32(2, 2)), names=("y",)))
    unit = compiled(builder.build())
    assert "float m_predict(const float x[4]);" in unit.files["src/m.h"]
    assert run_row(unit, floats(1, 2, 3, 4).reshape(2, 2)) == [np.float32(10)]


def test_a_returned_number_that_a_kernel_writes_through_a_pointer() -> None:
    """An index is an int to the caller and 32 bits to the kernel; on AVR these differ."""
    builder = GraphBuilder("predict")
    builder.output(*builder.add(Argmax(), builder.input("x", f32(4)), names=("best",)), labels=("a", "b", "c", "d"))
    unit = compiled(builder.build())
    assert "    int32_t best;\n    m_op_toy_argmax(x, &best);\n    return (int)best;\n" in source(unit)
    assert run_row(unit, floats(0, 1, 5, 5)) == [2]


def test_a_returned_index_that_another_node_takes() -> None:
    builder = GraphBuilder("predict")
    (best,) = builder.add(Argmax(), builder.input("x", f32(4)), names=("best",))
    (as_float,) = builder.add(Cast(DType.F32), best)
    builder.output(best, labels=(0, 1, 2, 3))
    builder.output(*builder.add(Scale(), "x", as_float, names=("y",)))
    unit = compiled(builder.build())
    assert "int m_predict_proba(const float x[4], float y[4]);" in unit.files["src/m.h"]
    found = run_row(unit, floats(0, 1, 5, 4))
    assert found[0] == 2
    assert_same_floats(found[1], floats(0, 2, 10, 8), "scaled")


def test_a_returned_number_that_another_node_takes() -> None:
    builder = GraphBuilder("run")
    (total,) = builder.add(Total(), builder.input("x", f32(2)), names=("total",))
    s = builder.state("s", np.float32(0))
    builder.update(s, *builder.add(Add(), s, total))
    builder.output(total)
    assert run_row(compiled(builder.build()), floats(1.25, 2)) == [np.float32(3.25)]


def test_a_number_that_nobody_takes() -> None:
    builder = GraphBuilder("run")
    x = builder.input("x", f32(3))
    builder.add(Total(), x, names=("unread",))
    builder.output(*builder.add(Relu(), x))
    module = Module("m", (builder.build(),))  # no pass has taken the node away
    unit = Unit(module, emit(module, plan(module, TARGET), TARGET))
    assert "(void)unread;" in source(unit)
    assert_same_floats(run_row(unit, floats(1, -1, 0))[0], floats(1, 0, 0), "relu")


def test_an_unused_input() -> None:
    builder = GraphBuilder("run")
    builder.input("tensor", f32(3))
    builder.input("number", f32())
    builder.output(*builder.add(Relu(), builder.input("x", f32(2))))
    unit = compiled(builder.build())
    assert "    (void)tensor;\n    (void)number;\n" in source(unit)
    assert_same_floats(run_row(unit, floats(1, 2, 3), floats(4)[0], floats(-1, 5))[0], floats(0, 5), "relu")


# ---- names ----------------------------------------------------------------------------------------------------------

HOSTILE = (
    "int", "x y", "x_y", "", "🙂", "*/", "a\nb", "m_arena", "m_op_add", "arena", "flash", "FLASH", "M_FLASH", "u32", "F",
    "memcpy", "float", "float32", "uint8_t", "main", "NULL", "NAN", "y0", "index", "predict", "m_run", "w" * 1000, "1",
    "??/", "\\", '"', "m_const_x_y", "m_f32_t",
)  # fmt: skip


@pytest.mark.parametrize("kind", ["input", "output", "temp", "const", "state"])
def test_any_text_can_name_a_value(kind: str) -> None:
    """One value of this kind for each name; y is the sum of all of them and of x."""
    builder = GraphBuilder("run")
    (last,) = builder.add(Relu(), builder.input("x", f32(2)), names=("begin",))
    for i, name in enumerate(HOSTILE):
        last = _added(builder, kind, name, last, i)
    builder.output(*builder.add(Relu(), last, names=("y",)))
    unit = compiled(builder.build())
    inputs = [floats(i, 1) for i in range(len(HOSTILE) + 1)] if kind == "input" else [floats(0, 1)]
    count = len(HOSTILE)
    assert_same_floats(run_row(unit, *inputs)[-1], floats(count * (count - 1) / 2 + len(inputs) - 1, count + 1), kind)


def _added(builder: GraphBuilder, kind: str, name: str, last: str, i: int) -> str:
    """`last` plus (i, 1), by way of a value of this kind and name; inputs hold (i + 1, 1)."""
    other = {"input": builder.input, "const": builder.const, "state": builder.state}
    if kind == "input":
        return builder.add(Add(), last, other[kind](name, f32(2)))[0]  # type: ignore[operator]
    if kind in other:
        return builder.add(Add(), last, other[kind](name, floats(i, 1)))[0]  # type: ignore[operator]
    (made,) = builder.add(Add(), last, builder.const(f"c{i}", floats(i, 1)), names=(name,))
    if kind == "output":
        builder.output(made)
    return made


def test_a_folded_constant_has_the_name_of_a_kernel() -> None:
    builder = GraphBuilder("run")
    a, b = builder.const("a", floats(1, 2)), builder.const("b", floats(10, 20))
    builder.add(Add(), a, b, names=("add1",))
    (y,) = builder.add(Add(), builder.input("x", f32(2)), "add1")
    builder.output(*builder.add(Add(), y, y))
    unit = compiled(builder.build())
    assert "m_const_add1" in source(unit)
    assert "m_op_add1" in source(unit)
    assert_same_floats(run_row(unit, floats(1, 1))[0], floats(24, 46), "sum")


# ---- memory ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [SANITIZE, OPTIMIZE])
def test_every_element_type_shares_the_arena(flags: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    graphs = [casts(tuple(rng.integers(1, 9, 5))) for _ in range(6)]
    units = [compiled(graph, name=f"m{i}") for i, graph in enumerate(graphs)]
    inputs = [[rng.integers(0, 100, (4, *v.type.shape)) for v in g.of(Storage.INPUT)] for g in graphs]
    for given, found in zip(inputs, run_sanitized(units, inputs, flags), strict=True):
        for x, y in zip(given, found, strict=True):
            np.testing.assert_array_equal(x, y)
    check_as_cpp(units)
    check_on_avr(units)


def test_the_arena_is_aligned_to_the_widest_element_and_places_are_bytes() -> None:
    unit = compiled(casts((3, 3, 3)))
    assert re.search(r"static uint8_t m_arena\[\d+\] __attribute__\(\(aligned\(8\)\)\);", source(unit))
    memory = plan(unit.module, TARGET)
    for name, place in memory.places.items():
        at = f"(m_arena + {place.offset})" if place.offset else "m_arena"
        assert f"*const {name} = ({unit.module.predict.values[name].type.dtype.c} *)(void *){at};" in source(unit)


def test_one_type_and_one_reader_for_all_kernels() -> None:
    builder = GraphBuilder("run")
    (y,) = builder.add(Add(), builder.input("x", f32(3)), builder.const("c", floats(1, 2, 3)))
    (y,) = builder.add(Add(), y, builder.const("d", np.float32(1)))
    builder.output(*builder.add(Relu(), y))
    text = source(compiled(builder.build()))
    assert text.count("may_alias") == 1
    assert text.count("static inline float m_float(") == 1


def test_state_is_kept_from_call_to_call() -> None:
    builder = GraphBuilder("run")
    s = builder.state("s", floats(1, -2, 0))
    (new,) = builder.add(Add(), s, builder.input("x", f32(3)), names=("new",))
    builder.update(s, new)
    builder.output(*builder.add(Relu(), new, names=("y",)))
    unit = compiled(builder.build())
    check_on_avr([unit])
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    (y,) = run_sanitized([unit], [[x]])[0]
    assert_same_floats(y, np.maximum(floats(1, -2, 0) + np.cumsum(x, axis=0), 0), "sums")


def test_state_without_content_begins_as_zero() -> None:
    builder = GraphBuilder("run")
    s = builder.state("s", np.zeros(3, np.float32))
    (new,) = builder.add(Add(), s, builder.input("x", f32(3)))
    builder.update(s, new)
    builder.output(*builder.add(Relu(), new))
    assert "static float m_state_s[3];" in source(compiled(builder.build()))


def two_functions() -> tuple[Graph, Graph]:
    """predict: y = x + c + s; learn: s = s + x + d. x is of another size in learn, and each has a table of its own."""
    predict, learn = GraphBuilder("predict"), GraphBuilder("learn")
    s = predict.state("s", floats(1, 1))
    (sum,) = predict.add(Add(), predict.input("x", f32(2, 2)), predict.const("c", floats(10, 20)), names=("p0",))
    predict.output(*predict.add(Add(), sum, s, names=("y",)))
    learn.state("s", floats(1, 1))
    (step,) = learn.add(Add(), learn.input("x", f32(2)), learn.const("d", floats(0.5, 0.25)), names=("l0",))
    learn.update(s, *learn.add(Add(), s, step, names=("s2",)))
    return predict.build(), learn.build()


def test_functions_share_state_and_have_tables_of_their_own() -> None:
    unit = compiled(*two_functions())
    check_on_avr([unit])
    main = """
#include "m.h"
#include <stdio.h>

int main(void)
{
    const float x[4] = {1, 2, 3, 4};
    float y[4];
    for (int i = 0; i < 2; i++) {
        m_run(x, y);
        printf("%g %g %g %g\\n", (double)y[0], (double)y[1], (double)y[2], (double)y[3]);
        m_learn(x);
    }
    return 0;
}
"""
    assert run_main([unit], main) == "12 23 14 25\n13.5 25.25 15.5 27.25\n"


def test_rows_of_more_than_64_kib() -> None:
    builder = GraphBuilder("run")
    builder.output(*builder.add(Relu(), builder.input("x", f32(70_000))))
    x = np.random.default_rng(0).normal(size=(2, 70_000)).astype(np.float32)
    assert_same_floats(run_sanitized([compiled(builder.build())], [[x]])[0][0], np.maximum(x, 0), "relu")


# ---- numbers that C has no literals for, and sizes it has no arrays for ---------------------------------------------


def test_constants_and_state_that_are_not_finite() -> None:
    values = floats(np.nan, np.inf, -np.inf, -0.0, 1e-45, 3.4028235e38)
    builder = GraphBuilder("run")
    s = builder.state("s", values)
    (a,) = builder.add(Add(), builder.input("x", f32(6)), builder.const("c", values))
    builder.output(a)
    builder.output(*builder.add(Add(), "x", s))
    found = run_row(compiled(builder.build()), floats(0, 0, 0, -0.0, 0, 0))
    assert_same_floats(found[0], values, "from flash")
    assert_same_floats(found[1], values, "from state")


@pytest.mark.parametrize("dtype", [d for d in DType if d not in (DType.F32, DType.F64)])
def test_tables_hold_the_ends_of_every_type(dtype: DType) -> None:
    info = np.iinfo(dtype.numpy) if dtype is not DType.BOOL else None
    ends = np.array([info.min, info.max] if info else [False, True], dtype.numpy)
    builder = GraphBuilder("run")
    builder.output(*builder.add(Scale(), builder.input("x", f32(2)), builder.state("s", ends)))
    text = source(compiled(builder.build()))
    assert f"static {dtype.c} m_state_s[2] = {{" in text


@pytest.mark.parametrize("shape", [(0,), (2, 0, 3)])
def test_tensors_that_hold_nothing_are_refused(shape: tuple[int, ...]) -> None:
    for declare in (
        lambda b: b.input("x", TensorType(shape, DType.F32)),
        lambda b: b.const("x", np.zeros(shape, np.float32)),
        lambda b: b.state("x", np.zeros(shape, np.float32)),
    ):
        with pytest.raises(McugenError, match=r"%x is .*:f32, which holds nothing") as caught:
            declare(GraphBuilder("run"))
        assert caught.value.diagnostics[0].code == "E0201"


def test_tables_that_avr_gcc_refuses_are_refused_before() -> None:
    builder = GraphBuilder("run")
    x = builder.input("x", f32(9_000))
    builder.output(*builder.add(Add(), x, builder.const("big", np.ones(9_000, np.float32))))
    with pytest.raises(McugenError, match=r"%big has 36,000 B; an 8-bit AVR takes 32,767 B at most") as caught:
        compiled(builder.build())
    assert caught.value.diagnostics[0].code == "E0303"
    module = Module("m", (builder.build(),))
    target = Target(load_board("host"))
    assert "m_const_big[9000]" in emit(module, plan(module, target), target)["src/m.c"]


# ---- temporaries on the stack ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [False, True])
def test_an_arena_on_the_stack_is_a_variable_and_nothing_is_static(header: bool) -> None:
    """The same plan, the same answers, as C99, C++11 and for AVR; the header no longer says that calls must not meet."""
    graph = casts((1, 5))
    module = Module("m", (graph,), arena="stack")
    made = plan(module, TARGET)
    unit = Unit(module, emit(module, made, TARGET, header=header))
    text = "\n".join(unit.files.values())
    assert re.search(rf"\n    uint8_t m_arena\[{made.arena}\] __attribute__\(\(aligned\(8\)\)\);\n", text)
    assert "static uint8_t" not in text
    assert "Its memory is static" not in text
    if not header:
        check_as_cpp([unit])
        check_on_avr([unit])
        x = [np.arange(v.type.size, dtype=v.type.dtype.numpy)[np.newaxis] for v in graph.of(Storage.INPUT)]
        for found, wanted in zip(run_sanitized([unit], [x])[0], run_sanitized([compiled(graph)], [x])[0], strict=True):
            np.testing.assert_array_equal(found, wanted)
