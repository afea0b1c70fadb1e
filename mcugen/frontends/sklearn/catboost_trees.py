"""CatBoost: models, their scikit-learn wrappers and their JSON files (`save_model("model.json", format="json")`).

What counts is the prediction of CatBoost 1: the sum of the trees' leaves in float64, times the scale, and the bias, as the loss links
it. Borders are float32, and a row goes right where `x > border`; a missing value goes left, or right where the feature says so. An
oblivious tree asks one split on every level: the leaf is the number whose bits are the answers, that of the first split the lowest.

https://catboost.ai/docs/en/concepts/json_format
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, McugenError, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import Problem, labels_of
from mcugen.frontends.sklearn.booster import (
    Boosted,
    BoosterReference,
    Objective,
    array_in,
    class_of,
    damaged,
    missing_library,
    tree_problems,
)
from mcugen.frontends.sklearn.head import Head
from mcugen.frontends.sklearn.reference import Numbers
from mcugen.frontends.sklearn.tree_arrays import LEAF, TreeArrays
from mcugen.ir import GraphBuilder, Label

_CLASSES = ("CatBoost", "CatBoostClassifier", "CatBoostRanker", "CatBoostRegressor")
SUPPORTED = _CLASSES
TRUSTED: tuple[str, ...] = ()
INTEGERS = True
OBJECTIVES = {
    "Logloss": Objective("binary", "sigmoid"),
    "CrossEntropy": Objective("binary", "sigmoid"),
    "MultiClass": Objective("classes", "softmax"),
    "MultiClassOneVsAll": Objective("classes", "none"),  # its probabilities do not sum to 1
    **dict.fromkeys(("Poisson", "Tweedie"), Objective("number", "exp")),
    **dict.fromkeys(
        (
            "Expectile",
            "Huber",
            "LogCosh",
            "LogLinQuantile",
            "Lq",
            "MAE",
            "MAPE",
            "PairLogit",
            "PairLogitPairwise",
            "QueryRMSE",
            "Quantile",
            "RMSE",
            "YetiRank",
            "YetiRankPairwise",
        ),
        Objective("number"),
    ),
}
MOST_DEPTH = 16  # of an oblivious tree, as in CatBoost itself
NAN_RIGHT = "AsTrue"


@dataclass(frozen=True)
class CatboostModel:
    """What CatBoost saved as JSON."""

    TITLE: ClassVar[str] = "CatBoost model"

    content: bytes


def takes(estimator: object) -> bool:
    """Whether it is a model of CatBoost's, or what was read of its file."""
    return isinstance(estimator, CatboostModel) or _class_of(estimator) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    return read(estimator, loc).head(loc)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted model as a node `tree_ensemble`."""
    return read(estimator, loc).build(wanted, builder, x, loc)


def reference(estimator: object, head: Head) -> Reference:
    """CatBoost's own answers. E0606 where it is not installed."""
    return BoosterReference(read(estimator, Loc()))


def looks_like(content: Mapping[str, Any]) -> bool:
    """Whether the JSON of a file is CatBoost's."""
    return "features_info" in content and ("oblivious_trees" in content or "trees" in content)


def _class_of(estimator: object) -> type | None:
    """CatBoost's own class of an object."""
    return class_of(estimator, ("catboost.core",), _CLASSES)


def _model_of(estimator: object, loc: Loc) -> CatboostModel:
    """An object as CatBoost saves it. E0106 where it is not fitted."""
    if isinstance(estimator, CatboostModel):
        return estimator
    model: Any = estimator
    cls = _class_of(estimator)
    assert cls is not None, "dispatch asks takes() first"
    if not model.is_fitted():
        help = "call `fit(X, y)` on it first, then compile or save it"
        raise error("E0106", f"this {cls.__name__} is not fitted", help=help, loc=loc)
    with tempfile.TemporaryDirectory() as folder:  # CatBoost writes JSON to files alone
        path = Path(folder, "model.json")
        model.save_model(str(path), format="json")
        return CatboostModel(path.read_bytes())


def read(estimator: object, loc: Loc) -> Boosted:
    """A model with every number checked. E0104 (damaged), E0106 (not fitted), E0302 (not supported), E0303 (too large)."""
    model = _model_of(estimator, loc)
    try:
        return _Read(model, json.loads(model.content), loc).boosted()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError) as problem:
        raise damaged([("the model", f"is not as CatBoost writes it: {problem}")], loc) from problem


@dataclass(frozen=True, eq=False)
class _Read:
    model: CatboostModel
    content: Mapping[str, Any]
    loc: Loc

    def boosted(self) -> Boosted:
        objective = self.objective
        scale, bias = self.content["scale_and_bias"]
        base = array_in({"bias": bias}, "bias")
        labels = self.labels(objective, len(base))
        if objective.kind != "classes" and len(base) != 1:
            raise self._refused("several numbers at once", "fit and compile one model per target")
        if type(scale) not in (int, float) or not np.isfinite([scale, *base]).all():
            raise ValueError("scale_and_bias are no numbers")
        nan_right = self.features
        return Boosted(
            CatboostModel,
            objective,
            len(nan_right),
            labels,
            self.trees(nan_right, len(base), float(scale)),
            base,
            _Library(self.model.content, objective, self.loc),
            precision=2.0**-52,
        )

    @property
    def objective(self) -> Objective:
        name = self.content["model_info"]["params"]["loss_function"]["type"]
        if name not in OBJECTIVES:
            known = ", ".join(OBJECTIVES)
            raise self._refused(f"the loss {name!r}", f"train with one of {known}")
        return OBJECTIVES[name]

    def labels(self, objective: Objective, scores: int) -> tuple[Label, ...] | None:
        """The classes' names, 0 and 1 where they have none."""
        if objective.kind == "number":
            return None
        names = self.content["model_info"].get("class_params", {}).get("class_names") or [0, 1]
        labels = labels_of(np.asarray(names), self.loc)
        if len(labels) != (2 if objective.kind == "binary" else scores) or len(labels) < 2:
            raise damaged([("class_names", f"are {len(labels)}, and there are {scores} scores")], self.loc)
        return labels

    def _refused(self, what: str, help: str) -> McugenError:
        return error("E0302", f"a CatBoost model of {what} is not supported", help=help, loc=self.loc)

    @property
    def features(self) -> list[bool]:
        """Of each feature, whether missing values go right."""
        info = self.content["features_info"]
        if any(info.get(name) for name in ("categorical_features", "text_features", "embedding_features", "ctrs")):
            help = "encode its categories before CatBoost sees them, by an OrdinalEncoder in the pipeline, say"
            raise self._refused("features that are no numbers", help)
        found = sorted(info["float_features"], key=lambda one: int(one["flat_feature_index"]))
        if [one["flat_feature_index"] for one in found] != [*range(len(found))] or not found:
            raise ValueError("float_features are not numbered one by one")
        if [one["feature_index"] for one in found] != [*range(len(found))]:
            raise ValueError("float_features are in another order than the model's")
        return [one.get("nan_value_treatment") == NAN_RIGHT for one in found]

    def trees(self, nan_right: Sequence[bool], scores: int, scale: float) -> list[TreeArrays]:
        """The trees, those of one score after another."""
        oblivious = "oblivious_trees" in self.content
        found = self.content["oblivious_trees" if oblivious else "trees"]
        if not found:
            raise self._refused("no trees", "fit it with iterations of 1 or more")
        made, problems = [], list[Problem]()
        for i, tree in enumerate(found):
            one = _oblivious(tree, nan_right, scores) if oblivious else _tree(tree, nan_right, scores)
            problems += [(f"tree {i}", what) for what in tree_problems(one.arrays(0, scale), len(nan_right))]
            made.append(one)
        if problems:
            raise damaged(problems, self.loc)
        return [one.arrays(score, scale) for score in range(scores) for one in made]


@dataclass
class _Tree:
    """The nodes written so far, the root first; a leaf's values are one of each score."""

    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    border: list[float] = field(default_factory=list)
    missing_left: list[bool] = field(default_factory=list)
    values: list[Sequence[float]] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)

    def leaf(self, values: Sequence[float], weight: float) -> int:
        return self._add(LEAF, 0.0, False, values, weight)

    def split(self, feature: int, border: float, nan_right: Sequence[bool], scores: int) -> int:
        if not 0 <= feature < len(nan_right):
            raise ValueError(f"a split asks feature {feature} of {len(nan_right)}")
        return self._add(feature, border, not nan_right[feature], (0.0,) * scores, 0.0)

    def _add(self, feature: int, border: float, missing_left: bool, values: Sequence[float], weight: float) -> int:
        self.left.append(LEAF)
        self.right.append(LEAF)
        self.feature.append(feature)
        self.border.append(border)
        self.missing_left.append(missing_left)
        self.values.append(values)
        self.weight.append(weight)
        return len(self.left) - 1

    def arrays(self, score: int, scale: float) -> TreeArrays:
        """The tree of one score. A node has the weight of all leaves below it."""
        weight = np.array(self.weight, np.float64)
        for node in range(len(self.left) - 1, -1, -1):  # children come after their parents
            if self.left[node] != LEAF:
                weight[node] = weight[self.left[node]] + weight[self.right[node]]
        with np.errstate(over="ignore"):
            value = np.array(self.values, np.float64)[:, score : score + 1] * scale
        return TreeArrays(
            np.array(self.left, np.int64),
            np.array(self.right, np.int64),
            np.array(self.feature, np.int64),
            np.array(self.border, np.float64),
            np.array(self.missing_left, np.bool_),
            value,
            weight,
        )


@dataclass(frozen=True)
class _Below:
    """What stands below a split that was written: a part of the JSON, or of an oblivious tree the leaves whose high bits are known."""

    parent: int
    side: str
    part: Any
    known: Mapping[int, tuple[float, float]] = field(
        default_factory=dict
    )  # a feature's value is above the first, not the second


def _oblivious(content: Mapping[str, Any], nan_right: Sequence[bool], scores: int) -> _Tree:
    """A tree whose levels ask one split each, without the leaves that no row reaches: two borders of one feature order each other."""
    splits = [*_splits(content.get("splits") or [])]
    if len(splits) > MOST_DEPTH:
        raise ValueError(f"an oblivious tree has {len(splits)} levels")
    leaves = 2 ** len(splits)
    values = array_in(content, "leaf_values", leaves * scores).reshape(leaves, scores)
    weights = array_in(content, "leaf_weights", leaves) if content.get("leaf_weights") else np.ones(leaves)
    tree = _Tree()
    todo = [_Below(-1, "left", (0, len(splits)))]
    while todo:
        place = todo.pop()
        (first, levels), known = place.part, dict(place.known)
        # The last split is the highest bit: asked first, it leaves each side the leaves that follow one another.
        while levels and (side := _decided(splits[levels - 1], known)) is not None:
            levels -= 1
            first += side << levels
        if not levels:
            _hang(tree, place, tree.leaf(values[first].tolist(), float(weights[first])))
            continue
        levels -= 1
        feature, border = splits[levels]
        node = _hang(tree, place, tree.split(feature, border, nan_right, scores))
        above, up_to = known.get(feature, (-np.inf, np.inf))
        todo.append(_Below(node, "right", (first + (1 << levels), levels), {**known, feature: (border, up_to)}))
        todo.append(_Below(node, "left", (first, levels), {**known, feature: (above, border)}))
    return tree


def _decided(split: tuple[int, float], known: Mapping[int, tuple[float, float]]) -> int | None:
    """The answer to a split where those before have given it: missing values have gone to the same side then."""
    feature, border = split
    above, up_to = known.get(feature, (-np.inf, np.inf))
    return 1 if border <= above else 0 if border >= up_to else None


def _tree(content: Mapping[str, Any], nan_right: Sequence[bool], scores: int) -> _Tree:
    """A tree of nodes that have splits of their own (`grow_policy` "Depthwise" and "Lossguide")."""
    tree = _Tree()
    todo = [_Below(-1, "left", content)]
    while todo:
        place = todo.pop()
        part = place.part
        if "split" not in part:
            given = part["value"] if isinstance(part["value"], list) else [part["value"]]
            values = array_in({"value": given}, "value", scores)
            _hang(tree, place, tree.leaf(values.tolist(), float(part.get("weight", 1.0))))
            continue
        ((feature, border),) = _splits([part["split"]])
        node = _hang(tree, place, tree.split(feature, border, nan_right, scores))
        todo += [_Below(node, "right", part["right"]), _Below(node, "left", part["left"])]
    return tree


def _splits(found: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, float]]:
    for one in found:
        if one.get("split_type", "FloatFeature") != "FloatFeature":
            raise ValueError(f"a split is a {one['split_type']}")
        border = array_in({"border": [one["border"]]}, "border")[0]
        yield int(one["float_feature_index"]), float(np.float32(border))


def _hang(tree: _Tree, place: _Below, node: int) -> int:
    """A node that was written becomes its parent's child."""
    if place.parent >= 0:
        getattr(tree, place.side)[place.parent] = node
    return node


class _Library:
    """CatBoost, asked for the raw values, and for what the loss makes of them."""

    def __init__(self, content: bytes, objective: Objective, loc: Loc) -> None:
        self._content, self._objective, self._loc = content, objective, loc

    @cached_property
    def _booster(self) -> Any:
        try:
            import catboost
        except ImportError as missing:
            raise missing_library("CatBoost", self._loc, "catboost") from missing
        made: Any = catboost.CatBoost()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.json")
            path.write_bytes(self._content)
            made.load_model(str(path), format="json")
        return made

    def margins(self, rows: npt.NDArray[np.float32]) -> Numbers:
        """See Asked."""
        return self._predicted(rows, "RawFormulaVal")

    def answers(self, rows: npt.NDArray[np.float32]) -> Numbers:
        """See Asked."""
        kind = "Exponent" if self._objective.link == "exp" else "RawFormulaVal"
        return self._predicted(rows, "Probability" if self._objective.kind != "number" else kind)

    def _predicted(self, rows: npt.NDArray[np.float32], what: str) -> Numbers:
        found = self._booster.predict(rows.astype(np.float32), prediction_type=what, thread_count=1)
        return np.asarray(found, np.float64)
