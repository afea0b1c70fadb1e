"""The IR: the builder types what it builds, the dump is stable, the verifier finds each kind of fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from textwrap import dedent

import numpy as np
import pytest

from mcugen.diagnostics import Loc, McugenError
from mcugen.ir import (
    DType,
    Graph,
    GraphBuilder,
    Module,
    Node,
    Quant,
    Storage,
    TensorType,
    Value,
    verify,
    verify_module,
)
from mcugen.ops.add import Add
from mcugen.ops.relu import Relu

MATRIX = TensorType((2, 3), DType.F32)
ROW = TensorType((3,), DType.F32)


def graph() -> Graph:
    """x → sum → y, with a constant and STATE that is replaced."""
    builder = GraphBuilder("learn")
    x = builder.input("x", MATRIX)
    b = builder.const("b", np.array([1, 2, 3], np.float32))
    w = builder.state("w", np.zeros((2, 3), np.float32))
    (total,) = builder.add(Add(), x, b, names=("sum",))
    (new,) = builder.add(Add(), w, total, names=("new",))
    builder.update(w, new)
    builder.output(*builder.add(Relu(), new, names=("y",)))
    return builder.build()


def refused(broken: Graph) -> str:
    with pytest.raises(McugenError) as caught:
        verify(broken)
    assert {d.code for d in caught.value.diagnostics} == {"E0202"}
    return str(caught.value)


def with_value(name: str, /, **changes: object) -> Graph:
    good = graph()
    return replace(good, values={**good.values, name: replace(good.values[name], **changes)})  # type: ignore[arg-type]


class TestTypes:
    @pytest.mark.parametrize("dtype", DType)
    def test_a_dtype_is_its_numpy_dtype(self, dtype: DType) -> None:
        assert dtype.numpy.itemsize == dtype.nbytes
        assert DType.of(dtype.numpy) is dtype

    def test_a_dtype_that_c_has_not(self) -> None:
        with pytest.raises(McugenError, match="tensors of float16 are not supported") as caught:
            DType.of(np.float16)
        assert caught.value.diagnostics[0].code == "E0201"

    def test_sizes_and_text(self) -> None:
        assert (MATRIX.size, MATRIX.nbytes, str(MATRIX)) == (6, 24, "2x3:f32")
        scalar = TensorType((), DType.I16)
        assert (scalar.size, scalar.nbytes, str(scalar)) == (1, 2, "i16")

    def test_quantisation_is_part_of_the_type(self) -> None:
        assert TensorType((1,), DType.I8, Quant((0.5,), (3,))) != TensorType((1,), DType.I8)


class TestBuilder:
    def test_types_come_from_the_ops(self) -> None:
        made = graph()
        assert made.types(("sum", "new", "y")) == (MATRIX, MATRIX, MATRIX)
        assert [made.values[n].storage for n in ("x", "b", "w", "sum", "new", "y")] == [
            Storage.INPUT, Storage.CONST, Storage.STATE, Storage.TEMP, Storage.STATE, Storage.OUTPUT,
        ]  # fmt: skip

    def test_a_mismatch_is_told_at_the_users_place(self) -> None:
        builder = GraphBuilder("predict")
        x, y = builder.input("x", ROW), builder.input("y", MATRIX)
        with pytest.raises(McugenError, match=r"add cannot repeat 2x3:f32 over 3:f32") as caught:
            builder.add(Add(), x, y, loc=Loc("net.onnx", "add_7"))
        (told,) = caught.value.diagnostics
        assert (told.code, told.loc) == ("E0201", Loc("net.onnx", "add_7"))

    def test_names_are_made_that_are_free(self) -> None:
        builder = GraphBuilder("predict")
        builder.input("relu1", ROW)
        names = [builder.add(Relu(), "relu1")[0] for _ in range(3)]
        assert names == ["relu0", "relu2", "relu3"]

    def test_outputs_come_in_the_order_they_are_declared_as_such(self) -> None:
        builder = GraphBuilder("predict")
        x = builder.input("x", ROW)
        (a,), (b,) = builder.add(Relu(), x, names=("a",)), builder.add(Relu(), x, names=("b",))
        builder.output(b)
        builder.output(a, labels=("cat", "dog", "cow"))
        made = builder.build()
        assert [v.name for v in made.of(Storage.OUTPUT)] == ["b", "a"]
        assert made.values["a"].tables == (("cat", "dog", "cow"),) * 3

    def test_constants_are_copies_nobody_can_write_to(self) -> None:
        mine = np.ones(3, np.float32)
        builder = GraphBuilder("predict")
        builder.output(*builder.add(Relu(), builder.const("w", mine)))
        mine[:] = 7
        data = builder.build().values["w"].data
        assert data is not None
        np.testing.assert_array_equal(data, [1, 1, 1])
        with pytest.raises(ValueError, match="read-only"):
            data[0] = 2

    @pytest.mark.parametrize(
        ("step", "message"),
        [
            (lambda b: b.input("x", ROW), "value %x is declared twice"),
            (lambda b: b.add(Relu(), "nowhere"), "value %nowhere is not declared"),
            (lambda b: b.add(Relu(), "x", names=("a", "b")), "relu gives 1 values and 2 names"),
            (lambda b: b.output("x"), "%x is input; it must be a TEMP that a node makes"),
            (lambda b: b.output("nowhere"), "value %nowhere is not declared"),
            (lambda b: b.update("x", "x"), "%x is input; it must be a TEMP that a node makes"),
        ],
    )
    def test_a_front_ends_slip(self, step: Callable[[GraphBuilder], object], message: str) -> None:
        builder = GraphBuilder("predict")
        builder.input("x", ROW)
        with pytest.raises(McugenError) as caught:
            step(builder)
        assert caught.value.diagnostics[0].code == "E0202"
        assert message in str(caught.value)

    def test_build_verifies(self) -> None:
        builder = GraphBuilder("predict")
        builder.add(Relu(), builder.input("x", ROW))
        with pytest.raises(McugenError, match="nothing is returned"):
            builder.build()


class TestDump:
    TEXT = dedent("""\
        module m

        learn:
          input %x : 2x3:f32
          const %b : 3:f32
          state %w : 2x3:f32
          %sum = add(%x, %b) : 2x3:f32
          %new = add(%w, %sum) : 2x3:f32
          %y = relu(%new) : 2x3:f32
          state %w -> %new
          return %y
    """)

    def test_one_line_per_node_the_same_every_time(self) -> None:
        assert str(Module("m", (graph(),))) == self.TEXT == str(Module("m", (graph(),)))


class TestGraph:
    def test_flow_has_an_edge_from_maker_to_taker(self) -> None:
        assert sorted(graph().flow.edges) == [(0, 1), (1, 2)]
        assert sorted(graph().flow.nodes) == [0, 1, 2]

    def test_values_cannot_be_changed_in_place(self) -> None:
        given = dict(graph().values)
        made = replace(graph(), values=given)
        given.clear()
        assert len(made.values) == 6
        with pytest.raises(TypeError):
            made.values["x"] = made.values["y"]  # type: ignore[index]

    def test_map_changes_every_function(self) -> None:
        module = Module("m", (graph(), replace(graph(), name="predict")))
        after = module.map(lambda g: replace(g, name=g.name.upper()))
        assert [g.name for g in after.functions] == ["LEARN", "PREDICT"]
        assert [g.name for g in module.functions] == ["learn", "predict"]


class TestVerifier:
    def test_a_good_graph(self) -> None:
        verify(graph())

    def test_taken_before_it_is_made(self) -> None:
        good = graph()
        assert "add takes %sum before it is made" in refused(replace(good, nodes=(good.nodes[1], *good.nodes)))

    def test_made_twice(self) -> None:
        good = graph()
        assert "%sum is made twice" in refused(replace(good, nodes=(good.nodes[0], *good.nodes)))

    def test_taken_and_not_declared(self) -> None:
        good = graph()
        node = Node(Relu(), ("nowhere",), ("y",))
        text = refused(replace(good, nodes=(*good.nodes[:2], node)))
        assert "relu takes %nowhere, which is not declared" in text

    def test_made_and_not_declared(self) -> None:
        good = graph()
        node = Node(Relu(), ("new",), ("nowhere",))
        assert "relu names a value that is not declared" in refused(replace(good, nodes=(*good.nodes, node)))

    def test_another_type_than_inferred(self) -> None:
        assert "%y is 3:f32; relu gives 2x3:f32" in refused(with_value("y", type=ROW))

    def test_types_that_the_op_does_not_take(self) -> None:
        text = refused(with_value("x", type=TensorType((2, 3), DType.I8)))
        assert "%sum: add takes two f32 tensors, not 2x3:i8, 3:f32" in text

    @pytest.mark.parametrize("storage", [Storage.TEMP, Storage.OUTPUT])
    def test_never_made(self, storage: Storage) -> None:
        assert f"{storage.value} %x is never made" in refused(with_value("x", storage=storage))

    @pytest.mark.parametrize("storage", [Storage.INPUT, Storage.CONST])
    def test_made_by_a_node_and_may_not_be(self, storage: Storage) -> None:
        assert f"{storage.value} %sum may not be made by a node" in refused(with_value("sum", storage=storage))

    def test_nothing_returned(self) -> None:
        builder = GraphBuilder("predict")
        builder.output(*builder.add(Relu(), builder.input("x", ROW), names=("y",)))
        good = builder.build()
        values = {**good.values, "y": replace(good.values["y"], storage=Storage.TEMP)}
        assert "predict: nothing is returned" in refused(replace(good, values=values))

    def test_a_function_that_only_learns_returns_nothing(self) -> None:
        builder = GraphBuilder("learn")
        w = builder.state("w", np.ones(3, np.float32))
        (new,) = builder.add(Relu(), w)
        builder.update(w, new)
        verify(builder.build())

    def test_const_without_data(self) -> None:
        assert "const %b has no data" in refused(with_value("b", data=None))

    @pytest.mark.parametrize("data", [np.zeros(4, np.float32), np.zeros(3, np.int32), np.zeros((1, 3), np.float32)])
    def test_data_of_another_type(self, data: np.ndarray) -> None:
        assert "%b is 3:f32 and its data" in refused(with_value("b", data=data))

    def test_known_by_another_name(self) -> None:
        assert "%c is known as %b" in refused(with_value("b", name="c"))

    def test_a_state_pair_of_two_types(self) -> None:
        assert "state %w and %new differ in type" in refused(with_value("new", type=ROW))

    def test_a_state_made_and_paired_with_none(self) -> None:
        assert "state %new is made and replaces no other" in refused(replace(graph(), state=()))

    @pytest.mark.parametrize("pair", [("w", "w"), ("new", "w"), ("w", "sum"), ("nowhere", "new"), ("x", "new")])
    def test_a_state_pair_of_the_wrong_values(self, pair: tuple[str, str]) -> None:
        text = refused(replace(graph(), state=(pair,)))
        assert "must lead from a STATE that no node makes to one that a node makes" in text

    def test_a_state_that_becomes_two_values(self) -> None:
        assert "state %w becomes two values" in refused(replace(graph(), state=(("w", "new"), ("w", "new"))))

    def test_an_old_state_taken_after_the_new_one_lies_there(self) -> None:
        builder = GraphBuilder("learn")
        w = builder.state("w", np.ones(3, np.float32))
        (new,) = builder.add(Relu(), w, names=("new",))
        builder.update(w, new)
        builder.output(*builder.add(Relu(), w, names=("late",)))
        with pytest.raises(McugenError, match="%late takes %w after %new has taken its place"):
            builder.build()

    def test_every_problem_at_once(self) -> None:
        broken = with_value("b", data=None)
        assert refused(replace(broken, state=())).count("error[E0202]") == 2


class TestModuleVerifier:
    def function(self, name: str, value: str = "", state: int = 3, const: float = 1) -> Graph:
        builder = GraphBuilder(name)
        x = builder.input("x", ROW)
        w = builder.state("w", np.ones(state, np.float32))
        c = builder.const("c", np.full(3, const, np.float32))
        builder.add(Relu(), w, names=(f"{value or name}.r",))
        builder.output(*builder.add(Add(), x, c, names=("y",)))
        return builder.build()

    def refused(self, *functions: Graph) -> str:
        with pytest.raises(McugenError) as caught:
            verify_module(Module("m", functions))
        return str(caught.value)

    def test_functions_share_inputs_outputs_constants_and_state(self) -> None:
        module = Module("m", (self.function("predict"), self.function("learn")))
        assert verify_module(module) is module

    def test_no_function(self) -> None:
        assert "module m has no function" in self.refused()

    def test_two_functions_of_one_name(self) -> None:
        assert "two functions have the same name" in self.refused(self.function("a"), self.function("a", "b"))

    def test_a_temp_of_two_functions(self) -> None:
        text = self.refused(self.function("predict", "t"), self.function("learn", "t"))
        assert "%t.r is a value of both predict and learn; a TEMP needs a name of its own" in text

    def test_a_state_of_two_types(self) -> None:
        text = self.refused(self.function("predict"), self.function("learn", state=4))
        assert "%w is another thing in predict than in learn" in text

    def test_a_constant_of_two_contents(self) -> None:
        text = self.refused(self.function("predict"), self.function("learn", const=2))
        assert "%c is another thing in predict than in learn" in text

    def test_a_name_of_two_storages(self) -> None:
        builder = GraphBuilder("learn")
        builder.output(*builder.add(Relu(), builder.input("w", ROW), names=("z",)))
        assert "%w is another thing in predict than in learn" in self.refused(self.function("predict"), builder.build())

    def test_a_fault_inside_a_function(self) -> None:
        broken = replace(self.function("learn"), nodes=())
        assert "learn: output %y is never made" in self.refused(self.function("predict"), broken)


def test_a_value_keeps_its_data_out_of_comparison() -> None:
    """Values and nodes are known by identity: comparing them never compares arrays."""
    left, right = (Value("w", ROW, Storage.CONST, np.ones(3, np.float32)) for _ in range(2))
    assert left != right
    assert left == left
