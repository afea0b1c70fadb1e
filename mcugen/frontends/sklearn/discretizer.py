"""KBinsDiscretizer: `lookup` of the bin, and `one_hot` behind it.

Edges are what they are, and the answers scikit-learn's to rows of float32. Only an edge on which numbers of the training may lie
(percentiles, and short decimals) is the float32 that such a number becomes, or what scalers make of that: what lies on it stays there.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn import encoders
from mcugen.frontends.sklearn.attributes import flag, numbers_of, refuse, shown
from mcugen.frontends.sklearn.behind_scalers import Scalers, as_floats, decimals
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.plain import computed_by
from mcugen.ir import GraphBuilder
from mcugen.ops.lookup import MAX_POINTS, Lookup
from mcugen.ops.one_hot import OneHot

SUPPORTED = ("KBinsDiscretizer",)
TRUSTED = (
    "sklearn.preprocessing._discretization.KBinsDiscretizer",
    "sklearn.preprocessing._encoders.OneHotEncoder",
)

LARGEST = float(np.finfo(np.float32).max)
PICKING = ("inverted_cdf", "averaged_inverted_cdf")  # percentiles that are numbers of the training, or the mean of two
NOISE = 2.0**-20  # of a step: a number beside a float by what float64 rounds, as that of a row may be
APART = 4096  # steps of float32 between edges: hardly two numbers of the training become the same
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def takes(estimator: object) -> bool:
    """Whether the estimator is a KBinsDiscretizer, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def exact(estimator: object) -> bool:
    """Whether trees behind it see exactly what scikit-learn's trees see."""
    return True


def keeps(estimator: object) -> bool:
    """It gives whole numbers."""
    return True


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted discretizer says of itself."""
    return Head(_base(), features_of(_state(estimator, loc), loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A node `lookup` of the bins' numbers, and a node `one_hot` behind it where it is asked for."""
    state = _state(estimator, loc)
    edges = _edges(state, head.n_features, loc)
    if not computed_by(builder, x):
        edges = _of_floats(edges, state, Scalers())
    beyond = [np.abs(inner).max(initial=0.0) > LARGEST for inner in edges]
    refuse((("bin_edges_", f"those of feature {i} are beyond a C float") for i in np.flatnonzero(beyond)), loc)
    encode = state.get("encode")
    if not isinstance(encode, str) or encode not in ("onehot", "onehot-dense", "ordinal"):
        refuse([("encode", f"must be 'onehot', 'onehot-dense' or 'ordinal', not {shown(encode)}")], loc)
    # A bin begins on its edge, and one of the op's behind a point: the last number below the edge.
    points = tuple(np.nextafter(inner, -np.inf) for inner in edges)
    places = tuple(np.arange(len(inner) + 1.0)[:, np.newaxis] for inner in edges)
    bins = builder.add(Lookup(points, places, np.array([inner[-1] for inner in places])), x, loc=loc)
    if encode == "ordinal":
        return bins
    _check_encoder(state, [len(one) for one in places], loc.within("_encoder"))
    check_sizes(sum(map(len, places)), 0, loc)
    return builder.add(OneHot(tuple(map(len, places))), *bins, loc=loc)


def asked(estimator: Any, plain: bool) -> Any:
    """The discretizer that gives plain arrays; with edges as `build` has them where its rows are plain."""
    changed = copy(estimator)
    if plain:
        inner = [one[1:-1] for one in estimator.bin_edges_]
        changed.bin_edges_ = _with_outer(_of_floats(inner, vars(estimator), Scalers()))
    if "_encoder" in vars(estimator):
        changed._encoder = copy(estimator._encoder)
        changed._encoder.sparse_output = False
    return changed


def behind(estimator: Any, scalers: Scalers, loc: Loc) -> Any:
    """The discretizer behind scalers of rows of float32."""
    state = _state(estimator, loc)
    changed = copy(estimator)
    changed.bin_edges_ = _with_outer(_of_floats(_edges(state, features_of(state, loc), loc), state, scalers))
    return changed


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers."""
    from mcugen.frontends.sklearn.composite_reference import CompositeReference

    return CompositeReference(estimator, head)


def _check_encoder(state: Mapping[str, object], counts: list[int], loc: Loc) -> None:
    """E0107 where the encoder of the bins' numbers does not give each bin a column."""
    held = state.get("_encoder")
    if not encoders.takes(held) or encoders.head(held, loc).base.__name__ != "OneHotEncoder":
        refuse([("", f"must be an OneHotEncoder, not {shown(held)}")], loc)
    own = vars(held)
    found = [one.tolist() for one in encoders.categories_of(own, len(counts), loc)]
    plain = own.get("drop_idx_") is None and not flag(own, "_infrequent_enabled", loc)
    if not plain or found != [list(range(count)) for count in counts]:
        refuse([("", "must have a column for each bin")], loc)


def _edges(state: Mapping[str, object], n: int, loc: Loc) -> list[Floats]:
    """The edges between each feature's bins, as numbers that rise."""
    found, counts = state.get("bin_edges_"), state.get("n_bins_")
    if not isinstance(found, np.ndarray) or found.dtype != object or found.shape != (n,):
        refuse([("bin_edges_", f"must be an array of {n} arrays, not {shown(found)}")], loc)
    if not isinstance(counts, np.ndarray) or counts.dtype.kind not in "iu" or counts.shape != (n,):
        refuse([("n_bins_", f"must be an array of {n} whole numbers, not {shown(counts)}")], loc)
    sizes = [int(count) for count in cast("npt.NDArray[np.int64]", counts)]
    refuse((("n_bins_", f"feature {i} has {count} bins") for i, count in enumerate(sizes) if count < 1), loc)
    if sum(sizes) > MAX_POINTS:
        text = f"{sum(sizes):,} bins; the generated C takes {MAX_POINTS:,} at most"
        raise error("E0303", text, help="use fewer: `n_bins`", loc=loc)
    inner = []
    for one, count in zip(cast("npt.NDArray[Any]", found), sizes, strict=True):
        inner.append(_finite(one, count, loc)[1:-1])
    refuse(
        (("bin_edges_", f"those of feature {i} must rise") for i, one in enumerate(inner) if (np.diff(one) < 0).any()),
        loc,
    )
    return inner


def _of_floats(edges: list[Floats], state: Mapping[str, object], scalers: Scalers) -> list[Floats]:
    """Edges (n,) of each feature, those on which numbers of the training may lie so that the floats that stand for these stay on their
    side: short decimals, and of percentiles what lies apart.

    Else an edge may be what lies between two numbers, or beside one by what float64 rounds, and a row be on another side.
    """
    before = scalers.before(edges)
    short = [decimals(one) for one in before]
    strategy, method = (str(state.get(name)) for name in ("strategy", "quantile_method"))
    drawn = strategy == "quantile"
    own = [_lies_apart(one) & np.isnan(near) & drawn for one, near in zip(before, short, strict=True)]
    numbers = [np.where(sure, one, near) for one, near, sure in zip(before, short, own, strict=True)]
    if drawn and method in PICKING:
        own = [as_floats(one) != one for one in numbers]
    held = scalers.of([as_floats(one) for one in numbers])
    return [_moved(*each) for each in zip(edges, own, scalers.of(numbers), held, strict=True)]


def _moved(edges: Floats, own: Mask, on: Floats, held: Floats) -> Floats:
    """Edges (n,), with what becomes of numbers of the training, and of their floats; `own` says which edges are such numbers."""
    moved = np.where(own | (on >= edges), np.minimum(edges, held), np.maximum(edges, np.nextafter(held, np.inf)))
    return np.asarray(np.maximum.accumulate(np.where(np.isnan(held), edges, moved)), np.float64)


def _lies_apart(edges: Floats) -> Mask:
    """Which edges (n,) are neither next to another, nor a float, nor half way between two."""
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = edges.astype(np.float32)
        above = np.nextafter(nearest, np.float32(np.inf)).astype(np.float64)
        step = above - nearest
        apart = np.minimum(np.diff(edges, prepend=-np.inf), np.diff(edges, append=np.inf)) >= APART * step
        halfway = edges - nearest == above - edges
        return np.asarray(apart & ~halfway & (edges - nearest > NOISE * step))


def _with_outer(edges: list[Floats]) -> npt.NDArray[Any]:
    """Inner edges of each feature, as scikit-learn has them: with outer ones, that nothing asks for."""
    found = np.array([None] * len(edges), object)
    for i, inner in enumerate(edges):
        found[i] = np.concatenate([[-np.inf], inner, [np.inf]])
    return found


def _finite(one: object, count: int, loc: Loc) -> Floats:
    """The edges of a feature; the outer two of a constant feature are infinite, and nothing asks for them."""
    if isinstance(one, np.ndarray) and one.dtype.kind == "f" and one.shape == (count + 1,):
        one = np.concatenate([[0.0], one[1:-1], [0.0]])
    return numbers_of({"bin_edges_": one}, "bin_edges_", (count + 1,), loc)


def _state(estimator: object, loc: Loc) -> Mapping[str, object]:
    return state_of(estimator, _base(), "bin_edges_", loc)


def _base() -> type:
    (base,) = _known()
    return base


@cache
def _known() -> frozenset[type]:
    from sklearn.preprocessing import KBinsDiscretizer

    return frozenset({KBinsDiscretizer})
