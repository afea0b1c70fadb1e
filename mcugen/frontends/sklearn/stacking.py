"""StackingClassifier and StackingRegressor: what the members say, side by side, is the row of a final estimator.

What counts is `transform` and the final estimator's methods of scikit-learn 1.4 to 1.9: of two classes' probabilities the
second one alone is handed on, and with `passthrough` the row itself comes last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import flag, labels_of, refuse, shown, whole
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, state_of
from mcugen.frontends.sklearn.pipeline import check_width, within
from mcugen.frontends.sklearn.plain import asked_inside
from mcugen.frontends.sklearn.voting import members_of
from mcugen.ir import GraphBuilder
from mcugen.ops.cast import as_float
from mcugen.ops.concat import MOST, Concat
from mcugen.ops.gather import Gather
from mcugen.ops.reshape import Reshape

SUPPORTED = ("StackingClassifier", "StackingRegressor")
TRUSTED = (
    *(f"sklearn.ensemble._stacking.{name}" for name in SUPPORTED),
    "sklearn.preprocessing._label.LabelEncoder",
    "sklearn.utils._bunch.Bunch",
)
INTEGERS = True
METHODS: dict[str, Output] = {"predict": "value", "predict_proba": "proba", "decision_function": "decision"}


@dataclass(frozen=True)
class Member:
    """A fitted member: its name, what it says of itself, and what is asked of it."""

    name: str
    estimator: object
    head: Head
    asked: Output


def takes(estimator: object) -> bool:
    """Whether the estimator is one of the two, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted one says of itself: its members' features, the final estimator's outputs."""
    base, state = _checked(estimator, loc)
    members, final = _members(state, loc), _final(state, loc)
    features = members[0].head.n_features
    if base.__name__ == "StackingRegressor":
        if "value" not in final.outputs:
            help = "use a regressor as the final estimator"
            text = f"the {final.name} at the end predicts no number"
            raise error("E0302", text, help=help, loc=loc.within("final_estimator_"))
        return Head(base, features, ("value", "transform"))
    labels = labels_of(state.get("classes_"), loc)
    check_sizes(0, len(labels), loc)
    if [whole(label) for label in final.labels or ()] != [*range(len(labels))]:
        refuse([("final_estimator_", f"does not tell the {len(labels)} classes apart")], loc)
    encoder = state.get("_label_encoder")
    if labels_of(getattr(encoder, "classes_", None), loc.within("_label_encoder")) != labels:
        refuse([("classes_", "are other labels than those of _label_encoder, which gives the answers")], loc)
    return Head(base, features, (*final.outputs, "transform"), labels)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """The members' nodes, a `concat`, and the final estimator's."""
    from mcugen.frontends.sklearn import build_estimator

    _, state = _checked(estimator, loc)
    said = [_said(member, head, builder, x, loc) for member in _members(state, loc)]
    if flag(state, "passthrough", loc):
        said.append(as_float(builder, x))
    row = builder.add(Concat(), *said, loc=loc)[0] if len(said) > 1 else said[0]
    if wanted == "transform":
        return (row,)
    final, place = _final(state, loc), loc.within("final_estimator_")
    check_width(final, builder.type_of(row).size, place)
    return build_estimator(state["final_estimator_"], final, wanted, builder, row, place)


def asked(estimator: Any, plain: bool) -> Any:
    """The members as references ask them, and the final estimator, which is given what they work out."""
    return asked_inside(asked_inside(estimator, plain, "estimators_"), False, "final_estimator_")


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, and what the members and the final estimator call near ties."""
    from mcugen.frontends.sklearn import reference_of
    from mcugen.frontends.sklearn.stacking_reference import StackingReference

    _, state = _checked(estimator, Loc())
    members = [reference_of(one.estimator) for one in _members(state, Loc())]
    return StackingReference(estimator, head, members)


def _said(member: Member, head: Head, builder: GraphBuilder, x: str, loc: Loc) -> str:
    """The value with what a member hands on."""
    from mcugen.frontends.sklearn import build_estimator

    place = within(loc, member.name)
    check_width(member.head, head.n_features, place)
    said = build_estimator(member.estimator, member.head, member.asked, builder, x, place)[-1]
    if member.asked == "value":
        return builder.add(Reshape((1,)), said, loc=place)[0]
    two = member.asked == "proba" and len(head.labels or ()) == 2
    return builder.add(Gather(2, np.array([1])), said, loc=place)[0] if two else said


def _members(state: Mapping[str, object], loc: Loc) -> list[Member]:
    """The fitted members. E0107 where they and what is asked of them do not fit together, E0302 for what C has not."""
    from mcugen.frontends.sklearn import head_of

    fitted, methods = members_of(state, loc), state.get("stack_method_")
    if not isinstance(methods, list | tuple) or len(methods) != len(fitted):
        refuse([("stack_method_", f"must be a method for each of the {len(fitted)} members")], loc)
    if len(fitted) >= MOST:
        help = "fit fewer members; a forest counts as one"
        raise error("E0303", f"{len(fitted)} members; the generated C takes {MOST - 1}", help=help, loc=loc)
    found = []
    for (name, member), method in zip(fitted, cast("list[object]", methods), strict=True):
        place = within(loc, name)
        own = head_of(member, place)
        if not isinstance(method, str) or method not in METHODS:
            refuse([("stack_method_", f"must be one of {', '.join(METHODS)}, not {shown(method)}")], loc)
        wanted = METHODS[str(method)]
        if wanted not in own.outputs:
            text = f"this stack takes what `{method}` of a {own.name} gives, which is no number in C"
            help = "use members that give probabilities, or `stack_method='predict_proba'`"
            raise error("E0302", text, help=help, loc=place)
        found.append(Member(name, member, own, wanted))
    return found


def _final(state: Mapping[str, object], loc: Loc) -> Head:
    from mcugen.frontends.sklearn import head_of

    return head_of(state["final_estimator_"], loc.within("final_estimator_"))


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    state = state_of(estimator, base, "final_estimator_", loc, also=("_transform", "_concatenate_predictions"))
    if isinstance(state.get("_label_encoder"), list):
        help = "fit and compile one model per label: `fit(X, Y[:, 0])`"
        raise error("E0302", f"this {base.__name__} gives a row several labels", help=help, loc=loc)
    refuse([("estimators_", "is missing")] * ("estimators_" not in state), loc)
    return base, state


@cache
def _known() -> frozenset[type]:
    from sklearn import ensemble

    return frozenset(getattr(ensemble, name) for name in SUPPORTED)
