"""Histogram gradient boosting: trees whose leaves are added up, with missing values and sets of categories.

What counts is `_raw_predict` of scikit-learn 1.4 to 1.9: the baseline, then each tree's leaf, in float64; rows are compared as
float64. A class is the best raw prediction, or the second of two where the only one is positive (`> 0`). Categories are what the
model's own encoder makes of a number; numbers that are none go where missing values go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Reference
from mcugen.frontends.sklearn.attributes import Problem, labels_of, refuse, shown, whole
from mcugen.frontends.sklearn.ensemble_reference import SumReference
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.hist_trees import Columns, Read, fresh_predictor, read
from mcugen.frontends.sklearn.line_splits import without_lines
from mcugen.frontends.sklearn.tree_members import check_exponent, check_sum, joined
from mcugen.ir import Array, DType, GraphBuilder
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.combine import Combine, Link
from mcugen.ops.tree_ensemble.trees import Trees

SUPPORTED = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
_HIST = "sklearn.ensemble._hist_gradient_boosting"
_LINKS: Mapping[str, Link] = {
    "HalfBinomialLoss": "sigmoid",
    "HalfMultinomialLoss": "softmax",
    "HalfSquaredError": "identity",
    "AbsoluteError": "identity",
    "PinballLoss": "identity",
    "HalfPoissonLoss": "exp",
    "HalfGammaLoss": "exp",
}
TRUSTED = (
    *(f"{_HIST}.gradient_boosting.{name}" for name in SUPPORTED),
    f"{_HIST}.binning._BinMapper",
    f"{_HIST}.predictor.TreePredictor",
    *(f"sklearn._loss.loss.{name}" for name in _LINKS),
    "sklearn.compose._column_transformer.ColumnTransformer",
    "sklearn.preprocessing._encoders.OrdinalEncoder",
    "sklearn.preprocessing._function_transformer.FunctionTransformer",
    "sklearn.preprocessing._label.LabelEncoder",
)
INTEGERS = True
_HOLDS = (
    "_baseline_prediction",
    "_bin_mapper",
    "_preprocessor",
    "classes_",
    "n_features_in_",
    "n_trees_per_iteration_",
)


def takes(estimator: object) -> bool:
    """Whether the estimator is scikit-learn's histogram gradient boosting, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    base, state = _checked(estimator, loc)
    if not base.__name__.endswith("Classifier"):
        return Head(base, features_of(state, loc), ("value",))
    labels = labels_of(state.get("classes_"), loc)
    if len(labels) < 2:
        refuse([("classes_", "must hold two labels at least")], loc)
    check_sizes(0, len(labels), loc)
    return Head(base, features_of(state, loc), ("label", "proba", "decision"), labels)


def build(estimator: object, head: Head, wanted: str, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted model as a node `tree_ensemble`."""
    dtype = builder.type_of(x).dtype
    trees = _Model.of(estimator, head, loc, dtype != DType.F32).trees
    check_sum(trees, head.labels is None and trees.combine.link == "identity", loc)
    return builder.add(TreeEnsemble(trees, cast(Any, wanted), x=dtype), x, loc=loc)


def asked(estimator: object, plain: bool) -> Any:
    """An object that holds what was checked and nothing else."""
    return _Model.of(estimator, head(estimator, Loc()), Loc(), False).fresh()


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, of an object that holds what was checked and nothing else."""
    model = _Model.of(estimator, head, Loc(), False)
    found = _Reference(model.fresh(), head, model.trees, missing=True)
    found.encoded = model.columns.features[: sum(len(some) > 0 for some in model.columns.categories)]
    return found


class _Reference(SumReference):
    """scikit-learn's encoder refuses infinities where it looks for categories."""

    encoded: npt.NDArray[np.int64]

    def accepts(self, rows: Array) -> npt.NDArray[np.bool_]:
        """All rows but those."""
        with np.errstate(over="ignore"):
            x = np.asarray(rows).astype(np.float32)
        return np.asarray(~np.isinf(x[:, self.encoded]).any(axis=1))


@cache
def _known() -> frozenset[type]:
    from sklearn import ensemble

    return frozenset(getattr(ensemble, name) for name in SUPPORTED)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    also = ("_raw_predict", "_preprocess_X", "_predict_iterations", *_HOLDS)
    return base, state_of(estimator, base, "_predictors", loc, also=also)


@dataclass(frozen=True, eq=False)
class _Model:
    """A model whose every number was checked."""

    base: type
    state: Mapping[str, object]
    loss: str
    columns: Columns
    trees: Trees

    @classmethod
    def of(cls, estimator: object, head: Head, loc: Loc, integers: bool) -> _Model:
        base, state = _checked(estimator, loc)
        scores = 1 if head.labels is None or len(head.labels) == 2 else len(head.labels)
        refuse(_problems(state, scores, head), loc)
        columns = columns_of(state, head, loc)
        found = _predictors(state, scores, columns, integers, loc)
        plain = without_lines([(one.arrays, one.lines) for one in found], loc)
        trees = joined(plain, head.n_features, loc)
        doubles = np.concatenate([tree.threshold for tree in plain])  # it compares float64
        loss = type(state["_loss"]).__name__
        baseline = np.asarray(state["_baseline_prediction"], np.float64).ravel()
        combine = Combine("sum", baseline, link=_LINKS[loss])
        made = replace(trees, combine=combine, doubles=doubles, drawn="at")  # of more than 255 numbers
        check_exponent(made, loc)
        return cls(base, state, loss, columns, made)

    def fresh(self) -> Any:
        """The model as scikit-learn's own object, made of what was checked."""
        from sklearn._loss import loss

        made: Any = self.base()
        for name in ("_baseline_prediction", "classes_", "n_features_in_", "n_trees_per_iteration_"):
            if name in self.state:
                setattr(made, name, self.state[name])
        made._predictors = [
            [fresh_predictor(one) for one in stage] for stage in cast(Sequence[Any], self.state["_predictors"])
        ]
        options = {"n_classes": self.trees.n_outputs} if self.loss == "HalfMultinomialLoss" else {}
        made._loss = getattr(loss, self.loss)(**options)
        made._bin_mapper = _fresh_bins(self.columns)
        made._preprocessor = _fresh_encoder(self.columns) if any(map(len, self.columns.categories)) else None
        return made


def _problems(state: Mapping[str, object], scores: int, head: Head) -> Iterator[Problem]:
    baseline = state.get("_baseline_prediction")
    if not isinstance(baseline, np.ndarray) or baseline.shape != (1, scores) or baseline.dtype != np.float64:
        yield "_baseline_prediction", f"must be an array of {scores} numbers"
    elif not np.isfinite(baseline).all():
        yield "_baseline_prediction", "must be finite"
    if whole(state.get("n_trees_per_iteration_")) != scores:
        yield "n_trees_per_iteration_", f"is {shown(state.get('n_trees_per_iteration_'))}; the classes need {scores}"
    if type(state.get("_loss")) not in _losses(head.labels is not None, scores):
        yield "_loss", f"is {shown(state.get('_loss'))}, which is no loss for {'classes' if head.labels else 'numbers'}"
    stages = state["_predictors"]
    if not isinstance(stages, list) or not all(isinstance(s, list) and len(s) == scores for s in stages) or not stages:
        yield "_predictors", f"must be a list of stages of {scores} trees"


@cache
def _losses(classifier: bool, scores: int) -> frozenset[type]:
    from sklearn._loss import loss

    wanted = ("sigmoid" if scores == 1 else "softmax",) if classifier else ("identity", "exp")
    return frozenset(getattr(loss, name) for name, link in _LINKS.items() if link in wanted)


def _predictors(state: Mapping[str, object], scores: int, columns: Columns, integers: bool, loc: Loc) -> list[Read]:
    """Every tree, those of one score one after another; E0107 with what is wrong in any."""
    stages = cast(Sequence[Sequence[object]], state["_predictors"])
    found, problems = [], list[Problem]()
    for k in range(scores):
        for i, stage in enumerate(stages):
            one = read(stage[k], columns, integers)
            if isinstance(one, Read):
                found.append(one)
            else:
                problems += [(f"_predictors[{i}][{k}]", what) for what in one]
    refuse(problems, loc)
    return found


def columns_of(state: Mapping[str, object], head: Head, loc: Loc) -> Columns:
    """The columns that the trees are asked with. E0107 where the encoder is damaged, E0302 where categories are no numbers."""
    plain = Columns(np.arange(head.n_features), [np.zeros(0)] * head.n_features)
    encoder = state.get("_preprocessor")
    if encoder is None:
        return plain
    mask: Any = state.get("is_categorical_")
    if not isinstance(mask, np.ndarray) or mask.shape != (head.n_features,) or mask.dtype != np.bool_ or not mask.any():
        refuse([("is_categorical_", f"must say of all {head.n_features} features whether they hold categories")], loc)
    found = _encoder(encoder, mask)
    categories = None if found is None else vars(found).get("categories_")
    if not isinstance(categories, list) or len(categories) != np.count_nonzero(mask):
        refuse([("_preprocessor", "must be the encoder of the categories")], loc)
    where = loc.within("_preprocessor")
    numbers = [_category_numbers(some, where) for some in cast("list[object]", categories)]
    rest = head.n_features - len(numbers)
    features = np.concatenate([np.flatnonzero(mask), np.flatnonzero(~mask)])
    return Columns(features, [*numbers, *([np.zeros(0)] * rest)])


def _encoder(preprocessor: object, mask: npt.NDArray[np.bool_]) -> object | None:
    """The OrdinalEncoder in scikit-learn's own arrangement of it, for these columns; None in any other."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OrdinalEncoder

    if type(preprocessor) is not ColumnTransformer:
        return None
    parts = vars(preprocessor).get("transformers_")
    first = parts[0] if isinstance(parts, list) and parts else None
    encoder = first[1] if isinstance(first, tuple) and len(first) == 3 and np.array_equal(first[2], mask) else None
    if type(encoder) is not OrdinalEncoder:
        return None
    options = vars(encoder)
    missing = [options.get("unknown_value"), options.get("encoded_missing_value")]
    unknown = all(isinstance(value, float) and np.isnan(value) for value in missing)
    return encoder if unknown and options.get("handle_unknown") == "use_encoded_value" else None


def _category_numbers(categories: object, loc: Loc) -> npt.NDArray[np.float64]:
    if not isinstance(categories, np.ndarray) or categories.ndim != 1 or not len(categories):
        refuse([("categories_", "must be arrays of categories")], loc)
    found = cast("npt.NDArray[Any]", categories)
    if found.dtype.kind not in "iufb":
        raise error(
            "E0302",
            f"categories of type {found.dtype.name} cannot be features of a row of numbers",
            help="encode them as numbers before `fit`, and give the C the same numbers",
            loc=loc,
        )
    numbers = found.astype(np.float64)
    numbers = numbers[:-1] if np.isnan(numbers[-1]) else numbers
    if not np.isfinite(numbers).all() or not (np.diff(numbers) > 0).all() or not 0 < len(numbers) <= 255:
        refuse([("categories_", "must be up to 255 sorted numbers")], loc)
    return numbers


def _fresh_bins(columns: Columns) -> Any:
    from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper

    made: Any = _BinMapper()
    made.is_categorical_ = np.array([len(some) > 0 for some in columns.categories], np.uint8)
    made.bin_thresholds_ = [np.arange(len(some), dtype=np.float64) for some in columns.categories]
    return made


def _fresh_encoder(columns: Columns) -> Any:
    """scikit-learn's own encoder, fitted on rows that hold every category."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    count = sum(len(some) > 0 for some in columns.categories)
    rows = np.zeros((max(map(len, columns.categories)), len(columns.features)))
    for feature, numbers in zip(columns.features[:count], columns.categories, strict=False):
        rows[:, feature] = numbers[np.arange(len(rows)) % len(numbers)]
    model: Any = HistGradientBoostingRegressor(categorical_features=columns.features[:count])
    model._preprocess_X(rows, reset=True)
    return model._preprocessor
