"""tree_ensemble as branches: which splits a board with a unit for floats compares by their bits, and what trees share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from random_trees import random_trees

from mcugen.boards import Target, load_board
from mcugen.emit import emit
from mcugen.ir import DType, GraphBuilder, Module, TensorType
from mcugen.memory.plan import plan
from mcugen.op import Cost, Form
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.forms import available
from mcugen.ops.tree_ensemble.joints import Joints
from mcugen.ops.tree_ensemble.layout import distinct
from mcugen.ops.tree_ensemble.trees import Trees

WITH_UNIT = Target(load_board("feather_nrf52840"))
RARE = np.array([1.0, 0.2, 0.8])  # rows that pass a root, its left and its right side


def stumps(*splits: tuple[int, float], visits: np.ndarray = RARE, missing_left: bool = False) -> Trees:
    """Trees of one split each, (feature, threshold), between two pure leaves."""
    count = len(splits)
    feature = np.ravel([(feature, -1, -1) for feature, _ in splits])
    node = np.arange(3 * count)
    root = node[::3]
    return Trees(
        n_features=1 + max(feature),
        feature=feature.astype(np.int32),
        threshold=np.ravel([(threshold, 0, 0) for _, threshold in splits]).astype(np.float32),
        left=np.where(feature >= 0, node + 1, node).astype(np.int32),
        right=np.where(feature >= 0, node + 2, node).astype(np.int32),
        missing_left=np.full(3 * count, missing_left) & (feature >= 0),
        leaf=np.where(feature < 0, node, -1).astype(np.int32),
        values=np.eye(2)[node % 2],
        roots=root.astype(np.int32),
        visits=np.tile(visits, count),
    )


def c_of(trees: Trees) -> str:
    op = TreeEnsemble(trees, "label").with_form(Form("branches_float", Cost()), WITH_UNIT)
    builder = GraphBuilder("predict")
    builder.add(op, builder.input("x", TensorType((trees.n_features,), DType.F32)), names=("label",))
    builder.output("label", ("a", "b"))
    module = Module("m", (builder.build(),))
    return "".join(emit(module, plan(module, WITH_UNIT), WITH_UNIT).values())


def test_with_a_unit_bits_are_compared_where_most_rows_jump_at_once():
    assert "M_SPLIT_R(x, 0," in c_of(stumps((0, 1.5)))
    assert "M_SPLIT_NR(x, 0," in c_of(stumps((0, -1.5)))


def test_with_a_unit_floats_are_compared_where_most_rows_go_on_or_nan_does():
    for trees in (stumps((0, 1.5), visits=np.array([1.0, 0.8, 0.2])), stumps((0, 1.5), missing_left=True)):
        text = c_of(trees)
        assert "x[0]" in text
        assert "SPLIT" not in text


def test_where_no_nan_comes_a_unit_for_floats_has_no_form_of_its_own():
    trees = random_trees(np.random.default_rng(0), features=4, outputs=2, trees=3, splits=9, leaves="pure")
    for never, found in ((False, True), (True, False)):
        op = TreeEnsemble(replace(trees, takes_nan=not never), "label")
        assert ("branches_float" in available(op, WITH_UNIT.board)) == found


def joints(trees: Trees, followed: bool = True) -> dict[str, int]:
    found = Joints(trees, (trees.feature >= 0) & followed)
    found.count(range(trees.n_trees))
    return {name: count for name, count in found.found.items() if count}


def test_a_tree_that_asks_the_same_again_is_decided_on_every_way():
    assert joints(stumps((0, 1.5), (0, 1.5))) == {"sure": 1, "same": 1, "kept": 1}


def test_a_tree_that_asks_for_another_threshold_is_decided_on_one_way():
    assert joints(stumps((0, 1.5), (0, 2.5))) == {"joints": 1, "known": 1, "kept": 1}
    assert joints(stumps((0, 2.5), (0, 1.5))) == {"joints": 1, "known": 1, "kept": 1}


def test_another_feature_is_not_known_and_comparisons_of_floats_are_not_followed():
    assert joints(stumps((0, 1.5), (1, 1.5))) == {}
    assert joints(stumps((0, 1.5), (0, 1.5)), followed=False) == {"same": 1, "kept": 1}


def with_a_copy(threshold: float) -> Trees:
    """A tree whose two sides ask for x[1], the left one for 2, and lead to the same leaves."""
    return Trees(
        n_features=2,
        feature=np.array([0, 1, -1, -1, 1, -1, -1], np.int32),
        threshold=np.array([1, 2, 0, 0, threshold, 0, 0], np.float32),
        left=np.array([1, 2, 2, 3, 5, 5, 6], np.int32),
        right=np.array([4, 3, 2, 3, 6, 5, 6], np.int32),
        missing_left=np.zeros(7, np.bool_),
        leaf=np.array([-1, -1, 0, 1, -1, 2, 3], np.int32),
        values=np.eye(2)[[0, 1, 0, 1]],
        roots=np.zeros(1, np.int32),
        visits=np.array([1, 0.5, 0.25, 0.25, 0.5, 0.25, 0.25]),
    )


def splits_left(trees: Trees, cut: int) -> int:
    lines = TreeEnsemble(trees, "label").encodings.branches(cut)
    return sum(line.feature >= 0 for part in distinct(lines) for line in part)


def test_a_split_and_its_copy_are_code_once_for_the_cost_model():
    # both in one function: -Os lets one jump into the other; each in a function of its own: it makes one of these
    for cut in (100, 1):
        assert splits_left(with_a_copy(2.0), cut) == 1 + 1
        assert splits_left(with_a_copy(3.0), cut) == 1 + 2
