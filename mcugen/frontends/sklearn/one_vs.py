"""OneVsRestClassifier and OneVsOneClassifier: a binary model a class, or a pair of classes.

Models that are one node `linear` each become one `linear` together; others keep their nodes, and an op takes their scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import labels_of, refuse, shown
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, state_of
from mcugen.frontends.sklearn.pipeline import check_width
from mcugen.frontends.sklearn.plain import asked_inside
from mcugen.ir import GraphBuilder, Label
from mcugen.ops.concat import MOST, Concat
from mcugen.ops.gather import Gather
from mcugen.ops.linear import Linear
from mcugen.ops.one_vs_one import OneVsOne
from mcugen.ops.one_vs_rest import OneVsRest

SUPPORTED = ("OneVsOneClassifier", "OneVsRestClassifier")
TRUSTED = (
    *(f"sklearn.multiclass.{name}" for name in (*SUPPORTED, "_ConstantPredictor")),
    "sklearn.preprocessing._label.LabelBinarizer",
)
INTEGERS = True
LARGEST = 10_000  # members that are stacked into one `linear`

Score = Literal["decision", "proba"]
ALL_BUT_ONE = 36.74  # the logarithm of the odds of a probability that is 1 in float64
CERTAIN = 1e30  # the logarithm of the odds of a model that always says the same


@dataclass(frozen=True)
class Members:
    """The binary models, checked: each with its head, or the constant 0 or 1 that it always says."""

    models: tuple[tuple[object, Head | float], ...]
    score: Score
    features: int
    outputs: tuple[Output, ...]  # that all of them have

    @property
    def odds(self) -> float | None:
        """Below it the probability of a model is 0 that gives the logarithm of its odds; None where one gives none."""
        found = [own.odds for _, own in self.models if isinstance(own, Head)]
        known = [one for one in found if one is not None]
        return min(known) if len(known) == len(found) else None

    @property
    def threshold(self) -> float:
        """Above it a score is for the second class."""
        return 0.0 if self.score == "decision" else 0.5


def takes(estimator: object) -> bool:
    """Whether the estimator is one of the two, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted one says of itself."""
    base, state = _checked(estimator, loc)
    labels = _labels(base, state, loc)
    check_sizes(0, len(labels), loc)
    members = _members(base, state, len(labels), loc)
    given = members.outputs if base.__name__ == "OneVsRestClassifier" else ("label", "decision")
    return Head(base, members.features, given, labels)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """One node `linear` where that is all there is to it; else every model's nodes and `one_vs_rest` or `one_vs_one`."""
    base, state = _checked(estimator, loc)
    classes = len(head.labels or ())
    members = _members(base, state, classes, loc)
    rest = base.__name__ == "OneVsRestClassifier"
    linear = _stacked(members, rest, wanted, loc)
    if linear is not None and builder.type_of(x).shape == (members.features,):
        from mcugen.ops.cast import as_float

        return builder.add(linear, as_float(builder, x), loc=loc)
    if len(members.models) > MOST:
        models = f"{len(members.models)} binary models"
        text = f"{models}; the generated C takes {MOST} at most, as C promises a function 127 parameters, unless they are linear"
        raise error("E0303", text, help="use linear models, or OneVsRestClassifier for fewer of them", loc=loc)
    if rest and members.odds is not None and (wanted == "proba" or members.score == "proba"):
        odds = scores_of(members, "odds", builder, x, loc)
        output_: Literal["label", "proba"] = "proba" if wanted == "proba" else "label"
        equal = ALL_BUT_ONE if members.score == "proba" else None
        return builder.add(OneVsRest(len(members.models), output_, 0.0, members.odds, equal), odds, loc=loc)
    scores = scores_of(members, members.score, builder, x, loc)
    if not rest:
        output: Literal["label", "decision"] = "decision" if wanted == "decision" else "label"
        return builder.add(OneVsOne(classes, output, members.threshold), scores, loc=loc)
    count = len(members.models)
    if wanted == "proba":
        chances = scores if members.score == "proba" else scores_of(members, "proba", builder, x, loc)
        return builder.add(OneVsRest(count, "proba", members.threshold), scores, chances, loc=loc)
    (label,) = builder.add(OneVsRest(count, "label", members.threshold), scores, loc=loc)
    return (label, scores) if wanted == "decision" else (label,)


def asked(estimator: Any, plain: bool) -> Any:
    """Its models as references ask them."""
    return asked_inside(estimator, plain, "estimators_")


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers."""
    from mcugen.frontends.sklearn.vote_reference import VoteReference

    return VoteReference(estimator, head)


def scores_of(members: Members, what: Score | Literal["odds"], builder: GraphBuilder, x: str, loc: Loc) -> str:
    """A vector with a score of each model: its decision, the probability of its second class, or the logarithm of its odds."""
    from mcugen.frontends.sklearn import build_estimator

    made = []
    for i, (model, own) in enumerate(members.models):
        place = loc.within(f"estimators_[{i}]")
        if not isinstance(own, Head):
            value = own if what != "odds" else CERTAIN * (2 * own - 1)
            made.append(builder.const(f"{what}.constant{i}", np.array([value], np.float32)))
            continue
        check_width(own, builder.type_of(x).size, place)
        one = build_estimator(model, own, "decision" if what == "odds" else what, builder, x, place)[-1]
        made.append(one if what != "proba" else builder.add(Gather(2, np.array([1])), one, loc=place)[0])
    return made[0] if len(made) == 1 else builder.add(Concat(), *made, loc=loc)[0]


def _stacked(members: Members, rest: bool, wanted: Output, loc: Loc) -> Linear | None:
    """All models as one `linear`; None where one is more than that."""
    if members.score == "proba" or len(members.models) == (0 if rest else 1):
        return None
    nodes = [alone(model, own, members, wanted, loc) for model, own in members.models]
    found = [node for node in nodes if node is not None]
    if len(found) < len(nodes):
        return None
    weights, bias = np.concatenate([n.weights for n in found]), np.concatenate([n.bias for n in found])
    if not rest:
        return Linear(-weights, -bias, wanted, "ovo_ties")  # there a score above 0 is for the first class
    return Linear(weights, bias, wanted, "sigmoid" if len(found) == 1 else "rest")


def alone(model: object, own: Head | float, members: Members, wanted: Output, loc: Loc) -> Linear | None:
    """A model's only node, where that is a `linear` of one row."""
    from mcugen.frontends.sklearn import build_estimator
    from mcugen.ir import DType, TensorType

    if not isinstance(own, Head) or own.n_features != members.features:
        return None
    scratch = GraphBuilder("scratch")
    row = scratch.input("x", TensorType((members.features,), DType.F32))
    scratch.output(build_estimator(model, own, "proba" if wanted == "proba" else "decision", scratch, row, loc)[0])
    nodes = scratch.build().nodes
    op = nodes[0].op if len(nodes) == 1 else None
    plain = isinstance(op, Linear) and op.rows == 1 and (wanted != "proba" or op.link == "sigmoid")
    return op if plain and isinstance(op, Linear) else None


def _members(base: type, state: Mapping[str, object], classes: int, loc: Loc) -> Members:
    found = state["estimators_"]
    rest = base.__name__ == "OneVsRestClassifier"
    count = (1 if classes == 2 else classes) if rest else classes * (classes - 1) // 2
    if not isinstance(found, list | tuple) or len(found) != count or len(found) > LARGEST:
        refuse([("estimators_", f"must be a list of {count} fitted models, not {shown(found)}")], loc)
    assert isinstance(found, list | tuple)
    models = tuple((model, head_of_member(model, i, loc)) for i, model in enumerate(found))
    heads = [own for _, own in models if isinstance(own, Head)]
    if not heads:
        raise error("E0302", "all of its models are constant", help="fit it on rows of more than one class", loc=loc)
    outputs: list[Output] = [o for o in ("label", "proba", "decision") if all(o in h.outputs for h in heads)]
    score = compared_by(models, outputs, loc)
    return Members(models, score, heads[0].n_features, tuple(outputs))


def compared_by(models: tuple[tuple[object, Head | float], ...], outputs: list[Output], loc: Loc) -> Score:
    """What scikit-learn compares: the decision function where there is one, else the probability of the second class."""
    decides = any(isinstance(own, Head) and hasattr(own.base, "decision_function") for _, own in models)
    if decides and "decision" not in outputs:
        decides = any(isinstance(own, Head) and hasattr(model, "decision_function") for model, own in models)
    wanted: Score = "decision" if decides and "decision" in outputs else "proba"
    if wanted not in outputs or (decides and wanted == "proba"):
        name = next(own.name for _, own in models if isinstance(own, Head))
        text = f"the {name} of each class gives no {'decision' if decides else 'probability'} in C"
        raise error("E0302", text, help="use LogisticRegression or LinearSVC for each class", loc=loc)
    return wanted


def head_of_member(model: object, number: int, loc: Loc, constants: Sequence[float] = (0, 1)) -> Head | float:
    """What a binary model says of itself; of one that always says the same, that, which is one of these constants."""
    from mcugen.frontends.sklearn import head_of

    place = loc.within(f"estimators_[{number}]")
    if type(model).__module__ == "sklearn.multiclass" and type(model).__name__ == "_ConstantPredictor":
        said: Any = vars(model).get("y_")
        if (
            not isinstance(said, np.ndarray)
            or said.dtype.kind not in "iuf"
            or said.shape != (1,)
            or said[0] not in constants
        ):
            refuse([("y_", f"must be one of {', '.join(f'{one:g}' for one in constants)}")], place)
        return float(said[0])
    own = head_of(model, place)
    if own.labels is None or len(own.labels) != 2:
        raise error("E0302", f"a {own.name} tells no two classes apart", help="use a classifier", loc=place)
    return own


def _labels(base: type, state: Mapping[str, object], loc: Loc) -> tuple[Label, ...]:
    if base.__name__ == "OneVsOneClassifier":
        return labels_of(state.get("classes_"), loc)
    binarizer = state.get("label_binarizer_")
    inner: Mapping[str, object] = vars(binarizer) if type(binarizer).__name__ == "LabelBinarizer" else {}
    kind = inner.get("y_type_")
    if isinstance(kind, str) and kind.startswith("multilabel"):
        text = "this OneVsRestClassifier gives a row several labels"
        raise error("E0302", text, help="fit and compile one model per label: `fit(X, Y[:, 0])`", loc=loc)
    return labels_of(inner.get("classes_"), loc.within("label_binarizer_"))


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "estimators_", loc)


@cache
def _known() -> frozenset[type]:
    from sklearn import multiclass

    return frozenset(getattr(multiclass, name) for name in SUPPORTED)
