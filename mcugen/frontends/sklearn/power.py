"""PowerTransformer: the power transforms of Yeo and Johnson and of Box and Cox, scaled or not: one op, `power`."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import arrays_of, flag, numbers_of, refuse, shown
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.frontends.sklearn.noise import require_spread
from mcugen.ir import GraphBuilder
from mcugen.ops.power import Power

SUPPORTED = ("PowerTransformer",)
TRUSTED = ("sklearn.preprocessing._data.PowerTransformer",)
SCALE = "scale the features first: `make_pipeline(StandardScaler(), PowerTransformer())`"
LARGEST = 1e36  # of the C's constants

Floats = npt.NDArray[np.float64]


def takes(estimator: object) -> bool:
    """Whether the estimator is a PowerTransformer, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def exact(estimator: object) -> bool:
    """Whether trees behind it see exactly what scikit-learn's trees see."""
    return True


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted transformer says of itself."""
    return Head(_base(), features_of(_state(estimator, loc), loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A node `power`."""
    op = op_of(estimator, head.n_features, loc)
    require_spread(op.scale, np.abs(op.mean), loc, SCALE)
    _check_range(op, loc)
    return builder.add(op, x, loc=loc)


def op_of(estimator: object, n: int, loc: Loc) -> Power:
    """The transformer's numbers, checked."""
    state = _state(estimator, loc)
    arrays_of(state, ("lambdas_",), loc)
    powers = numbers_of(state, "lambdas_", (n,), loc)
    mean, scale = np.zeros(n), np.ones(n)
    if flag(state, "standardize", loc):
        mean, scale = _scaler(state.get("_scaler"), n, loc.within("_scaler"))
    return Power(powers, mean, scale, is_positive(state, loc))


def asked(estimator: Any, plain: bool) -> Any:
    """The transformer that answers where it would raise errors, by infinity: beyond float64, and to numbers up to 0 by Box and Cox."""
    from mcugen.frontends.sklearn.power_reference import Scaled

    changed, state = copy(estimator), vars(estimator)
    changed.copy = True
    if flag(state, "standardize", Loc()):
        changed._scaler = Scaled(*_scaler(state.get("_scaler"), len(estimator.lambdas_), Loc()))
    if is_positive(state, Loc()):
        checked, never = estimator._check_input, np.where(np.asarray(estimator.lambdas_) > 0, np.inf, 0.0)

        def check(x: Any, in_fit: bool, check_positive: bool = False, check_shape: bool = False) -> Any:
            good = checked(np.where(np.asarray(x) <= 0, 1.0, x), in_fit, check_shape=check_shape)
            return np.where(np.asarray(x) <= 0, never, good)

        changed._check_input = check
    return changed


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers."""
    from mcugen.frontends.sklearn.power_reference import PowerReference

    return PowerReference(estimator, head, op_of(estimator, head.n_features, Loc()))


def is_positive(state: Mapping[str, object], loc: Loc) -> bool:
    """Whether the method is Box and Cox's."""
    method = state.get("method")
    if not isinstance(method, str) or method not in ("yeo-johnson", "box-cox"):
        refuse([("method", f"must be 'yeo-johnson' or 'box-cox', not {shown(method)}")], loc)
    return method == "box-cox"


def _scaler(scaler: object, n: int, loc: Loc) -> tuple[Floats, Floats]:
    """The mean and the scale of a StandardScaler, which is held."""
    from mcugen.frontends.sklearn.power_reference import Scaled

    if isinstance(scaler, Scaled):  # what references ask
        return scaler.mean, scaler.scale
    if (type(scaler).__module__, type(scaler).__name__) != ("sklearn.preprocessing._data", "StandardScaler"):
        refuse([("", f"must be a StandardScaler, not {shown(scaler)}")], loc)
    state = vars(scaler)
    off = [name for name in ("with_mean", "with_std") if not flag(state, name, loc)]
    refuse(((name, "must be True") for name in off), loc)
    scale = numbers_of(state, "scale_", (n,), loc)
    refuse((("scale_", f"must be positive; number {i} is not") for i in np.flatnonzero(scale <= 0)), loc)
    return numbers_of(state, "mean_", (n,), loc), scale


def _check_range(op: Power, loc: Loc) -> None:
    """E0303 where a float32 has no room for what the C multiplies with."""
    for values in op.constants.values():
        bad = ~(np.abs(values) < LARGEST)
        if bad.any():
            i = int(np.flatnonzero(bad)[0]) % op.width
            text = f"feature {i} is raised to the power {op.powers[i]:.3g}, beyond what a C float holds"
            raise error("E0303", text, help=SCALE, loc=loc)


def _state(estimator: object, loc: Loc) -> Mapping[str, object]:
    return state_of(estimator, _base(), "lambdas_", loc, also=("_check_input",))


def _base() -> type:
    (base,) = _known()
    return base


@cache
def _known() -> frozenset[type]:
    from sklearn.preprocessing import PowerTransformer

    return frozenset({PowerTransformer})
