"""VotingClassifier and VotingRegressor: their members, and an op that counts or averages what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import labels_of, refuse, shown, whole
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, state_of
from mcugen.frontends.sklearn.pipeline import check_width, within
from mcugen.frontends.sklearn.plain import asked_inside
from mcugen.ir import GraphBuilder
from mcugen.ops.average import Average
from mcugen.ops.average import Output as Averaged
from mcugen.ops.concat import MOST
from mcugen.ops.vote import Vote

SUPPORTED = ("VotingClassifier", "VotingRegressor")
TRUSTED = (
    *(f"sklearn.ensemble._voting.{name}" for name in SUPPORTED),
    "sklearn.preprocessing._label.LabelEncoder",
    "sklearn.utils._bunch.Bunch",
)
INTEGERS = True

Member = tuple[str, object]


def takes(estimator: object) -> bool:
    """Whether the estimator is a vote of scikit-learn, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted vote says of itself."""
    base, state = _checked(estimator, loc)
    heads = _heads(state, loc)
    features = heads[0].n_features
    if base.__name__ == "VotingRegressor":
        return Head(base, features, ("value",))
    labels = labels_of(state.get("classes_"), loc)
    if labels_of(getattr(state.get("le_"), "classes_", None), loc.within("le_")) != labels:
        refuse([("classes_", "are other labels than those of le_, which gives the answers")], loc)
    check_sizes(0, len(labels), loc)
    return Head(base, features, ("label", "proba") if _soft(state, loc) else ("label",), labels)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """The members' nodes, and a node `vote` or `average`."""
    from mcugen.frontends.sklearn import build_estimator

    _, state = _checked(estimator, loc)
    members, heads = members_of(state, loc), _heads(state, loc)
    regressor = head.labels is None
    asked: Output = "value" if regressor else "proba" if _soft(state, loc) else "label"
    said = []
    for (name, member), own in zip(members, heads, strict=True):
        place = within(loc, name)
        check_width(own, head.n_features, place)
        _check_member(own, asked, place)
        said.append(build_estimator(member, own, asked, builder, x, place)[-1])
    weights = _weights(state, len(members), loc)
    if asked == "label":
        codes = tuple(_codes(one, len(head.labels or ()), loc) for one in heads)
        return builder.add(Vote(len(head.labels or ()), codes, weights.astype(np.float32)), *said, loc=loc)
    for one in heads if asked == "proba" else ():
        if _codes(one, len(head.labels or ()), loc) != (*range(len(head.labels or ())),):
            refuse([("estimators_", "a member knows other classes than the vote")], loc)
    shares = weights / weights.sum()
    output: Averaged = "value" if regressor else "proba" if wanted == "proba" else "label"
    return builder.add(Average(shares, output, max(len(head.labels or ()), 1)), *said, loc=loc)


def asked(estimator: Any, plain: bool) -> Any:
    """The vote of members as references ask them."""
    return asked_inside(estimator, plain, "estimators_")


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers; without probabilities, equal sums of weights are near ties."""
    from mcugen.frontends.sklearn.vote_reference import VoteReference

    return VoteReference(estimator, head)


def _check_member(own: Head, asked: Output, loc: Loc) -> None:
    if asked not in own.outputs:
        text = f"a {own.name} gives no {asked}"
        help = "use `voting='hard'`, or a member that has it" if asked == "proba" else "leave this member out"
        raise error("E0302", text, help=help, loc=loc)


def _codes(member: Head, classes: int, loc: Loc) -> tuple[int, ...]:
    """Which class of the vote each of a member's labels is: members are fitted to class numbers."""
    codes = tuple(whole(label) for label in member.labels or ())
    if any(code is None or not 0 <= code < classes for code in codes):
        refuse([("estimators_", "a member's classes are not the vote's")], loc)
    return tuple(code for code in codes if code is not None)


def _soft(state: Mapping[str, object], loc: Loc) -> bool:
    voting = state.get("voting")
    if not isinstance(voting, str) or voting not in ("hard", "soft"):
        refuse([("voting", f"must be 'hard' or 'soft', not {shown(voting)}")], loc)
    return voting == "soft"


def _weights(state: Mapping[str, object], count: int, loc: Loc) -> npt.NDArray[np.float64]:
    """A weight for each member that was not dropped; all 1 where there are none."""
    weights, named = state.get("weights"), state.get("estimators")
    if weights is None:
        return np.ones(count)
    dropped = [isinstance(one[1], str) for one in named] if _is_named(named) else []  # type: ignore[attr-defined]
    try:
        numbers = np.asarray(weights) if isinstance(weights, list | tuple | np.ndarray) else np.zeros(0)
    except ValueError:  # rows of different lengths
        numbers = np.zeros(0)
    if numbers.dtype.kind not in "fiu" or numbers.shape != (len(dropped),) or not np.isfinite(numbers).all():
        refuse([("weights", f"must be a number for each of the {len(dropped)} estimators")], loc)
    kept = np.asarray(numbers[~np.array(dropped, bool)], np.float64)
    if len(kept) != count or (kept < 0).any() or not 0 < kept.sum() < 1e30:
        refuse([("weights", "must be positive, one for each fitted member")], loc)
    return kept


def _is_named(found: object) -> bool:
    entries = found if isinstance(found, list | tuple) else ()
    return bool(entries) and all(isinstance(e, list | tuple) and len(e) == 2 and isinstance(e[0], str) for e in entries)


def members_of(state: Mapping[str, object], loc: Loc) -> tuple[Member, ...]:
    """The fitted members with their names. E0107 where they are none, E0303 for more than a C function takes."""
    fitted, named = state["estimators_"], state.get("estimators")
    if not isinstance(fitted, list | tuple) or not fitted:
        refuse([("estimators_", "must be a list of at least one fitted estimator")], loc)
    assert isinstance(fitted, list | tuple)
    if len(fitted) > MOST:
        text = f"{len(fitted)} members; the generated C takes {MOST} at most: C promises a function 127 parameters"
        raise error("E0303", text, help="fit fewer members; a forest counts as one", loc=loc)
    names = _names(named, len(fitted))
    return tuple(zip(names, fitted, strict=True))


def _names(named: object, count: int) -> Sequence[str]:
    entries = [e for e in named if not isinstance(e[1], str)] if _is_named(named) else []  # type: ignore[attr-defined]
    return [e[0] for e in entries] if len(entries) == count else [f"estimators_[{i}]" for i in range(count)]


def _heads(state: Mapping[str, object], loc: Loc) -> list[Head]:
    from mcugen.frontends.sklearn import head_of

    return [head_of(member, within(loc, name)) for name, member in members_of(state, loc)]


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "estimators_", loc, also=("_predict", "_collect_probas"))


@cache
def _known() -> frozenset[type]:
    from sklearn import ensemble

    return frozenset(getattr(ensemble, name) for name in SUPPORTED)
