"""Gaussian naive Bayes: one op, `gaussian_nb`.

What counts is what `predict_joint_log_proba` says: the logarithm of a class's prior and of a normal density for each feature.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import labels_of, refuse
from mcugen.frontends.sklearn.coefficients import Floats, numbers_of
from mcugen.frontends.sklearn.head import NO_POWER, Head, base_of, check_sizes, features_of, state_of
from mcugen.gaussian import spread_of
from mcugen.gaussian_wide import LARGEST, MOST_WIDE, SMALLEST
from mcugen.ir import GraphBuilder
from mcugen.ops.gaussian_nb import GaussianNB

SUPPORTED = ("GaussianNB",)
TRUSTED = ("sklearn.naive_bayes.GaussianNB",)
HOLDS = ("theta_", "var_", "class_prior_", "_joint_log_likelihood", "predict_joint_log_proba")


def takes(estimator: object) -> bool:
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    state = state_of(estimator, base, "theta_", loc, also=HOLDS)
    labels = labels_of(state.get("classes_"), loc)
    check_sizes(0, len(labels), loc)
    prior = state.get("class_prior_")
    possible = isinstance(prior, np.ndarray) and prior.dtype.kind == "f" and bool((prior > 0).all())
    odds = NO_POWER if len(labels) == 2 and possible else None
    return Head(base, features_of(state, loc), ("label", "proba"), labels, odds)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    mean, variance, prior = _arrays(vars(estimator), head, loc)
    _check(mean, variance, prior, loc)
    with np.errstate(divide="ignore"):
        constant = np.log(prior) - np.log(2 * np.pi * variance).sum(axis=1) / 2
    return builder.add(GaussianNB(mean, variance, constant, wanted), x, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, worked out in float64 where the model was fitted on float32."""
    from mcugen.frontends.sklearn.joint_reference import JointReference

    class NormalReference(JointReference):
        def scores(self, rows: Any) -> Any:
            return self.joint(rows)

    exact = copy.copy(estimator)
    mean, variance, prior = _arrays(vars(estimator), head, Loc())
    vars(exact).update(theta_=mean, var_=variance, class_prior_=prior)
    return NormalReference(exact, head, float(np.abs(np.log(2 * np.pi * variance).sum(axis=1)).max()))


def _arrays(state: Mapping[str, object], head: Head, loc: Loc) -> list[Floats]:
    classes = len(head.labels or ())
    shapes = {"theta_": (classes, head.n_features), "var_": (classes, head.n_features), "class_prior_": (classes,)}
    return [numbers_of(state, name, shape, loc, power=2 if name == "var_" else 1) for name, shape in shapes.items()]


def _check(mean: Floats, variance: Floats, prior: Floats, loc: Loc) -> None:
    """E0107 for what are no variances and shares, E0302 for what integers have no room for."""
    problems = []
    if not (variance > 0).all():
        problems.append(
            ("var_", "must be positive numbers; a feature that never changes needs `var_smoothing` above 0")
        )
    if (prior < 0).any() or not prior.any():
        problems.append(("class_prior_", "must be shares of 0 or more, not all of them 0"))
    refuse(problems, loc)
    size = np.abs(mean).max(initial=0.0) + np.sqrt(variance.max())
    if size > LARGEST or np.sqrt(variance.min()) < SMALLEST:
        raise error(
            "E0302",
            f"means and deviations of {max(size, 0):.1g} down to {np.sqrt(variance.min()):.1g} are beyond what float32 holds",
            help="scale the features, with a StandardScaler for example, and fit again",
            loc=loc,
        )
    spread = spread_of(mean, variance)
    if spread > MOST_WIDE:
        raise error(
            "E0302",
            f"the deviations of a feature are too far apart: its values are up to {spread:.1g} of the smallest away",
            help="fit with a larger `var_smoothing`; the default of 1e-9 is large enough",
            loc=loc,
        )


@cache
def _known() -> frozenset[type]:
    from sklearn import naive_bayes

    return frozenset(getattr(naive_bayes, name) for name in SUPPORTED)
