"""KBinsDiscretizer: `lookup` of the bin, and `one_hot` behind it.

Its edges often are numbers of its training, and rows are float32: an edge is the float32 that such a number becomes, so that what
lies on it stays there. Behind a step that works numbers out, edges are what they are, and scikit-learn's answers are those to rows
of float32.
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
from mcugen.frontends.sklearn.attributes import numbers_of, refuse, shown
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
NOISE = 2.0**-50  # of an edge: what float64 rounds where it is worked out


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
        edges = [as_singles(inner) for inner in edges]
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
    check_sizes(sum(map(len, places)), 0, loc)
    return builder.add(OneHot(tuple(map(len, places))), *bins, loc=loc)


def asked(estimator: Any, plain: bool) -> Any:
    """The discretizer that gives plain arrays, of float32 where its rows are plain."""
    changed = copy(estimator)
    if plain:
        changed.dtype, changed.bin_edges_ = np.float32, np.array([None] * len(estimator.bin_edges_), object)
        for i, one in enumerate(estimator.bin_edges_):
            changed.bin_edges_[i] = np.concatenate([one[:1], as_singles(one[1:-1]), one[-1:]])
    if "_encoder" in vars(estimator):
        changed._encoder = copy(estimator._encoder)
        changed._encoder.sparse_output = False
    return changed


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers."""
    from mcugen.frontends.sklearn.composite_reference import CompositeReference

    return CompositeReference(estimator, head)


def _edges(state: Mapping[str, object], n: int, loc: Loc) -> list[npt.NDArray[np.float64]]:
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


def as_singles(edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The float32 that numbers on an edge become; the next one where the edge is rounded up from a shorter number, which is below."""
    with np.errstate(over="ignore"):
        nearest = edges.astype(np.float32)
        above = np.nextafter(nearest, np.float32(np.inf))
    written = np.array([float(str(one)) for one in nearest])
    below = (written < edges) & (edges - written <= NOISE * np.abs(edges))
    return np.where(below, above, nearest).astype(np.float64)


def _finite(one: object, count: int, loc: Loc) -> npt.NDArray[np.float64]:
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
