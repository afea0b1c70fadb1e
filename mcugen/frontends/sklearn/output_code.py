"""OutputCodeClassifier: the class whose code is nearest to what its binary models say.

The square of a distance from a code c is y² - 2 y·c + c², and y² is the same for all codes: the nearest is the first of the
largest 2 y·c - c², one op `linear` of what the models say, and of the row itself where all of these are linear.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import labels_of, refuse
from mcugen.frontends.sklearn.coefficients import Floats, numbers_of
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, state_of
from mcugen.frontends.sklearn.one_vs import LARGEST, Members, alone, compared_by, head_of_member, scores_of
from mcugen.frontends.sklearn.plain import asked_inside
from mcugen.frontends.sklearn.vote_reference import VoteReference
from mcugen.ir import Array, GraphBuilder
from mcugen.ops.cast import as_float
from mcugen.ops.concat import MOST
from mcugen.ops.linear import Linear

SUPPORTED = ("OutputCodeClassifier",)
TRUSTED = ("sklearn.multiclass.OutputCodeClassifier", "sklearn.multiclass._ConstantPredictor")
INTEGERS = True
NEAR_TIE = 1e-6  # of the size of what is compared
CODES = (-1.0, 0.0, 1.0)


def takes(estimator: object) -> bool:
    """Whether the estimator is scikit-learn's, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted one says of itself."""
    base, state = _checked(estimator, loc)
    labels = labels_of(state.get("classes_"), loc)
    check_sizes(0, len(labels), loc)
    if len(labels) < 2:
        refuse([("classes_", "has a single label; codes tell at least two apart")], loc)
    members = _members(state, loc)
    _codes(state, len(labels), len(members.models), loc)
    return Head(base, members.features, ("label",), labels)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """The models' nodes and a `linear` of what they say, or that alone."""
    _, state = _checked(estimator, loc)
    members = _members(state, loc)
    codes = _codes(state, len(head.labels or ()), len(members.models), loc)
    weights, bias = 2 * codes, -np.square(codes).sum(axis=1)
    if members.score == "decision":
        nodes = [alone(model, own, members, "label", loc) for model, own in members.models]
        found = [node for node in nodes if node is not None]
        if len(found) == len(nodes):
            before, offset = np.concatenate([one.weights for one in found]), np.concatenate([one.bias for one in found])
            one = Linear(weights @ before, weights @ offset + bias, "label")
            return builder.add(one, as_float(builder, x), loc=loc)
    if len(members.models) > MOST:
        text = f"{len(members.models)} binary models; the generated C takes {MOST} at most, unless they are linear"
        raise error("E0303", text, help="use linear models, or a smaller `code_size`", loc=loc)
    scores = scores_of(members, members.score, builder, x, loc)
    return builder.add(Linear(weights, bias, "label"), scores, loc=loc)


def asked(estimator: Any, plain: bool) -> Any:
    """Its models as references ask them."""
    return asked_inside(estimator, plain, "estimators_")


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers."""
    _, state = _checked(estimator, Loc())
    members = _members(state, Loc())
    codes = _codes(state, len(head.labels or ()), len(members.models), Loc())
    return OutputCodeReference(estimator, head, codes)


class OutputCodeReference(VoteReference):
    """Codes and binary models. Classes that have the same code are no near tie: the first of them is meant on both sides."""

    def __init__(self, estimator: Any, head: Head, codes: Floats) -> None:
        super().__init__(estimator, head)
        self._codes = np.unique(codes, axis=0)

    def near_ties(self, rows: Array) -> Any:
        """Rows with two codes that are as near as what the models' answers may be off."""
        if len(self._codes) < 2:
            return np.zeros(len(rows), np.bool_)
        said, off = self._said(rows)
        scores = 2 * said @ self._codes.T - np.square(self._codes).sum(axis=1)
        best = np.sort(scores, axis=1)[:, -2:]
        size = 1 + 2 * np.abs(said).sum(axis=1)
        return np.asarray(best[:, 1] - best[:, 0] <= NEAR_TIE * size + 4 * off)

    def _said(self, rows: Array) -> tuple[Floats, Floats]:
        """What the models say (rows, models), and what that may be off in all, (rows,)."""
        from sklearn.multiclass import _predict_binary

        said = [self._asked(partial(_predict_binary, one), rows) for one in self._model.estimators_]
        off = np.sum([one.rounding(rows) for one in self._members()], axis=0)
        return np.stack(said, axis=1).astype(np.float64), np.asarray(off, np.float64)


def _members(state: Mapping[str, object], loc: Loc) -> Members:
    found = state["estimators_"]
    if not isinstance(found, list | tuple) or not 0 < len(found) <= LARGEST:
        refuse([("estimators_", f"must be a list of 1 to {LARGEST:,} fitted models")], loc)
    assert isinstance(found, list | tuple)
    models = tuple((model, head_of_member(model, i, loc, CODES)) for i, model in enumerate(found))
    heads = [own for _, own in models if isinstance(own, Head)]
    if not heads:
        raise error("E0302", "all of its models are constant", help="fit it on rows of more than one class", loc=loc)
    outputs: list[Output] = [o for o in ("label", "proba", "decision") if all(o in h.outputs for h in heads)]
    return Members(models, compared_by(models, outputs, loc), heads[0].n_features, tuple(outputs))


def _codes(state: Mapping[str, object], classes: int, models: int, loc: Loc) -> Floats:
    """A code for each class, (classes, models)."""
    codes = numbers_of(state, "code_book_", (classes, models), loc)
    refuse([] if np.isin(codes, CODES).all() else [("code_book_", "must be of -1, 0 and 1")], loc)
    return codes


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "estimators_", loc)


@cache
def _known() -> frozenset[type]:
    from sklearn.multiclass import OutputCodeClassifier

    return frozenset([OutputCodeClassifier])
