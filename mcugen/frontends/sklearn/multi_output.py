"""Several answers at once, a model for each: MultiOutputRegressor and MultiOutputClassifier, and the chains, whose models are given
what those before them in the chain say, behind the row.

Models that are one node `linear` each become one `linear` together, in a chain those behind scalers, too; others keep their nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import refuse, shown
from mcugen.frontends.sklearn.coefficients import Floats, check_size
from mcugen.frontends.sklearn.head import Head, base_of, state_of
from mcugen.frontends.sklearn.pipeline import check_width
from mcugen.frontends.sklearn.plain import asked_inside
from mcugen.ir import GraphBuilder, Node, TensorType
from mcugen.ops.affine import Affine
from mcugen.ops.cast import as_float
from mcugen.ops.concat import MOST, Concat
from mcugen.ops.gather import Gather
from mcugen.ops.indexed import Indexed
from mcugen.ops.join import Join
from mcugen.ops.linear import Linear
from mcugen.ops.reshape import Reshape

CHAINS = ("ClassifierChain", "RegressorChain")
CLASSIFIERS = ("ClassifierChain", "MultiOutputClassifier")
SUPPORTED = ("ClassifierChain", "MultiOutputClassifier", "MultiOutputRegressor", "RegressorChain")
METHODS: dict[str, Output] = {"predict": "label", "predict_proba": "proba", "decision_function": "decision"}
TRUSTED = tuple(f"sklearn.multioutput.{name}" for name in SUPPORTED)
INTEGERS = True
LARGEST = 10_000  # models that are stacked into one `linear`


@dataclass(frozen=True)
class Member:
    """A fitted model, what it says of itself, and where it is."""

    estimator: object
    head: Head
    loc: Loc


def takes(estimator: object) -> bool:
    """Whether the estimator is one of those, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted one says of itself: its first model's features."""
    base, state = _checked(estimator, loc)
    members = _members(base, state, loc)
    features = members[0].head.n_features
    if base.__name__ not in CLASSIFIERS:
        return Head(base, features, ("value",), several=True)
    back = _back(base, state, len(members), loc)
    _fed(base, state, members, loc)
    tables = [one.head.labels or () for one in members]
    return Head(base, features, ("label",), several=True, tables=tuple(tables[i] for i in back))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """One node `linear` where that is all there is to it; else every model's nodes, and one that joins what they say."""
    base, state = _checked(estimator, loc)
    members, chained = _members(base, state, loc), base.__name__ in CHAINS
    back = _back(base, state, len(members), loc)
    linear = None if head.tables else _together(members, chained, head.n_features, loc)
    if linear is not None:
        turned = replace(linear, weights=linear.weights[back], bias=linear.bias[back])
        return builder.add(turned, as_float(builder, x), loc=loc)
    if len(members) > MOST - chained:
        text = f"{len(members)} models; the generated C takes {MOST - chained} at most, unless they are linear"
        raise error("E0303", text, help="use linear models, a forest of all answers, or fewer answers", loc=loc)
    fed = _fed(base, state, members, loc)
    said = _said(members, fed, "label" if head.tables else "value", builder, x, loc)
    return builder.add(Join(0) if head.tables else Concat(), *(said[i] for i in back), loc=loc)


def asked(estimator: Any, plain: bool) -> Any:
    """Its models as references ask them; those of a chain are given what others work out."""
    chained = base_of(estimator, _known()).__name__ in CHAINS  # type: ignore[union-attr]  # dispatch asks takes() first
    return asked_inside(estimator, plain and not chained, "estimators_")


def reference(estimator: object, head: Head) -> Reference:
    """What the models' own references say, side by side."""
    from mcugen.frontends.sklearn import reference_of
    from mcugen.frontends.sklearn.multi_output_reference import ChainReference, ManyReference

    base, state = _checked(estimator, Loc())
    members = _members(base, state, Loc())
    found = [reference_of(one.estimator) for one in members]
    fed = _fed(base, state, members, Loc())
    if not fed:
        return ManyReference(found)
    tables = [one.head.labels or () for one in members]
    return ChainReference(found, _back(base, state, len(found), Loc()), fed, tables)


def _said(
    members: Sequence[Member], fed: Output | None, asked: Output, builder: GraphBuilder, x: str, loc: Loc
) -> list[str]:
    """What each model says, in the order of the models, each a vector of one.

    fed    what those behind are given of it; None where they are given nothing
    asked  the output that is wanted of all
    """
    from mcugen.frontends.sklearn import build_estimator

    said: list[str] = []
    handed: list[str] = []
    for one in members:
        row = builder.add(Concat(), as_float(builder, x), *handed, loc=one.loc)[0] if handed else x
        check_width(one.head, builder.type_of(row).size, one.loc)
        last = fed is None or one is members[-1]
        made = build_estimator(one.estimator, one.head, asked if last or fed is None else fed, builder, row, one.loc)
        said.append(builder.add(Reshape((1,)), made[0], loc=one.loc)[0])
        if not last and fed is not None:
            handed.append(said[-1] if fed == "value" else _handed(one, fed, made, builder))
    return said


def _handed(member: Member, fed: Output, made: Sequence[str], builder: GraphBuilder) -> str:
    """What a classifier hands on, a vector of one: its label as a number, its second class's probability, or its decision."""
    if fed == "proba":
        return builder.add(Gather(2, np.array([1])), made[1], loc=member.loc)[0]
    if fed == "decision":
        return made[1]
    numbers = np.array([float(label) for label in member.head.labels or ()], np.float32)
    table = builder.const(f"labels.{made[0]}", numbers)
    (number,) = builder.add(Indexed("Gather", 0), table, made[0], loc=member.loc)
    return builder.add(Reshape((1,)), number, loc=member.loc)[0]


def _together(members: Sequence[Member], chained: bool, features: int, loc: Loc) -> Linear | None:
    """All models as one `linear`, in their order; None where one is more than that."""
    weights, bias = np.zeros((len(members), features)), np.zeros(len(members))
    around: Floats | None = None
    for i, one in enumerate(members):
        nodes = _nodes_of(one, features + i * chained)
        found = _as_linear(nodes, features + i * chained) if chained or len(nodes) == 1 else None
        if found is None:
            return None
        own, before = found.weights[0, :features], found.weights[0, features:]
        weights[i], bias[i] = (
            own + before @ weights[:i][: len(before)],
            found.bias[0] + before @ bias[:i][: len(before)],
        )
        around = around if around is not None or found.around is None else found.around[:features]
    check_size(float(max(np.abs(weights).max(), np.abs(bias).max())), "coef_ along the chain", loc)
    return Linear(weights, bias, "transform", around=around)


def _nodes_of(member: Member, features: int) -> tuple[Node, ...]:
    """The nodes of a model alone."""
    from mcugen.frontends.sklearn import build_estimator
    from mcugen.ir import DType

    check_width(member.head, features, member.loc)
    scratch = GraphBuilder("scratch")
    row = scratch.input("x", TensorType((features,), DType.F32))
    scratch.output(build_estimator(member.estimator, member.head, "value", scratch, row, member.loc)[0])
    return scratch.build().nodes


def _as_linear(nodes: Sequence[Node], features: int) -> Linear | None:
    """Scalers and a `linear` of one row, one after the other, as one; None where they are anything else."""
    weights, bias = np.eye(features), np.zeros(features)
    around: Floats | None = None
    for node in nodes:
        op = node.op
        if isinstance(op, Affine) and not op.limited:
            around = op.origin if around is None else around
            weights, bias = op.slope[:, np.newaxis] * weights, op.slope * (bias - op.origin)
        elif isinstance(op, Linear) and (op.output == "transform" or (op.output == "value" and op.rows == 1)):
            weights, bias = op.weights @ weights, op.weights @ bias + op.bias
        else:
            return None
    return Linear(weights, bias, "value", around=around) if len(weights) == 1 else None


def _members(base: type, state: Mapping[str, object], loc: Loc) -> list[Member]:
    """The fitted models, checked. E0302 for one that gives no number, E0303 for more than there is room for."""
    from mcugen.frontends.sklearn import head_of

    found = state["estimators_"]
    if not isinstance(found, list | tuple) or not found or len(found) > LARGEST:
        refuse([("estimators_", f"must be a list of 1 to {LARGEST:,} fitted models, not {shown(found)}")], loc)
    assert isinstance(found, list | tuple)
    members = []
    for i, model in enumerate(found):
        place = loc.within(f"estimators_[{i}]")
        if takes(model):
            raise error("E0302", f"a {base.__name__} of models of several answers", help="use plain ones", loc=place)
        own = head_of(model, place)
        wanted: Output = "label" if base.__name__ in CLASSIFIERS else "value"
        if wanted not in own.outputs or (wanted == "label" and own.labels is None):
            text = f"a {base.__name__} takes a {wanted} of each model, and a {own.name} gives none"
            help = f"use {'classifiers' if wanted == 'label' else 'regressors'}"
            raise error("E0302", text, help=help, loc=place)
        members.append(Member(model, own, place))
    return members


def _fed(base: type, state: Mapping[str, object], members: Sequence[Member], loc: Loc) -> Output | None:
    """What the models of a chain are given of those before them; None where this is no chain."""
    if base.__name__ not in CHAINS:
        return None
    if base.__name__ == "RegressorChain":
        return "value"
    method = state.get("chain_method_", "predict")  # since scikit-learn 1.5
    if not isinstance(method, str) or method not in METHODS:
        help = f"fit it with `chain_method` one of {', '.join(METHODS)}"
        raise error("E0302", f"a chain of {shown(method)} is not supported", help=help, loc=loc)
    fed = METHODS[method]
    for one in members[:-1]:
        labels = one.head.labels or ()
        if fed not in one.head.outputs or (fed != "label" and len(labels) != 2):
            text = f"a {one.head.name} of {len(labels)} classes hands on no {fed}"
            raise error("E0302", text, help="use `chain_method='predict'`", loc=one.loc)
        if any(isinstance(label, str) or not np.isfinite(np.float32(label)) for label in labels):
            raise error("E0302", "the labels of a chain must be numbers", help="fit it to numbers", loc=one.loc)
    return fed


def _back(base: type, state: Mapping[str, object], count: int, loc: Loc) -> npt.NDArray[np.intp]:
    """Of each answer, which model gives it."""
    return np.argsort(_order(state, count, loc)) if base.__name__ in CHAINS else np.arange(count)


def _order(state: Mapping[str, object], count: int, loc: Loc) -> npt.NDArray[np.intp]:
    """Which answer each model of a chain is for; E0107 where that is no order of them."""
    found = state.get("order_")
    order = np.asarray(found) if isinstance(found, list | tuple | np.ndarray) else np.zeros(0)
    if order.shape != (count,) or order.dtype.kind not in "iu" or not np.array_equal(np.sort(order), np.arange(count)):
        refuse([("order_", f"must name each of the {count} answers once")], loc)
    return order.astype(np.intp)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "estimators_", loc, also=("_get_predictions",))


@cache
def _known() -> frozenset[type]:
    from sklearn import multioutput

    return frozenset(getattr(multioutput, name) for name in SUPPORTED)
