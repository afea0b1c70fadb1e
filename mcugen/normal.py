"""Quantiles of the normal distribution: as scikit-learn has them, and as the C works them out in float32."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from mcugen.curves import Curve, Singles

Floats = npt.NDArray[np.float64]
NEVER = 1e-7 - np.spacing(1.0)  # probabilities that close to 0 and to 1 count as that far from them, as in scikit-learn
CLIPPED = -NormalDist().inv_cdf(NEVER)
NEAR_NOTHING = 1e-9  # far below NEVER
NOTHING = 1e-30  # stands for 0, which has no sign

# Of M. Wichura's algorithm AS 241 (PPND7), Applied Statistics 37(3), 1988: off by a part of 1e-7.
MIDDLE = ((59.109374720, 159.29113202, 50.434271938, 3.3871327179), (67.187563600, 78.757757664, 17.895169469, 1.0))
TAIL = ((0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777), (0.12021132975, 0.73700164250, 1.0))

_inv_cdf = np.vectorize(NormalDist().inv_cdf, otypes=[np.float64])


def quantile(p: npt.ArrayLike) -> Floats:
    """The quantiles of probabilities (n,) in float64, limited to ±CLIPPED; NaN of NaN."""
    known = np.nan_to_num(np.asarray(p, np.float64), nan=0.5)
    found = _inv_cdf(np.clip(known, NEVER, 1 - 1e-7)) if known.size else known
    found = np.where(known <= NEVER, -CLIPPED, np.where(known >= 1 - NEVER, CLIPPED, found))
    return np.where(np.isnan(p), np.nan, found)


def apart(p: Floats) -> Floats:
    """Probabilities (n,) as their logarithms, from the middle on both ways: what differs by little in them does so in quantiles."""
    tail = np.log(np.minimum(p, 1 - p) + NEAR_NOTHING) - np.log(0.5 + NEAR_NOTHING)
    return np.asarray(np.where(p < 0.5, tail, -tail))


def coded(curve: Curve, points: Singles) -> tuple[Singles, Floats]:
    """A rising curve of probabilities for `probit`: above the middle they are less by 1, so that both tails keep their digits.

    With the points themselves, and two next to each other in the middle.
    """
    found = curve.of(points.astype(np.float64))
    at = int(np.searchsorted(found, 0.5, side="right"))  # the first above the middle
    if 0 < at < len(points):
        x, p = points[at - 1 : at + 1].astype(np.float64), found[at - 1 : at + 1]
        middle = float32_between(x, (0.5 - p[0]) / (p[1] - p[0]))
        points = np.union1d(points, np.array([middle, np.nextafter(middle, np.float32(np.inf))]))
    else:
        middle = points[-1] if at else np.nextafter(points[0], np.float32(-np.inf))
    found = curve.of(points.astype(np.float64))
    return points, np.where(points <= middle, np.maximum(found, NOTHING), np.minimum(found - 1, -NOTHING))


def float32_between(x: Floats, part: float) -> np.float32:
    """The float32 a part of the way from x[0] to x[1], below x[1]."""
    found = np.float32(x[0] + part * (x[1] - x[0]))
    return np.clip(found, np.float32(x[0]), np.nextafter(np.float32(x[1]), np.float32(-np.inf)))


def probit(code: np.float32) -> np.float32:
    """The quantile of a probability that is coded, in float32, as the C has it."""
    tail = np.abs(code)
    if tail < np.float32(NEVER):
        size = np.float32(-CLIPPED)
    elif tail < np.float32(0.075):
        size = -_ratio(np.sqrt(-np.log(tail)) - np.float32(1.6), *TAIL)
    else:
        off = tail - np.float32(0.5)
        size = off * _ratio(np.float32(0.180625) - off * off, *MIDDLE)
    return np.float32(size if code > 0 else -size)


def _ratio(x: np.float32, above: tuple[float, ...], below: tuple[float, ...]) -> np.float32:
    return _polynomial(x, above) / _polynomial(x, below)


def _polynomial(x: np.float32, coefficients: tuple[float, ...]) -> np.float32:
    found = np.float32(coefficients[0])
    for one in coefficients[1:]:
        found = found * x + np.float32(one)
    return found
