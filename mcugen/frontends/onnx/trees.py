"""ai.onnx.ml's tree ensembles: each becomes the op `tree_ensemble`, one for every number that it gives, or one for its classes.

Some things differ between ONNX's runtimes, and models that depend on them are refused: transforms of a single number, the
numbers that operator set 5 has for transforms, and two classes whose weights do not all belong to the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mcugen.frontends.onnx.call import Call, Operand
from mcugen.frontends.onnx.reduce import reduced
from mcugen.frontends.onnx.rows import (
    label_of,
    labels_in,
    number,
    rows_of,
    stacked,
    transform_in,
    transformed,
)
from mcugen.frontends.onnx.shape import joined as joined_along
from mcugen.frontends.onnx.shape import reshaped
from mcugen.frontends.onnx.tree_nodes import Nodes, floats_in, nodes_of, nodes_of_5
from mcugen.frontends.sklearn.tree_arrays import LEAF, TreeArrays
from mcugen.frontends.sklearn.tree_members import check_sum, joined
from mcugen.ir import DType
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.combine import Combine, Link
from mcugen.ops.tree_ensemble.leaves import Output

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter

Floats = npt.NDArray[np.float64]

AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")  # TreeEnsemble says them by number
MOST_ALONE = 256  # trees that are compared with each other, each by a node of its own
SINGLE = 2.0**-22  # of a number: what float32 and dividing by the number of trees may have cost
MOST_SAMPLES = 2_048  # of a leaf: more are not told from rounding


@dataclass(frozen=True, eq=False)
class Forest:
    """The trees of a node, each alone, and how one of them is walked: on the row itself, or on ranks (see `_ranked`)."""

    call: Call
    trees: Sequence[TreeArrays]
    n_features: int

    def ensemble(
        self, trees: Sequence[TreeArrays], values: Sequence[Floats], combine: Combine, what: Output
    ) -> TreeEnsemble:
        """An op over some of the trees with these values in their leaves, (nodes, numbers) each."""
        members = [replace(tree, value=value) for tree, value in zip(trees, values, strict=True)]
        made = replace(joined(members, self.n_features, self.call.loc), combine=combine)
        if combine.how == "sum" or what == "value":
            check_sum(made, what == "value", self.call.loc)
        return TreeEnsemble(made, what)

    def weights(self, target: int) -> list[tuple[TreeArrays, Floats]]:
        """The trees that give a target something, and what their nodes give, 0 for nothing."""
        given = [(tree, tree.value[:, target]) for tree in self.trees]
        return [(t, np.nan_to_num(w)[:, np.newaxis]) for t, w in given if not np.isnan(w[t.is_leaf]).all()]


def _regressor(call: Call) -> None:
    how = call.attribute("aggregate_function", "SUM")
    how = AGGREGATES[how] if isinstance(how, int) and 0 <= how < len(AGGREGATES) else how
    nodes = nodes_of_5(call) if call.op == "TreeEnsemble" else nodes_of(call)
    targets, transform = nodes.weights.shape[1], transform_in(call)
    base = floats_in(call, "base_values")
    if len(base) not in (0, targets) or how not in AGGREGATES:
        raise call.refused(f"{len(base)} base values, {how} of {targets} targets", "export the model again", "E0104")
    swapped = call.op == "TreeEnsemble" and transform in ("SOFTMAX", "LOGISTIC")
    if swapped or (targets == 1 and transform not in ("NONE", "PROBIT")):
        what = "is taken for another" if swapped else "of a single number is left out"
        text = f"post_transform {transform} {what} by some runtimes"
        raise call.refused(text, "export it with NONE and put a node of its own behind it")
    forest, rows = _forest(call, nodes)
    base = base if len(base) else np.zeros(targets)
    found = [joined_along(call, [_target(forest, row, t, how, base[t]) for t in range(targets)], 0) for row in rows]
    scores = transformed(call, stacked(call, found), transform)
    wide = call.op == "TreeEnsemble" and call.type(0).dtype is DType.F64
    call.gives(call.add(Elementwise("Cast", DType.F64), scores) if wide else scores)


def _target(forest: Forest, row: Operand, target: int, how: str, base: float) -> Operand:
    """One number of a regressor, (1,)."""
    call, given = forest.call, forest.weights(target)
    if not given:
        return np.asarray([base], np.float32)
    trees, values = [tree for tree, _ in given], [value for _, value in given]
    if how in ("MIN", "MAX"):
        return _extreme(forest, row, target, how, base)
    if how == "AVERAGE":
        values = [value / len(forest.trees) for value in values]
    alone = len(trees) == 1 and base == 0
    combine = Combine() if alone else Combine("sum", np.array([base]))
    return reshaped(call, call.add(forest.ensemble(trees, values, combine, "value"), row), (1,))


def _extreme(forest: Forest, row: Operand, target: int, how: str, base: float) -> Operand:
    """The least or largest of what trees give, each by a node."""
    call, given = forest.call, forest.weights(target)
    if len(given) > MOST_ALONE:
        text = f"{how} of {len(given):,} trees; mcugen takes {MOST_ALONE} at most"
        raise call.refused(text, "train fewer trees, or add them up", "E0303")
    if any(np.isnan(tree.value[tree.is_leaf, target]).any() for tree, _ in given):
        raise call.refused(f"{how} of leaves, some of which give nothing", "give every leaf a weight for this target")
    found = [reshaped(call, call.add(forest.ensemble([t], [v], Combine(), "value"), row), (1,)) for t, v in given]
    result = reduced(call, how.capitalize(), joined_along(call, found, 0), (0,))
    return call.add(Elementwise("Add"), result, number(base)) if base else result


def _classifier(call: Call) -> None:
    nodes = nodes_of(call)
    labels, transform = labels_in(call, "classlabels_int64s", "classlabels_strings"), transform_in(call)
    base = floats_in(call, "base_values")
    used = [k for k in range(len(labels)) if not np.isnan(nodes.weights[:, k]).all()]
    if len(labels) < 2:
        raise call.refused("one class is nothing to tell apart", "train it on two classes or more")
    forest, rows = _forest(call, nodes)
    if len(labels) > 2:
        if len(base) not in (0, len(labels)):
            raise call.refused(f"{len(base)} base values for {len(labels)} classes", "export the model again", "E0104")
        op = _shares(forest, len(labels), transform, base) or _scores(forest, len(labels), transform, base)
        found = [_both(call, op, row) for row in rows]
        after = "NONE" if op.output == "proba" else transform
    else:
        _check_two(call, used, base, transform, nodes)
        op = _shares(forest, 2, transform, base) or _score(forest, transform, base)
        found = [_two(call, op, row) for row in rows]
        after = "NONE"
    scores = transformed(call, stacked(call, [numbers for _, numbers in found]), after)
    call.gives(label_of(call, [index for index, _ in found], labels), scores)


def _both(call: Call, op: TreeEnsemble, row: Operand) -> tuple[Operand, Operand]:
    index, numbers = call.add_all(op, row)
    return index, numbers


def _check_two(call: Call, used: Sequence[int], base: Floats, transform: str, nodes: Nodes) -> None:
    """Of two classes the second's score is what counts; runtimes agree where all weights are said to be the first's."""
    positive = bool((np.nan_to_num(nodes.weights) >= 0).all())
    unclear = used != [0] or len(base) > 1 or transform not in ("NONE", "LOGISTIC")
    if unclear or (positive and transform == "LOGISTIC"):
        text = (
            "of two classes runtimes make different answers here: class_ids, base_values or post_transform are unusual"
        )
        help = "export it with class_ids all 0, one base value at most, and post_transform NONE (forests) or LOGISTIC"
        raise call.refused(text, help)


def _shares(forest: Forest, classes: int, transform: str, base: Floats) -> TreeEnsemble | None:
    """Trees whose leaves are parts of 1 that are averaged, as scikit-learn's forests have them; None for others."""
    if transform != "NONE" or base.any():
        return None
    count = len(forest.trees)
    values = [np.nan_to_num(tree.value) * count for tree in forest.trees]
    if classes == 2:
        values = [np.column_stack([1 - value[:, 0], value[:, 0]]) for value in values]
    leaves = np.concatenate([value[tree.is_leaf] for value, tree in zip(values, forest.trees, strict=True)])
    if leaves.min() < -SINGLE or (np.abs(leaves.sum(axis=1) - 1) > classes * SINGLE).any():
        return None
    rows, which = np.unique(leaves, axis=0, return_inverse=True)
    whole = _counted(np.maximum(rows, 0))[which.ravel()]
    at = 0
    for value, tree in zip(values, forest.trees, strict=True):
        own = int(tree.is_leaf.sum())
        value[tree.is_leaf] = whole[at : at + own]
        at += own
    return forest.ensemble(forest.trees, values, Combine(), "proba")


def _counted(rows: Floats) -> Floats:
    """Shares that were rounded to float32, as the counts of samples that they were made of, divided by their sum."""
    found = rows / rows.sum(axis=1, keepdims=True)
    left = np.arange(len(rows))
    for samples in range(1, MOST_SAMPLES + 1):
        counts = rows[left] * samples
        near = np.rint(counts)
        fits = (np.abs(counts - near) <= SINGLE * np.maximum(counts, 1 / samples)).all(axis=1) & (
            near.sum(axis=1) == samples
        )
        found[left[fits]] = near[fits] / samples
        left = left[~fits]
        if not len(left):
            break
    return np.asarray(found)


def _scores(forest: Forest, classes: int, transform: str, base: Floats) -> TreeEnsemble:
    """Scores of three classes or more: the trees of each, as many for all."""
    given = [forest.weights(k) for k in range(classes)]
    most = max(1, *(len(trees) for trees in given))
    nothing = (_stump(), np.zeros((1, 1)))
    padded = [pair for trees in given for pair in [*trees, *[nothing] * (most - len(trees))]]
    softmax = transform == "SOFTMAX"
    combine = Combine("sum", base if len(base) else np.zeros(classes), link="softmax" if softmax else "identity")
    trees, values = [tree for tree, _ in padded], [value for _, value in padded]
    return forest.ensemble(trees, values, combine, "proba" if softmax else "decision")


def _stump() -> TreeArrays:
    """A tree that is one leaf."""
    leaf, no = np.full(1, LEAF, np.int64), np.zeros(1, np.bool_)
    return TreeArrays(leaf, leaf, leaf, np.zeros(1), no, np.zeros((1, 1)), np.ones(1))


def _score(forest: Forest, transform: str, base: Floats) -> TreeEnsemble:
    """The score of the second of two classes: beyond 0, or beyond 1/2 where all weights are positive."""
    given = forest.weights(0)
    link: Link = "sigmoid" if transform == "LOGISTIC" else "identity"
    positive = all((value >= 0).all() for _, value in given)
    begin = (float(base[0]) if len(base) else 0.0) - 0.5 * positive
    combine = Combine("sum", np.array([begin]), link=link)
    trees, values = [tree for tree, _ in given], [value for _, value in given]
    return forest.ensemble(trees, values, combine, "proba" if link == "sigmoid" else "decision")


def _two(call: Call, op: TreeEnsemble, row: Operand) -> tuple[Operand, Operand]:
    """Index and both numbers of two classes: of a score s beyond 1/2 they are 1 - s and s, beyond 0 -s and s."""
    index, numbers = _both(call, op, row)
    if op.output == "proba":
        return index, numbers
    half = number(0.5 if all(v >= 0 for v in op.trees.values.ravel()) else 0.0)
    turned = call.add(Elementwise("Sub"), half, numbers)
    return index, joined_along(call, [turned, call.add(Elementwise("Add"), numbers, half)], 0)


def _forest(call: Call, nodes: Nodes) -> tuple[Forest, list[Operand]]:
    """The trees, and the rows that they take: float32, or ranks of doubles."""
    x, n_features = call.operand(0), call.type(0).shape[-1]
    trees = nodes.trees(call, n_features)
    if call.type(0).dtype is not DType.F64:
        return Forest(call, trees, n_features), rows_of(call, x)
    return _ranked(call, trees, n_features)


def _ranked(call: Call, trees: Sequence[TreeArrays], n_features: int) -> tuple[Forest, list[Operand]]:
    """Doubles are compared as they are: how many of its feature's thresholds lie below x is a whole number, which float32
    holds, and `x <= threshold` is the same as `that number <= the threshold's place`. NaN stays NaN.
    """
    asked = [~tree.is_leaf for tree in trees]
    feature = np.concatenate([t.feature[a] for t, a in zip(trees, asked, strict=True)])
    threshold = np.concatenate([t.threshold[a] for t, a in zip(trees, asked, strict=True)])
    lists = [np.unique(threshold[feature == f]) for f in range(n_features)]
    width = max(1, *(len(one) for one in lists))
    call.bounded(n_features * width)
    table = np.full((n_features, width), np.inf)
    for f, one in enumerate(lists):
        table[f, : len(one)] = one
    places = []
    for tree, a in zip(trees, asked, strict=True):
        place = np.zeros(tree.size)
        place[a] = [np.searchsorted(lists[f], t) for f, t in zip(tree.feature[a], tree.threshold[a], strict=True)]
        places.append(replace(tree, threshold=np.where(np.isposinf(tree.threshold), np.inf, place)))

    def ranks(row: Operand) -> Operand:
        below = call.add(Elementwise("Greater"), reshaped(call, row, (n_features, 1)), table)
        counted = reduced(call, "Sum", call.add(Elementwise("Cast", DType.F32), below), (1,))
        missing = call.add(Elementwise("IsNaN"), row)
        return call.add(Elementwise("Where"), missing, number(np.nan), reshaped(call, counted, (n_features,)))

    rows = [ranks(row) for row in rows_of(call, call.operand(0), DType.F64)]
    return Forest(call, places, n_features), rows


CONVERTERS: Mapping[str, Converter] = {
    "ai.onnx.ml.TreeEnsemble": _regressor,
    "ai.onnx.ml.TreeEnsembleClassifier": _classifier,
    "ai.onnx.ml.TreeEnsembleRegressor": _regressor,
}
