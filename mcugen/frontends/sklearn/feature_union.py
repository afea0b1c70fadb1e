"""FeatureUnion: every transformer is given the row, and what they give is put side by side."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cache
from typing import Any, cast

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import refuse, shown
from mcugen.frontends.sklearn.behind_scalers import Scalers, as_behind
from mcugen.frontends.sklearn.column_transformer import Part, side_by_side, weight_of
from mcugen.frontends.sklearn.head import Head, base_of, state_of
from mcugen.frontends.sklearn.pipeline import is_passthrough, within
from mcugen.frontends.sklearn.plain import keeps as keeps_numbers
from mcugen.ir import GraphBuilder

SUPPORTED = ("FeatureUnion",)
TRUSTED = ("sklearn.pipeline.FeatureUnion",)


def takes(estimator: object) -> bool:
    """Whether the estimator is a FeatureUnion, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def exact(estimator: object) -> bool:
    """Whether trees behind it see exactly what scikit-learn's trees see."""
    from mcugen.frontends.sklearn import is_exact

    return all(is_passthrough(one) or is_exact(one) for _, one in members_of(estimator, Loc()))


def keeps(estimator: object) -> bool:
    """Whether none of its transformers works numbers out."""
    members = members_of(estimator, Loc())
    plain = all(is_passthrough(one) or keeps_numbers(one) for _, one in members)
    return plain and not vars(estimator).get("transformer_weights")


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted union says of itself: the features of its first transformer that knows them."""
    from mcugen.frontends.sklearn import head_of

    fitted = [(name, one) for name, one in members_of(estimator, loc) if not is_passthrough(one)]
    if not fitted:
        raise error("E0302", "no transformer of this FeatureUnion does anything", help="leave the step out", loc=loc)
    name, first = fitted[0]
    return Head(_base(), head_of(first, within(loc, name)).n_features, ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """The nodes of each transformer, and a `concat` of what they give."""
    columns, state = np.arange(head.n_features), state_of(estimator, _base(), "transformer_list", loc)
    parts = [Part(name, one, columns, weight_of(name, state, loc)) for name, one in members_of(estimator, loc)]
    return side_by_side(parts, builder, x, loc)


def asked(estimator: Any, plain: bool) -> Any:
    """The union of transformers as references ask them."""
    from mcugen.frontends.sklearn import as_asked

    changed = copy(estimator)
    changed.transformer_list = [(name, as_asked(one, plain)) for name, one in estimator.transformer_list]
    return changed


def behind(estimator: Any, scalers: Scalers, loc: Loc) -> Any:
    """The union of transformers as they are behind scalers."""
    changed = copy(estimator)
    members = estimator.transformer_list
    changed.transformer_list = [(name, as_behind(one, scalers, within(loc, name))) for name, one in members]
    return changed


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, of rows with missing values too where it takes them."""
    from mcugen.frontends.sklearn.composite_reference import CompositeReference

    return CompositeReference(estimator, head)


def members_of(estimator: object, loc: Loc) -> tuple[tuple[str, object], ...]:
    """Its named transformers, without those that drop everything. E0107 where they are none, E0302 where nothing is left."""
    state: Mapping[str, object] = state_of(estimator, _base(), "transformer_list", loc)
    found = state["transformer_list"]
    if not isinstance(found, list | tuple) or not all(
        isinstance(one, tuple | list) and len(one) == 2 and isinstance(one[0], str) for one in found
    ):
        refuse([("transformer_list", f"must be a list of (name, transformer), not {shown(found)}")], loc)
    listed = cast("list[tuple[str, object]]", found)
    kept = tuple((name, one) for name, one in listed if not (isinstance(one, str) and one == "drop"))
    if not kept:
        raise error("E0302", "this FeatureUnion drops everything", help="keep at least one transformer", loc=loc)
    return kept


def _base() -> type:
    (base,) = _known()
    return base


@cache
def _known() -> frozenset[type]:
    from sklearn.pipeline import FeatureUnion

    return frozenset({FeatureUnion})
