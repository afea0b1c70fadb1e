"""Pipeline: the nodes of its steps, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cache
from typing import Any, cast

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import refuse, shown
from mcugen.frontends.sklearn.behind_scalers import Scalers, as_behind
from mcugen.frontends.sklearn.head import Head, base_of, state_of
from mcugen.frontends.sklearn.plain import computed_by
from mcugen.frontends.sklearn.plain import keeps as keeps_numbers
from mcugen.ir import GraphBuilder

SUPPORTED = ("Pipeline",)
TRUSTED = ("sklearn.pipeline.Pipeline",)
INTEGERS = True

Step = tuple[str, object]


def takes(estimator: object) -> bool:
    """Whether the estimator is a Pipeline, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def exact(estimator: object) -> bool:
    """Whether trees behind it see exactly what scikit-learn's trees see."""
    from mcugen.frontends.sklearn import is_exact

    return all(is_exact(step) for _, step in steps_of(estimator, Loc()))


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted pipeline says of itself: the features of its first step, the outputs of its last."""
    heads = _heads(steps_of(estimator, loc), loc)
    return replace(heads[-1], base=_base(), n_features=heads[0].n_features)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """The nodes of every step; each takes what the one before it gives."""
    from mcugen.frontends.sklearn import build_estimator

    steps = steps_of(estimator, loc)
    heads = _heads(steps, loc)
    made: tuple[str, ...] = (x,)
    scalers = None if computed_by(builder, x) else Scalers()
    for i, ((name, step), own) in enumerate(zip(steps, heads, strict=True)):
        place = within(loc, name)
        check_width(own, builder.type_of(made[0]).size, place)
        output = wanted if i == len(steps) - 1 else "transform"
        made = build_estimator(as_behind(step, scalers, place), own, output, builder, made[0], place)
        scalers = _and(scalers, step)
    return made


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, and what its last step calls a near tie."""
    from mcugen.frontends.sklearn.composite_reference import CompositeReference

    return CompositeReference(estimator, head)


def asked(estimator: Any, plain: bool) -> Any:
    """The pipeline of steps as references ask them."""
    from mcugen.frontends.sklearn import as_asked

    changed = copy(estimator)
    changed.steps = []
    scalers = Scalers() if plain else None
    for name, step in estimator.steps:
        changed.steps.append((name, as_asked(as_behind(step, scalers, Loc()), plain)))
        scalers = _and(scalers, step)
        plain = plain and (is_passthrough(step) or keeps_numbers(step))
    return changed


def behind(estimator: Any, scalers: Scalers, loc: Loc) -> Any:
    """The pipeline of steps as they are behind scalers."""
    changed, known = copy(estimator), cast("Scalers | None", scalers)
    changed.steps = []
    for name, step in estimator.steps:
        changed.steps.append((name, as_behind(step, known, within(loc, name))))
        known = _and(known, step)
    return changed


def _and(scalers: Scalers | None, step: object) -> Scalers | None:
    """The scalers with one more; None where a step is something else. An imputer that drops no column changes nothing of numbers."""
    from mcugen.frontends.sklearn import family_of, impute
    from mcugen.frontends.sklearn import scalers as scaling

    if scalers is None or is_passthrough(step):
        return scalers
    family = family_of(step)
    if family is impute and impute.leaves_columns(step):
        return scalers
    return Scalers((*scalers.steps, step)) if family is scaling else None


def keeps(estimator: object) -> bool:
    """Whether no step works numbers out."""
    return all(keeps_numbers(step) for _, step in steps_of(estimator, Loc()))


def steps_of(estimator: object, loc: Loc) -> tuple[Step, ...]:
    """The named steps that do something. E0107 where they are none, E0302 where nothing is left."""
    state = state_of(estimator, _base(), "steps", loc)
    steps = state["steps"]
    if not isinstance(steps, list | tuple) or not all(_is_step(step) for step in steps):
        refuse([("steps", f"must be a list of (name, estimator), not {shown(steps)}")], loc)
    assert isinstance(steps, list | tuple)
    found = tuple((name, step) for name, step in steps if not is_passthrough(step))
    if not found:
        raise error("E0302", "no step of this Pipeline does anything", help="add a step, and fit it", loc=loc)
    return found


def is_passthrough(step: object) -> bool:
    """Whether a step stands for handing on what comes in."""
    return step is None or (isinstance(step, str) and step == "passthrough") or _is_identity(step)


def _is_identity(step: object) -> bool:
    """A FunctionTransformer without a function: what `fit` of a ColumnTransformer puts where it was told to pass columns on."""
    cls = type(step)
    module, name = cls.__module__, cls.__qualname__
    same = (module, name) == ("sklearn.preprocessing._function_transformer", "FunctionTransformer")
    return same and vars(step).get("func", step) is None


def check_width(head: Head, width: int, loc: Loc) -> None:
    """E0107 where an estimator gets another number of features than it was fitted with."""
    if head.n_features != width:
        refuse([("n_features_in_", f"is {head.n_features}; what comes before it gives {width} features")], loc)


def within(loc: Loc, name: str) -> Loc:
    """The place of a step: `Pipeline.scale`."""
    return loc.within(name if name.isprintable() else ascii(name))


def _is_step(step: object) -> bool:
    return isinstance(step, tuple | list) and len(step) == 2 and isinstance(step[0], str)


def _heads(steps: Sequence[Step], loc: Loc) -> list[Head]:
    from mcugen.frontends.sklearn import head_of

    heads = [head_of(step, within(_named(loc), name), several=step is steps[-1][1]) for name, step in steps]
    for (name, _), one in zip(steps[:-1], heads[:-1], strict=True):
        if "transform" not in one.outputs:
            text = f"the step {shown(name)} is a {one.base.__name__}, which transforms nothing"
            raise error(
                "E0302", text, help="only the last step of a pipeline may predict", loc=within(_named(loc), name)
            )
    return heads


def _named(loc: Loc) -> Loc:
    return loc if "Pipeline" in loc.where else loc.within("Pipeline")


def _base() -> type:
    (base,) = _known()
    return base


@cache
def _known() -> frozenset[type]:
    from sklearn.pipeline import Pipeline

    return frozenset({Pipeline})
