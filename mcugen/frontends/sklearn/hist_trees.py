"""One `TreePredictor` of histogram gradient boosting: its nodes, and every check that they need before anything follows an index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mcugen.frontends.sklearn.attributes import shown
from mcugen.frontends.sklearn.line_splits import Lines, of_points
from mcugen.frontends.sklearn.tree_arrays import LEAF, TreeArrays, Wanted, problems_of

BITS = 256  # of a set of categories, in eight words
Words = npt.NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns as the trees see them: those of categories come first.

    features    the model's feature that each column is
    categories  the numbers that are categories of a column, by their code; empty where it holds plain numbers
    """

    features: npt.NDArray[np.int64]
    categories: Sequence[npt.NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Read:
    """The arrays of a predictor, and its splits by categories."""

    arrays: TreeArrays
    lines: Lines


def read(predictor: object, columns: Columns, whole: bool) -> Read | list[str]:
    """A predictor's tree, on the model's features; or all that is wrong with it."""
    wrong = [*_shape_problems(predictor)]
    if wrong:
        return wrong
    state = vars(predictor)
    nodes, words = state["nodes"], state["raw_left_cat_bitsets"]
    arrays = _arrays(nodes)
    wrong = [*problems_of(arrays, Wanted(len(columns.features), 1, False))]
    wrong = wrong or [*_set_problems(nodes, words, columns)]
    if wrong:
        return wrong
    feature = np.where(arrays.is_leaf, 0, arrays.feature)
    placed = replace(arrays, feature=np.where(arrays.is_leaf, LEAF, columns.features[feature]))
    return Read(placed, _lines(nodes, words, columns, whole))


def _shape_problems(predictor: object) -> Iterator[str]:
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

    if type(predictor) is not TreePredictor:
        yield f"must be a TreePredictor of scikit-learn, not {shown(predictor)}"
        return
    nodes, words = vars(predictor).get("nodes"), vars(predictor).get("raw_left_cat_bitsets")
    if not isinstance(nodes, np.ndarray) or nodes.dtype != PREDICTOR_RECORD_DTYPE or nodes.ndim != 1 or not len(nodes):
        yield "nodes must be an array of scikit-learn's nodes"
    if not isinstance(words, np.ndarray) or words.dtype != np.uint32 or words.ndim != 2 or words.shape[1] != BITS // 32:
        yield "raw_left_cat_bitsets must be an array of sets of categories"


def _arrays(nodes: npt.NDArray[Any]) -> TreeArrays:
    leaf, sets = nodes["is_leaf"] != 0, nodes["is_categorical"] != 0
    return TreeArrays(
        np.where(leaf, LEAF, nodes["left"].astype(np.int64)),
        np.where(leaf, LEAF, nodes["right"].astype(np.int64)),
        nodes["feature_idx"].astype(np.int64),
        np.where(leaf | sets, 0.0, nodes["num_threshold"]),
        nodes["missing_go_to_left"] != 0,
        nodes["value"].astype(np.float64)[:, np.newaxis],
        nodes["count"].astype(np.float64),
    )


def _asking(nodes: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    return np.flatnonzero((nodes["is_leaf"] == 0) & (nodes["is_categorical"] != 0))


def _set_problems(nodes: npt.NDArray[Any], words: Words, columns: Columns) -> Iterator[str]:
    for node in _asking(nodes).tolist():
        if not len(columns.categories[int(nodes["feature_idx"][node])]):
            yield f"node {node} splits by categories on a feature that has none"
        elif int(nodes["bitset_idx"][node]) >= len(words):
            yield f"node {node} names a set of categories outside the tree's {len(words)}"


def _lines(nodes: npt.NDArray[Any], words: Words, columns: Columns, whole: bool) -> Lines:
    found = {}
    for node in _asking(nodes).tolist():
        default = bool(nodes["missing_go_to_left"][node])
        categories = columns.categories[int(nodes["feature_idx"][node])]
        chosen = np.unpackbits(words[int(nodes["bitset_idx"][node])].astype("<u4").view(np.uint8), bitorder="little")
        elsewhere = categories[(chosen[: len(categories)] != 0) != default]
        found[node] = of_points(_single(elsewhere, whole), not default, whole)
    return found


def _single(numbers: npt.NDArray[np.float64], whole: bool) -> npt.NDArray[np.float32]:
    """Those of the numbers that a feature can be."""
    with np.errstate(over="ignore"):
        single = numbers.astype(np.float32)
    same = single.astype(np.float64) == numbers
    return np.sort(single[same & (single == np.floor(single))] if whole else single[same]) + np.float32(0)


def fresh_predictor(predictor: object) -> Any:
    """A predictor that holds what was checked."""
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

    state = vars(predictor)
    words = np.ascontiguousarray(state["raw_left_cat_bitsets"])
    nodes = np.ascontiguousarray(state["nodes"])
    return cast(Any, TreePredictor)(nodes, np.zeros_like(words), words)
