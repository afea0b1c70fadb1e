"""Linear classifiers and regressors that are their `coef_` and `intercept_`: one op, `linear`.

What counts is `decision_function`, `predict` and `predict_proba` of scikit-learn 1.4 to 1.9: the label is class 1 where the
only score is above 0, else the first class with the largest score.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import labels_of, refuse, shown
from mcugen.frontends.sklearn.coefficients import Floats, check_one_output, is_sparse, several_outputs, weights_of
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.reference import SklearnReference, close
from mcugen.ir import Array, GraphBuilder, Label
from mcugen.ops.linear import Linear, Link
from mcugen.rows import single

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
SUPPORTED = tuple(sorted(CLASSIFIERS + REGRESSORS))
_PLACES = {
    "_base": ("LinearRegression",),
    "_bayes": ("ARDRegression", "BayesianRidge"),
    "_coordinate_descent": ("ElasticNet", "ElasticNetCV", "Lasso", "LassoCV"),
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
ROUNDED = 2.0**-22  # of the largest part of a sum
_LR: tuple[Output, ...] = ("label", "proba", "decision")
_SGD_PROBA: dict[object, Link] = {"log_loss": "ovr", "modified_huber": "clip"}


def takes(estimator: object) -> bool:
    """Whether the estimator is one of scikit-learn's linear models, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    base, state = _checked(estimator, loc)
    if base.__name__ in REGRESSORS:
        return Head(base, features_of(state, loc), ("value",))
    labels = _labels(base, state, loc)
    check_sizes(0, len(labels), loc)
    proba = base.__name__ in LOGISTIC or (base.__name__ in SGD and state.get("loss") in _SGD_PROBA)
    return Head(base, features_of(state, loc), _LR if proba else ("label", "decision"), labels)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted model as a node `linear`."""
    _, state = _checked(estimator, loc)
    if head.labels is None:
        check_one_output(state, head.base.__name__, loc)
        weights, bias = weights_of(state, head.n_features, 1, loc)
        return builder.add(Linear(weights, bias, wanted), x, loc=loc)
    rows = 1 if len(head.labels) == 2 else len(head.labels)
    weights, bias = weights_of(state, head.n_features, rows, loc)
    link = _link(head.base.__name__, state, len(head.labels)) if wanted == "proba" else "identity"
    if link == "softmax" and rows == 1:  # of -s and s: a sigmoid of 2 s
        return builder.add(Linear(2 * weights, 2 * bias, wanted, "sigmoid"), x, loc=loc)
    return builder.add(Linear(weights, bias, wanted, link), x, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers."""
    return LinearReference(estimator, head)


class LinearReference(SklearnReference):
    """A linear model. Where the parts of a sum are many times larger than the sum, what is left of them hangs on how each is
    rounded: 2^-22 of the largest is what four roundings to float32 take off it.
    """

    def rounding(self, rows: Array) -> Floats:
        lost = ROUNDED * self._largest_part(rows)
        if getattr(self._model, "loss", None) != "modified_huber" or len(self._head.labels or ()) < 3:
            return lost
        # (s + 1) / 2 divided by their sum: next to a sum of 0 it hangs on how s is rounded
        scores = self.numbers("decision", rows)
        least = np.maximum(2e-6 * np.abs(scores).max(axis=1), lost)
        total = (np.clip(scores, -1, 1) + 1).sum(axis=1) / 2
        near = (np.abs(scores + 1) <= least[:, None]).any(axis=1)
        return np.where(near | (total > 0), lost + np.minimum(least / np.maximum(total, 1e-30), 1.0), 0.0)

    def near_ties(self, rows: Array) -> npt.NDArray[np.bool_]:
        if self._head.labels is None:
            return super().near_ties(rows)
        scores = self.numbers("decision", rows)
        best = np.sort(scores, axis=1)[:, -2:]
        gap = np.abs(scores[:, 0]) if scores.shape[1] == 1 else best[:, 1] - best[:, 0]
        return np.asarray(close(scores) | (gap <= ROUNDED * self._largest_part(rows)))

    def _largest_part(self, rows: Array) -> Floats:
        """The largest product of a weight and a feature, (n,)."""
        coef = self._model.coef_
        weights = np.abs(coef.toarray() if is_sparse(coef) else coef, dtype=np.float64).reshape(-1, rows.shape[1])
        x = np.abs(single(rows).astype(np.float64))
        x[~self.accepts(rows)] = 0.0
        return np.asarray((x * weights.max(axis=0)).max(axis=1))


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
        if kind not in ("binary", "multiclass"):
            if isinstance(kind, str) and kind.startswith("multilabel"):
                raise several_outputs(base.__name__, len(getattr(state["coef_"], "shape", "")) or 2, loc)
            refuse([("_label_binarizer.y_type_", f"must be 'binary' or 'multiclass', not {shown(kind)}")], loc)
        labels = labels_of(vars(binarizer).get("classes_"), loc)
    if len(labels) < 2:
        refuse([("classes_", "has a single label; a linear model tells at least two apart")], loc)
    return labels


def _link(name: str, state: Mapping[str, object], classes: int) -> Link:
    """How probabilities are made of the scores."""
    if name in SGD:
        link = _SGD_PROBA[state.get("loss")]
        return "sigmoid" if link == "ovr" and classes == 2 else link
    if not _has_multi_class():
        return "sigmoid" if classes == 2 else "softmax"
    kind = state.get("multi_class", "auto")
    apart = kind in ("ovr", "warn") or (
        kind in ("auto", "deprecated") and (classes == 2 or state.get("solver") == "liblinear")
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
