"""StandardScaler, MinMaxScaler, MaxAbsScaler and RobustScaler: one op, `affine`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from math import inf, isfinite
from typing import cast

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output
from mcugen.frontends.sklearn.attributes import Problem, flag, numbers_of, refuse, shown
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.ir import GraphBuilder
from mcugen.ops.affine import Affine, Floats

SUPPORTED = ("MaxAbsScaler", "MinMaxScaler", "RobustScaler", "StandardScaler")
TRUSTED = tuple(f"sklearn.preprocessing._data.{name}" for name in SUPPORTED)
STEEPEST = 1e36  # of a scale and a zero point as float32; its inverse is still a normal one


def takes(estimator: object) -> bool:
    """Whether the estimator is a scaler of scikit-learn, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def exact(estimator: object) -> bool:
    """Whether trees behind it see exactly what scikit-learn's trees see."""
    return True


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted scaler says of itself."""
    base, state = _checked(estimator, loc)
    return Head(base, features_of(state, loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A fitted scaler as a node `affine`."""
    _, state = _checked(estimator, loc)
    op = _READERS[head.base.__name__](state, head.n_features, loc)
    _check_range(op, loc)
    return builder.add(op, x, loc=loc)


@cache
def _known() -> frozenset[type]:
    from sklearn import preprocessing

    return frozenset(getattr(preprocessing, name) for name in SUPPORTED)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "n_features_in_", loc)


def _standard(state: Mapping[str, object], n: int, loc: Loc) -> Affine:
    return Affine(_minus(state, n, loc, "mean_", "with_mean"), _over(state, n, loc, "with_std"))


def _robust(state: Mapping[str, object], n: int, loc: Loc) -> Affine:
    return Affine(_minus(state, n, loc, "center_", "with_centering"), _over(state, n, loc, "with_scaling"))


def _max_abs(state: Mapping[str, object], n: int, loc: Loc) -> Affine:
    limit = 1.0 if flag(state, "clip", loc) else inf
    return Affine(np.zeros(n), _positive(state, n, loc), low=-limit, high=limit)


def _min_max(state: Mapping[str, object], n: int, loc: Loc) -> Affine:
    low, high = _range(state, loc) if flag(state, "clip", loc) else (-inf, inf)
    plus = numbers_of(state, "min_", (n,), loc)
    return Affine(np.zeros(n), np.ones(n), _positive(state, n, loc), plus, low, high)


_READERS = {"StandardScaler": _standard, "RobustScaler": _robust, "MaxAbsScaler": _max_abs, "MinMaxScaler": _min_max}


def _minus(state: Mapping[str, object], n: int, loc: Loc, name: str, asked: str) -> Floats:
    return numbers_of(state, name, (n,), loc) if flag(state, asked, loc) else np.zeros(n)


def _over(state: Mapping[str, object], n: int, loc: Loc, asked: str) -> Floats:
    return _positive(state, n, loc) if flag(state, asked, loc) else np.ones(n)


def _positive(state: Mapping[str, object], n: int, loc: Loc) -> Floats:
    scale = numbers_of(state, "scale_", (n,), loc)
    refuse(_not_positive(scale), loc)
    return scale


def _not_positive(scale: Floats) -> Iterator[Problem]:
    for i in np.flatnonzero(scale <= 0):
        yield "scale_", f"must be positive; number {i} is {shown(scale[i])}"


def _range(state: Mapping[str, object], loc: Loc) -> tuple[float, float]:
    limits = state.get("feature_range")
    numbers = limits if isinstance(limits, tuple | list) and len(limits) == 2 else ()
    plain = [float(v) for v in numbers if isinstance(v, int | float | np.number)]
    if len(plain) != 2 or not all(map(isfinite, plain)) or plain[0] >= plain[1]:
        refuse([("feature_range", "must be two finite numbers, the smaller one first")], loc)
    return cast(tuple[float, float], tuple(plain))


def _check_range(op: Affine, loc: Loc) -> None:
    """E0303 where a float32 has no room for a scale or a zero point."""
    slope, origin = op.slope, op.origin
    bad = ~((slope < STEEPEST) & (slope > 1 / STEEPEST) & (np.abs(origin) < STEEPEST))
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        text = f"feature {i} is scaled by {slope[i]:.3g} around {origin[i]:.3g}, beyond what a C float holds"
        help = "scale the feature by a constant before `fit`, and in your sketch (`x * 1e30`, say)"
        raise error("E0303", text, help=help, loc=loc)
