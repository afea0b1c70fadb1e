"""LightGBM: boosters, their scikit-learn wrappers and their text files (`booster.save_model("model.txt")`).

What counts is the prediction of LightGBM 3 and 4: the sum (of random forests the mean) of the trees' leaves in float64, as the objective
links it, with the iterations that were saved, which are those up to the best. A row goes left where `x <= threshold` in float64; numbers
up to 1e-35 are zeros, and zeros may be what is missing; a category is a number's whole part, and a missing value none of them.

https://lightgbm.readthedocs.io/en/stable/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
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
    class_of,
    damaged,
    missing_library,
    reached,
    tree_problems,
    whole,
)
from mcugen.frontends.sklearn.head import Head
from mcugen.frontends.sklearn.line_splits import INFINITY, Line, Lines, Piece, line_of, of_ranges, without_lines
from mcugen.frontends.sklearn.reference import Numbers
from mcugen.frontends.sklearn.tree_arrays import LEAF, TreeArrays
from mcugen.ir import GraphBuilder, Label

_CLASSES = ("Booster", "LGBMClassifier", "LGBMRanker", "LGBMRegressor")
SUPPORTED = ("lightgbm.Booster", *_CLASSES[1:])
TRUSTED: tuple[str, ...] = ()
INTEGERS = True
OBJECTIVES = {
    "binary": Objective("binary", "sigmoid"),
    "multiclass": Objective("classes", "softmax"),
    "multiclassova": Objective("classes", "none"),  # its probabilities do not sum to 1
    "cross_entropy": Objective("number", "sigmoid"),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), Objective("number", "exp")),
    **dict.fromkeys(
        ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg"),
        Objective("number"),
    ),
}
# Objectives whose predictions may stop early: LightGBM takes those of the others to need every tree.
STOPPED = ("binary", "multiclass", "multiclassova", "lambdarank", "rank_xendcg")
CHECKED = (
    "num_leaves",
    "split_feature",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "leaf_value",
    "cat_boundaries",
    "cat_threshold",
)
ZERO = float(np.float32(1e-35))  # up to here either way a number is 0
CATEGORICAL, DEFAULT_LEFT = 1, 2
NONE, ZEROS = 0, 1  # what may be missing: nothing, zeros; else NaN


@dataclass(frozen=True)
class LightgbmModel:
    """What LightGBM saved as text, labels of its own, and whether its wrapper predicts with `pred_early_stop`."""

    TITLE: ClassVar[str] = "LightGBM model"

    content: str
    labels: tuple[Label, ...] | None = None
    stops: bool = False


def takes(estimator: object) -> bool:
    """Whether it is a model of LightGBM's, or what was read of its file."""
    return isinstance(estimator, LightgbmModel) or _class_of(estimator) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    return read(estimator, loc).head(loc)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted model as a node `tree_ensemble`."""
    return read(estimator, loc).build(wanted, builder, x, loc)


def reference(estimator: object, head: Head) -> Reference:
    """LightGBM's own answers. E0606 where it is not installed."""
    return BoosterReference(read(estimator, Loc()))


def _class_of(estimator: object) -> type | None:
    """LightGBM's own class of an object."""
    return class_of(estimator, ("lightgbm.sklearn", "lightgbm.basic"), _CLASSES)


def _model_of(estimator: object, loc: Loc) -> LightgbmModel:
    """An object as LightGBM saves it. E0106 where it is not fitted."""
    if isinstance(estimator, LightgbmModel):
        return estimator
    model: Any = estimator
    cls = _class_of(estimator)
    assert cls is not None, "dispatch asks takes() first"
    if cls.__name__ == "Booster":
        return LightgbmModel(model.model_to_string())
    if vars(model).get("_Booster") is None:
        help = "call `fit(X, y)` on it first, then compile or save it"
        raise error("E0106", f"this {cls.__name__} is not fitted", help=help, loc=loc)
    labels = labels_of(np.asarray(model.classes_), loc) if cls.__name__ == "LGBMClassifier" else None
    return LightgbmModel(model.booster_.model_to_string(), labels, _stops(model))


def _stops(model: Any) -> bool:
    """Whether a wrapper was given `pred_early_stop`, which it hands on to each prediction."""
    given = vars(model).get("_other_params")
    asked = given.get("pred_early_stop") if isinstance(given, dict) else None
    return str(asked).lower() in ("true", "+")  # what LightGBM reads as yes


def read(estimator: object, loc: Loc) -> Boosted:
    """A model with every number checked. E0104 (damaged), E0106 (not fitted), E0302 (not supported), E0303 (too large)."""
    model = _model_of(estimator, loc)
    try:
        return _Read(model, loc).boosted()
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as problem:
        raise damaged([("the model", f"is not as LightGBM writes it: {problem}")], loc) from problem


@dataclass(frozen=True, eq=False)
class _Read:
    model: LightgbmModel
    loc: Loc

    def boosted(self) -> Boosted:
        objective, header = self.objective, self.parts[0]
        if self.model.stops and header["objective"].split(" ")[0] in STOPPED:
            help = "call `model.set_params(pred_early_stop=False)`, see how well it does with all of its trees, and compile that"
            raise self._refused("`pred_early_stop`, which leaves trees out where a row seems sure,", help)
        features, scores = _count(header, "max_feature_idx") + 1, _count(header, "num_tree_per_iteration")
        if "num_class" in header and _count(header, "num_class") != scores:
            raise damaged(
                [("num_class", f"is {header['num_class']}, and there are trees of {scores} scores")], self.loc
            )
        if len(self.model.labels or (0, 1)) < 2:
            help = "fit it on labels of two classes or more"
            raise self._refused("one class, which has nothing to tell apart,", help)
        labels = self.model.labels or tuple(range(2 if objective.kind == "binary" else scores))
        if objective.kind == "number":
            labels = ()
        elif len(labels) != (2 if scores == 1 else scores) or (objective.kind == "binary") != (scores == 1):
            raise damaged([("num_class", f"is {scores}, which {len(labels)} labels do not fit")], self.loc)
        if objective.kind == "number" and scores != 1:
            raise self._refused("several numbers at once", "fit and compile one model per target")
        trees = self.trees(features, scores)
        return Boosted(
            LightgbmModel,
            objective,
            features,
            labels or None,
            trees,
            np.zeros(scores),
            _Library(partial(self.sound, features, scores), self.loc),
            mean="average_output" in header,
            doubles=True,
            precision=2.0**-52,
        )

    @cached_property
    def parts(self) -> list[dict[str, str]]:
        """The header's entries, and those of each tree."""
        text = self.model.content.split("\nend of trees")[0]
        sections = text.split("\nTree=")
        found = [dict(_entries(section)) for section in sections]
        for i, section in enumerate(sections[1:]):
            number = section.split("\n")[0]
            if number != str(i):
                raise ValueError(f"`Tree={number}` is where `Tree={i}` has to be")
        if "tree_sizes" in found[0]:
            _wholes(found[0], "tree_sizes", len(sections) - 1)
        if not text.startswith("tree\n") or "max_feature_idx" not in found[0]:
            raise ValueError("it does not begin with `tree`")
        return found

    def sound(self, features: int, scores: int) -> str:
        """The text that LightGBM is asked with: what was checked, and nothing else. Damaged text can end its process."""
        header = self.parts[0]
        lines = ["tree", "version=v4", f"num_class={scores}", f"num_tree_per_iteration={scores}", "label_index=0"]
        lines += [f"max_feature_idx={features - 1}", f"objective={header['objective']}"]
        lines += ["average_output"] if "average_output" in header else []
        lines += [f"feature_names={' '.join(f'x{i}' for i in range(features))}"]
        lines += [f"feature_infos={' '.join(['none'] * features)}"]
        for i, part in enumerate(self.parts[1:]):
            entries = [f"{name}={part[name]}" for name in CHECKED if name in part]
            lines += [
                "",
                f"Tree={i}",
                f"num_cat={int(part.get('num_cat', 0))}",
                *entries,
                "is_linear=0",
                "shrinkage=1",
                "",
            ]
        return "\n".join([*lines, "", "end of trees", ""])

    @cached_property
    def objective(self) -> Objective:
        name, *options = self.parts[0].get("objective", "custom").split(" ")
        if name not in OBJECTIVES or "sqrt" in options:
            known = ", ".join(OBJECTIVES)
            raise self._refused(f"the objective {' '.join([name, *options])!r}", f"train with one of {known}")
        factor = next((float(one.split(":")[1]) for one in options if one.startswith("sigmoid:")), 1.0)
        found = OBJECTIVES[name]
        return Objective(found.kind, found.link, factor) if found.link == "sigmoid" else found

    def _refused(self, what: str, help: str) -> McugenError:
        return error("E0302", f"a LightGBM model of {what} is not supported", help=help, loc=self.loc)

    def trees(self, features: int, scores: int) -> list[TreeArrays]:
        """The trees, those of one score after another."""
        if len(self.parts) == 1:
            raise self._refused("no trees", "fit it with n_estimators of 1 or more")
        by_score: list[list[tuple[TreeArrays, Lines]]] = [[] for _ in range(scores)]
        problems: list[Problem] = []
        for i, part in enumerate(self.parts[1:]):
            if part.get("is_linear", "0") != "0":
                raise self._refused("linear trees", "fit it with linear_tree=False")
            found = _tree(part)
            wrong = [found] if isinstance(found, str) else [*tree_problems(found[0], features)]
            problems += [(f"tree {i}", what) for what in wrong]
            if not wrong and not isinstance(found, str):
                by_score[i % scores].append(found)
        if problems or len({len(some) for some in by_score}) != 1:
            raise damaged(problems or [("the file", "has more trees of some classes than of others")], self.loc)
        return without_lines([tree for some in by_score for tree in some], self.loc)


def _entries(section: str) -> Iterator[tuple[str, str]]:
    for line in section.split("\n"):
        name, equals, value = line.partition("=")
        if equals or name == "average_output":
            yield name, value


def _numbers(part: Mapping[str, str], name: str, count: int) -> npt.NDArray[np.float64]:
    found = np.array(part.get(name, "").split(), np.float64)
    if len(found) != count:
        raise ValueError(f"{name} has {len(found)} number{'s' * (len(found) != 1)}, not {count}")
    return found


def _count(part: Mapping[str, str], name: str) -> int:
    return int(_wholes(part, name, 1)[0])


def _wholes(part: Mapping[str, str], name: str, count: int) -> npt.NDArray[np.int64]:
    return whole(_numbers(part, name, count), name)


def _tree(part: Mapping[str, str]) -> tuple[TreeArrays, Lines] | str:
    """A tree and its splits that ask more than a threshold, or what keeps it from being read. Its splits come first, then its leaves."""
    leaves = int(part["num_leaves"])
    splits = leaves - 1
    value = _numbers(part, "leaf_value", leaves)
    children = [_wholes(part, name, splits) for name in ("left_child", "right_child")]
    left, right = (np.append(np.where(c < 0, splits + ~c, c), np.full(leaves, LEAF)) for c in children)
    order = reached(left, right)
    if order is None or len(order) != splits + leaves:
        return "has nodes that follow one another in a circle, or lie outside"
    kinds = _wholes(part, "decision_type", splits)
    threshold = _numbers(part, "threshold", splits)
    # Zeros are one number: where they go, all up to ZERO go.
    near = np.abs(threshold) <= ZERO
    threshold[near] = np.where(threshold[near] >= 0, ZERO, np.nextafter(-ZERO, -np.inf))
    missing = np.where(kinds >> 2 & 3 == NONE, threshold >= 0, kinds & DEFAULT_LEFT != 0)
    nothing = np.zeros(leaves)
    tree = TreeArrays(
        left,
        right,
        np.append(_wholes(part, "split_feature", splits), np.full(leaves, LEAF)),
        np.append(np.where(kinds & CATEGORICAL, 0.0, threshold), nothing),
        np.append(missing, nothing) != 0,
        np.append(np.zeros(splits), value)[:, np.newaxis],
        np.append(_optional(part, "internal_count", splits), _optional(part, "leaf_count", leaves)),
    )
    return _in_order(tree, dict(_lines(part, kinds, threshold)), order)


def _optional(part: Mapping[str, str], name: str, count: int) -> npt.NDArray[np.float64]:
    return _numbers(part, name, count) if name in part else np.ones(count)


def _in_order(tree: TreeArrays, lines: Lines, order: npt.NDArray[np.int64]) -> tuple[TreeArrays, Lines]:
    """The tree with its nodes one after the other, as they come from the root, which may be none but a leaf."""
    number = np.full(tree.size + 1, LEAF, np.int64)
    number[order] = np.arange(len(order))
    made = TreeArrays(
        number[tree.left[order]],
        number[tree.right[order]],
        tree.feature[order],
        tree.threshold[order],
        tree.missing_left[order],
        tree.value[order],
        tree.samples[order],
    )
    return made, {int(number[node]): line for node, line in lines.items()}


def _lines(
    part: Mapping[str, str], kinds: npt.NDArray[np.int64], threshold: npt.NDArray[np.float64]
) -> Iterator[tuple[int, Line]]:
    """The splits by sets of categories, of which the numbers of the set go left, and those by thresholds where zeros are missing."""
    count = int(part.get("num_cat", 0))
    ends = _wholes(part, "cat_boundaries", count + 1 if count else 0)
    words = _wholes(part, "cat_threshold", int(ends[-1]) if count else 0).astype(np.uint32)
    sets = _numbers(part, "threshold", len(kinds))
    for node, kind in enumerate(kinds.tolist()):
        if kind & CATEGORICAL:
            at = int(whole(sets[node : node + 1], "sets of categories")[0])
            chosen = words[ends[at] : ends[at + 1]]
            members = np.flatnonzero(np.unpackbits(chosen.astype("<u4").view(np.uint8), bitorder="little"))
            yield node, of_ranges([_numbers_of(int(one)) for one in members], inside=True, missing=False)
        elif kind >> 2 & 3 == ZEROS:
            yield node, _with_zeros(float(threshold[node]), bool(kind & DEFAULT_LEFT))


def _numbers_of(category: int) -> tuple[float, float]:
    """The numbers that are a category: from the first below it to the last; of 0 those above -1, too."""
    last = float(np.nextafter(np.float32(category + 1), np.float32(-np.inf)))
    return -1.0 if category == 0 else float(np.nextafter(np.float32(category), np.float32(-np.inf))), last


def _with_zeros(threshold: float, default: bool) -> Line:
    """A split where zeros go with missing values."""
    below = float(np.nextafter(-ZERO, -np.inf))
    pieces: list[Piece] = [(below, True)] if threshold >= below else [(threshold, True), (below, False)]
    pieces += [(ZERO, default)]
    pieces += [(threshold, True), (INFINITY, False)] if threshold > ZERO else [(INFINITY, False)]
    return line_of(pieces, default)


class _Library:
    """LightGBM, asked for the raw scores and the predictions."""

    def __init__(self, content: Callable[[], str], loc: Loc) -> None:
        self._content, self._loc = content, loc

    @cached_property
    def _booster(self) -> Any:
        try:
            import lightgbm
        except ImportError as missing:
            raise missing_library("LightGBM", self._loc) from missing
        return lightgbm.Booster(params={"verbose": -1}, model_str=self._content())

    def margins(self, rows: npt.NDArray[np.float32]) -> Numbers:
        """See Asked."""
        return np.asarray(self._booster.predict(rows.astype(np.float64), raw_score=True, num_threads=1), np.float64)

    def answers(self, rows: npt.NDArray[np.float32]) -> Numbers:
        """See Asked."""
        return np.asarray(self._booster.predict(rows.astype(np.float64), num_threads=1), np.float64)
