"""CalibratedClassifierCV: probabilities from what classifiers say, and the mean over the classifiers.

What counts is `predict_proba` of scikit-learn 1.4 to 1.9. With `method="sigmoid"` a class's probability is
1 / (1 + exp(a · score + b)), with `"isotonic"` a regression of the score, both divided by their sum; where all of them are 0, all
classes are equally likely. With `"temperature"` it is the softmax of scores times a factor. The class is the most likely one.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import labels_of, refuse, shown
from mcugen.frontends.sklearn.calibrations import Calibration, Score, calibration_of
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, state_of
from mcugen.frontends.sklearn.pipeline import check_width
from mcugen.frontends.sklearn.plain import asked_inside
from mcugen.ir import GraphBuilder, Label
from mcugen.ops.average import Average
from mcugen.ops.concat import MOST

SUPPORTED = ("CalibratedClassifierCV",)
_HELD = ("_CalibratedClassifier", "_SigmoidCalibration", "_TemperatureScaling")
TRUSTED = tuple(f"sklearn.calibration.{name}" for name in (*SUPPORTED, *_HELD))
INTEGERS = True


@dataclass(frozen=True, eq=False)
class Member:
    """A calibrated classifier: the classifier, what it says of itself, its scores that count, and what is made of them."""

    estimator: object
    head: Head
    asked: Score
    calibration: Calibration
    loc: Loc


def takes(estimator: object) -> bool:
    """Whether the estimator is scikit-learn's, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted one says of itself."""
    base, state = _checked(estimator, loc)
    labels = labels_of(state.get("classes_"), loc)
    check_sizes(0, len(labels), loc)
    if len(labels) < 2:
        refuse([("classes_", "has a single label; a calibrated classifier tells at least two apart")], loc)
    return Head(base, _members(state, labels, loc)[0].head.n_features, ("label", "proba"), labels)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """Each classifier's nodes, those of its calibration, and an `average`."""
    _, state = _checked(estimator, loc)
    labels = head.labels or ()
    members = _members(state, labels, loc)
    found = [_chances(member, head, builder, x) for member in members]
    shares = np.full(len(members), 1 / len(members))
    return builder.add(Average(shares, "proba" if wanted == "proba" else "label", len(labels)), *found, loc=loc)


def asked(estimator: Any, plain: bool) -> Any:
    """Its classifiers as references ask them, without the one that these were made of: nobody looks at what a file says of it."""
    changed = copy(estimator)
    changed.estimator = None
    changed.calibrated_classifiers_ = [
        asked_inside(one, plain, "estimator") for one in estimator.calibrated_classifiers_
    ]
    return changed


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers."""
    from mcugen.frontends.sklearn import reference_of
    from mcugen.frontends.sklearn.calibrated_reference import CalibratedReference

    _, state = _checked(estimator, Loc())
    members = _members(state, head.labels or (), Loc())
    return CalibratedReference(estimator, head, members, [reference_of(one.estimator) for one in members])


def _chances(member: Member, head: Head, builder: GraphBuilder, x: str) -> str:
    """The value with a classifier's calibrated probabilities."""
    from mcugen.frontends.sklearn import build_estimator

    check_width(member.head, head.n_features, member.loc)
    score = build_estimator(member.estimator, member.head, member.asked, builder, x, member.loc)[-1]
    return member.calibration.chances(builder, score, member.loc)


def _members(state: Mapping[str, object], labels: tuple[Label, ...], loc: Loc) -> list[Member]:
    """The calibrated classifiers, checked. E0302 for what C has not, E0303 for more than a C function takes."""
    held = state["calibrated_classifiers_"]
    if not isinstance(held, list) or not held:
        refuse([("calibrated_classifiers_", f"must be a list of calibrated classifiers, not {shown(held)}")], loc)
    assert isinstance(held, list)
    if len(held) > MOST:
        text = f"{len(held)} classifiers; the generated C takes {MOST} at most"
        raise error("E0303", text, help="use fewer folds, or `ensemble=False`", loc=loc)
    return [_member(one, labels, loc.within(f"calibrated_classifiers_[{i}]")) for i, one in enumerate(held)]


def _member(one: object, labels: tuple[Label, ...], loc: Loc) -> Member:
    from mcugen.frontends.sklearn import head_of

    if (type(one).__module__, type(one).__name__) != ("sklearn.calibration", "_CalibratedClassifier"):
        refuse([("", f"must be scikit-learn's own, not {shown(one)}")], loc)
    state = vars(one)
    inner, place = state.get("estimator"), loc.within("estimator")
    own = head_of(inner, place)
    if labels_of(state.get("classes"), loc) != labels or own.labels != labels:
        help = "fit it on enough rows of each class: every fold has to have some of all"
        raise error("E0302", "a classifier does not know all classes", help=help, loc=loc)
    asked: Score = "decision" if hasattr(inner, "decision_function") else "proba"
    if asked not in own.outputs:
        text = f"the {own.name} inside gives no {asked} in C"
        raise error("E0302", text, help="use a linear model, a forest or an SVM inside", loc=place)
    return Member(inner, own, asked, calibration_of(state, asked, len(labels), loc), place)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "calibrated_classifiers_", loc, also=("calibrated_classifiers_", "classes_"))


@cache
def _known() -> frozenset[type]:
    from sklearn.calibration import CalibratedClassifierCV

    return frozenset([CalibratedClassifierCV])
