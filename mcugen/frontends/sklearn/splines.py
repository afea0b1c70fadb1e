"""SplineTransformer: one op, `spline`, with the polynomials that its basis functions are between knots.

What counts is `transform` of scikit-learn 1.4 to 1.9, sparse ones as arrays. `extrapolation="error"` has no answer beyond the knots,
which C could give; linear extrapolation of a degree below 2 takes other knots for each feature there.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cache
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import flag, numbers_of, refuse, shown, whole, word
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.ir import GraphBuilder
from mcugen.ops.spline import Pieces, Spline
from mcugen.ops.tree_ensemble.trees import float32_not_above

SUPPORTED = ("SplineTransformer",)
TRUSTED = ("sklearn.preprocessing._polynomial.SplineTransformer", "scipy.interpolate._bsplines.BSpline")

DEGREES = 10  # at most
LARGEST = 1e30  # of a knot, and of one over the distance of two
NEGLIGIBLE = 3e-7  # of a piece: by how much its origin may be off without a new polynomial
DIGITS = 9  # of a polynomial's coefficients, so that those of knots at equal distances are the same
Floats = npt.NDArray[np.float64]


class Shape(NamedTuple):
    """What all features have in common."""

    degree: int
    functions: int
    extrapolation: str


def takes(estimator: object) -> bool:
    """Whether the estimator is a SplineTransformer, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted transformer says of itself."""
    return Head(_base(), features_of(_state(estimator, loc), loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A node `spline`."""
    state = _state(estimator, loc)
    splines = state["bsplines_"]
    if not isinstance(splines, list) or len(splines) != head.n_features:
        refuse([("bsplines_", f"must be a list of {head.n_features}, not {shown(splines)}")], loc)
    places = [loc.within(f"bsplines_[{i}]") for i in range(head.n_features)]
    shape = _shape(state, cast("list[Any]", splines)[0], loc)
    check_sizes(head.n_features * shape.functions, 0, loc)
    knots = [_knots(one, shape, place) for one, place in zip(cast("list[Any]", splines), places, strict=True)]
    pieces = tuple(_pieces(one, shape, place) for one, place in zip(knots, places, strict=True))
    kept = shape.functions - (not flag(state, "include_bias", loc))
    zeros = word(state, "handle_missing", loc, "error") == "zeros"
    if not kept:
        raise error("E0302", "it gives no numbers", help="use more knots, or `include_bias=True`", loc=loc)
    level = zeros and shape.extrapolation == "constant"  # there scikit-learn takes infinite numbers, too
    return builder.add(Spline(pieces, shape.functions, kept, zeros, level), x, loc=loc)


def asked(estimator: Any, plain: bool) -> Any:
    """The transformer that gives plain arrays, by splines made anew: those of a file lack functions."""
    from scipy.interpolate import BSpline

    changed = copy(estimator)
    changed.sparse_output = False
    held = [_held(one) for one in estimator.bsplines_]
    changed.bsplines_ = [
        BSpline.construct_fast(*(one[name] for name in ("t", "c", "k", "extrapolate"))) for one in held
    ]
    return changed


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, of rows with missing values where it takes them."""
    from mcugen.frontends.sklearn.composite_reference import CompositeReference

    return CompositeReference(estimator, head)


def _shape(state: Mapping[str, object], first: object, loc: Loc) -> Shape:
    degree, kind = whole(state.get("degree")), word(state, "extrapolation", loc)
    if degree is None or degree < 0:
        refuse([("degree", f"must be a whole number, not {shown(state.get('degree'))}")], loc)
    if kind not in ("constant", "linear", "continue", "periodic", "error"):
        refuse([("extrapolation", f"must be one of scikit-learn's, not {shown(kind)}")], loc)
    degree = cast(int, degree)
    if kind == "error":
        help = "fit it with `extrapolation='constant'`, 'linear' or 'continue'"
        raise error("E0302", "`extrapolation='error'` has no answer beyond the knots", help=help, loc=loc)
    if not 1 + (kind == "linear") <= degree <= DEGREES:
        least = "2, for linear extrapolation" if kind == "linear" else "1"
        text = f"splines of degree {degree} are not supported"
        raise error("E0302", text, help=f"use a degree from {least}, to {DEGREES}; or KBinsDiscretizer", loc=loc)
    knots = _held(first).get("t")
    count = len(knots) if isinstance(knots, np.ndarray) and knots.ndim == 1 else 0
    functions = count - degree - 1 - degree * (kind == "periodic")
    if functions < degree + (kind != "periodic") or functions < 1:
        refuse([("bsplines_", f"a spline of degree {degree} has more than {count} knots")], loc)
    return Shape(degree, functions, kind)


def _knots(spline: object, shape: Shape, loc: Loc) -> Floats:
    """The knots of a feature, checked; its functions are the basis itself."""
    if type(spline).__name__ != "BSpline" or not type(spline).__module__.startswith("scipy.interpolate"):
        refuse([("", f"must be SciPy's BSpline, not {shown(spline)}")], loc)
    state, periodic = _held(spline), shape.extrapolation == "periodic"
    count = shape.functions + shape.degree * periodic
    knots = numbers_of(state, "t", (count + shape.degree + 1,), loc)
    basis = np.eye(shape.functions)
    expected = np.concatenate([basis, basis[: shape.degree]]) if periodic else basis
    found = numbers_of(state, "c", expected.shape, loc)
    if (found != expected).any():
        refuse([("c", "must be the basis functions themselves")], loc)
    flag(state, "extrapolate", loc)
    if whole(state.get("k")) != shape.degree:
        refuse([("k", f"must be {shape.degree}, not {shown(state.get('k'))}")], loc)
    if (np.diff(knots) < 0).any():
        refuse([("t", "must not fall")], loc)
    return knots


def _held(spline: object) -> Mapping[str, object]:
    """What a BSpline holds, by the names of SciPy before 1.15: later ones begin with an underscore."""
    return {name.removeprefix("_"): value for name, value in getattr(spline, "__dict__", {}).items()}


def _pieces(knots: Floats, shape: Shape, loc: Loc) -> Pieces:
    """A feature's pieces between knots, and beyond the outer ones where these have their own."""
    k, last = shape.degree, len(knots) - shape.degree - 1
    spans = [i for i in range(k, last) if knots[i] < knots[i + 1]]
    widths = np.array([knots[i + 1] - knots[i] for i in spans])
    if np.abs(knots).max() > LARGEST or (widths < 1 / LARGEST).any():
        help = "scale the features first (a StandardScaler before it)"
        raise error("E0303", "its knots are beyond what a C float holds", help=help, loc=loc)
    periodic = shape.extrapolation == "periodic"
    start = float(float32_not_above(knots[k : k + 1])[0]) if periodic and spans else 0.0
    blocks = [_wrapped(_polynomials(knots, i, k), shape.functions) for i in spans]
    inner = [(knots[i] - start, knots[i + 1] - knots[i], i - k, one) for i, one in zip(spans, blocks, strict=True)]
    ends = knots[[k, last]] - start
    if not spans:  # a feature that never varied: scikit-learn's answer does not either
        if periodic:
            raise error(
                "E0302", "a feature has a period of 0", help="leave out what never varies: VarianceThreshold", loc=loc
            )
        level = (float(ends[0]), 1.0, 0, np.zeros((k + 1, k + 1)))
        return _as_floats([level], np.zeros(0, np.float32), shape, 0.0, 0.0)
    edges = _float32_not_below(np.array([one[0] for one in inner[1:]]))
    if periodic:
        if (knots[k:] == knots[: len(knots) - k]).any():
            help = "use `knots='uniform'`, or fewer knots"
            raise error("E0302", "its knots repeat, and its functions jump there", help=help, loc=loc)
        return _as_floats(inner, edges, shape, start, float(knots[last] - knots[k]))
    if shape.extrapolation == "continue":
        if knots[k] == knots[k + 1] or knots[last - 1] == knots[last]:
            help = "use `extrapolation='constant'`, or other knots"
            raise error("E0302", "its outer knots repeat: nothing says how it goes on", help=help, loc=loc)
        return _as_floats(inner, edges, shape, 0.0, 0.0)
    below, at_end, above = _at_ends(knots, shape)
    first, highest = _float32_not_below(ends[:1]), float32_not_above(ends[1:])
    outer, end, span = shape.functions - k - 1, float(ends[1]), float(ends[1] - ends[0])
    below[:, 1] *= span  # so that slopes are no smaller than what counts, however large features are
    above[:, 1] *= span
    added = [(end, span, outer, above)]
    edges = np.concatenate([first, edges, np.nextafter(highest, np.float32(np.inf))])
    if knots[last - 1] == knots[last] and highest[0] == end:  # there SciPy takes the last span, which is empty
        added.insert(0, (end, 1.0, outer, at_end))
        edges = np.insert(edges, -1, highest[0])
    return _as_floats([(float(ends[0]), span, 0, below), *inner, *added], edges, shape, 0.0, 0.0)


def _at_ends(knots: Floats, shape: Shape) -> tuple[Floats, Floats, Floats]:
    """The polynomials below all knots, at the last one, and above: of the first functions, and of the last, as scikit-learn
    continues them.
    """
    from scipy.interpolate import BSpline

    k = shape.degree
    spline = BSpline.construct_fast(knots, np.eye(shape.functions), k, extrapolate=False)
    below, at_end, above = np.zeros((3, shape.functions, k + 1))
    at_end[:, 0] = spline(knots[-k - 1])
    for block, at, some in ((below, knots[k], slice(0, k)), (above, knots[-k - 1], slice(shape.functions - k, None))):
        block[some, 0] = spline(at)[some]
        if shape.extrapolation == "linear":
            block[some, 1] = spline(at, nu=1)[some]
    last = shape.functions - k - 1
    return below[: k + 1], at_end[last:], above[last:]


def _polynomials(knots: Floats, span: int, degree: int) -> Floats:
    """The functions that are not 0 between two knots, (functions, powers) of the distance from the first in parts of the span: de
    Boor's recursion.
    """
    start, width = knots[span], knots[span + 1] - knots[span]
    found = {span: np.eye(1, degree + 1)[0]}
    for p in range(1, degree + 1):
        raised: dict[int, Floats] = {}
        for j in range(span - p, span + 1):
            total = np.zeros(degree + 1)
            if j in found:
                total += _times(found[j], start - knots[j], width) / (knots[j + p] - knots[j])
            if j + 1 in found:
                total += _times(found[j + 1], knots[j + p + 1] - start, -width) / (knots[j + p + 1] - knots[j + 1])
            raised[j] = total
        found = raised
    return np.stack([found[j] for j in range(span - degree, span + 1)])


def _wrapped(block: Floats, functions: int) -> Floats:
    """Polynomials (functions, powers) of a period that has fewer functions than are not 0 at a time: the others are these again."""
    found = block[:functions].copy()
    np.add.at(found, np.arange(functions, len(block)) % functions, block[functions:])
    return found


def _times(polynomial: Floats, constant: float, slope: float) -> Floats:
    """A polynomial times constant + slope · u."""
    return np.asarray(constant * polynomial + slope * np.concatenate([[0.0], polynomial[:-1]]))


def _as_floats(
    pieces: list[tuple[float, float, int, Floats]],
    edges: npt.NDArray[np.float32],
    shape: Shape,
    start: float,
    period: float,
) -> Pieces:
    """Pieces (origin, width, first function, polynomials) with origins of float32: where these are too far off, so are the
    polynomials' own.
    """
    origin = np.array([one[0] for one in pieces])
    width, rounded = np.array([one[1] for one in pieces]), origin.astype(np.float32)
    blocks = []
    for i, (at, span, _, block) in enumerate(pieces):
        off = (float(rounded[i]) - at) / span
        moved = _moved(block, off) if abs(off) > NEGLIGIBLE else block
        blocks.append(np.round(moved, DIGITS) if abs(off) <= NEGLIGIBLE else moved)
    first = np.array([one[2] for one in pieces], np.int64)
    return Pieces(edges, rounded, (1 / width).astype(np.float32), first, np.stack(blocks), start, period)


def _moved(block: Floats, by: float) -> Floats:
    """Polynomials (functions, powers) of u + by, as those of u."""
    found = np.zeros_like(block)
    for power in reversed(range(block.shape[1])):
        found = np.stack([_times(one, by, 1.0) for one in found])
        found[:, 0] += block[:, power]
    return found


def _float32_not_below(numbers: Floats) -> npt.NDArray[np.float32]:
    """The smallest float32 that is not below each number."""
    return np.asarray(-float32_not_above(-numbers) + np.float32(0))


def _state(estimator: object, loc: Loc) -> Mapping[str, object]:
    return state_of(estimator, _base(), "bsplines_", loc)


def _base() -> type:
    (base,) = _known()
    return base


@cache
def _known() -> frozenset[type]:
    from sklearn.preprocessing import SplineTransformer

    return frozenset({SplineTransformer})
