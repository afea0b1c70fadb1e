"""Linear classifiers and regressors that are their `coef_` and `intercept_`: one op, `linear`.

What counts is `decision_function`, `predict` and `predict_proba` of scikit-learn 1.4 to 1.9: the label is class 1 where the
only score is above 0, else the first class with the largest score.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from mcugen.diagnostics import Loc
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import labels_of, refuse, shown, word
from mcugen.frontends.sklearn.coefficients import Floats, rows_in, weights_of
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.reference import SklearnReference
from mcugen.ir import Array, GraphBuilder, Label
from mcugen.ops.choose import Choose
from mcugen.ops.linear import Linear, Link

LOGISTIC = ("LogisticRegression", "LogisticRegressionCV")
RIDGE = ("RidgeClassifier", "RidgeClassifierCV")
SGD = ("SGDClassifier",)
PLAIN = ("LinearSVC", "PassiveAggressiveClassifier", "Perceptron")
CLASSIFIERS = (*LOGISTIC, *RIDGE, *SGD, *PLAIN)
REGRESSORS = (
    "ARDRegression", "BayesianRidge", "ElasticNet", "ElasticNetCV", "HuberRegressor", "Lars", "LarsCV", "Lasso", "LassoCV",
    "LassoLars", "LassoLarsCV", "LassoLarsIC", "LinearRegression", "LinearSVR", "OrthogonalMatchingPursuit",
    "OrthogonalMatchingPursuitCV", "PassiveAggressiveRegressor", "QuantileRegressor", "Ridge", "RidgeCV", "SGDRegressor",
    "TheilSenRegressor",
)  # fmt: skip
TASKS = ("MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV")
SUPPORTED = tuple(sorted(CLASSIFIERS + REGRESSORS + TASKS))
_PLACES = {
    "_base": ("LinearRegression",),
    "_bayes": ("ARDRegression", "BayesianRidge"),
    "_coordinate_descent": ("ElasticNet", "ElasticNetCV", "Lasso", "LassoCV", *TASKS),
    "_huber": ("HuberRegressor",),
    "_least_angle": ("Lars", "LarsCV", "LassoLars", "LassoLarsCV", "LassoLarsIC"),
    "_logistic": LOGISTIC,
    "_omp": ("OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV"),
    "_passive_aggressive": ("PassiveAggressiveClassifier", "PassiveAggressiveRegressor"),
    "_perceptron": ("Perceptron",),
    "_quantile": ("QuantileRegressor",),
    "_ridge": ("Ridge", "RidgeCV", *RIDGE),
    "_stochastic_gradient": ("SGDClassifier", "SGDRegressor"),
    "_theil_sen": ("TheilSenRegressor",),
}
TRUSTED = (
    *(f"sklearn.linear_model.{place}.{name}" for place, names in _PLACES.items() for name in names),
    "sklearn.svm._classes.LinearSVC",
    "sklearn.svm._classes.LinearSVR",
    "sklearn.preprocessing._label.LabelBinarizer",  # what a RidgeClassifier's classes_ come from
)
# What is read, and so all that a prediction may depend on.
_HOLDS = ("classes_", "coef_", "intercept_", "n_features_in_", "_decision_function", "_predict_proba_lr")
_LR: tuple[Output, ...] = ("label", "proba", "decision")
_SGD_PROBA: dict[str, Link] = {"log_loss": "ovr", "modified_huber": "clip"}


def takes(estimator: object) -> bool:
    """Whether the estimator is one of scikit-learn's linear models, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    base, state = _checked(estimator, loc)
    if base.__name__ not in CLASSIFIERS:
        return Head(base, features_of(state, loc), ("value",), several=rows_in(state) > 1)
    answers = _answers_of(base, state)
    if answers:
        return Head(base, features_of(state, loc), ("label",), several=True, tables=((0, 1),) * answers)
    labels = _labels(base, state, loc)
    check_sizes(0, len(labels), loc)
    proba = base.__name__ in LOGISTIC or (base.__name__ in SGD and word(state, "loss", loc) in _SGD_PROBA)
    return Head(base, features_of(state, loc), _LR if proba else ("label", "decision"), labels)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted model as a node `linear`."""
    _, state = _checked(estimator, loc)
    if head.labels is None:
        weights, bias = weights_of(state, head.n_features, rows_in(state), loc)
        made = builder.add(Linear(weights, bias, "transform" if head.several else wanted), x, loc=loc)
        return builder.add(Choose((1,) * len(head.tables)), *made, loc=loc) if head.tables else made
    rows = 1 if len(head.labels) == 2 else len(head.labels)
    weights, bias = weights_of(state, head.n_features, rows, loc)
    link = _link(head.base.__name__, state, len(head.labels), loc) if wanted == "proba" else "identity"
    if link == "softmax" and rows == 1:  # of -s and s: a sigmoid of 2 s
        return builder.add(Linear(2 * weights, 2 * bias, wanted, "sigmoid"), x, loc=loc)
    return builder.add(Linear(weights, bias, wanted, link), x, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers."""
    return LinearReference(estimator, head)


class LinearReference(SklearnReference):
    """A linear model. Where scikit-learn's probabilities of `modified_huber` are scores divided by a sum next to 0, they hang
    on how each is rounded to float32.
    """

    def rounding(self, rows: Array) -> Floats:
        if getattr(self._model, "loss", None) != "modified_huber" or len(self._head.labels or ()) < 3:
            return super().rounding(rows)
        # (s + 1) / 2 divided by their sum
        scores = self.numbers("decision", rows)
        least = 2e-6 * np.abs(scores).max(axis=1)
        total = (np.clip(scores, -1, 1) + 1).sum(axis=1) / 2
        near = (np.abs(scores + 1) <= least[:, None]).any(axis=1)
        return np.where(near | (total > 0), np.minimum(least / np.maximum(total, 1e-30), 1.0), 0.0)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "coef_", loc, also=_HOLDS)


def _labels(base: type, state: Mapping[str, object], loc: Loc) -> tuple[Label, ...]:
    if base.__name__ not in RIDGE:
        labels = labels_of(state.get("classes_"), loc)
    else:
        from sklearn.preprocessing import LabelBinarizer

        binarizer = state.get("_label_binarizer")
        if type(binarizer) is not LabelBinarizer:
            refuse([("_label_binarizer", f"must be a LabelBinarizer, not {shown(binarizer)}")], loc)
        kind = vars(binarizer).get("y_type_")
        if not isinstance(kind, str) or kind not in ("binary", "multiclass"):
            refuse([("_label_binarizer.y_type_", f"must be 'binary' or 'multiclass', not {shown(kind)}")], loc)
        labels = labels_of(vars(binarizer).get("classes_"), loc)
    if len(labels) < 2:
        refuse([("classes_", "has a single label; a linear model tells at least two apart")], loc)
    return labels


def _answers_of(base: type, state: Mapping[str, object]) -> int:
    """How many answers of 0 or 1 a RidgeClassifier gives at once; 0 where it tells classes apart."""
    kind = getattr(state.get("_label_binarizer"), "y_type_", "") if base.__name__ in RIDGE else ""
    return rows_in(state) if isinstance(kind, str) and kind == "multilabel-indicator" else 0


def _link(name: str, state: Mapping[str, object], classes: int, loc: Loc) -> Link:
    """How probabilities are made of the scores."""
    if name in SGD:
        link = _SGD_PROBA[word(state, "loss", loc)]
        return "sigmoid" if link == "ovr" and classes == 2 else link
    if not _has_multi_class():
        return "sigmoid" if classes == 2 else "softmax"
    kind = word(state, "multi_class", loc, "auto")
    apart = kind in ("ovr", "warn") or (
        kind in ("auto", "deprecated") and (classes == 2 or word(state, "solver", loc) == "liblinear")
    )
    return "softmax" if not apart else "sigmoid" if classes == 2 else "ovr"


@cache
def _has_multi_class() -> bool:
    """Whether this scikit-learn lets LogisticRegression have an option `multi_class` (before 1.8), and heeds it."""
    from inspect import signature

    from sklearn.linear_model import LogisticRegression

    return "multi_class" in signature(LogisticRegression).parameters


@cache
def _known() -> frozenset[type]:
    from sklearn import linear_model, svm

    found = (getattr(linear_model, name, None) or getattr(svm, name, None) for name in SUPPORTED)
    return frozenset(cls for cls in found if cls is not None)
