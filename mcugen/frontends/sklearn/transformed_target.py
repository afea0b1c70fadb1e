"""TransformedTargetRegressor: a regressor's answer, taken back through a scaler or a function."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Reference
from mcugen.frontends.sklearn import scalers
from mcugen.frontends.sklearn.attributes import flag, refuse, shown, whole
from mcugen.frontends.sklearn.head import Head, base_of, state_of
from mcugen.frontends.sklearn.plain import asked_inside
from mcugen.functions import UFUNCS
from mcugen.ir import DType, GraphBuilder, TensorType
from mcugen.ops.affine import Affine
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.reshape import Reshape

SUPPORTED = ("TransformedTargetRegressor",)
TRUSTED = (
    "sklearn.compose._target.TransformedTargetRegressor",
    "sklearn.preprocessing._function_transformer.FunctionTransformer",
)
INTEGERS = True
# Those that grow with their argument (a square does where it is taken back): what an answer is off, they are off by their slope.
_GROWING = ("arcsinh", "arctan", "exp", "expm1", "log", "log1p", "sinh", "sqrt", "square", "tanh")
FUNCTIONS = {getattr(np, name): UFUNCS[name] for name in _GROWING}


def takes(estimator: object) -> bool:
    """Whether the estimator is scikit-learn's, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted one says of itself."""
    from mcugen.frontends.sklearn import head_of

    base, state = _checked(estimator, loc)
    own = head_of(state["regressor_"], loc.within("regressor_"))
    if "value" not in own.outputs:
        help = "use a regressor of one number"
        raise error("E0302", f"the {own.name} inside predicts no number", help=help, loc=loc)
    _back(state, loc)
    return Head(base, own.n_features, ("value",))


def build(estimator: object, head: Head, wanted: str, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """The regressor's nodes, and one that takes its answer back."""
    from mcugen.frontends.sklearn import build_estimator, head_of

    _, state = _checked(estimator, loc)
    place = loc.within("regressor_")
    made = build_estimator(state["regressor_"], head_of(state["regressor_"], place), "value", builder, x, place)
    back = _back(state, loc)
    if isinstance(back, Elementwise):
        operands = made * (2 if back.function == "Mul" else 1)
        return builder.add(back, *operands, loc=loc)
    if back is None:
        return made
    (row,) = builder.add(Reshape((1,)), *made, loc=loc)
    (row,) = builder.add(back, row, loc=loc)
    return builder.add(Reshape(()), row, loc=loc)


def asked(estimator: Any, plain: bool) -> Any:
    """Its regressor as references ask it."""
    return asked_inside(estimator, plain, "regressor_")


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers."""
    from mcugen.frontends.sklearn import reference_of
    from mcugen.frontends.sklearn.transformed_reference import TransformedReference

    _, state = _checked(estimator, Loc())
    return TransformedReference(estimator, head, reference_of(state["regressor_"]), _back(state, Loc()))


def _back(state: Mapping[str, object], loc: Loc) -> Affine | Elementwise | None:
    """The op that takes an answer back to the target's own units; None where it is in these."""
    transformer, place = state.get("transformer_"), loc.within("transformer_")
    if scalers.takes(transformer):
        return _unscaled(transformer, place)
    if type(transformer).__module__ != "sklearn.preprocessing._function_transformer":
        names = ", ".join((*scalers.SUPPORTED, "a function"))
        text = f"the target goes through a {shown(type(transformer).__name__)}, which C cannot take back"
        raise error("E0302", text, help=f"use one of {names}", loc=place)
    return _function(vars(transformer).get("inverse_func"), place)


def _unscaled(scaler: object, loc: Loc) -> Affine:
    """A scaler's inverse."""
    builder = GraphBuilder("scratch")
    row = builder.input("x", TensorType((1,), DType.F32))
    own = scalers.head(scaler, loc)
    if own.n_features != 1:
        refuse([("n_features_in_", f"is {own.n_features}; a target is one number")], loc)
    if flag(vars(scaler), "clip", loc):
        help = "use it without `clip=True`"
        raise error("E0302", "the target goes through a scaler that clips", help=help, loc=loc)
    (made,) = scalers.build(scaler, own, "transform", builder, row, loc)
    builder.output(made)
    op: Any = builder.build().nodes[0].op
    one = np.ones(1)
    return Affine(op.plus * one, op.times * one, op.over * one, op.minus * one)


def _function(function: Any, loc: Loc) -> Elementwise | None:
    if function is None:
        return None
    try:
        name = FUNCTIONS.get(function)
    except TypeError:  # what cannot be a key is none of NumPy's
        name = None
    if name is None:
        known = ", ".join(f"numpy.{one.__name__}" for one in FUNCTIONS)
        called = getattr(function, "__name__", type(function).__name__)
        text = f"the target is taken back by {shown(called)}, which has no C"
        raise error("E0302", text, help=f"use one of {known} as `inverse_func`", loc=loc)
    return Elementwise(name)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    state = state_of(estimator, base, "regressor_", loc, also=("regressor_", "transformer_"))
    if whole(state.get("_training_dim")) != 1:
        help = "fit it to one column: `fit(X, y[:, 0])`"
        raise error("E0302", "this regressor predicts a row of numbers", help=help, loc=loc)
    return base, state


@cache
def _known() -> frozenset[type]:
    from sklearn.compose import TransformedTargetRegressor

    return frozenset([TransformedTargetRegressor])
