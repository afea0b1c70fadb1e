"""Linear classifiers and regressors: one op, `linear`."""

from __future__ import annotations

from functools import cache

import numpy as np

from mcugen.diagnostics import Loc
from mcugen.frontends import Output
from mcugen.frontends.sklearn.attributes import labels_of
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.ir import GraphBuilder
from mcugen.ops.linear import Linear

SUPPORTED = ("LogisticRegression",)
TRUSTED = ("sklearn.linear_model._logistic.LogisticRegression",)


def takes(estimator: object) -> bool:
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    base = base_of(estimator, _known())
    assert base is not None
    state = state_of(estimator, base, "coef_", loc)
    labels = labels_of(state.get("classes_"), loc)
    check_sizes(0, len(labels), loc)
    return Head(base, features_of(state, loc), ("label", "proba", "decision"), labels)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    state = vars(estimator)
    weights = np.asarray(state["coef_"], np.float64)
    bias = np.broadcast_to(np.asarray(state["intercept_"], np.float64), (len(weights),))
    return builder.add(Linear(weights, np.array(bias), wanted, "sigmoid" if len(weights) == 1 else "softmax"), x, loc=loc)


@cache
def _known() -> frozenset[type]:
    from sklearn import linear_model

    return frozenset(getattr(linear_model, name) for name in SUPPORTED)
