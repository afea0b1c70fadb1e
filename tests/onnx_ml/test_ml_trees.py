"""TreeEnsembleRegressor, TreeEnsembleClassifier and TreeEnsemble, random ones, beside onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from ml_node import DOUBLE, FLOAT, INT64, TARGETS, compare, library_of, node_model, refusal, runtime_answers
from onnx import numpy_helper

from mcugen.boards import Target
from mcugen.ir import Array

MODES = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ")
FEATURES, ROWS = 3, 200
GRID = np.array([-1.5, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, 3.0])  # thresholds and rows: many are equal


def trees(rng: np.random.Generator, count: int, depth: int, modes: tuple[str, ...] = MODES) -> dict[str, list[Any]]:
    """The `nodes_` attributes of random trees."""
    found: dict[str, list[Any]] = {
        f"nodes_{name}": []
        for name in (
            "treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
            "missing_value_tracks_true",
        )
    }  # fmt: skip
    for tree in range(count):
        todo, numbers = [(0, 0)], iter(range(1, 1000))
        while todo:
            node, level = todo.pop(0)
            leaf = level == depth or (level > 0 and rng.random() < 0.2)
            mode = "LEAF" if leaf else f"BRANCH_{rng.choice(modes)}"
            true, false = (0, 0) if leaf else (next(numbers), next(numbers))
            values = (tree, node, rng.integers(FEATURES), rng.choice(GRID), mode, true, false, rng.integers(2))
            for name, value in zip(found, values, strict=True):
                found[name].append(
                    value if isinstance(value, str) else value.item() if hasattr(value, "item") else value
                )
            todo += [] if leaf else [(true, level + 1), (false, level + 1)]
    return found


def leaves(nodes: dict[str, list[Any]], kind: str, targets: int, draw: Any) -> dict[str, list[Any]]:
    """A weight of each target for every leaf; `draw()` gives them."""
    found: dict[str, list[Any]] = {f"{kind}_{name}": [] for name in ("treeids", "nodeids", "ids", "weights")}
    for tree, node, mode in zip(nodes["nodes_treeids"], nodes["nodes_nodeids"], nodes["nodes_modes"], strict=True):
        for target, weight in enumerate(draw() if mode == "LEAF" else ()):
            for name, value in zip(found, (tree, node, target % targets, float(weight)), strict=True):
                found[name].append(value)
    return found


def regressors(rng: np.random.Generator) -> Iterator[onnx.ModelProto]:
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        for targets, transform, base in (
            (1, "NONE", 0),
            (1, "PROBIT", 1),
            (2, "NONE", 1),
            (3, "SOFTMAX", 0),
            (2, "LOGISTIC", 1),
        ):
            nodes = trees(rng, int(rng.integers(1, 4)), 3)
            more = {"base_values": [0.01 * (i + 1) for i in range(targets)]} if base else {}
            given = leaves(nodes, "target", targets, lambda t=targets: rng.uniform(0.05, 0.3, t))
            yield node_model(
                "TreeEnsembleRegressor", [1, FEATURES], [FLOAT], n_targets=targets, aggregate_function=aggregate,
                post_transform=transform, **nodes, **given, **more,
            )  # fmt: skip


def classifiers(rng: np.random.Generator) -> Iterator[onnx.ModelProto]:
    """Scores of three classes under every transform; one score of two; shares of a forest, counted and not."""
    cases: list[tuple[int, str, Any, list[int], list[float] | None]] = [
        (3, name, lambda: rng.normal(size=3), [5, -2, 9], None)
        for name in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO")
    ]
    cases += [
        (3, "SOFTMAX", lambda: rng.normal(size=3), [0, 1, 2], [0.1, -0.2, 0.3]),
        (2, "NONE", lambda: rng.normal(size=1), [0, 1], None),
        (2, "LOGISTIC", lambda: rng.normal(size=1), [3, 4], [0.25]),
        (2, "NONE", lambda: rng.uniform(0, 0.4, 1), [0, 1], None),
        (2, "NONE", lambda: rng.integers(0, 8, 1) / 7 / 4, [0, 1], None),
        (3, "NONE", lambda: rng.multinomial(9, [0.2, 0.3, 0.5]) / 9 / 4, [0, 1, 2], None),
        (3, "NONE", lambda: np.eye(3)[rng.integers(3)] / 4, [7, 8, 9], None),
    ]
    for classes, transform, draw, labels, base in cases:
        nodes = trees(rng, 4, 3)
        more = {} if base is None else {"base_values": base}
        yield node_model(
            "TreeEnsembleClassifier", [1, FEATURES], [INT64, FLOAT], classlabels_int64s=labels,
            post_transform=transform, **nodes, **leaves(nodes, "class", classes, draw), **more,
        )  # fmt: skip


def some_rows(rng: np.random.Generator, dtype: Any = np.float32) -> Array:
    """Rows of the grid and between its numbers; some are NaN, some infinite."""
    x = rng.choice(GRID, (ROWS, FEATURES)) + rng.choice([0, 0, 1e-3, -1e-3], (ROWS, FEATURES))
    x[rng.random(x.shape) < 0.15] = np.nan
    x[rng.random(x.shape) < 0.05] = np.inf
    x[rng.random(x.shape) < 0.05] = -np.inf
    return x.astype(dtype)


def of_version_5(rng: np.random.Generator, kind: int, aggregate: int, targets: int, transform: int) -> onnx.ModelProto:
    """A TreeEnsemble: three trees of one split and one below it, some on sets, leaves that several splits share."""
    splits, leaves, dtype = 6, 4, np.float64 if kind == DOUBLE else np.float32
    modes = rng.integers(0, 7, splits).astype(np.uint8)
    modes[0] = 6
    sets = [[*rng.choice([1.0, 2.0, 3.0], 2, replace=False), np.nan] for mode in modes if mode == 6]
    second = [int(rng.integers(leaves)) for _ in range(splits)]
    attributes = {
        "nodes_splits": rng.choice(GRID, splits).astype(dtype), "leaf_weights": rng.uniform(0.05, 0.3, leaves).astype(dtype),
        "membership_values": np.concatenate(sets).astype(dtype), "nodes_modes": modes,
    }  # fmt: skip
    return node_model(
        "TreeEnsemble", [1, FEATURES], [kind], kind, 5, n_targets=targets, aggregate_function=aggregate,
        post_transform=transform, tree_roots=[0, 2, 4], nodes_featureids=rng.integers(FEATURES, size=splits).tolist(),
        nodes_truenodeids=[1, second[1], 3, second[3], 5, second[5]], nodes_trueleafs=[0, 1] * 3,
        nodes_falsenodeids=second, nodes_falseleafs=[1] * splits, nodes_missing_value_tracks_true=rng.integers(2, size=splits).tolist(),
        leaf_targetids=[i % targets for i in range(leaves)],
        **{name: numpy_helper.from_array(value, name) for name, value in attributes.items()},
    )  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.board.name)
def test_random_ensembles_agree_with_onnxruntime(target: Target) -> None:
    rng = np.random.default_rng(0)
    models = [*regressors(rng), *classifiers(rng)]
    compare(models, [some_rows(rng) for _ in models], target)


def test_version_5_agrees_with_onnxruntime_in_floats_and_doubles() -> None:
    rng = np.random.default_rng(1)
    cases = [
        (kind, *case)
        for kind in (FLOAT, DOUBLE)
        for case in ((0, 1, 0), (1, 1, 0), (2, 1, 0), (3, 1, 4), (1, 2, 0), (1, 3, 3))
    ]
    models = [of_version_5(rng, *case) for case in cases]
    compare(models, [some_rows(rng, np.float64 if kind == DOUBLE else np.float32) for kind, *_ in cases])


def test_doubles_are_told_apart_where_floats_are_equal() -> None:
    model = of_version_5(np.random.default_rng(1), DOUBLE, 1, 1, 0)
    compare([model], [np.nextafter(GRID, [[-9.0], [9.0]]).T.repeat(FEATURES, 1).reshape(-1, FEATURES)])


def test_rows_are_unrolled() -> None:
    rng = np.random.default_rng(2)
    nodes = trees(rng, 2, 2)
    given = leaves(nodes, "target", 2, lambda: rng.normal(size=2))
    model = node_model("TreeEnsembleRegressor", [3, FEATURES], [FLOAT], n_targets=2, **nodes, **given)
    x = some_rows(rng)[:3]
    (ours,) = library_of([model]).run([x[np.newaxis]])
    np.testing.assert_allclose(ours[0], runtime_answers(model, x)[0], rtol=1e-5)


def forest(**changes: Any) -> onnx.ModelProto:
    """A small classifier of three classes with something changed."""
    rng = np.random.default_rng(3)
    nodes = trees(rng, 2, 2)
    given = leaves(nodes, "class", 3, lambda: rng.normal(size=3))
    return node_model(
        "TreeEnsembleClassifier", [1, FEATURES], [INT64, FLOAT], **{"classlabels_int64s": [1, 2, 3], **nodes, **given, **changes}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"nodes_featureids": [7] * 14}, "E0104", "a feature that a row of 3 does not have"),
        ({"nodes_truenodeids": [0] * 14}, "E0303", "lead back to themselves"),
        ({"nodes_falsenodeids": [99] * 14}, "E0104", "a node that does not exist"),
        ({"nodes_values": [float("nan")] * 14}, "E0104", "compares with NaN"),
        ({"nodes_values": [1.0]}, "E0104", "1 entries for 14 nodes"),
        ({"nodes_modes": ["BRANCH_ODD"] * 14}, "E0302", "there is no mode ODD"),
        ({"classlabels_int64s": [4, 4, 4]}, "E0104", "the same label"),
        ({"classlabels_int64s": [1, 2]}, "E0104", "no target"),
        ({"class_weights": [float("inf")] * 24}, "E0104", "not finite"),
        ({"base_values": [1.0]}, "E0104", "1 base values for 3 classes"),
        ({"post_transform": "ODD"}, "E0302", "no post_transform ODD"),
    ],
)  # fmt: skip
def test_damaged_trees_are_refused_in_words(changes: dict[str, Any], code: str, words: str) -> None:
    found, message = refusal(forest(**changes))
    assert (found, words in message) == (code, True), message


def test_what_runtimes_disagree_about_is_refused() -> None:
    rng = np.random.default_rng(4)
    nodes = trees(rng, 1, 1)
    both = leaves(nodes, "class", 2, lambda: [0.5, 0.5])
    model = node_model(
        "TreeEnsembleClassifier", [1, FEATURES], [INT64, FLOAT], classlabels_int64s=[0, 1], **nodes, **both
    )
    assert "class_ids, base_values or post_transform are unusual" in refusal(model)[1]
    one = leaves(nodes, "target", 1, lambda: [0.5])
    model = node_model(
        "TreeEnsembleRegressor", [1, FEATURES], [FLOAT], n_targets=1, post_transform="LOGISTIC", **nodes, **one
    )
    assert "left out by some runtimes" in refusal(model)[1]
    assert "taken for another by some runtimes" in refusal(of_version_5(rng, FLOAT, 1, 3, 1))[1]
