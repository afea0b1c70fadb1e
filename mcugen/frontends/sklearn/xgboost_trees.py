"""XGBoost: boosters, their scikit-learn wrappers and their JSON files (`save_model("model.json")`), of gbtree and dart.

What counts is the prediction of XGBoost 1.6 to 3: the base score as the objective links it, then each tree's leaf, in float32. A row
goes left where `x < condition` in float32; a missing value where the split says; of a set of categories a number goes by the whole
number below it. Boosters answer with all of their trees, wrappers with those up to the best iteration.

https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
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
    reached,
    tree_problems,
    whole,
)
from mcugen.frontends.sklearn.head import Head
from mcugen.frontends.sklearn.line_splits import Line, Lines, of_ranges, without_lines
from mcugen.frontends.sklearn.reference import Numbers
from mcugen.frontends.sklearn.tree_arrays import LEAF, TreeArrays
from mcugen.ir import GraphBuilder, Label

_CLASSES = ("Booster", "XGBClassifier", "XGBRFClassifier", "XGBRFRegressor", "XGBRanker", "XGBRegressor")
SUPPORTED = ("xgboost.Booster", *_CLASSES[1:])
TRUSTED: tuple[str, ...] = ()
INTEGERS = True
OBJECTIVES = {
    "binary:logistic": Objective("binary", "sigmoid"),
    "binary:logitraw": Objective("binary", "none", cut=0.5),  # its wrapper takes the margin for a probability
    "binary:hinge": Objective("binary", "none"),
    "multi:softmax": Objective("classes", "softmax"),
    "multi:softprob": Objective("classes", "softmax"),
    "reg:logistic": Objective("number", "sigmoid"),
    **dict.fromkeys(
        ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"), Objective("number", "exp")
    ),
    **dict.fromkeys(
        (
            "reg:squarederror",
            "reg:squaredlogerror",
            "reg:pseudohubererror",
            "reg:absoluteerror",
            "reg:quantileerror",
            "rank:pairwise",
            "rank:ndcg",
            "rank:map",
        ),
        Objective("number"),
    ),
}
MOST_CATEGORY = 2**24  # numbers from here on are none
SAVE = 'save it with `model.save_model("model.json")` and give that file'


@dataclass(frozen=True)
class XgboostModel:
    """What XGBoost saved as JSON; whether it was a wrapper's, which stops at the best iteration; its labels, if it has its own."""

    TITLE: ClassVar[str] = "XGBoost model"

    content: bytes
    wrapper: bool
    labels: tuple[Label, ...] | None = None
    missing: float = float("nan")


def takes(estimator: object) -> bool:
    """Whether it is a model of XGBoost's, or what was read of its file."""
    return isinstance(estimator, XgboostModel) or _class_of(estimator) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    return read(estimator, loc).head(loc)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted model as a node `tree_ensemble`."""
    return read(estimator, loc).build(wanted, builder, x, loc)


def reference(estimator: object, head: Head) -> Reference:
    """XGBoost's own answers. E0606 where it is not installed."""
    return BoosterReference(read(estimator, Loc()))


def looks_like(content: Mapping[str, Any]) -> bool:
    """Whether the JSON of a file is XGBoost's."""
    learner = content.get("learner")
    return isinstance(learner, dict) and "gradient_booster" in learner


def of_file(data: bytes, content: Mapping[str, Any]) -> XgboostModel:
    """A file as a model: a wrapper's says so."""
    attributes = content["learner"].get("attributes")
    return XgboostModel(data, isinstance(attributes, dict) and "scikit_learn" in attributes)


def _class_of(estimator: object) -> type | None:
    """XGBoost's own class of an object."""
    return class_of(estimator, ("xgboost.sklearn", "xgboost.core"), _CLASSES)


def _model_of(estimator: object, loc: Loc) -> XgboostModel:
    """An object as XGBoost saves it. E0106 where it is not fitted."""
    if isinstance(estimator, XgboostModel):
        return estimator
    model: Any = estimator
    cls = _class_of(estimator)
    assert cls is not None, "dispatch asks takes() first"
    wrapper = cls.__name__ != "Booster"
    try:
        content = bytes((model.get_booster() if wrapper else model).save_raw("json"))
    except Exception as problem:  # NotFittedError of XGBoost's own, whose place differs between versions; XGBoostError
        how = "call `fit(X, y)` on it" if wrapper else "train it with `xgboost.train`, or load a model into it"
        raise error(
            "E0106", f"this {cls.__name__} is not fitted", help=f"{how} first, then compile it", loc=loc
        ) from problem
    if not wrapper:
        return XgboostModel(content, False)
    labels = labels_of(np.asarray(model.classes_), loc) if hasattr(model, "classes_") else None
    return XgboostModel(content, True, labels, float(model.missing))


def read(estimator: object, loc: Loc) -> Boosted:
    """A model with every number checked. E0104 (damaged), E0106 (not fitted), E0302 (not supported), E0303 (too large)."""
    model = _model_of(estimator, loc)
    if not np.isnan(model.missing):
        help = "fit with `missing=nan`, and give the C NaN where a value is missing"
        raise error("E0302", f"{model.missing:g} stands for missing values", help=help, loc=loc)
    try:
        content = json.loads(model.content)
        return _Read(model, content["learner"], loc).boosted()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError) as problem:
        raise damaged([("the model", f"is not as XGBoost writes it: {problem}")], loc) from problem


@dataclass(frozen=True, eq=False)
class _Read:
    model: XgboostModel
    learner: Mapping[str, Any]
    loc: Loc

    def boosted(self) -> Boosted:
        objective = self.objective
        sizes = self.learner["learner_model_param"]
        features, classes = int(sizes["num_feature"]), int(sizes["num_class"])
        if int(sizes.get("num_target", 1)) > 1:
            raise self._refused("several targets at once", "fit and compile one model per target")
        scores = max(classes, 1)
        labels = self.model.labels or tuple(range(2 if objective.kind == "binary" else scores))
        if objective.kind == "number" or len(labels) != (2 if objective.kind == "binary" else scores):
            labels = ()
        if objective.kind != "number" and len(labels) < 2:
            raise damaged([("num_class", f"is {classes}, and {objective.kind} was asked for")], self.loc)
        trees = self.trees(features, scores)
        return Boosted(
            XgboostModel,
            objective,
            features,
            labels or None,
            trees,
            self.base(scores),
            _Library(self.model.content, self.rounds, self.loc, self.learner["objective"]["name"] == "multi:softmax"),
            at=True,
            infinite=False,
        )

    @property
    def objective(self) -> Objective:
        name = self.learner["objective"]["name"]
        if name not in OBJECTIVES:
            known = ", ".join(OBJECTIVES)
            raise self._refused(f"the objective {name!r}", f"train with one of {known}")
        return OBJECTIVES[name]

    def _refused(self, what: str, help: str) -> McugenError:
        return error("E0302", f"an XGBoost model of {what} is not supported", help=help, loc=self.loc)

    @cached_property
    def booster(self) -> Mapping[str, Any]:
        """The trees' part of gbtree, or of dart."""
        found: Mapping[str, Any] = self.learner["gradient_booster"]
        if found["name"] == "gblinear":
            raise self._refused("gblinear", "use booster='gbtree', or scikit-learn's linear models")
        return found["gbtree"] if found["name"] == "dart" else found

    @cached_property
    def rounds(self) -> int:
        """How many iterations count."""
        model = self.booster["model"]
        size = max(1, int(model["gbtree_model_param"].get("num_parallel_tree", 1)))
        classes = max(1, int(self.learner["learner_model_param"]["num_class"]))
        every = len(model["trees"]) // (size * classes)
        best = self.learner.get("attributes", {}).get("best_iteration")
        return min(every, int(best) + 1) if best is not None and self.model.wrapper else every

    def trees(self, features: int, scores: int) -> list[TreeArrays]:
        """The trees that count, those of one score after another."""
        model = self.booster["model"]
        if any(int(tree["tree_param"].get("size_leaf_vector", 1)) > 1 for tree in model["trees"]):
            help = "fit it with multi_strategy='one_output_per_tree'"
            raise self._refused("several numbers to a leaf (multi_strategy='multi_output_tree')", help)
        size = max(1, int(model["gbtree_model_param"].get("num_parallel_tree", 1)))
        kept = model["trees"][: self.rounds * size * scores]
        dropped = self.learner["gradient_booster"].get("weight_drop", [1.0] * len(model["trees"]))
        if not kept:
            raise self._refused("no trees", "fit it with n_estimators of 1 or more")
        by_score: list[list[tuple[TreeArrays, Lines]]] = [[] for _ in range(scores)]
        problems: list[Problem] = []
        for i, (tree, score) in enumerate(zip(kept, model["tree_info"], strict=False)):
            found = _tree(tree, float(np.float32(dropped[i])))
            wrong = [found] if isinstance(found, str) else [*tree_problems(found[0], features)]
            problems += [(f"tree {i}", what) for what in wrong]
            if not wrong and not isinstance(found, str):
                by_score[score].append(found)
        if problems or len({len(some) for some in by_score}) != 1:
            raise damaged(problems or [("tree_info", "gives some classes more trees than others")], self.loc)
        return without_lines([tree for some in by_score for tree in some], self.loc)

    def base(self, scores: int) -> npt.NDArray[np.float64]:
        """What scores begin with: the base score, as the objective's link has it. In files of 3.1 and later one of each class."""
        given = json.loads(self.learner["learner_model_param"]["base_score"])
        base = np.broadcast_to(np.asarray(given, np.float64).ravel(), (scores,))
        name = self.learner["objective"]["name"]
        if name in ("binary:logistic", "reg:logistic"):
            base = np.log(base / (1 - base))
        elif OBJECTIVES[name].link == "exp":
            base = np.log(base)
        if not np.isfinite(base).all():
            raise damaged([("base_score", "is none that its objective can begin with")], self.loc)
        return np.array(base)


def _tree(content: Mapping[str, Any], weight: float) -> tuple[TreeArrays, Lines] | str:
    """A tree and its splits by categories, or what keeps it from being read."""
    left = whole(array_in(content, "left_children"), "children")
    if not len(left):
        return "has no nodes"
    right, feature = (whole(array_in(content, name, len(left)), name) for name in ("right_children", "split_indices"))
    others = ("split_conditions", "default_left", "sum_hessian")
    condition, default, samples = (array_in(content, name, len(left)) for name in others)
    order = reached(left, right)
    if order is None:
        return "has nodes that follow one another in a circle, or lie outside"
    number = np.full(len(left) + 1, LEAF, np.int64)
    number[order] = np.arange(len(order))
    leaf = left[order] == LEAF
    with np.errstate(all="ignore"):
        below = np.nextafter(condition.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
    tree = TreeArrays(
        np.where(leaf, LEAF, number[left[order]]),
        np.where(leaf, LEAF, number[right[order]]),
        feature[order],
        np.where(leaf, 0.0, below[order]),
        default[order] != 0,
        (condition[order].astype(np.float32) * np.float32(weight)).astype(np.float64)[:, np.newaxis],
        samples[order],  # sums of hessians, which are near to rows: files have no counts
    )
    return tree, dict(_lines(content, number, default))


def _lines(
    content: Mapping[str, Any], number: npt.NDArray[np.int64], default: npt.NDArray[np.float64]
) -> Iterator[tuple[int, Line]]:
    """The splits by sets of categories, by their node's number: numbers of the set go right."""
    starts, sizes = content.get("categories_segments", []), content.get("categories_sizes", [])
    for node, start, size in zip(content.get("categories_nodes", []), starts, sizes, strict=True):
        members = sorted({int(one) for one in content["categories"][start : start + size]})
        if number[node] != LEAF:
            ranges = [_numbers_of(one) for one in members if 0 <= one < MOST_CATEGORY]
            yield int(number[node]), of_ranges(ranges, inside=False, missing=bool(default[node]))


def _numbers_of(category: int) -> tuple[float, float]:
    """The numbers that are a category: from the first below it to the last."""
    first, after = np.float32(category), np.float32(category + 1)
    return float(np.nextafter(first, np.float32(-np.inf))), float(np.nextafter(after, np.float32(-np.inf)))


class _Library:
    """XGBoost, asked for the margins and the predictions of the trees that count.

    softmax  whether its predictions are class indices, and probabilities are made of the margins, as its wrapper makes them
    """

    def __init__(self, content: bytes, rounds: int, loc: Loc, softmax: bool) -> None:
        self._content, self._rounds, self._loc, self._softmax = content, rounds, loc, softmax

    @cached_property
    def _booster(self) -> Any:
        try:
            import xgboost
        except ImportError as missing:
            raise missing_library("XGBoost", self._loc) from missing
        made: Any = xgboost.Booster({"nthread": 1})
        made.load_model(bytearray(self._content))
        return made

    def margins(self, rows: npt.NDArray[np.float32]) -> Numbers:
        """See Asked."""
        return np.asarray(self._predicted(rows, True), np.float64)

    def answers(self, rows: npt.NDArray[np.float32]) -> Numbers:
        """See Asked."""
        if self._softmax:
            from scipy.special import softmax

            return np.asarray(softmax(self._predicted(rows, True), axis=1), np.float64)
        return np.asarray(self._predicted(rows, False), np.float64)

    def _predicted(self, rows: npt.NDArray[np.float32], margin: bool) -> Any:
        booster = self._booster
        import xgboost

        data: Any = xgboost.DMatrix(
            rows.astype(np.float32), feature_names=booster.feature_names, feature_types=booster.feature_types
        )
        return booster.predict(data, output_margin=margin, iteration_range=(0, self._rounds), validate_features=False)
