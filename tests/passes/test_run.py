"""The runner: order, dump, and a verifier that points at the pass which broke the graph."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from small_models import forest_op

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.ir import DType, Graph, GraphBuilder, Module, TensorType
from mcugen.ops.add import Add
from mcugen.ops.relu import Relu
from mcugen.passes import PIPELINE, name_of, run

UNO = Target(load_board("uno"))
VECTOR = TensorType((3,), DType.F32)


def module() -> Module:
    builder = GraphBuilder("predict")
    x, w = builder.input("x", VECTOR), builder.const("w", np.ones(3, np.float32))
    (v,) = builder.add(Relu(), w, names=("v",))
    (a,) = builder.add(Add(), x, v, names=("a",))
    builder.output(*builder.add(Relu(), a, names=("y",)))
    return Module("m", (builder.build(),))


def backwards(module: Module, target: Target) -> Module:
    return module.map(lambda graph: replace(graph, nodes=graph.nodes[::-1]))


@dataclass(frozen=True)
class Forget:
    """A pass with an option: the value it forgets."""

    name: str

    def __call__(self, module: Module, target: Target) -> Module:
        return module.map(self._without)

    def _without(self, graph: Graph) -> Graph:
        return replace(graph, values={n: v for n, v in graph.values.items() if n != self.name})


ORDER = [
    *(
        "layers",
        "fold_constants",
        "pair_scores",
        "dead_code",
        "fold_categories",
        "fold_scaling",
        "pair_terms",
        "pair_chains",
        "sure_sides",
        "pair_machines",
        "fold_linear",
        "fold_points",
        "dead_code",
        "fuse_sums",
    ),
    *(
        "constant_channels",
        "calibrate",
        "wide_layers",
        "select",
        "pack_tables",
        "dead_code",
        "by_rows",
        "arrivals",
        "order",
    ),
]


def test_the_pipeline_in_its_order() -> None:
    assert [name_of(one) for one in PIPELINE] == ORDER


def test_the_dump_shows_each_stage() -> None:
    seen: list[tuple[str, str]] = []
    after = run(module(), UNO, dump=lambda name, text: seen.append((name, text)))
    assert [name for name, _ in seen] == ORDER
    assert "const %w" in seen[0][1]
    assert "const %w" not in seen[-1][1]
    assert seen[-1][1] == str(after)


def test_the_same_module_gives_the_same_text() -> None:
    assert str(run(module(), UNO)) == str(run(module(), UNO))


def test_a_pass_that_breaks_the_order_is_named() -> None:
    with pytest.raises(McugenError) as caught:
        run(module(), UNO, pipeline=(*PIPELINE, backwards))
    assert "%a before it is made" in str(caught.value)
    assert {d.notes for d in caught.value.diagnostics} == {("after the pass backwards",)}


def test_a_pass_with_options_is_named_by_its_class() -> None:
    with pytest.raises(McugenError, match="after the pass Forget"):
        run(module(), UNO, pipeline=(Forget("v"),))


def test_the_broken_stage_is_in_the_dump() -> None:
    seen: list[str] = []
    with pytest.raises(McugenError):
        run(module(), UNO, dump=lambda name, text: seen.append(text), pipeline=(Forget("v"), backwards))
    assert len(seen) == 1
    assert "%v = relu(%w) : ?" in seen[0]


def test_a_module_that_is_broken_before_the_first_pass_blames_none() -> None:
    with pytest.raises(McugenError) as caught:
        run(Forget("v")(module(), UNO), UNO)
    assert {d.notes for d in caught.value.diagnostics} == {()}


def test_the_dump_of_every_pass(golden) -> None:
    """What `--dump-ir` prints: a constant sum is folded, a dead node goes, the form of the trees is chosen."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((4,), DType.F32))
    (sum,) = builder.add(
        Add(), *(builder.const(n, np.array([1, 2, 3, 4], np.float32)) for n in ("a", "b")), names=("sum",)
    )
    (moved,) = builder.add(Add(), x, sum, names=("moved",))
    builder.add(Relu(), moved, names=("dead",))
    (label,) = builder.add(forest_op("label", ""), moved, names=("label",))
    builder.output(label, ("red", "green", "blue"))
    dumped: list[str] = []
    run(Module("m", (builder.build(),)), UNO, lambda name, text: dumped.append(f"== {name}\n{text.rstrip()}\n"))
    golden("ir/passes.txt", "\n".join(dumped))
