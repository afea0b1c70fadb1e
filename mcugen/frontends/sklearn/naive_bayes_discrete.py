"""Naive Bayes of counts and of yes and no: the joint log likelihood is linear in the features, one op `linear`.

What counts is `_joint_log_likelihood` of scikit-learn 1.4 to 1.9: the class is the first with the largest, the probabilities
are its softmax. A number that is the same for all classes changes neither, so the weights are differences: of two classes,
and of more what each is off the middle.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import labels_of, refuse, shown
from mcugen.frontends.sklearn.coefficients import Floats, numbers_of
from mcugen.frontends.sklearn.head import NO_POWER, Head, base_of, check_sizes, features_of, state_of
from mcugen.ir import GraphBuilder
from mcugen.ops.binarize import Binarize
from mcugen.ops.linear import Linear

SUPPORTED = ("BernoulliNB", "ComplementNB", "MultinomialNB")
TRUSTED = tuple(f"sklearn.naive_bayes.{name}" for name in SUPPORTED)
# What is read, and so all that a prediction may depend on.
_HOLDS = ("classes_", "class_log_prior_", "feature_log_prob_", "n_features_in_", "_joint_log_likelihood", "_check_X")


def takes(estimator: object) -> bool:
    """Whether the estimator is one of scikit-learn's discrete naive Bayes models, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    base, state = _checked(estimator, loc)
    labels = labels_of(state.get("classes_"), loc)
    if len(labels) < 2:
        raise error(
            "E0302",
            f"this {base.__name__} has a single class",
            help="its answer is always the same: fit it on examples of two classes or more",
            loc=loc,
        )
    check_sizes(0, len(labels), loc)
    odds = NO_POWER if len(labels) == 2 else None
    return Head(base, features_of(state, loc), ("label", "proba"), labels, odds)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted model as a node `linear`, after a `binarize` where it has a threshold."""
    _, state = _checked(estimator, loc)
    weights, bias = _likelihood(state, head, loc)
    if head.base.__name__ == "BernoulliNB" and state.get("binarize") is not None:
        threshold = state["binarize"]
        if isinstance(threshold, bool) or not isinstance(threshold, int | float | np.number):
            refuse([("binarize", f"must be a number or None, not {shown(threshold)}")], loc)
        if not np.isfinite(float(threshold)):  # type: ignore[arg-type]  # a number
            refuse([("binarize", "must be finite")], loc)
        (x,) = builder.add(Binarize(head.n_features, float(threshold)), x, loc=loc)  # type: ignore[arg-type]
    if len(weights) == 2:
        return builder.add(Linear(weights[1:] - weights[:1], bias[1:] - bias[:1], wanted, "sigmoid"), x, loc=loc)
    return builder.add(Linear(centred(weights), centred(bias), wanted, "softmax"), x, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers."""
    from mcugen.frontends.sklearn.joint_reference import JointReference

    _, bias = _likelihood(_checked(estimator, Loc())[1], head, Loc())
    return JointReference(estimator, head, float(np.abs(bias).max()))


def _likelihood(state: Mapping[str, object], head: Head, loc: Loc) -> tuple[Floats, Floats]:
    """The joint log likelihood's weights (classes, features) and constants (classes,)."""
    classes = len(head.labels or ())
    for name in ("feature_log_prob_", "class_log_prior_"):
        check_possible(state.get(name), name, head, loc)
    logs = numbers_of(state, "feature_log_prob_", (classes, head.n_features), loc)
    prior = numbers_of(state, "class_log_prior_", (classes,), loc)
    if head.base.__name__ == "ComplementNB":
        return logs, np.zeros(classes)
    if head.base.__name__ == "MultinomialNB":
        return logs, prior
    if (logs > 0).any():
        raise error(
            "E0302",
            "this BernoulliNB has probabilities above 1, and so no answers",
            help="fit it on columns of 0 and 1, or with a number for `binarize`",
            loc=loc,
        )
    with np.errstate(divide="ignore"):
        others = np.log(1 - np.exp(logs))
    check_possible(others, "feature_log_prob_", head, loc)
    return logs - others, prior + others.sum(axis=1)


def check_possible(logs: object, name: str, head: Head, loc: Loc) -> None:
    """E0302 where a probability is 0, as without smoothing: one feature alone decides, and 0 times infinity is no number."""
    if isinstance(logs, np.ndarray) and logs.dtype.kind == "f" and np.isneginf(logs).any():
        raise error(
            "E0302",
            f"this {head.base.__name__} has probabilities of 0: {name} has negative infinities",
            help="fit it with smoothing, `alpha=1.0`, and without priors of 0",
            loc=loc,
        )


def centred(columns: Floats) -> Floats:
    """Columns less the middle of their range: what all classes share tells none from another."""
    return np.asarray(columns - (columns.min(axis=0) / 2 + columns.max(axis=0) / 2))


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "feature_log_prob_", loc, also=_HOLDS)


@cache
def _known() -> frozenset[type]:
    from sklearn import naive_bayes

    return frozenset(getattr(naive_bayes, name) for name in SUPPORTED)
