"""FixedThresholdClassifier and TunedThresholdClassifierCV: two classes told apart by a threshold of their own.

What counts is `predict` of scikit-learn 1.5 to 1.9: the positive class where the estimator's probability or decision for it
is the threshold or more. Probabilities and decisions are the estimator's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from inspect import signature
from math import inf
from typing import Any, Literal

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import numbers_of, refuse, shown, word
from mcugen.frontends.sklearn.head import Head, base_of, state_of
from mcugen.frontends.sklearn.plain import asked_inside
from mcugen.ir import GraphBuilder, Label
from mcugen.ops.affine import Affine
from mcugen.ops.gather import Gather
from mcugen.ops.one_vs_rest import OneVsRest

TUNED = "TunedThresholdClassifierCV"
SUPPORTED = ("FixedThresholdClassifier", TUNED)
_PLACE = "sklearn.model_selection._classification_threshold"
TRUSTED = (*(f"{_PLACE}.{name}" for name in SUPPORTED), "sklearn.metrics._scorer._CurveScorer")
INTEGERS = True

Score = Literal["decision", "proba"]


def takes(estimator: object) -> bool:
    """Whether the estimator is one of the two, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted one says of itself: what its estimator does."""
    base, state = _checked(estimator, loc)
    own = _inner(state, loc)
    score_of(state, own, loc)
    return Head(base, own.n_features, own.outputs, own.labels)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """The estimator's nodes, and a comparison of its score."""
    from mcugen.frontends.sklearn import build_estimator

    base, state = _checked(estimator, loc)
    own, place = _inner(state, loc), loc.within("estimator_")
    what = score_of(state, own, loc)
    score = build_estimator(state["estimator_"], own, what, builder, x, place)[-1]
    numbers = score
    if wanted not in ("label", what):
        numbers = build_estimator(state["estimator_"], own, wanted, builder, x, place)[-1]
    positive, least = positive_of(base, state, own, loc), np.float32(threshold_of(base, state, what, loc))
    if what == "proba":
        (score,) = builder.add(Gather(2, np.array([1 if positive else 0])), score, loc=loc)
    if what == "decision" or positive:
        # of the second class: at least the threshold, or, where the first is positive, not at most as much less than 0
        limit = np.nextafter(least, np.float32(-inf)) if positive else -least
    else:
        (score,) = builder.add(Affine(np.zeros(1), np.full(1, -1.0)), score, loc=loc)
        limit = -least
    (label,) = builder.add(OneVsRest(1, "label", float(limit)), score, loc=loc)
    return (label,) if wanted == "label" else (label, numbers)


def asked(estimator: Any, plain: bool) -> Any:
    """Its estimator as references ask it."""
    return asked_inside(estimator, plain, "estimator_")


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers."""
    from mcugen.frontends.sklearn import reference_of
    from mcugen.frontends.sklearn.thresholds_reference import ThresholdReference

    base, state = _checked(estimator, Loc())
    own = _inner(state, Loc())
    what = score_of(state, own, Loc())
    threshold, positive = threshold_of(base, state, what, Loc()), positive_of(base, state, own, Loc())
    return ThresholdReference(estimator, head, reference_of(state["estimator_"]), what, threshold, positive)


def score_of(state: Mapping[str, object], own: Head, loc: Loc) -> Score:
    """Which numbers of the estimator are compared. E0302 where it has none in C."""
    method = word(state, "response_method", loc, "auto")
    inner = state["estimator_"]
    if method == "auto":
        method = "predict_proba" if hasattr(inner, "predict_proba") else "decision_function"
    if method not in ("predict_proba", "decision_function"):
        refuse([("response_method", f"must be a method of the estimator, not {shown(method)}")], loc)
    found: Score = "proba" if method == "predict_proba" else "decision"
    if found not in own.outputs:
        text = f"the {own.name} inside gives no {found} in C"
        raise error("E0302", text, help="use LogisticRegression or a forest inside", loc=loc)
    return found


def threshold_of(base: type, state: Mapping[str, object], what: Score, loc: Loc) -> float:
    """From which score on a row is of the positive class."""
    name = "best_threshold_" if base.__name__ == TUNED else "threshold"
    given = state.get(name)
    if name == "threshold" and isinstance(given, str) and given == "auto":
        return 0.5 if what == "proba" else 0.0
    return float(numbers_of(state, name, (), loc))


def positive_of(base: type, state: Mapping[str, object], own: Head, loc: Loc) -> bool:
    """Whether the second class is the positive one."""
    named = state.get("pos_label") if base.__name__ != TUNED else _scored(state.get("_curve_scorer"), loc)
    if named is None:
        return True
    label: Any = named.item() if isinstance(named, np.generic) else named
    labels: tuple[Label, ...] = own.labels or ()
    if not isinstance(label, bool | int | float | str) or label not in labels:
        refuse([("pos_label", f"must be one of the two labels, not {shown(named)}")], loc)
    return labels.index(label) == 1


def _scored(scorer: Any, loc: Loc) -> object:
    """The label that the score was worked out for, which the threshold was tuned by; None where it is the second."""
    if type(scorer).__name__ != "_CurveScorer" or type(scorer).__module__ != "sklearn.metrics._scorer":
        refuse([("_curve_scorer", f"must be scikit-learn's own, not {shown(scorer)}")], loc)
    state = vars(scorer)
    options, function = state.get("_kwargs"), state.get("_score_func")
    if not isinstance(options, dict) or not callable(function):
        refuse([("_curve_scorer", "has no score")], loc)
    assert isinstance(options, dict)
    assert callable(function)
    if "pos_label" in options:
        return options["pos_label"]
    known = signature(function).parameters
    return known["pos_label"].default if "pos_label" in known else None


def _inner(state: Mapping[str, object], loc: Loc) -> Head:
    from mcugen.frontends.sklearn import head_of

    own = head_of(state["estimator_"], loc.within("estimator_"))
    if own.labels is None or len(own.labels) != 2:
        text = f"a {own.name} tells no two classes apart"
        raise error("E0302", text, help="use a classifier of two classes", loc=loc.within("estimator_"))
    return own


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "estimator_", loc, also=("classes_", "estimator_", "_get_response_method"))


@cache
def _known() -> frozenset[type]:
    from sklearn import model_selection

    found = (getattr(model_selection, name, None) for name in SUPPORTED)  # since scikit-learn 1.5
    return frozenset(cls for cls in found if cls is not None)
