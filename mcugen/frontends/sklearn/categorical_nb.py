"""CategoricalNB: a number for each category of each feature and class; ops `lookup`, `one_hot` and `linear`.

What counts is `_joint_log_likelihood` of scikit-learn 1.4 to 1.9. Rows are cut to whole numbers first; those below 0, and categories
that the training did not have, are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import labels_of, refuse, shown
from mcugen.frontends.sklearn.coefficients import Floats, numbers_of
from mcugen.frontends.sklearn.head import NO_POWER, Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.naive_bayes_discrete import centred, check_possible
from mcugen.frontends.sklearn.reference import SklearnReference, single
from mcugen.ir import Array, GraphBuilder
from mcugen.ops.linear import Linear
from mcugen.ops.lookup import MAX_POINTS, Lookup
from mcugen.ops.one_hot import OneHot

SUPPORTED = ("CategoricalNB",)
TRUSTED = ("sklearn.naive_bayes.CategoricalNB",)
HOLDS = ("classes_", "class_log_prior_", "feature_log_prob_", "_joint_log_likelihood", "_check_X")


def takes(estimator: object) -> bool:
    """Whether the estimator is a CategoricalNB, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    base, state = _checked(estimator, loc)
    labels = labels_of(state.get("classes_"), loc)
    if len(labels) < 2:
        help = "its answer is always the same: fit it on examples of two classes or more"
        raise error("E0302", "this CategoricalNB has a single class", help=help, loc=loc)
    check_sizes(0, len(labels), loc)
    return Head(base, features_of(state, loc), ("label", "proba"), labels, NO_POWER if len(labels) == 2 else None)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """Each feature's category, its column, and the sum of what the columns stand for."""
    state = _checked(estimator, loc)[1]
    logs, classes = _logs(state, head, loc), len(head.labels or ())
    check_possible(state.get("class_log_prior_"), "class_log_prior_", head, loc)
    prior = numbers_of(state, "class_log_prior_", (classes,), loc)
    counts = [one.shape[1] for one in logs]
    ends = tuple(np.nextafter(np.arange(1, n, dtype=np.float32), np.float32(0)).astype(np.float64) for n in counts)
    places = tuple(np.arange(n, dtype=np.float64)[:, np.newaxis] for n in counts)
    (x,) = builder.add(Lookup(ends, places, np.full((len(counts), 1), -1.0)), x, loc=loc)
    (x,) = builder.add(OneHot(tuple(counts)), x, loc=loc)
    weights = np.concatenate(logs, axis=1)
    if classes == 2:
        return builder.add(Linear(weights[1:] - weights[:1], prior[1:] - prior[:1], wanted, "sigmoid"), x, loc=loc)
    return builder.add(Linear(centred(weights), centred(prior), wanted, "softmax"), x, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, for rows of categories that it knows."""
    return CategoriesReference(estimator, head)


class CategoriesReference(SklearnReference):
    """A model that answers categories of its training alone."""

    def accepts(self, rows: Array) -> npt.NDArray[np.bool_]:
        counts = np.array([one.shape[1] for one in self._model.feature_log_prob_])
        x = single(rows)
        return np.asarray(((x > -1) & (x < counts)).all(axis=1))


def _logs(state: Mapping[str, object], head: Head, loc: Loc) -> list[Floats]:
    """Of each feature the logarithms (classes, categories)."""
    given, classes = state.get("feature_log_prob_"), len(head.labels or ())
    if not isinstance(given, list) or len(given) != head.n_features:
        refuse([("feature_log_prob_", f"must be a list of {head.n_features} arrays, not {shown(given)}")], loc)
    assert isinstance(given, list)
    found = []
    for i, one in enumerate(given):
        name = f"feature_log_prob_[{i}]"
        check_possible(one, name, head, loc)
        found.append(numbers_of({name: one}, name, (classes, None), loc))
    most = max(one.shape[1] for one in found)
    if sum(one.shape[1] for one in found) > MAX_POINTS:
        help = "leave out features with many categories, or count rare ones as one"
        raise error("E0303", f"{most:,} categories in a feature are too many", help=help, loc=loc)
    return found


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "feature_log_prob_", loc, also=HOLDS)


@cache
def _known() -> frozenset[type]:
    from sklearn.naive_bayes import CategoricalNB

    return frozenset([CategoricalNB])
