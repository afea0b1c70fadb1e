"""scikit-learn's fitted estimators, read into modules.

A family of estimators is one module of this package that has

    takes(estimator) -> bool                          whether the estimator's class, or its base, is one of the family's
    read(estimator, name, output, loc) -> Module      the estimator, checked and read
    SUPPORTED: tuple[str, ...]                        the class names, for "did you mean" and the documentation
    TRUSTED: tuple[str, ...]                          the full names of classes that a skops file may hold for it

Families are found by place: adding one is adding a file.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from types import ModuleType

from mcugen.diagnostics import Loc, McugenError, did_you_mean, error
from mcugen.frontends.sklearn.advice import ELSE, advice_for
from mcugen.ir import Module


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


def read_estimator(estimator: object, name: str, output: str | None = None, loc: Loc = Loc()) -> Module:
    """A fitted estimator as a module with one function, `predict`.

    `name` becomes the prefix of every C symbol; `output` is `label` or `proba` for a classifier and `value` for a
    regressor, None for the first that it has. Every array is checked before it is used, and nothing of the estimator is
    called. Raises E0301 and E0302 (not supported), E0106 (not fitted), E0107 (invalid inside), E0303 (too large), E0304
    (no such output).
    """
    for family in families():
        if family.takes(estimator):
            return family.read(estimator, name, output, loc)  # type: ignore[no-any-return]  # found by place
    raise _unsupported(estimator, loc)


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
