"""Normalizer and Binarizer, which learn nothing but the number of features: ops of their names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import cast

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output
from mcugen.frontends.sklearn.attributes import numbers_of, refuse, shown
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.ir import GraphBuilder
from mcugen.ops.binarize import Binarize
from mcugen.ops.normalize import Norm, Normalize

SUPPORTED = ("Binarizer", "Normalizer")
TRUSTED = tuple(f"sklearn.preprocessing._data.{name}" for name in SUPPORTED)

_BEYOND = float(np.finfo(np.float32).max)


def takes(estimator: object) -> bool:
    """Whether the estimator is one of them, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def exact(estimator: object) -> bool:
    """Whether trees behind it see exactly what scikit-learn's trees see: a norm is of the whole row."""
    base = base_of(estimator, _known())
    return base is not None and base.__name__ == "Binarizer"


def keeps(estimator: object) -> bool:
    """A Binarizer gives whole numbers."""
    return exact(estimator)


def head(estimator: object, loc: Loc) -> Head:
    """What one says of itself."""
    base, state = _checked(estimator, loc)
    return Head(base, features_of(state, loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A node `binarize` or `normalize`."""
    _, state = _checked(estimator, loc)
    op = _normalize(state, head, loc) if head.base.__name__ == "Normalizer" else _binarize(state, head, loc)
    return builder.add(op, x, loc=loc)


def _normalize(state: Mapping[str, object], head: Head, loc: Loc) -> Normalize:
    norm = state.get("norm")
    if not isinstance(norm, str) or norm not in ("l1", "l2", "max"):
        refuse([("norm", f"must be 'l1', 'l2' or 'max', not {shown(norm)}")], loc)
    return Normalize(head.n_features, cast(Norm, norm))


def _binarize(state: Mapping[str, object], head: Head, loc: Loc) -> Binarize:
    threshold = float(numbers_of(state, "threshold", (), loc))
    if abs(threshold) > _BEYOND:
        text = f"the threshold {threshold:g} is beyond what a C float holds"
        raise error("E0303", text, help="use one that the features can reach", loc=loc)
    return Binarize(head.n_features, threshold)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "n_features_in_", loc)


@cache
def _known() -> frozenset[type]:
    from sklearn import preprocessing

    return frozenset(getattr(preprocessing, name) for name in SUPPORTED)
