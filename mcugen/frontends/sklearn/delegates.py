"""Estimators that hand every question to one that they hold: searches, RANSAC, self-training, frozen ones. They are that one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import refuse, whole
from mcugen.frontends.sklearn.head import Head, base_of, state_of
from mcugen.frontends.sklearn.pipeline import check_width
from mcugen.frontends.sklearn.plain import asked_inside
from mcugen.ir import GraphBuilder

SEARCHES = {
    "sklearn.model_selection._search": ("GridSearchCV", "RandomizedSearchCV"),
    "sklearn.model_selection._search_successive_halving": ("HalvingGridSearchCV", "HalvingRandomSearchCV"),
}
OTHERS = {
    "sklearn.frozen._frozen": ("FrozenEstimator",),  # since scikit-learn 1.6
    "sklearn.linear_model._ransac": ("RANSACRegressor",),
    "sklearn.semi_supervised._self_training": ("SelfTrainingClassifier",),
}
SUPPORTED = tuple(sorted(name for names in (SEARCHES | OTHERS).values() for name in names))
TRUSTED = tuple(f"{module}.{name}" for module, names in (SEARCHES | OTHERS).items() for name in names)
INTEGERS = True


def takes(estimator: object) -> bool:
    """Whether the estimator is one of those, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def exact(estimator: object) -> bool:
    """Whether what it holds maps features one by one."""
    from mcugen.frontends.sklearn import is_exact

    return is_exact(held_by(estimator, Loc())[1])


def head(estimator: object, loc: Loc) -> Head:
    """What the estimator inside says of itself."""
    from mcugen.frontends.sklearn import head_of

    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    name, inner = held_by(estimator, loc)
    found = head_of(inner, loc.within(name), several=True)
    features = vars(estimator).get("n_features_in_")
    if features is not None:
        check_width(found, whole(features) or 0, loc)
    return replace(found, base=base)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """The nodes of the estimator inside."""
    from mcugen.frontends.sklearn import build_estimator, head_of

    name, inner = held_by(estimator, loc)
    place = loc.within(name)
    return build_estimator(inner, head_of(inner, place, several=True), wanted, builder, x, place)


def asked(estimator: Any, plain: bool) -> Any:
    """The estimator inside as references ask it."""
    return asked_inside(estimator, plain, held_by(estimator, Loc())[0])


def reference(estimator: object, head: Head) -> Reference:
    """The answers of the estimator inside."""
    from mcugen.frontends.sklearn import reference_of

    return reference_of(held_by(estimator, Loc())[1])


def held_by(estimator: object, loc: Loc) -> tuple[str, object]:
    """The name of the attribute with the fitted estimator, and that. E0106 where it is not fitted, E0107 where it holds itself."""
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    name = _attribute(base, vars(estimator))
    if name not in vars(estimator) and vars(estimator).get("cv_results_") is not None:
        text = f"this {base.__name__} has searched, but not fitted what it found"
        raise error("E0106", text, help="use `refit=True`, or fit `search.estimator` with what it found", loc=loc)
    state = state_of(estimator, base, name, loc, also=(name,))
    inner, seen = state[name], {id(estimator)}
    while takes(inner):
        if id(inner) in seen:
            refuse([(name, "is an estimator that holds itself")], loc)
        seen.add(id(inner))
        own = vars(inner)
        inner = own.get(_attribute(base_of(inner, _known()) or base, own))
    return name, state[name]


def _attribute(base: type, state: Mapping[str, object]) -> str:
    """Where a class keeps the estimator that it asks."""
    if base.__module__ in SEARCHES:
        return "best_estimator_"
    if base.__name__ == "FrozenEstimator":
        return "estimator"
    return "base_estimator_" if "base_estimator_" in state else "estimator_"  # before scikit-learn 1.6, and since


@cache
def _known() -> frozenset[type]:
    found = set()
    for place, names in (SEARCHES | OTHERS).items():
        try:
            module = import_module(place)
        except ModuleNotFoundError:
            continue
        found |= {getattr(module, name) for name in names}
    return frozenset(found)
