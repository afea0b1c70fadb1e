"""The single trees that an ensemble holds: each one checked, then all of them in one set of arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends.sklearn.attributes import Problem, refuse, shown, whole
from mcugen.frontends.sklearn.head import ANSWERS, too_large
from mcugen.frontends.sklearn.tree_arrays import LEAF, TreeArrays, Wanted, arrays_of, problems_of
from mcugen.ops.tree_ensemble.trees import Trees, float32_not_above

SINGLE = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")
TRUSTED = tuple(f"sklearn.tree._classes.{name}" for name in SINGLE)
CHECKS = "_validate_X_predict"  # a method that decides what the trees see
MAX_NODES = 2**31 - 1
MIN_VALUE = 1e-30  # the largest number of a regressor; much below, a float loses digits
MOST_EXPONENT = 80.0  # of a prediction that is a power: e**80 is 5e34
FLOAT_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Member:
    """One estimator that an ensemble holds, where it is, and what its tree must agree with."""

    where: str
    estimator: object
    wanted: Wanted


@cache
def single_trees() -> frozenset[type]:
    """scikit-learn's own classes of one tree."""
    from sklearn import tree

    return frozenset(getattr(tree, name) for name in SINGLE)


def list_of(value: object) -> Sequence[object]:
    """What an ensemble holds as a list; empty where it is none."""
    return value if isinstance(value, list | tuple) else ()


def check_kind(members: Iterable[object], holder: str, classifier: bool, loc: Loc) -> None:
    """E0301 for an ensemble of something else than trees."""
    kind = "Classifier" if classifier else "Regressor"
    known = {cls for cls in single_trees() if cls.__name__.endswith(kind)}
    odd = [type(member) for member in members if type(member) not in known]
    if odd:
        cls = odd[0]
        name = f"{cls.__module__}.{cls.__qualname__}"
        raise error(
            "E0301",
            f"a {holder} of {name} is not supported",
            help=f"use trees in it (`estimator=DecisionTree{kind}(...)`), or compile one such model alone",
            loc=loc.within("estimators_"),
        )


def arrays_in(members: Iterable[Member], loc: Loc) -> list[TreeArrays]:
    """The arrays of every member's tree, all of them checked; E0107 with what is wrong in any."""
    found: list[TreeArrays] = []
    problems: list[Problem] = []
    for member in members:
        wrong = [*_member_problems(member)]
        problems += [(member.where, what) for what in wrong]
        if wrong:
            continue
        arrays, inside = tree_in(vars(member.estimator)["tree_"], member.wanted)
        problems += [(f"{member.where}.tree_", what) for what in inside]
        if arrays:
            found.append(arrays)
    refuse(problems, loc)
    return found


def tree_in(tree: object, wanted: Wanted) -> tuple[TreeArrays | None, list[str]]:
    """The arrays of a Tree and all that is wrong with them; None where they cannot be read."""
    arrays = arrays_of(tree, wanted)
    return (None, [arrays]) if isinstance(arrays, str) else (arrays, [*problems_of(arrays, wanted)])


def _member_problems(member: Member) -> Iterator[str]:
    wanted, estimator = member.wanted, member.estimator
    kind = "classifier" if wanted.classifier else "regressor"
    if type(estimator) not in single_trees() or not type(estimator).__name__.lower().endswith(kind):
        yield f"must be a single tree of scikit-learn, a {kind}, not {shown(estimator)}"
        return
    state = vars(estimator)
    if "tree_" not in state:
        yield "is not fitted"
    yield from (f"replaces {name}" for name in (*ANSWERS, CHECKS) if name in state)
    expected = {"n_features_in_": wanted.n_features, "n_outputs_": wanted.answers}
    expected |= {"n_classes_": wanted.n_outputs} if wanted.classifier and wanted.answers == 1 else {}
    for name, count in expected.items():
        if whole(state.get(name)) != count:
            yield f"{name} is {shown(state.get(name))}; the ensemble's is {count}"


def joined(
    members: Sequence[TreeArrays], n_features: int, loc: Loc, features: Sequence[npt.NDArray[np.int64]] = ()
) -> Trees:
    """All trees in one set of arrays, their indices moved to where each tree begins.

    features  per tree which of the model's features its own are; empty where they are the same
    """
    sizes = np.array([m.size for m in members], np.int64)
    if sizes.sum() > MAX_NODES:
        raise too_large(f"{sizes.sum():,} nodes; the generated C takes {MAX_NODES:,} at most", loc)
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    is_leaf = np.concatenate([m.is_leaf for m in members])
    itself = np.arange(len(is_leaf))
    of_model = [own[np.where(m.is_leaf, 0, m.feature)] for m, own in zip(members, features, strict=False)]

    def children(side: str) -> npt.NDArray[np.int32]:
        moved = np.concatenate([getattr(m, side) + begin for m, begin in zip(members, begins, strict=True)])
        return np.where(is_leaf, itself, moved).astype(np.int32)

    with np.errstate(all="ignore"):  # a caller's `np.seterr(all="raise")` must not stop a harmless underflow
        thresholds = float32_not_above(np.concatenate([m.threshold for m in members]))
    return Trees(
        n_features=n_features,
        feature=np.where(is_leaf, LEAF, np.concatenate(of_model or [m.feature for m in members])).astype(np.int32),
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


def check_range(largest: float, terms: int, loc: Loc) -> None:
    """E0303 where a sum of so many numbers is none for a C float, or all of them are too small for one."""
    if largest > FLOAT_MAX / terms:
        raise _badly_scaled(f"the predicted values reach {largest:.3g}, beyond what a C float holds", "y / 1e6", loc)
    if 0 < largest < MIN_VALUE:
        raise _badly_scaled(f"no predicted value is over {largest:.3g}, where a C float loses digits", "y * 1e6", loc)


def check_sum(trees: Trees, regressor: bool, loc: Loc) -> None:
    """The same of trees that are added up; a classifier's scores may be as small as they are."""
    largest = float(np.abs(trees.values).max() + np.abs(trees.combine.base).max())
    if regressor:
        check_range(largest, trees.n_trees + 1, loc)
    elif largest > FLOAT_MAX / (trees.n_trees + 1):
        message = f"the scores reach {largest:.3g}, beyond what a C float holds: the boosting has diverged"
        raise error("E0303", message, help="fit it with a smaller `learning_rate`", loc=loc)


def _badly_scaled(message: str, example: str, loc: Loc) -> Exception:
    help = f"scale the target before `fit` (`{example}`, say), and the prediction back in your sketch"
    return error("E0303", message, help=help, loc=loc)


def fresh(estimator: object, base: type, names: Iterable[str]) -> Any:
    """A new object of scikit-learn's own class that holds these checked attributes of an estimator, and nothing else."""
    made: Any = base()
    state = vars(estimator)
    for name in names:
        if name in state:
            setattr(made, name, state[name])
    return made


def fresh_tree(member: object) -> Any:
    """A member of its own class that holds what was checked."""
    classes = () if type(member).__name__.endswith("Regressor") else ("classes_", "n_classes_")
    return fresh(member, type(member), (*classes, "n_features_in_", "n_outputs_", "tree_"))


def check_exponent(trees: Trees, loc: Loc) -> None:
    """E0303 where a prediction that is a power of e is beyond what a C float holds."""
    if trees.combine.link != "exp":
        return
    ends = np.concatenate([[0], np.cumsum(trees.leaf >= 0)])[np.append(trees.roots, len(trees.leaf))]
    most = sum(float(np.abs(trees.values[a:b]).max()) for a, b in pairwise(ends.tolist()))
    if most + abs(float(trees.combine.base[0])) > MOST_EXPONENT:
        message = f"the predicted values may reach e**{most:.0f}, beyond what a C float holds"
        raise error("E0303", message, help="scale the target before `fit` (`y / y.mean()`, say)", loc=loc)
