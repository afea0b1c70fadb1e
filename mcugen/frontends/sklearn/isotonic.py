"""IsotonicRegression: `interpolate` of one feature, between thresholds that may be closer to each other than floats are.

Beyond the thresholds it answers with the outer ones' values (`out_of_bounds="clip"`), or NaN; with `"raise"`, where scikit-learn's
method raises an error, the C gives NaN too.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mcugen.curves import Curve
from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import arrays_of, numbers_of, refuse, shown
from mcugen.frontends.sklearn.head import Head, base_of, state_of
from mcugen.frontends.sklearn.quantiles import LARGEST, check_points
from mcugen.frontends.sklearn.reference import SklearnReference, single
from mcugen.ir import Array, GraphBuilder
from mcugen.ops.interpolate import Interpolate
from mcugen.ops.reshape import Reshape

SUPPORTED = ("IsotonicRegression",)
TRUSTED = ("sklearn.isotonic.IsotonicRegression",)


def takes(estimator: object) -> bool:
    """Whether the estimator is an IsotonicRegression, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted model says of itself."""
    _state(estimator, loc)
    return Head(_base(), 1, ("value",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A node `interpolate`."""
    curve, inside = curve_of(estimator, loc)
    op = Interpolate((curve,), np.full(1, np.nan), inside)
    check_points(op, "fit it to fewer rows", loc)
    if not len(op.points[0][0]):
        text = f"no float32 lies between {curve.knots[0]:.17g} and {curve.knots[-1]:.17g}, where alone it answers"
        raise error(
            "E0302", text, help="fit it to numbers that are farther apart, or with `out_of_bounds='clip'`", loc=loc
        )
    return builder.add(Reshape(()), *builder.add(op, x, loc=loc), loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers."""
    model: Any = copy(estimator)
    model.out_of_bounds = "clip" if model.out_of_bounds == "clip" else "nan"  # `accepts` says where it raises errors
    model._build_f(model.X_thresholds_, model.y_thresholds_)
    return IsotonicReference(model, head, getattr(estimator, "out_of_bounds", "") == "raise")


class IsotonicReference(SklearnReference):
    """scikit-learn's own answers, to the rows between the thresholds where it gives no others."""

    def __init__(self, model: Any, head: Head, raises: bool) -> None:
        super().__init__(model, head)
        self._raises = raises and len(model.X_thresholds_) > 1

    def accepts(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows of a number between the thresholds, where it raises errors beyond them."""
        x, ends = single(rows)[:, 0].astype(np.float64), self._model.X_thresholds_
        inside = (x >= ends[0]) & (x <= ends[-1])
        return np.asarray(super().accepts(rows) & (inside if self._raises else True))


def curve_of(estimator: object, loc: Loc) -> tuple[Curve, bool]:
    """What a fitted IsotonicRegression, checked, makes of a number; and whether it does so between its thresholds only."""
    state = _state(estimator, loc)
    arrays_of(state, ("X_thresholds_", "y_thresholds_"), loc)
    found = state.get("X_thresholds_")
    count = len(found) if isinstance(found, np.ndarray) and found.ndim == 1 else 0
    knots, values = (numbers_of(state, f"{one}_thresholds_", (max(count, 1),), loc) for one in "Xy")
    if (np.diff(knots) <= 0).any():
        refuse([("X_thresholds_", "must rise")], loc)
    bounds = state.get("out_of_bounds")
    if not isinstance(bounds, str) or bounds not in ("nan", "clip", "raise"):
        refuse([("out_of_bounds", f"must be 'nan', 'clip' or 'raise', not {shown(bounds)}")], loc)
    inside = count > 1 and cast(str, bounds) != "clip"
    if inside or bounds == "clip":
        _check_ends(state, knots, loc)
    if np.abs(knots).max() > LARGEST or np.abs(values).max() > LARGEST:
        help = "scale its numbers by a constant before `fit`, and in your sketch (`x * 1e-30`, say)"
        raise error("E0303", "it has thresholds beyond what a C float holds", help=help, loc=loc)
    return Curve.through(knots, values), inside


def _check_ends(state: Mapping[str, object], knots: npt.NDArray[np.float64], loc: Loc) -> None:
    """E0107 where what rows are limited to are not the outer thresholds."""
    ends = [float(numbers_of(state, name, (), loc)) for name in ("X_min_", "X_max_")]
    wrong = [(name, one) for name, one, at in zip(("X_min_", "X_max_"), ends, (0, -1), strict=True) if one != knots[at]]
    refuse(((name, f"is {one:.9g}, not the outer one of X_thresholds_") for name, one in wrong), loc)


def _state(estimator: object, loc: Loc) -> Mapping[str, object]:
    return state_of(estimator, _base(), "X_thresholds_", loc, also=("_transform", "f_"))


def _base() -> type:
    (base,) = _known()
    return base


@cache
def _known() -> frozenset[type]:
    from sklearn.isotonic import IsotonicRegression

    return frozenset({IsotonicRegression})
