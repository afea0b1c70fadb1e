"""FunctionTransformer of NumPy's functions: `elementwise`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import shown
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.functions import RISING, UFUNCS
from mcugen.ir import GraphBuilder
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.gather import Gather

SUPPORTED = ("FunctionTransformer",)
TRUSTED = ("sklearn.preprocessing._function_transformer.FunctionTransformer",)
_WHOLE = ("absolute", "ceil", "fabs", "floor", "negative", "rint", "sign")


def takes(estimator: object) -> bool:
    """Whether the estimator is a FunctionTransformer, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def exact(estimator: object) -> bool:
    """Whether trees behind it see exactly what scikit-learn's trees see."""
    return keeps(estimator) or UFUNCS.get(_name(vars(estimator)) or "") in RISING


def keeps(estimator: object) -> bool:
    """Whether it gives numbers of its rows, turned round, or whole ones."""
    name = _name(vars(estimator))
    return not name or name in _WHOLE


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted FunctionTransformer says of itself."""
    return Head(_base(), features_of(_state(estimator, loc), loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A node `elementwise`; a pick of all columns where there is no function."""
    state = _state(estimator, loc)
    name, given = _name(state), state.get("kw_args")
    plain = given is None or (isinstance(given, dict) and not given)
    if (name not in UFUNCS and name != "") or not plain:
        what = f"the function {shown(_shown(state.get('func')))}" if plain else "its `kw_args`"
        text = f"{what} cannot be written in C"
        help = f"use one of NumPy's own: {', '.join(sorted({*UFUNCS} - {'fabs'}))}; or call it before `fit`, and in your sketch"
        raise error("E0302", text, help=help, loc=loc)
    if not name:
        return builder.add(Gather(head.n_features, np.arange(head.n_features)), x, loc=loc)
    function = UFUNCS[name]
    return builder.add(Elementwise(function), *([x, x] if function == "Mul" else [x]), loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, of rows with missing values too."""
    from mcugen.frontends.sklearn.composite_reference import CompositeReference

    return CompositeReference(estimator, head)


def _name(state: Mapping[str, object]) -> str | None:
    """The name of NumPy's function; empty where there is none, None where it is another's."""
    func = state.get("func")
    if func is None:
        return ""
    name = func.__name__ if isinstance(func, np.ufunc) else None
    return name if name is not None and getattr(np, name, None) is func else None


def _shown(func: object) -> str:
    name = getattr(func, "__name__", "")
    return name if isinstance(name, str) and name else type(func).__name__


def _state(estimator: object, loc: Loc) -> Mapping[str, object]:
    return state_of(estimator, _base(), "n_features_in_", loc)


def _base() -> type:
    (base,) = _known()
    return base


@cache
def _known() -> frozenset[type]:
    from sklearn.preprocessing import FunctionTransformer

    return frozenset({FunctionTransformer})
