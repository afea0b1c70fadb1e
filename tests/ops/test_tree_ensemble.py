"""tree_ensemble: NumPy against compiled C in every form, on trees and floats that nobody would make on purpose."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from random_trees import random_trees
from sanitized import check_as_cpp, check_on_avr, hard_floats, run_sanitized

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.ir import Array, DType, GraphBuilder, Module, TensorType
from mcugen.memory.plan import plan
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.combine import Combine
from mcugen.ops.tree_ensemble.forms import AVR_OBJECT, available
from mcugen.ops.tree_ensemble.leaves import encode
from mcugen.ops.tree_ensemble.probe import probe_rows
from mcugen.ops.tree_ensemble.ranks import searching
from mcugen.ops.tree_ensemble.trees import Trees
from mcugen.targets.driver import Unit

FORMS = ("branches", "table", "table_far")
FLOAT_FORMS = ("branches16", "branches_float")
RANK_FORMS = ("branches_ranks", "table_ranks", "table_ranks_far")
INTEGERS = (DType.U8, DType.I16)
MEGA = Target(load_board("mega2560"))
UNCUT = 1_000  # splits of a function, as on boards that are no AVR


@dataclass(frozen=True)
class Shape:
    """A random ensemble to be made."""

    features: int
    outputs: int
    trees: int
    splits: int
    leaves: str
    output: str
    x: DType = DType.F32


SHAPES = [
    Shape(1, 2, 1, 0, "pure", "label"),  # one leaf and nothing else
    Shape(3, 2, 1, 1, "pure", "label"),
    Shape(4, 3, 1, 40, "counts", "label"),
    Shape(4, 3, 1, 40, "counts", "proba"),
    Shape(8, 2, 7, 30, "pure", "label"),
    Shape(8, 2, 7, 30, "pure", "proba"),
    Shape(5, 300, 5, 60, "pure", "label"),  # more classes than a byte has
    Shape(5, 300, 5, 60, "counts", "proba"),
    Shape(5, 129, 3, 50, "weights", "proba"),  # one more than a row's first byte holds
    Shape(200, 4, 9, 40, "counts", "label"),  # 1-byte heads do not suffice
    Shape(15_000, 2, 3, 30, "weights", "label"),  # features are listed
    Shape(6, 10, 12, 25, "counts", "proba"),
    Shape(6, 10, 12, 25, "weights", "proba"),
    Shape(6, 2, 300, 3, "counts", "label"),  # more trees than a byte counts
    Shape(6, 2, 300, 2, "pure", "label"),
    Shape(6, 3, 100, 9, "pure", "label"),  # votes in 16 bits
    Shape(6, 3, 100, 9, "pure", "proba"),
    Shape(6, 10, 20, 20, "pure", "label"),  # votes in words
    Shape(6, 16, 20, 30, "pure", "proba"),
    Shape(6, 17, 20, 30, "pure", "label"),  # more words than there are registers
    Shape(6, 1, 1, 40, "numbers", "value"),
    Shape(6, 1, 1, 600, "numbers", "value"),  # more leaves than a byte has
    Shape(6, 1, 9, 40, "integers", "value"),
    Shape(6, 1, 300, 4, "integers", "value"),
    Shape(6, 1, 9, 40, "numbers", "value"),
    Shape(6, 1, 40, 20, "numbers", "value"),
    Shape(6, 1, 12, 60, "wide", "value"),  # further apart than 64 bits hold
    Shape(6, 1, 300, 4, "wide", "value"),
    Shape(100, 3, 4, 60, "pure", "label"),  # half of the features are used, and listed
    Shape(4, 1, 1, 300, "numbers", "leaves"),
    Shape(6, 1, 12, 25, "numbers", "leaves"),
]
WHOLE = [
    Shape(1, 2, 1, 0, "pure", "label"),
    Shape(4, 3, 1, 90, "counts", "label"),
    Shape(4, 3, 9, 40, "counts", "proba"),
    Shape(2, 3, 20, 40, "pure", "label"),  # the same questions again and again
    Shape(130, 4, 9, 40, "pure", "label"),
    Shape(400, 4, 9, 40, "counts", "label"),
    Shape(6, 1, 9, 40, "numbers", "value"),
]


def made(shape: Shape, seed: int) -> TreeEnsemble:
    """The op of a shape."""
    rng = np.random.default_rng(seed)
    trees = random_trees(
        rng, features=shape.features, outputs=shape.outputs, trees=shape.trees, splits=shape.splits, leaves=shape.leaves
    )
    if shape.output == "leaves":
        trees = replace(trees, values=np.arange(float(len(trees.values)))[:, np.newaxis])
    if shape.x != DType.F32:
        numbers = rng.normal(100, 80 if shape.x == DType.U8 else 20_000, len(trees.feature)).astype(np.float32)
        some = np.where(rng.random(len(numbers)) < 0.1, trees.threshold, numbers)
        trees = replace(trees, threshold=np.where(trees.feature < 0, np.float32(0), some))
    return TreeEnsemble(trees, shape.output, x=shape.x)


def forms(op: TreeEnsemble) -> list[str]:
    """Every form that the op has on any board."""
    ranks = RANK_FORMS if op.encodings.ranks else ()
    return [*FORMS, *ranks, *(FLOAT_FORMS if op.x == DType.F32 else ())]


def unit(op: TreeEnsemble, form: str, name: str, cut: int = 32) -> Unit:
    """The op as a model of its own, in this form, in functions of so many splits."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((op.trees.n_features,), op.x))
    labels = tuple(range(op.trees.n_outputs))
    names = {"label": ("label",), "proba": ("label", "proba"), "value": ("value",), "leaves": ("leaves",)}[op.output]
    builder.add(in_form(op, form, cut), x, names=names)
    for output in names:
        builder.output(output, labels if output == "label" else None)
    module = Module(name, (builder.build(),))
    return Unit(module, emit(module, plan(module, MEGA), MEGA))


def in_form(op: TreeEnsemble, form: str, cut: int = 32) -> TreeEnsemble:
    """The op in this form, there or not; its trees are encoded once for all of them."""
    decided = replace(op, form=form, cut=cut)
    vars(decided)["encodings"] = op.encodings
    return decided


def rows_for(trees: Trees, seed: int, x: DType = DType.F32) -> Array:
    """Rows at the thresholds, and rows of any bits: every NaN, infinities, subnormal numbers."""
    rng = np.random.default_rng(seed)
    probes = probe_rows(trees, 900, rng, x)
    if x != DType.F32:
        ends = np.iinfo(x.numpy)
        return np.concatenate([probes, rng.integers(ends.min, ends.max + 1, (200, trees.n_features)).astype(x.numpy)])
    hard = hard_floats(rng, 200, (trees.n_features,))
    nan = hard.view(np.uint32) | np.where(rng.random(hard.shape) < 0.2, np.uint32(0x7F800000), np.uint32(0))
    return np.concatenate([probes, hard, nan.view(np.float32)]).astype(np.float32)


@pytest.mark.parametrize("part", range(8))
def test_the_c_gives_numpys_answers(part: int) -> None:
    shapes = [*SHAPES, *(replace(shape, x=x) for shape in WHOLE for x in INTEGERS)]
    ops = [(i, made(shapes[i], 100 * part + i)) for i in range(part, len(shapes), 8)]
    cases = [(op, form, (i + k) % 2) for i, op in ops for k, form in enumerate(forms(op))]
    cuts = [32 if form == "branches16" or odd else UNCUT for _, form, odd in cases]
    units = [unit(op, form, f"m{i}", cut) for i, ((op, form, _), cut) in enumerate(zip(cases, cuts, strict=True))]
    rows = {id(op): rows_for(op.trees, part, op.x) for _, op in ops}
    inputs = [[rows[id(op)]] for op, *_ in cases]
    results = run_sanitized(units, inputs)
    for (op, form, _), (x,), found in zip(cases, inputs, results, strict=True):
        assert_answers(op, x, found, f"{op.describe()} {form}")


def assert_answers(op: TreeEnsemble, x: Array, found: list[Array], what: str) -> None:
    """Labels where the best class is 1e-12 ahead; probabilities to 2**-22 absolute; numbers to 1e-6 relative."""
    if op.output == "leaves":
        wanted = np.column_stack([op.trees.values[leaf, 0] for leaf in op.trees.apply(x)])
        np.testing.assert_array_equal(found[0], wanted.astype(np.float32), err_msg=what)
        np.testing.assert_array_equal(found[0][0], op.evaluate(x[0])[0], err_msg=what)
        return
    scores = op.scores(x)
    if op.output == "value":
        np.testing.assert_allclose(found[0], scores[:, 0], rtol=1e-6, atol=1e-37, err_msg=what)
        return
    best = np.sort(scores, axis=1)
    clear = best[:, -1] - best[:, -2] > 1e-12
    np.testing.assert_array_equal(found[0][clear], scores.argmax(axis=1)[clear], err_msg=what)
    assert (scores[np.arange(len(x)), found[0]] >= best[:, -1] - 1e-12).all(), what
    if op.output == "proba":
        np.testing.assert_allclose(found[1], scores, rtol=0, atol=2.0**-22, err_msg=what)


def test_the_c_is_cpp_and_avr_too() -> None:
    """Where a form is not for AVR at all (tables over 32,767 bytes) `forms` has said so."""
    shapes = [*SHAPES, *(replace(shape, x=x) for shape in WHOLE for x in INTEGERS)]
    ops = {f"m{i}": made(shape, i) for i, shape in enumerate(shapes[::2]) if shape.features < 999}
    check_as_cpp(
        [unit(op, form, name + form, UNCUT) for name, op in ops.items() for form in forms(op) if form != "branches16"]
    )
    check_on_avr([unit(op, form, name + form) for name, op in ops.items() for form in avr_forms(op)])


def avr_forms(op: TreeEnsemble) -> list[str]:
    """The forms in which an ATmega2560 can have the op; none is E0303, as test_select_sees_what_avr_cannot_hold says."""
    try:
        return [form.name for form in op.forms(MEGA)]
    except McugenError:
        return []


def test_leaves_take_the_narrowest_form() -> None:
    def kind(leaves: str, trees: int, output: str) -> str:
        outputs = 1 if output == "value" else 3
        rng = np.random.default_rng(0)
        made = random_trees(rng, features=2, outputs=outputs, trees=trees, splits=9, leaves=leaves)
        return encode(made, output).kind  # type: ignore[arg-type]

    assert kind("counts", 1, "label") == "class"
    assert kind("pure", 5, "label") == kind("pure", 1, "proba") == "votes"
    assert kind("counts", 5, "label") == kind("weights", 5, "proba") == "shares"
    assert kind("numbers", 1, "value") == "float"
    assert kind("numbers", 5, "value") == "numbers"
    assert kind("wide", 5, "value") == "wide"


def test_select_sees_what_avr_cannot_hold() -> None:
    rng = np.random.default_rng(0)
    huge = random_trees(rng, features=4, outputs=200, trees=6, splits=400, leaves="weights")
    with pytest.raises(McugenError) as caught:
        TreeEnsemble(huge, "proba").forms(MEGA)
    assert caught.value.diagnostics[0].code == "E0303"


def test_leaves_that_are_in_the_code_need_no_table_on_avr() -> None:
    rng = np.random.default_rng(0)
    trees = random_trees(rng, features=4, outputs=1, trees=100, splits=200, leaves="numbers")
    added = TreeEnsemble(replace(trees, combine=Combine("sum", np.zeros(1))), "value")
    assert added.encodings.leaves.nbytes > AVR_OBJECT
    assert added.encodings.literals
    assert {form.split("_")[0] for form in available(added, MEGA.board)} == {"branches", "branches16"}
    with pytest.raises(McugenError, match="E0303"):
        available(TreeEnsemble(trees, "value"), MEGA.board)


def test_a_number_is_known_below_a_split_that_turns_nan_away() -> None:
    """Split 0 sends NaN to the right: its left side need not ask again, its right side must. Split 2 is of another feature."""
    trees = Trees(
        n_features=2,
        feature=np.array([0, 0, 0, -1, 1, -1, -1, -1, -1], np.int32),
        threshold=np.array([1, 0, 2, 0, 0, 0, 0, 0, 0], np.float32),
        left=np.array([1, 3, 5, 3, 7, 5, 6, 7, 8], np.int32),
        right=np.array([2, 4, 6, 3, 8, 5, 6, 7, 8], np.int32),
        missing_left=np.zeros(9, np.bool_),
        leaf=np.array([-1, -1, -1, 0, -1, 1, 2, 3, 4], np.int32),
        values=np.eye(5),
        roots=np.zeros(1, np.int32),
        visits=np.ones(9),
    )
    assert trees.numbers.nonzero()[0].tolist() == [1]
    assert replace(trees, missing_left=np.ones(9, np.bool_)).numbers.nonzero()[0].tolist() == [2]
    assert replace(trees, takes_nan=False).numbers.nonzero()[0].tolist() == [0, 1, 2, 4]


@pytest.mark.parametrize("count", [1, 2, 7, 254])
def test_a_rank_is_found_in_as_few_steps_as_can_be(count: int) -> None:
    thresholds = np.arange(count, dtype=np.float32)
    trees = searching([thresholds])
    rows = np.concatenate([thresholds - 0.5, thresholds, [np.float32(count)]])[:, np.newaxis]
    (found,) = trees.apply(rows)
    np.testing.assert_array_equal(found, np.searchsorted(thresholds, rows[:, 0], side="left"))
    depth, level = 0, trees.roots
    while (trees.feature[level] >= 0).any():
        depth, level = depth + 1, np.unique(np.concatenate([trees.left[level], trees.right[level]]))
    assert depth == count.bit_length()


def test_types_are_checked() -> None:
    op = made(SHAPES[2], 0)
    assert op.infer(TensorType((4,), DType.F32)) == (TensorType((), DType.I32),)
    with pytest.raises(McugenError, match="E0201"):
        op.infer(TensorType((5,), DType.F32))


def test_the_graph_prints() -> None:
    graph = unit(made(SHAPES[1], 0), "table", "m").module.predict
    assert "%label = tree_ensemble(%x) {trees=1 nodes=3 output=label form=table} : i32" in str(graph)
