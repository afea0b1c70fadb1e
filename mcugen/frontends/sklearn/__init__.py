"""scikit-learn's fitted estimators, read into modules.

A family of estimators is one module of this package that has

    takes(estimator) -> bool              whether the estimator's class, or its base, is one of the family's
    head(estimator, loc) -> Head          what it says of itself, checked: features, labels, outputs
    build(estimator, head, wanted, builder, x, loc) -> tuple[str, ...]
                                          its nodes, appended to the builder; x is the value that holds a row. Gives the
                                          values of the output wanted: (label,), (label, proba), (label, decision),
                                          (value,) or (transform,). Every array is checked before it is used
    SUPPORTED: tuple[str, ...]            the class names, for "did you mean" and the documentation
    TRUSTED: tuple[str, ...]              the full names of classes that a skops file may hold for it

and, where scikit-learn's methods alone do not answer for it,

    reference(estimator, head) -> Reference   the model asked itself; by default SklearnReference
    INTEGERS = True                           where rows of integers go in as they are; by default they are cast to float32
    asked(estimator, plain) -> estimator      a copy that can be asked of rows of float32 without names of columns, and those that it
                                              holds with it; plain: whether it is given numbers of the row, or whole ones (plain.py).
                                              By default it itself
    keeps(estimator) -> bool                  of transformers: whether what they give are such numbers; by default not
    exact(estimator) -> bool                  of transformers: whether they map features one by one; by default not

A family whose estimators hold others (a pipeline, a vote) calls `head_of` and `build_estimator` for them. Families are
found by place: adding one is adding a file.
"""

from __future__ import annotations

import pkgutil
from copy import copy
from functools import cache
from importlib import import_module
from types import ModuleType

from mcugen.diagnostics import Loc, McugenError, did_you_mean, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.advice import ELSE, advice_for
from mcugen.frontends.sklearn.head import Head, chosen
from mcugen.frontends.sklearn.noise import check_noise
from mcugen.ir import DType, GraphBuilder, Module, TensorType
from mcugen.ops.cast import as_float

NAMES: dict[Output, tuple[str, ...]] = {  # of the values that an output has
    "label": ("label",),
    "proba": ("label", "proba"),
    "decision": ("label", "decision"),
    "value": ("value",),
    "transform": ("transform",),
}
_OUTPUT = "_sklearn_output_config"  # where `set_output` keeps what an estimator's rows come out as


@cache
def families() -> tuple[ModuleType, ...]:
    """The modules of this package that read a family of estimators."""
    found = (import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__))
    return tuple(module for module in found if hasattr(module, "takes"))


def supported() -> tuple[str, ...]:
    """The names of every supported class, sorted."""
    return tuple(sorted(name for family in families() for name in family.SUPPORTED))


def trusted_types() -> frozenset[str]:
    """The full names of the classes that a model file may hold as objects."""
    return frozenset(name for family in families() for name in family.TRUSTED)


def read_estimator(
    estimator: object, name: str, output: str | None = None, loc: Loc = Loc(), input: DType = DType.F32
) -> Module:
    """A fitted estimator as a module with one function, `predict`.

    `name` becomes the prefix of every C symbol; `output` is one of the estimator's outputs, None for the first that it has:
    `label`, `proba` or `decision` for a classifier, `value` for a regressor, `transform` for a transformer; `input` the
    element type of a row. Every array is checked before it is used, and nothing of the estimator is called. Raises E0301
    and E0302 (not supported), E0106 (not fitted), E0107 (invalid inside), E0303 (too large), E0304 (no such output).
    """
    head = head_of(estimator, loc, several=True)
    wanted = chosen(output, head, loc)
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((head.n_features,), input))
    made = build_estimator(estimator, head, wanted, builder, x, loc)
    for value, called in zip(made, NAMES[wanted], strict=True):
        is_class = called == "label"
        builder.output(value, head.labels if is_class else None, called, head.tables if is_class else ())
    graph = builder.build()
    check_noise(graph)
    return Module(name, (graph,), loc, arena="stack")


def head_of(estimator: object, loc: Loc, *, several: bool = False) -> Head:
    """What an estimator of any family says of itself; E0301 where no family takes it.

    several  whether one that gives several answers at once will do; E0302 for it otherwise
    """
    head: Head = _family(estimator, loc).head(estimator, loc)
    if head.several and not several:
        help = "fit one model per answer: `fit(X, y[:, 0])`"
        text = f"this {head.name} gives several answers at once, where one is needed"
        raise error("E0302", text, help=help, loc=loc)
    return head


def build_estimator(
    estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc
) -> tuple[str, ...]:
    """The nodes of an estimator of any family, appended to the builder; gives the values of the output.

    Rows of integers are cast to float32 for families that do not take them (INTEGERS).
    """
    own = head.base.__name__
    within = loc if own != head.name or own in loc.where else loc.within(own)
    family = _family(estimator, loc)
    row = x if getattr(family, "INTEGERS", False) else as_float(builder, x)
    return family.build(estimator, head, wanted, builder, row, within)  # type: ignore[no-any-return]


def reference_of(estimator: object, loc: Loc = Loc()) -> Reference:
    """A model that passed `read_estimator`, to be asked itself."""
    from mcugen.frontends.sklearn.reference import SklearnReference

    family = _family(estimator, loc)
    make = getattr(family, "reference", SklearnReference)
    return make(estimator, family.head(estimator, loc))


def as_asked(estimator: object, plain: bool = True) -> object:
    """An estimator that passed `read_estimator` as references ask it: of rows of float32, without names of columns."""
    change = getattr(family_of(estimator), "asked", None)
    changed: object = change(estimator, plain) if change else estimator
    if _OUTPUT not in getattr(changed, "__dict__", {}):
        return changed
    changed = copy(changed)  # frames have names, which scikit-learn compares with those of the training
    delattr(changed, _OUTPUT)
    return changed


def family_of(estimator: object) -> ModuleType | None:
    """The module that reads an estimator; None where none does."""
    return next((one for one in families() if one.takes(estimator)), None)


def is_exact(estimator: object) -> bool:
    """Whether a transformer maps features one by one, so that trees behind it compare exactly what scikit-learn's compare."""
    asked = getattr(_family(estimator, Loc()), "exact", None)
    return bool(asked and asked(estimator))


def _family(estimator: object, loc: Loc) -> ModuleType:
    family = family_of(estimator)
    if family is None:
        raise _unsupported(estimator, loc)
    return family


def _unsupported(estimator: object, loc: Loc) -> McugenError:
    if isinstance(estimator, type):
        name = f"{estimator.__module__}.{estimator.__qualname__}"
        way_out = f"make one and fit it: `{estimator.__name__}(...).fit(X, y)`"
        return error("E0301", f"this is the class {name}, not a fitted estimator", help=way_out, loc=loc)
    return unsupported_class(type(estimator).__module__, type(estimator).__qualname__, loc)


def unsupported_class(module: str, name: str, loc: Loc) -> McugenError:
    """E0301 for an object of the class `module.name`, with what is near."""
    return error(
        "E0301",
        f"{module}.{name} is not supported",
        help=advice_for(module, name) or f"{did_you_mean(name, supported())}{ELSE}",
        loc=loc,
        notes=[f"supported: {', '.join(supported())}"],
    )
