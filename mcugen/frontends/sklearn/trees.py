"""Decision trees, random forests and extra trees, classifiers and regressors: one op, `tree_ensemble`.

What counts is what `predict_proba` and `predict` of scikit-learn 1.4 to 1.9 do: a leaf's `tree_.value` (class proportions,
or a number) as it is, the mean over trees in float64 in the order of `estimators_`, and argmax of that mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends.sklearn.attributes import Problem, labels_of, refuse, shown, whole
from mcugen.frontends.sklearn.tree_arrays import LEAF, TreeArrays, Wanted, arrays_of, problems_of
from mcugen.ir import DType, GraphBuilder, Label, Module, TensorType
from mcugen.ops.tree_ensemble import Output, TreeEnsemble
from mcugen.ops.tree_ensemble.trees import Trees, float32_not_above

SINGLE = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")
FOREST = ("ExtraTreesClassifier", "ExtraTreesRegressor", "RandomForestClassifier", "RandomForestRegressor")
SUPPORTED = SINGLE + FOREST
TRUSTED = tuple(f"sklearn.tree._classes.{n}" for n in SINGLE) + tuple(f"sklearn.ensemble._forest.{n}" for n in FOREST)

MAX_CLASSES = 32_767  # an index is an int of 16 bits on AVR
MAX_FEATURES = 65_535
MAX_NODES = 2**31 - 1
MIN_VALUE = 1e-30  # the largest leaf of a regressor; much below, a float loses digits
_FLOAT_MAX = float(np.finfo(np.float32).max)
# A subclass that has one of these of its own may answer differently from the class whose arrays are read.
_DECIDES = ("predict", "predict_proba", "_validate_X_predict", "__getattribute__", "__getattr__")
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


@dataclass(frozen=True)
class _Head:
    """What the estimator says of itself, checked: its features, and its labels where it is a classifier."""

    n_features: int
    labels: tuple[Label, ...] | None

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.n_features, len(self.labels) if self.labels else 1, self.labels is not None)


def takes(estimator: object) -> bool:
    """Whether the estimator is a tree or forest of scikit-learn, or of a class derived from one."""
    return kind_of(estimator) is not None


def read(estimator: object, name: str, output: str | None, loc: Loc) -> Module:
    """A fitted tree or forest as a module; see `read_estimator` for what it raises."""
    kind = kind_of(estimator)
    assert kind is not None, "dispatch asks takes() first"
    _check_own_answers(estimator, kind, loc)
    state = vars(estimator)
    _check_fitted(state, kind, loc)
    wanted = _output(output, kind, loc)
    head = _head(state, kind, loc)
    trees = _joined(_arrays(state, kind, head, loc), head, loc)
    _check_range(trees, kind, loc)
    return _module(name, TreeEnsemble(trees, wanted), head, loc, kind)


def kind_of(estimator: object) -> Kind | None:
    """The supported class that an estimator is of or derives from; None where there is none."""
    return next((Kind(cls) for cls in type(estimator).__mro__ if cls in _known()), None)


@cache
def _known() -> frozenset[type]:
    from sklearn import ensemble, tree

    return frozenset([getattr(tree, name) for name in SINGLE] + [getattr(ensemble, name) for name in FOREST])


def _check_own_answers(estimator: object, kind: Kind, loc: Loc) -> None:
    cls = type(estimator)
    above = cls.__mro__[: cls.__mro__.index(kind.base)]
    own = {n for c in above for n in vars(c) if n in _DECIDES + HOLDS} | (vars(estimator).keys() & set(_DECIDES))
    if own:
        raise error(
            "E0301",
            f"{cls.__module__}.{cls.__qualname__} changes {kind.base.__name__}: {', '.join(sorted(own))}",
            help=f"its answers may differ from {kind.base.__name__}'s: fit a plain {kind.base.__name__} and compile that",
            loc=loc,
        )


def _check_fitted(state: Mapping[str, object], kind: Kind, loc: Loc) -> None:
    if ("estimators_" if kind.forest else "tree_") not in state:
        raise error(
            "E0106",
            f"this {kind.base.__name__} is not fitted",
            help="call `fit(X, y)` on it first, then compile or save it",
            loc=loc,
        )


def _output(output: str | None, kind: Kind, loc: Loc) -> Output:
    wanted = kind.outputs[0] if output is None else output
    if wanted not in kind.outputs:
        raise error(
            "E0304",
            f"a {kind.base.__name__} has no output '{wanted}'",
            help=f"use `--output {kind.outputs[0]}`" + "".join(f" or `--output {o}`" for o in kind.outputs[1:]),
            loc=loc,
        )
    return wanted


def _head(state: Mapping[str, object], kind: Kind, loc: Loc) -> _Head:
    outputs = whole(state.get("n_outputs_", 1))
    if outputs is not None and outputs > 1:
        raise error(
            "E0302",
            f"this {kind.base.__name__} predicts {outputs} outputs at once",
            help="fit and compile one model per output: `fit(X, y[:, 0])`",
            loc=loc,
        )
    refuse(_head_problems(state, kind), loc)
    labels = labels_of(state.get("classes_"), loc) if kind.classifier else None
    head = _Head(cast(int, whole(state["n_features_in_"])), labels)
    refuse(_class_count_problems(state, head), loc)
    _check_sizes(head, loc)
    return head


def _head_problems(state: Mapping[str, object], kind: Kind) -> Iterator[Problem]:
    for name in ("n_features_in_", "n_outputs_"):
        count = whole(state.get(name))
        if count is None or count < 1:
            yield name, f"must be a positive whole number, not {shown(state.get(name))}"
    if kind.forest and not (isinstance(state["estimators_"], list | tuple) and state["estimators_"]):
        yield "estimators_", "must be a list of at least one fitted tree"


def _class_count_problems(state: Mapping[str, object], head: _Head) -> Iterator[Problem]:
    if head.labels is not None and whole(state.get("n_classes_")) != len(head.labels):
        yield "n_classes_", f"is {shown(state.get('n_classes_'))}; classes_ has {len(head.labels)} labels"


def _check_sizes(head: _Head, loc: Loc) -> None:
    counts = ((head.n_features, MAX_FEATURES, "features"), (len(head.labels or ()), MAX_CLASSES, "classes"))
    for count, limit, what in counts:
        if count > limit:
            raise _too_large(f"{count:,} {what}; the generated C takes {limit:,} at most", loc)


def _too_large(message: str, loc: Loc) -> Exception:
    return error("E0303", message, help="fit a smaller model: fewer features, classes, trees or a `max_depth`", loc=loc)


def _arrays(state: Mapping[str, object], kind: Kind, head: _Head, loc: Loc) -> list[TreeArrays]:
    """The arrays of every tree, all of them checked; E0107 with what is wrong in any."""
    found: list[TreeArrays] = []
    problems: list[Problem] = []
    for where, tree in _members(state, kind, head, problems):
        arrays = arrays_of(tree, head.wanted)
        wrong = [arrays] if isinstance(arrays, str) else [*problems_of(arrays, head.wanted)]
        problems += [(where, what) for what in wrong]
        if not isinstance(arrays, str):
            found.append(arrays)
    refuse(problems, loc)
    return found


def _members(
    state: Mapping[str, object], kind: Kind, head: _Head, problems: list[Problem]
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


def _member_problems(member: object, kind: Kind, head: _Head) -> Iterator[str]:
    own = kind_of(member)
    if own is None or own.base is not type(member) or own.forest or own.classifier != kind.classifier:
        yield f"must be a single tree of scikit-learn, a {'classifier' if kind.classifier else 'regressor'}, not {shown(member)}"
        return
    state = vars(member)
    if "tree_" not in state:
        yield "is not fitted"
    yield from (f"replaces {name}" for name in _DECIDES if name in state)
    expected = {"n_features_in_": head.n_features, "n_outputs_": 1}
    expected |= {"n_classes_": len(head.labels)} if head.labels else {}
    for name, count in expected.items():
        if whole(state.get(name)) != count:
            yield f"{name} is {shown(state.get(name))}; the forest's is {count}"


def _joined(members: Sequence[TreeArrays], head: _Head, loc: Loc) -> Trees:
    """All trees in one set of arrays, their indices moved to where each tree begins."""
    sizes = np.array([m.size for m in members], np.int64)
    if sizes.sum() > MAX_NODES:
        raise _too_large(f"{sizes.sum():,} nodes; the generated C takes {MAX_NODES:,} at most", loc)
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


def _module(name: str, op: TreeEnsemble, head: _Head, loc: Loc, kind: Kind) -> Module:
    names = ("label", "proba") if op.output == "proba" else (op.output,)
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((head.n_features,), DType.F32))
    for made in builder.add(op, x, names=names, loc=loc.within(kind.base.__name__)):
        builder.output(made, labels=head.labels if made == "label" else None)
    return Module(name, (builder.build(),), loc)
