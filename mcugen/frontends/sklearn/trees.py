"""Decision trees, random forests and extra trees, classifiers and regressors: one op, `tree_ensemble`.

What counts is what `predict_proba` and `predict` of scikit-learn 1.4 to 1.9 do: a leaf's `tree_.value` (class proportions,
or a number) as it is, the mean over trees in float64 in the order of `estimators_`, and argmax of that mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import Problem, labels_of, refuse, shown, whole
from mcugen.frontends.sklearn.head import (
    ANSWERS,
    Head,
    base_of,
    check_sizes,
    features_of,
    state_of,
    too_large,
)
from mcugen.frontends.sklearn.tree_arrays import LEAF, TreeArrays, Wanted, arrays_of, problems_of
from mcugen.ir import GraphBuilder
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.trees import Trees, float32_not_above

SINGLE = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")
FOREST = ("ExtraTreesClassifier", "ExtraTreesRegressor", "RandomForestClassifier", "RandomForestRegressor")
SUPPORTED = SINGLE + FOREST
TRUSTED = tuple(f"sklearn.tree._classes.{n}" for n in SINGLE) + tuple(f"sklearn.ensemble._forest.{n}" for n in FOREST)

MAX_NODES = 2**31 - 1
MIN_VALUE = 1e-30  # the largest leaf of a regressor; much below, a float loses digits
_FLOAT_MAX = float(np.finfo(np.float32).max)
_CHECKS = "_validate_X_predict"  # a method that decides what the trees see
# What is read, and so all that a prediction may depend on.
HOLDS = ("classes_", "estimators_", "n_classes_", "n_features_in_", "n_outputs_", "tree_")


@dataclass(frozen=True)
class Kind:
    """Which of the supported classes an estimator is (or derives from)."""

    base: type

    @property
    def classifier(self) -> bool:
        """Whether it has classes; else it gives one number."""
        return self.base.__name__.endswith("Classifier")

    @property
    def forest(self) -> bool:
        """Whether it holds `estimators_`; else one `tree_`."""
        return self.base.__name__ in FOREST

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What can be asked of it, the default first."""
        return ("label", "proba") if self.classifier else ("value",)


def takes(estimator: object) -> bool:
    """Whether the estimator is a tree or forest of scikit-learn, or of a class derived from one."""
    return kind_of(estimator) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted tree or forest says of itself; see `read_estimator` for what it raises."""
    kind, state = _checked(estimator, loc)
    refuse(_head_problems(state, kind), loc)
    labels = labels_of(state.get("classes_"), loc) if kind.classifier else None
    found = Head(kind.base, features_of(state, loc), kind.outputs, labels)
    refuse(_class_count_problems(state, found), loc)
    check_sizes(0, len(labels or ()), loc)
    return found


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted tree or forest as a node `tree_ensemble`."""
    kind, state = _checked(estimator, loc)
    trees = _joined(_arrays(state, kind, head, loc), head, loc)
    _check_range(trees, kind, loc)
    return builder.add(TreeEnsemble(trees, cast(Any, wanted)), x, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers; also of rows that its methods refuse and its trees do not."""
    from mcugen.frontends.sklearn.tree_reference import TreeReference

    return TreeReference(estimator)


def kind_of(estimator: object) -> Kind | None:
    """The supported class that an estimator is of or derives from; None where there is none."""
    base = base_of(estimator, _known())
    return Kind(base) if base else None


@cache
def _known() -> frozenset[type]:
    from sklearn import ensemble, tree

    return frozenset([getattr(tree, name) for name in SINGLE] + [getattr(ensemble, name) for name in FOREST])


def _checked(estimator: object, loc: Loc) -> tuple[Kind, Mapping[str, object]]:
    kind = kind_of(estimator)
    assert kind is not None, "dispatch asks takes() first"
    fitted = "estimators_" if kind.forest else "tree_"
    state = state_of(estimator, kind.base, fitted, loc, also=(_CHECKS, *HOLDS))
    outputs = whole(state.get("n_outputs_", 1))
    if outputs is not None and outputs > 1:
        raise error(
            "E0302",
            f"this {kind.base.__name__} predicts {outputs} outputs at once",
            help="fit and compile one model per output: `fit(X, y[:, 0])`",
            loc=loc,
        )
    return kind, state


def _head_problems(state: Mapping[str, object], kind: Kind) -> Iterator[Problem]:
    for name in ("n_features_in_", "n_outputs_"):
        count = whole(state.get(name))
        if count is None or count < 1:
            yield name, f"must be a positive whole number, not {shown(state.get(name))}"
    if kind.forest and not (isinstance(state["estimators_"], list | tuple) and state["estimators_"]):
        yield "estimators_", "must be a list of at least one fitted tree"


def _class_count_problems(state: Mapping[str, object], head: Head) -> Iterator[Problem]:
    if head.labels is not None and whole(state.get("n_classes_")) != len(head.labels):
        yield "n_classes_", f"is {shown(state.get('n_classes_'))}; classes_ has {len(head.labels)} labels"


def _arrays(state: Mapping[str, object], kind: Kind, head: Head, loc: Loc) -> list[TreeArrays]:
    """The arrays of every tree, all of them checked; E0107 with what is wrong in any."""
    found: list[TreeArrays] = []
    problems: list[Problem] = []
    for where, tree in _members(state, kind, head, problems):
        arrays = arrays_of(tree, _wanted(head))
        wrong = [arrays] if isinstance(arrays, str) else [*problems_of(arrays, _wanted(head))]
        problems += [(where, what) for what in wrong]
        if not isinstance(arrays, str):
            found.append(arrays)
    refuse(problems, loc)
    return found


def _wanted(head: Head) -> Wanted:
    return Wanted(head.n_features, len(head.labels) if head.labels else 1, head.labels is not None)


def _members(
    state: Mapping[str, object], kind: Kind, head: Head, problems: list[Problem]
) -> Iterator[tuple[str, object]]:
    """Each `tree_` with its place; what is wrong with an estimator around it goes to `problems`."""
    if not kind.forest:
        yield "tree_", state["tree_"]
        return
    for i, member in enumerate(cast(Sequence[object], state["estimators_"])):
        wrong = [*_member_problems(member, kind, head)]
        problems += [(f"estimators_[{i}]", what) for what in wrong]
        if not wrong:
            yield f"estimators_[{i}].tree_", vars(member)["tree_"]


def _member_problems(member: object, kind: Kind, head: Head) -> Iterator[str]:
    own = kind_of(member)
    if own is None or own.base is not type(member) or own.forest or own.classifier != kind.classifier:
        yield f"must be a single tree of scikit-learn, a {'classifier' if kind.classifier else 'regressor'}, not {shown(member)}"
        return
    state = vars(member)
    if "tree_" not in state:
        yield "is not fitted"
    yield from (f"replaces {name}" for name in (*ANSWERS, _CHECKS) if name in state)
    expected = {"n_features_in_": head.n_features, "n_outputs_": 1}
    expected |= {"n_classes_": len(head.labels)} if head.labels else {}
    for name, count in expected.items():
        if whole(state.get(name)) != count:
            yield f"{name} is {shown(state.get(name))}; the forest's is {count}"


def _joined(members: Sequence[TreeArrays], head: Head, loc: Loc) -> Trees:
    """All trees in one set of arrays, their indices moved to where each tree begins."""
    sizes = np.array([m.size for m in members], np.int64)
    if sizes.sum() > MAX_NODES:
        raise too_large(f"{sizes.sum():,} nodes; the generated C takes {MAX_NODES:,} at most", loc)
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    is_leaf = np.concatenate([m.is_leaf for m in members])
    itself = np.arange(len(is_leaf))

    def children(side: str) -> npt.NDArray[np.int32]:
        moved = np.concatenate([getattr(m, side) + begin for m, begin in zip(members, begins, strict=True)])
        return np.where(is_leaf, itself, moved).astype(np.int32)

    with np.errstate(all="ignore"):  # a caller's `np.seterr(all="raise")` must not stop a harmless underflow
        thresholds = float32_not_above(np.concatenate([m.threshold for m in members]))
    return Trees(
        n_features=head.n_features,
        feature=np.where(is_leaf, LEAF, np.concatenate([m.feature for m in members])).astype(np.int32),
        threshold=np.where(is_leaf, np.float32(0), thresholds).astype(np.float32),
        left=children("left"),
        right=children("right"),
        missing_left=np.concatenate([m.missing_left for m in members]) & ~is_leaf,
        leaf=np.where(is_leaf, np.cumsum(is_leaf) - 1, -1).astype(np.int32),
        values=np.concatenate([m.value[m.is_leaf] for m in members]) + 0.0,
        roots=begins.astype(np.int32),
        visits=np.concatenate([_visits(m.samples) for m in members]),
    )


def _visits(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The share of training samples that passes each node; 0 where a hand-made file says nothing usable."""
    with np.errstate(all="ignore"):
        shares = samples / samples[0]
    return np.where(np.isnan(shares), 0.0, np.clip(shares, 0.0, 1.0))


def _check_range(trees: Trees, kind: Kind, loc: Loc) -> None:
    """A regressor's answer is a C float, and so is the sum of its leaves on the way there."""
    largest = float(np.abs(trees.values).max())
    if kind.classifier:
        return
    if largest > _FLOAT_MAX / trees.n_trees:
        raise _badly_scaled(f"the predicted values reach {largest:.3g}, beyond what a C float holds", "y / 1e6", loc)
    if 0 < largest < MIN_VALUE:
        raise _badly_scaled(f"no predicted value is over {largest:.3g}, where a C float loses digits", "y * 1e6", loc)


def _badly_scaled(message: str, example: str, loc: Loc) -> Exception:
    help = f"scale the target before `fit` (`{example}`, say), and the prediction back in your sketch"
    return error("E0303", message, help=help, loc=loc)
