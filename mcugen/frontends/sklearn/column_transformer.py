"""ColumnTransformer: picked columns go through each transformer, and what these give is put side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import numbers_of, refuse, shown, whole
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.frontends.sklearn.pipeline import check_width, is_passthrough, within
from mcugen.frontends.sklearn.plain import keeps as keeps_numbers
from mcugen.ir import GraphBuilder
from mcugen.ops.affine import Affine
from mcugen.ops.concat import MOST, Concat
from mcugen.ops.gather import Gather

SUPPORTED = ("ColumnTransformer",)
TRUSTED = ("sklearn.compose._column_transformer.ColumnTransformer",)


@dataclass(frozen=True)
class Part:
    """One of its transformers that does something: its columns, and its weight."""

    name: str
    transformer: object
    columns: npt.NDArray[np.int64]
    weight: float


def takes(estimator: object) -> bool:
    """Whether the estimator is a ColumnTransformer, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def exact(estimator: object) -> bool:
    """Whether trees behind it see exactly what scikit-learn's trees see."""
    from mcugen.frontends.sklearn import is_exact

    parts = parts_of(estimator, Loc())
    return all(is_passthrough(part.transformer) or is_exact(part.transformer) for part in parts)


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted ColumnTransformer says of itself."""
    state = _state(estimator, loc)
    return Head(_base(), features_of(state, loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A `gather` and its own nodes for each transformer, and a `concat` of what they give."""
    return side_by_side(parts_of(estimator, loc), builder, x, loc)


def side_by_side(parts: Sequence[Part], builder: GraphBuilder, x: str, loc: Loc) -> tuple[str]:
    """What transformers give of their columns of a row, in one vector."""
    made = [_built(part, builder, x, loc) for part in parts]
    while len(made) > 1:
        groups = [made[i : i + MOST] for i in range(0, len(made), MOST)]
        made = [builder.add(Concat(), *group, loc=loc)[0] if len(group) > 1 else group[0] for group in groups]
    return (made[0],)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, of rows with missing values too where it takes them."""
    from mcugen.frontends.sklearn.composite_reference import CompositeReference

    return CompositeReference(estimator, head)


def keeps(estimator: object) -> bool:
    """Whether none of its transformers works numbers out."""
    parts = parts_of(estimator, Loc())
    return all(
        part.weight == 1 and (is_passthrough(part.transformer) or keeps_numbers(part.transformer)) for part in parts
    )


def asked(estimator: Any, plain: bool) -> Any:
    """The same that names its columns by number and gives plain arrays: rows here are arrays without names."""
    from mcugen.frontends.sklearn import as_asked

    changed = copy(estimator)
    numbers = estimator._transformer_to_input_indices
    changed.transformers_ = [
        (name, as_asked(one, plain), list(numbers[name]) if name in numbers else columns)
        for name, one, columns in estimator.transformers_
    ]
    vars(changed).pop("feature_names_in_", None)
    changed.sparse_output_ = False
    return changed


def _built(part: Part, builder: GraphBuilder, row: str, loc: Loc) -> str:
    from mcugen.frontends.sklearn import build_estimator, head_of

    place = within(loc, part.name)
    width = builder.type_of(row).size
    everything = len(part.columns) == width and bool((part.columns == np.arange(width)).all())
    made = row if everything and not is_passthrough(part.transformer) else _gathered(part, builder, row, place)
    if not is_passthrough(part.transformer):
        inner = head_of(part.transformer, place)
        if "transform" not in inner.outputs:
            text = f"a {inner.name} transforms nothing"
            raise error("E0302", text, help="only transformers stand side by side", loc=place)
        check_width(inner, len(part.columns), place)
        (made,) = build_estimator(part.transformer, inner, "transform", builder, made, place)
    if part.weight == 1:
        return made
    size = builder.type_of(made).size
    return builder.add(Affine(np.zeros(size), np.ones(size), np.full(size, part.weight)), made, loc=place)[0]


def _gathered(part: Part, builder: GraphBuilder, row: str, loc: Loc) -> str:
    return builder.add(Gather(builder.type_of(row).size, part.columns), row, loc=loc)[0]


def parts_of(estimator: object, loc: Loc) -> tuple[Part, ...]:
    """Its fitted transformers, without those that drop their columns or have none."""
    state = _state(estimator, loc)
    found = state["transformers_"]
    if not isinstance(found, list | tuple) or not all(_is_entry(one) for one in found):
        refuse([("transformers_", f"must be a list of (name, transformer, columns), not {shown(found)}")], loc)
    features = features_of(state, loc)
    parts = tuple(_parts(cast("list[tuple[str, object, object]]", found), state, features, loc))
    if not parts:
        raise error("E0302", "this ColumnTransformer drops every column", help="keep at least one", loc=loc)
    return parts


def _parts(
    found: list[tuple[str, object, object]], state: Mapping[str, object], features: int, loc: Loc
) -> Iterator[Part]:
    for name, transformer, columns in found:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        indices = _columns(name, columns, state, features, loc)
        if len(indices):
            yield Part(name, transformer, indices, weight_of(name, state, loc))


def _columns(name: str, asked: object, state: Mapping[str, object], features: int, loc: Loc) -> npt.NDArray[np.int64]:
    """The columns as numbers: as `fit` resolved them."""
    resolved = state.get("_transformer_to_input_indices")
    found = resolved.get(name) if isinstance(resolved, dict) else None
    if found is None:
        found = asked
    if isinstance(found, range | tuple | np.ndarray):
        found = [*found]
    if not isinstance(found, list) or any(whole(i) is None for i in found):
        text = f"its columns must be numbers that `fit` has resolved, not {shown(asked)}"
        refuse([(name, text)], loc)
    indices = np.array([whole(i) for i in cast("list[object]", found)], np.int64)
    refuse(((name, f"column {i} of {features}") for i in indices if not -features <= i < features), loc)
    return np.where(indices < 0, indices + features, indices)


def weight_of(name: str, state: Mapping[str, object], loc: Loc) -> float:
    """What a transformer's numbers are multiplied with."""
    weights = state.get("transformer_weights")
    if weights is None:
        return 1.0
    if not isinstance(weights, dict):
        refuse([("transformer_weights", f"must be a dict, not {shown(weights)}")], loc)
    weight = float(
        numbers_of(
            {"transformer_weights": cast("dict[str, object]", weights).get(name, 1.0)}, "transformer_weights", (), loc
        )
    )
    if not 1e-30 < weight < 1e30:
        text = f"the weight of {shown(name)} is {weight:g}; the C takes positive ones"
        raise error("E0302", text, help="leave the weight out, or use one from 1e-30 to 1e30", loc=loc)
    return weight


def _is_entry(one: object) -> bool:
    return isinstance(one, tuple | list) and len(one) == 3 and isinstance(one[0], str)


def _state(estimator: object, loc: Loc) -> Mapping[str, object]:
    return state_of(estimator, _base(), "transformers_", loc)


def _base() -> type:
    (base,) = _known()
    return base


@cache
def _known() -> frozenset[type]:
    from sklearn.compose import ColumnTransformer

    return frozenset({ColumnTransformer})
