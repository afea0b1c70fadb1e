"""Models small enough to be read: hand-made forests in any form, and a graph with a table, an arena and state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mcugen.boards import Target, load_board
from mcugen.emit import emit
from mcugen.ir import DType, GraphBuilder, Label, Module, TensorType
from mcugen.memory.plan import plan
from mcugen.ops.add import Add
from mcugen.ops.relu import Relu
from mcugen.ops.tree_ensemble import Output, TreeEnsemble
from mcugen.ops.tree_ensemble.trees import Trees
from mcugen.targets.driver import Unit

FORMS = ("branches", "branches16", "table")
UNO = Target(load_board("uno"))

# x[0] <= -0.5 (NaN goes left) ? leaf : x[1] <= 2.5 ? leaf : leaf; and x[2] <= 0.1 ? leaf : leaf
FEATURE = (0, -1, 1, -1, -1, 2, -1, -1)
THRESHOLD = (-0.5, 0, 2.5, 0, 0, 0.1, 0, 0)
LEFT = (1, 1, 3, 3, 4, 6, 6, 7)
RIGHT = (2, 1, 4, 3, 4, 7, 6, 7)
CLASSES = ((1, 0, 0), (0, 0.75, 0.25), (0, 0, 1), (0.5, 0.5, 0), (0, 0, 1))
NUMBERS = ((1.5,), (-2,), (0.1,), (30,), (-0.25,))


def forest_op(output: Output, form: str, trees: int = 2) -> TreeEnsemble:
    """One tree or both; three classes or a number."""
    nodes = 5 if trees == 1 else 8
    feature = np.array(FEATURE[:nodes], np.int32)
    leaf = feature < 0
    return TreeEnsemble(
        Trees(
            n_features=4,
            feature=feature,
            threshold=np.array(THRESHOLD[:nodes], np.float32),
            left=np.array(LEFT[:nodes], np.int32),
            right=np.array(RIGHT[:nodes], np.int32),
            missing_left=np.arange(nodes) == 0,
            leaf=np.where(leaf, np.cumsum(leaf) - 1, -1).astype(np.int32),
            values=np.array((NUMBERS if output == "value" else CLASSES)[: leaf.sum()], np.float64),
            roots=np.array([0, 5][:trees], np.int32),
            visits=np.ones(nodes),
        ),
        output,
        form,
    )


def forest(
    output: Output,
    form: str,
    name: str = "m",
    *,
    trees: int = 2,
    labels: Sequence[Label] = (0, 1, 2),
    header: bool = False,
    facts: Mapping[str, str] | None = None,
) -> Unit:
    """The C of a hand-made forest for the Uno."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((4,), DType.F32))
    names = {"label": ("label",), "proba": ("label", "proba"), "value": ("value",)}[output]
    for made in builder.add(forest_op(output, form, trees), x, names=names):
        builder.output(made, tuple(labels) if made == "label" else None)
    module = Module(name, (builder.build(),))
    return Unit(module, emit(module, plan(module, UNO), UNO, header=header, facts=facts))


def graph(name: str = "net", *, header: bool = False, facts: Mapping[str, str] | None = None) -> Unit:
    """y = relu(x + weight), z = (y + s) + bias with s = s + u: a table for each axis, an arena, state and an unused input."""
    builder = GraphBuilder("run")
    x = builder.input("x", TensorType((2, 3), DType.F32))
    builder.input("spare", TensorType((), DType.F32))
    (sum,) = builder.add(Add(), x, builder.const("fc.weight", np.array([0.5, -1, np.inf], np.float32)))
    (y,) = builder.add(Relu(), sum, names=("y",))
    s = builder.state("s", np.array([1, 2, 3], np.float32))
    (new,) = builder.add(Add(), s, builder.input("u", TensorType((3,), DType.F32)))
    builder.update(s, new)
    (moved,) = builder.add(Add(), y, new)
    (z,) = builder.add(Add(), moved, builder.const("fc.bias", np.float32(0.1)), names=("z",))
    builder.output(y)
    builder.output(z)
    module = Module(name, (builder.build(),))
    return Unit(module, emit(module, plan(module, UNO), UNO, header=header, facts=facts))
