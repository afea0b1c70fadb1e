"""QuantileTransformer: `interpolate`, from a feature's quantiles to its place among them, and to the normal distribution's.

Rows are float32, and its quantiles mostly are numbers of its training, at which its answer may jump: to a float that such a number
becomes the answer is scikit-learn's to that number, so that what is equal to it stays so, behind scalers, too. To all others, and
behind a step that works numbers out in another way, it is scikit-learn's to the float.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mcugen.curves import Curve
from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import arrays_of, numbers_of, refuse, shown
from mcugen.frontends.sklearn.behind_scalers import Scalers, decimals
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.frontends.sklearn.plain import computed_by
from mcugen.ir import GraphBuilder
from mcugen.normal import apart
from mcugen.ops.interpolate import MAX_POINTS, Interpolate

SUPPORTED = ("QuantileTransformer",)
TRUSTED = ("sklearn.preprocessing._data.QuantileTransformer",)

LARGEST = 1e38  # of a quantile: a float32 holds the difference of two
NOISE = 2.0**-40  # of the largest quantile of a feature: more than float64 rounds where they are worked out
APART = 2**16  # steps of float32 in a feature's range: hardly two numbers of the training become the same
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
    curves = [_curve(one, references, kind == "normal") for one in quantiles.T]
    scalers = _scalers(estimator, not computed_by(builder, x))
    if scalers is not None:
        seen = apart if kind == "normal" else np.asarray
        curves = [one.answering(*own, seen) for one, own in zip(curves, _of_training(quantiles, scalers), strict=True)]
    op = Interpolate(tuple(curves), np.full(n, np.nan), normal=kind == "normal")
    check_points(op, "use a smaller `n_quantiles`", loc)
    return builder.add(op, x, loc=loc)


def asked(estimator: Any, plain: bool) -> Any:
    """The transformer that is asked of the numbers of its training that rows of float32 stand for."""
    changed = copy(estimator)
    changed.copy = True
    scalers = _scalers(estimator, plain)
    if scalers is not None:
        changed.__class__ = _of_numbers(type(estimator), scalers)
    return changed


def behind(estimator: Any, scalers: Scalers, loc: Loc) -> Any:
    """The transformer behind scalers of rows of float32."""
    changed = copy(estimator)
    changed.behind_ = scalers
    return changed


def _scalers(estimator: object, plain: bool) -> Scalers | None:
    """The scalers between rows of float32 and the transformer, none at all where its rows are `plain`; None where more is between."""
    return Scalers() if plain else vars(estimator).get("behind_")


def _of_numbers(cls: Any, scalers: Scalers) -> type:
    """A class of transformers that are given floats, and asked of the numbers that these stand for."""

    def check(self: Any, *rows: Any, **options: Any) -> Any:
        found = cls._check_inputs(self, *rows, **options)
        standing = _of_training(np.asarray(self.quantiles_, np.float64), scalers)
        for column, own in zip(found.T, standing, strict=True):
            for one, number in zip(own.at, own.numbers, strict=True):
                column[column == one] = number
        return found

    return type(cls.__name__, (cls,), {"_check_inputs": check, "__module__": cls.__module__})


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


class _Standing(NamedTuple):
    """What becomes of floats (n,) that stand for numbers of the training, of those next to them, and of these numbers."""

    below: Floats
    at: Floats
    above: Floats
    numbers: Floats


def _of_training(quantiles: Floats, scalers: Scalers) -> list[_Standing]:
    """Of each feature the floats that stand for other numbers: quantiles (quantiles, features) that must be numbers of the training."""
    known = [np.unique(one, return_counts=True) for one in quantiles.T]
    before = scalers.before([numbers for numbers, _ in known])
    short = [decimals(one) for one in before]
    made = scalers.of([np.nan_to_num(one) for one in short])
    found = [_standing(*each) for each in zip(known, before, short, made, strict=True)]
    down, up = (
        [np.nextafter(floats, np.float32(end)).astype(np.float64) for floats, _ in found] for end in (-np.inf, np.inf)
    )
    at = scalers.of([floats.astype(np.float64) for floats, _ in found])
    numbers = [numbers for _, numbers in found]
    return [*map(_Standing, scalers.of(down), at, scalers.of(up), numbers)]


def _standing(
    known: tuple[Floats, npt.NDArray[np.int64]], before: Floats, short: Floats, made: Floats
) -> tuple[npt.NDArray[np.float32], Floats]:
    """The floats (n,), which rise, and what becomes of the numbers that they stand for.

    known   quantiles of one feature, and how often each is there
    before  what became these, and which of them are short decimals, else NaN; made: what becomes of such
    """
    numbers, counts = known
    counts[[0, -1]] += 1  # the outer two are numbers of the training
    before, made = np.where(np.isnan(short), before, short), np.where(np.isnan(short), np.nan, made)
    held = before.astype(np.float32)
    floats, starts = np.unique(held, return_index=True)
    fine = np.spacing(np.abs(held)) * APART <= before[-1] - before[0]
    noise = NOISE * float(np.abs(before[[0, -1]]).max())
    chosen = np.full(len(floats), np.nan)
    for i, start in enumerate(starts):
        same = slice(start, starts[i + 1] if i + 1 < len(starts) else None)
        if floats[i] not in before[same] and before[same][-1] - before[same][0] <= noise:
            chosen[i] = _number_of(numbers[same], counts[same], made[same], bool(fine[start]))
    found = ~np.isnan(chosen)
    return floats[found], chosen[found]


def _number_of(same: Floats, counts: npt.NDArray[np.int64], made: Floats, fine: bool) -> float:
    """What becomes of the number of the training, where quantiles (n,) are the same but for what float64 rounds; NaN where that is not
    known. made: what becomes of those that are short decimals, else NaN.

    The one that repeats, or of those that are there once the decimal: others may lie between two numbers of the training. Where several
    repeat, or floats are not fine, several numbers of the training may be that float.
    """
    sure = counts > 1
    if sure.sum() == 1 and fine:
        return float(same[sure][0])
    known = made[:0] if sure.sum() > 1 else made[sure] if sure.any() else made
    return float(next(iter(known[~np.isnan(known)]), np.nan))


def _curve(quantiles: Floats, references: Floats, normal: bool) -> Curve:
    """What becomes of one feature: the mean of both ends where quantiles repeat, and 0 and 1 on the outer ones."""
    knots, first = np.unique(quantiles, return_index=True)
    below, above = references[first], references[np.append(first[1:], len(quantiles)) - 1]
    at = (below + above) / 2
    if not normal:
        at[-1] = 1.0
        at[0] = 0.0
        return Curve(knots, below, at, above, both=True)
    return _with_wide_ends(Curve(knots, below, at, above, both=True))


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
    return Curve(knots, below, at, above, both=True)


def _state(estimator: object, loc: Loc) -> Mapping[str, object]:
    return state_of(estimator, _base(), "quantiles_", loc)


def _base() -> type:
    (base,) = _known()
    return base


@cache
def _known() -> frozenset[type]:
    from sklearn.preprocessing import QuantileTransformer

    return frozenset({QuantileTransformer})
