"""Quadratic discriminant analysis: one op, `quadratic`.

What counts is `_decision_function`: for each class the logarithm of its prior, less half the squared length of the row's
distance from `means_`, turned by `rotations_` and divided by the roots of `scalings_`, less half the scalings' logarithms.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import Problem, labels_of, refuse, shown
from mcugen.frontends.sklearn.coefficients import Floats, check_size, numbers_of
from mcugen.frontends.sklearn.head import NO_POWER, Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.reference import SklearnReference
from mcugen.gaussian import AROUND
from mcugen.ir import Array, GraphBuilder
from mcugen.ops.quadratic import Quadratic
from mcugen.quadratic import Forms, quadratic

SUPPORTED = ("QuadraticDiscriminantAnalysis",)
TRUSTED = ("sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis",)
HOLDS = ("classes_", "means_", "priors_", "rotations_", "scalings_", "_decision_function")
COARSEST = 2e4  # how far a distance in deviations may be off in 32 bits; in 64 that is 1e-5


def takes(estimator: object) -> bool:
    """Whether the estimator is a quadratic discriminant analysis, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    state = state_of(estimator, base, "means_", loc, also=HOLDS)
    labels = labels_of(state.get("classes_"), loc)
    check_sizes(0, len(labels), loc)
    if len(labels) < 2:
        refuse([("classes_", "has a single label; the model tells at least two apart")], loc)
    prior = state.get("priors_")
    possible = isinstance(prior, np.ndarray) and prior.dtype.kind == "f" and bool((prior > 0).all())
    odds = NO_POWER if len(labels) == 2 and possible else None
    return Head(base, features_of(state, loc), ("label", "proba", "decision"), labels, odds)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted model as a node `quadratic`."""
    forms, sizes = _forms(vars(estimator), head, loc)
    return add_forms(builder, x, forms, sizes, wanted, "fit with `reg_param=0.01` or larger", loc)


def add_forms(
    builder: GraphBuilder, x: str, forms: Forms, sizes: npt.NDArray[np.int64], wanted: Output, help: str, loc: Loc
) -> tuple[str, ...]:
    """A node `quadratic`; E0302, with the help given, where 64 bits lose its digits."""
    off = quadratic(forms, sizes).step
    if off > COARSEST:
        text = f"a covariance is too near to a singular one: distances would be off by {off:.2g} deviations"
        raise error("E0302", text, help=f"{help}, or leave out features that follow from others", loc=loc)
    return builder.add(Quadratic(forms, sizes, wanted), x, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, worked out in float64 where the model was fitted on float32."""
    exact, state, classes = copy.copy(estimator), vars(estimator), len(head.labels or ())
    rotations, scalings = zip(*(_class(state, k, head, Loc()) for k in range(classes)), strict=True)
    vars(exact).update(
        means_=numbers_of(state, "means_", (classes, head.n_features), Loc()),
        priors_=numbers_of(state, "priors_", (classes,), Loc()),
        rotations_=list(rotations),
        scalings_=list(scalings),
    )
    return FormsReference(exact, head)


class FormsReference(SklearnReference):
    """One that knows what scikit-learn's float64 rounds, which counts where squares are large and differ little."""

    def scores(self, rows: Array) -> Floats:
        return np.asarray(self._asked(self._model._decision_function, rows), np.float64)

    def rounding(self, rows: Array) -> Floats:
        """A sum of products is off by as many last bits of its parts as it has of them, a square by twice its root times that."""
        x = np.where(self.accepts(rows)[:, None], np.asarray(rows, np.float32), np.float32(0)).astype(np.float64)
        model, off = self._model, np.zeros(len(x))
        for mean, rotation, scaling in zip(model.means_, model.rotations_, model.scalings_, strict=True):
            turned = rotation / np.sqrt(scaling)
            z, parts = (x - mean) @ turned, np.abs(x - mean) @ np.abs(turned)
            off = np.maximum(off, (np.abs(z) * parts).sum(axis=1))
        return np.asarray(2 * x.shape[1] * np.finfo(np.float64).eps * off)


def _forms(state: Mapping[str, object], head: Head, loc: Loc) -> tuple[Forms, npt.NDArray[np.int64]]:
    """The arrays as quadratic forms, and the sizes of the features: the means and six deviations around them."""
    classes = len(head.labels or ())
    means = numbers_of(state, "means_", (classes, head.n_features), loc)
    priors = numbers_of(state, "priors_", (classes,), loc)
    if (priors < 0).any() or not priors.any():
        refuse([("priors_", "must be shares of 0 or more, not all of them 0")], loc)
    refuse(_list_problems(state, classes), loc)
    matrices, offsets, logarithms, widest = [], [], [], np.zeros(head.n_features)
    for k in range(classes):
        rotation, scaling = _class(state, k, head, loc)
        matrices.append((rotation / np.sqrt(2 * scaling)).T)
        offsets.append(matrices[-1] @ means[k])
        logarithms.append(np.log(scaling).sum() / 2)
        spread = np.sqrt(((rotation * np.sqrt(scaling)) ** 2).sum(axis=1))
        widest = np.maximum(widest, np.abs(means[k]) + AROUND * spread)
    for found in (*matrices, *offsets, widest):
        check_size(float(np.abs(found).max()), "rotations_ over the roots of scalings_", loc)
    with np.errstate(divide="ignore"):
        constants = np.log(priors) - np.array(logarithms)
    return Forms(tuple(matrices), tuple(offsets), constants), np.frexp(widest)[1].astype(np.int64) + 126


def _list_problems(state: Mapping[str, object], classes: int) -> Iterator[Problem]:
    for name in ("rotations_", "scalings_"):
        found = state.get(name)
        if not isinstance(found, list) or len(found) != classes:
            yield name, f"must be a list of {classes} arrays, one for each label, not {shown(found)}"


def _class(state: Mapping[str, object], k: int, head: Head, loc: Loc) -> tuple[Floats, Floats]:
    """The rotation (features, directions) and the scalings (directions,) of a class."""
    rotations, scalings = state["rotations_"], state["scalings_"]
    held = {f"rotations_[{k}]": rotations[k], f"scalings_[{k}]": scalings[k]}  # type: ignore[index]  # lists
    rotation = numbers_of(held, f"rotations_[{k}]", (head.n_features, None), loc)
    scaling = numbers_of(held, f"scalings_[{k}]", (rotation.shape[1],), loc, power=2)
    if not (np.sqrt(np.abs(scaling)) * np.sign(scaling) > np.finfo(np.float32).tiny).all():
        refuse([(f"scalings_[{k}]", "must be positive numbers; fit with a `reg_param` above 0")], loc)
    return rotation, scaling


@cache
def _known() -> frozenset[type]:
    from sklearn import discriminant_analysis

    return frozenset(getattr(discriminant_analysis, name) for name in SUPPORTED)
