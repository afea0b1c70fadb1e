"""QuantileTransformer: `interpolate`, from a feature's quantiles to its place among them, and to the normal distribution's.

Its quantiles mostly are numbers of its training, at which its answer may jump, and rows are float32: a quantile is the float32 that
such a number becomes, so that what is equal to it stays so. Behind a step that works numbers out, quantiles are what they are, and
scikit-learn's answers are those to rows of float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.curves import Curve
from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import arrays_of, numbers_of, refuse, shown
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.frontends.sklearn.plain import computed_by
from mcugen.ir import GraphBuilder
from mcugen.ops.interpolate import MAX_POINTS, Interpolate

SUPPORTED = ("QuantileTransformer",)
TRUSTED = ("sklearn.preprocessing._data.QuantileTransformer",)

LARGEST = 1e38  # of a quantile: a float32 holds the difference of two
NOISE = 2.0**-46  # of the largest quantile of a feature: what float64 rounds where they are worked out
AT_ENDS = 1e-7  # of a feature: to the normal distribution, what is that near to the outer quantiles is on them
Floats = npt.NDArray[np.float64]


def takes(estimator: object) -> bool:
    """Whether the estimator is a QuantileTransformer, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def exact(estimator: object) -> bool:
    """Whether trees behind it see exactly what scikit-learn's trees see."""
    return True


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted transformer says of itself."""
    return Head(_base(), features_of(_state(estimator, loc), loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A node `interpolate`."""
    state, n = _state(estimator, loc), head.n_features
    kind = state.get("output_distribution")
    if not isinstance(kind, str) or kind not in ("normal", "uniform"):
        refuse([("output_distribution", f"must be 'normal' or 'uniform', not {shown(kind)}")], loc)
    references, quantiles = _numbers(state, n, loc)
    if not computed_by(builder, x):
        quantiles = _singles(quantiles)
    curves = tuple(_curve(one, references, kind == "normal") for one in quantiles.T)
    op = Interpolate(curves, np.full(n, np.nan), normal=kind == "normal")
    check_points(op, "use a smaller `n_quantiles`", loc)
    return builder.add(op, x, loc=loc)


def asked(estimator: Any, plain: bool) -> Any:
    """The transformer with quantiles of float32 where its rows are plain."""
    changed = copy(estimator)
    changed.copy = True
    if plain:
        changed.quantiles_ = _singles(np.asarray(estimator.quantiles_, np.float64))
    return changed


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, of rows with missing values too."""
    from mcugen.frontends.sklearn.composite_reference import CompositeReference

    return CompositeReference(estimator, head)


def check_points(op: Interpolate, help: str, loc: Loc) -> None:
    """E0303 where an index of 16 bits does not count the points."""
    count = sum(len(points) for points, _ in op.points)
    if count > MAX_POINTS:
        text = f"{count:,} points of curves; the generated C takes {MAX_POINTS:,} at most"
        raise error("E0303", text, help=help, loc=loc)


def _numbers(state: Mapping[str, object], n: int, loc: Loc) -> tuple[Floats, Floats]:
    """The probabilities (quantiles,), which rise from 0 to 1, and the quantiles (quantiles, features), which do not fall."""
    arrays_of(state, ("references_", "quantiles_"), loc)
    found = state.get("references_")
    count = len(found) if isinstance(found, np.ndarray) and found.ndim == 1 else 0
    references = numbers_of(state, "references_", (max(count, 1),), loc)
    single_one = count == 1 and references[0] == 0
    if not single_one and (references[0] != 0 or references[-1] != 1 or (np.diff(references) <= 0).any()):
        refuse([("references_", "must rise from 0 to 1")], loc)
    quantiles = numbers_of(state, "quantiles_", (count, n), loc)
    refuse(
        (
            ("quantiles_", f"those of feature {i} must not fall")
            for i in np.unique(np.where(np.diff(quantiles, axis=0) < 0)[1])
        ),
        loc,
    )
    beyond = np.flatnonzero((np.abs(quantiles) > LARGEST).any(axis=0))
    if len(beyond):
        text = f"feature {beyond[0]} has quantiles beyond what a C float holds"
        help = "scale the feature by a constant before `fit`, and in your sketch (`x * 1e-30`, say)"
        raise error("E0303", text, help=help, loc=loc)
    return references, quantiles


def _singles(quantiles: Floats) -> Floats:
    """Quantiles (quantiles, features) that do not fall, as float32 holds the numbers that most of them are.

    Of those that are one float32, the one that repeats most is such a number; what is next to it but for what float64 rounds in
    working percentiles out stays below or above it.
    """
    return np.stack([_as_singles(one) for one in quantiles.T], axis=1)


def _as_singles(quantiles: Floats) -> Floats:
    nearest = quantiles.astype(np.float32)
    known, counts = np.unique(quantiles, return_counts=True)
    often = np.argsort(-counts, kind="stable")
    held, first = np.unique(known[often].astype(np.float32), return_index=True)
    numbers = known[often][first][np.searchsorted(held, nearest)]
    near = np.abs(quantiles - numbers) <= NOISE * np.abs(quantiles).max()
    below, above = (np.nextafter(nearest, np.float32(end)) for end in (-np.inf, np.inf))
    found = np.select([near & (quantiles < numbers), near & (quantiles > numbers)], [below, above], nearest)
    return np.asarray(np.maximum.accumulate(found), np.float64)


def _curve(quantiles: Floats, references: Floats, normal: bool) -> Curve:
    """What becomes of one feature: the mean of both ends where quantiles repeat, and 0 and 1 on the outer ones."""
    knots, first = np.unique(quantiles, return_index=True)
    below, above = references[first], references[np.append(first[1:], len(quantiles)) - 1]
    at = (below + above) / 2
    if not normal:
        at[-1] = 1.0
        at[0] = 0.0
        return Curve(knots, below, at, above)
    return _with_wide_ends(Curve(knots, below, at, above))


def _with_wide_ends(inner: Curve) -> Curve:
    """0 below the lower end and 1 above the upper one, which are a little inside the knots."""
    low, high = inner.knots[0] + AT_ENDS, inner.knots[-1] - AT_ENDS
    if high < low:
        return Curve(np.array([low]), np.zeros(1), np.ones(1), np.ones(1))
    kept = (inner.knots > low) & (inner.knots < high)
    knots = np.concatenate([[low], inner.knots[kept], [high]])
    first, last = inner.of(np.array([low])), inner.of(np.array([high]))
    below = np.concatenate([np.zeros(1), inner.below[kept], last])
    at = np.concatenate([first, inner.at[kept], last])
    above = np.concatenate([first, inner.above[kept], np.ones(1)])
    return Curve(knots, below, at, above)


def _state(estimator: object, loc: Loc) -> Mapping[str, object]:
    return state_of(estimator, _base(), "quantiles_", loc)


def _base() -> type:
    (base,) = _known()
    return base


@cache
def _known() -> frozenset[type]:
    from sklearn.preprocessing import QuantileTransformer

    return frozenset({QuantileTransformer})
