"""SimpleImputer: `impute`, and `missing` where it adds indicators."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import isfinite, isnan, nan

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import flag, numbers_of, refuse, shown
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.ir import GraphBuilder
from mcugen.ops.concat import Concat
from mcugen.ops.gather import Gather
from mcugen.ops.impute import Impute
from mcugen.ops.missing import Missing

SUPPORTED = ("SimpleImputer",)
TRUSTED = ("sklearn.impute._base.SimpleImputer", "sklearn.impute._base.MissingIndicator")

_BEYOND = 3.4e38  # what a float32 holds


def takes(estimator: object) -> bool:
    """Whether the estimator is a SimpleImputer, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def exact(estimator: object) -> bool:
    """Whether trees behind it see exactly what scikit-learn's trees see."""
    return True


def keeps(estimator: object) -> bool:
    """What is filled in counts as the float32 that it is rounded to."""
    return True


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted imputer says of itself."""
    return Head(_base(), features_of(_state(estimator, loc), loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted imputer: columns that it drops, a number that means missing made NaN, then NaN filled in."""
    state = _state(estimator, loc)
    fill, missing = _fill(state, head.n_features, loc), missing_of(state, loc)
    marked = x
    if not isnan(missing):
        (marked,) = builder.add(Impute(np.full(head.n_features, nan), missing), marked, loc=loc)
    kept = np.flatnonzero(~np.isnan(fill))
    if not len(kept):
        raise error("E0302", "this SimpleImputer drops every feature", help="leave the step out", loc=loc)
    (filled,) = builder.add(Impute(fill[kept]), _picked(builder, marked, kept, loc), loc=loc)
    shown_too = _indicated(state, head.n_features, loc)
    if shown_too is None or not len(shown_too):
        return (filled,)
    (flags,) = builder.add(Missing(len(shown_too)), _picked(builder, marked, shown_too, loc), loc=loc)
    return builder.add(Concat(), filled, flags, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, of rows with missing values too."""
    from mcugen.frontends.sklearn.composite_reference import CompositeReference

    return CompositeReference(estimator, head)


def leaves_columns(estimator: object) -> bool:
    """Whether each column stays where it was, and nothing comes behind."""
    state = _state(estimator, Loc())
    fill = _fill(state, features_of(state, Loc()), Loc())
    return state.get("indicator_") is None and not np.isnan(fill).any()


def _picked(builder: GraphBuilder, x: str, columns: npt.NDArray[np.int64], loc: Loc) -> str:
    width = builder.type_of(x).size
    if len(columns) == width and (columns == np.arange(width)).all():
        return x
    return builder.add(Gather(width, columns), x, loc=loc)[0]


def _state(estimator: object, loc: Loc) -> Mapping[str, object]:
    return state_of(estimator, _base(), "statistics_", loc)


def missing_of(state: Mapping[str, object], loc: Loc) -> float:
    """What counts as missing: NaN, or a number that a float32 may be."""
    found = state.get("missing_values")
    if not isinstance(found, int | float | np.number) or isinstance(found, bool):
        text = f"missing_values is {shown(found)}; only numbers and NaN can be missing in C"
        raise error("E0302", text, help="use `missing_values=np.nan`, or a number", loc=loc)
    number = float(found)
    if not isnan(number) and (not isfinite(number) or float(np.float32(number)) != number):
        text = f"missing_values is {number:g}, which no float32 is"
        raise error("E0302", text, help="use NaN, or a whole number such as -999", loc=loc)
    return number


def _fill(state: Mapping[str, object], n: int, loc: Loc) -> npt.NDArray[np.float64]:
    """What each column is filled with; NaN for those that are dropped."""
    found = state["statistics_"]
    if isinstance(found, np.ndarray) and found.dtype.kind == "O" and all(isinstance(v, int | float) for v in found):
        found = found.astype(np.float64)
    if isinstance(found, np.ndarray) and found.dtype.kind in "OUS":
        raise error("E0302", "this SimpleImputer fills in text", help="fit it on columns of numbers", loc=loc)
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu" or found.shape != (n,):
        refuse([("statistics_", f"must be an array of {n} numbers")], loc)
    assert isinstance(found, np.ndarray)
    fill: npt.NDArray[np.float64] = np.array(found, np.float64)
    if flag(state, "keep_empty_features", loc):
        return numbers_of({"statistics_": fill}, "statistics_", (n,), loc)
    beyond = np.abs(fill) > _BEYOND
    refuse((("statistics_", f"number {i} is beyond a C float") for i in np.flatnonzero(beyond)), loc)
    return fill


def _indicated(state: Mapping[str, object], n: int, loc: Loc) -> npt.NDArray[np.int64] | None:
    """The columns that it says of whether they were missing; None where it does not."""
    indicator = state.get("indicator_")
    if indicator is None:
        return None
    return indicated_by(indicator, n, loc.within("indicator_"))


def indicated_by(indicator: object, n: int, loc: Loc) -> npt.NDArray[np.int64]:
    """The columns of n that a MissingIndicator tells of."""
    features = vars(indicator).get("features_") if type(indicator).__name__ == "MissingIndicator" else None
    if not isinstance(features, np.ndarray) or features.dtype.kind not in "iu" or features.ndim != 1:
        refuse([("features_", "must be an array of column numbers")], loc)
    assert isinstance(features, np.ndarray)
    columns = features.astype(np.int64)
    refuse((("features_", f"column {c} of {n}") for c in columns if not 0 <= c < n), loc)
    return columns


def _base() -> type:
    (base,) = _known()
    return base


@cache
def _known() -> frozenset[type]:
    from sklearn.impute import SimpleImputer

    return frozenset({SimpleImputer})
