"""RandomTreesEmbedding: which leaf of each tree a row reaches, `tree_ensemble`, and a column for each leaf, `one_hot`."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from mcugen.diagnostics import Loc
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import refuse, shown
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.reference import SklearnReference
from mcugen.frontends.sklearn.tree_arrays import TreeArrays, Wanted
from mcugen.frontends.sklearn.tree_members import CHECKS, Member, arrays_in, joined, list_of
from mcugen.frontends.sklearn.tree_members import TRUSTED as TRUSTED_SINGLE
from mcugen.ir import GraphBuilder
from mcugen.ops.one_hot import OneHot
from mcugen.ops.tree_ensemble import TreeEnsemble

SUPPORTED = ("RandomTreesEmbedding",)
TRUSTED = (
    "sklearn.ensemble._forest.RandomTreesEmbedding",
    "sklearn.preprocessing._encoders.OneHotEncoder",
    *TRUSTED_SINGLE,
)
INTEGERS = True


def takes(estimator: object) -> bool:
    """Whether the estimator is scikit-learn's, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def keeps(estimator: object) -> bool:
    """Whole numbers: 0 and 1."""
    return True


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted one says of itself."""
    base, state = _checked(estimator, loc)
    return Head(base, features_of(state, loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """Each leaf as its number among those of its tree, and the column of that number."""
    _, state = _checked(estimator, loc)
    held = enumerate(list_of(state["estimators_"]))
    needed = Wanted(head.n_features, 1, False)
    arrays = arrays_in((Member(f"estimators_[{i}]", one, needed) for i, one in held), loc)
    numbered = [_numbered(one) for one in arrays]
    _check_columns(state.get("one_hot_encoder_"), arrays, loc)
    counts = tuple(int(one.is_leaf.sum()) for one in arrays)
    check_sizes(sum(counts), 0, loc)
    trees = joined(numbered, head.n_features, loc)
    (leaves,) = builder.add(TreeEnsemble(trees, "leaves", x=builder.type_of(x).dtype), x, loc=loc)
    return builder.add(OneHot(counts), leaves, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, as arrays."""
    return SklearnReference(asked(estimator), head)


def asked(estimator: Any, plain: bool = True) -> Any:
    """The same with an encoder that gives arrays, whatever it was fitted to give."""
    dense = copy(estimator)
    dense.n_jobs = 1
    dense.one_hot_encoder_ = copy(estimator.one_hot_encoder_)
    dense.one_hot_encoder_.sparse_output = False
    return dense


def _numbered(arrays: TreeArrays) -> TreeArrays:
    """A tree whose leaves hold their numbers, in the order of its nodes."""
    leaf = arrays.is_leaf
    return replace(arrays, value=np.where(leaf, np.cumsum(leaf) - 1.0, 0.0)[:, np.newaxis])


def _check_columns(encoder: object, arrays: list[TreeArrays], loc: Loc) -> None:
    """E0107 where the encoder's columns are not the trees' leaves, one by one."""
    from sklearn.preprocessing import OneHotEncoder

    state: Mapping[str, object] = vars(encoder) if type(encoder) is OneHotEncoder else {}
    found = state.get("categories_")
    leaves = [np.flatnonzero(one.is_leaf) for one in arrays]
    same = (
        isinstance(found, list | tuple)
        and len(found) == len(leaves)
        and all(isinstance(a, np.ndarray) and np.array_equal(a, b) for a, b in zip(found, leaves, strict=True))
    )
    plain = state.get("drop") is None and state.get("_drop_idx_after_grouping") is None
    plain = plain and state.get("min_frequency") is None and state.get("max_categories") is None
    if not same or not plain:
        refuse([("one_hot_encoder_", "must have a column for each leaf of each tree, and no other")], loc)


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    state = state_of(estimator, base, "estimators_", loc, also=(CHECKS, "apply"))
    if not list_of(state["estimators_"]):
        refuse([("estimators_", f"must be a list of at least one fitted tree, not {shown(state['estimators_'])}")], loc)
    return base, state


@cache
def _known() -> frozenset[type]:
    from sklearn.ensemble import RandomTreesEmbedding

    return frozenset([RandomTreesEmbedding])
