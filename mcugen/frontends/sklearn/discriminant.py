"""Linear discriminant analysis: one op, `linear`, for the class and for the projection.

What counts is `decision_function`, `predict`, `predict_proba` and `transform` of scikit-learn 1.4 to 1.9.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mcugen.diagnostics import Loc
from mcugen.frontends import Output
from mcugen.frontends.sklearn.attributes import labels_of, refuse, word
from mcugen.frontends.sklearn.coefficients import check_size, count_of, numbers_of, weights_of
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.ir import GraphBuilder
from mcugen.ops.linear import Linear

SUPPORTED = ("LinearDiscriminantAnalysis",)
TRUSTED = ("sklearn.discriminant_analysis.LinearDiscriminantAnalysis",)
# What is read, and so all that a prediction may depend on.
_HOLDS = ("classes_", "coef_", "intercept_", "n_features_in_", "scalings_", "xbar_", "_max_components")


def takes(estimator: object) -> bool:
    """Whether the estimator is scikit-learn's linear discriminant analysis, or of a class derived from it."""
    return base_of(estimator, [_known()]) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself; without `transform` where it was fitted by least squares."""
    state = _checked(estimator, loc)
    labels = labels_of(state.get("classes_"), loc)
    if len(labels) < 2:
        refuse([("classes_", "has a single label; discriminant analysis tells at least two apart")], loc)
    check_sizes(0, len(labels), loc)
    outputs: tuple[Output, ...] = ("label", "proba", "decision")
    if word(state, "solver", loc) in ("svd", "eigen"):
        outputs = (*outputs, "transform")
    return Head(_known(), features_of(state, loc), outputs, labels)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted model as a node `linear`."""
    state = _checked(estimator, loc)
    if wanted == "transform":
        return builder.add(_projection(state, head.n_features, loc), x, loc=loc)
    classes = len(head.labels or ())
    weights, bias = weights_of(state, head.n_features, 1 if classes == 2 else classes, loc)
    return builder.add(Linear(weights, bias, wanted, "sigmoid" if classes == 2 else "softmax"), x, loc=loc)


def _projection(state: Mapping[str, object], features: int, loc: Loc) -> Linear:
    components = count_of(state, "_max_components", loc)
    scalings = numbers_of(state, "scalings_", (features, None), loc)[:, :components]
    centred = word(state, "solver", loc) == "svd"
    middle = numbers_of(state, "xbar_", (features,), loc) if centred else np.zeros(features)
    bias = -(middle @ scalings)
    check_size(float(np.abs(bias).max()), "xbar_ @ scalings_", loc)
    return Linear(np.array(scalings.T), bias, "transform")


def _checked(estimator: object, loc: Loc) -> Mapping[str, object]:
    return state_of(estimator, _known(), "coef_", loc, also=_HOLDS)


def _known() -> type:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return LinearDiscriminantAnalysis  # type: ignore[no-any-return]  # untyped
