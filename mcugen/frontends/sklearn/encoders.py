"""OneHotEncoder, OrdinalEncoder and TargetEncoder of numbers: `lookup`, and `one_hot` behind it.

Rows are float32, so a category is the float32 next to it. scikit-learn raises for a category that it does not know unless it was told
what to do; the C then gives what `handle_unknown="ignore"` gives, or -1 as its number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import Problem, flag, numbers_of, refuse, shown, whole, word
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.plain import computed_by
from mcugen.ir import GraphBuilder
from mcugen.ops.gather import Gather
from mcugen.ops.lookup import MAX_POINTS, Lookup
from mcugen.ops.one_hot import OneHot

SUPPORTED = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
TRUSTED = (
    "sklearn.preprocessing._encoders.OneHotEncoder",
    "sklearn.preprocessing._encoders.OrdinalEncoder",
    "sklearn.preprocessing._target_encoder.TargetEncoder",
)
UNKNOWN = {
    "OneHotEncoder": ("error", "ignore", "infrequent_if_exist", "warn"),
    "OrdinalEncoder": ("error", "use_encoded_value"),
}
NONE = -1.0  # the number of a category that is not known, or has no column
LARGEST = float(np.finfo(np.float32).max)

State = Mapping[str, object]
Floats = npt.NDArray[np.float64]


def takes(estimator: object) -> bool:
    """Whether the estimator is one of them, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def exact(estimator: object) -> bool:
    """Whether trees behind it see exactly what scikit-learn's trees see."""
    return True


def keeps(estimator: object) -> bool:
    """An OneHotEncoder and an OrdinalEncoder give whole numbers."""
    return not hasattr(estimator, "target_mean_")


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted encoder says of itself."""
    base, state = _checked(estimator, loc)
    return Head(base, features_of(state, loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A node `lookup`: of an OneHotEncoder the columns' numbers, with a node `one_hot` behind it."""
    _, state = _checked(estimator, loc)
    _check_source(builder, x, loc)
    categories = categories_of(state, head.n_features, loc)
    if head.base.__name__ == "OrdinalEncoder":
        return builder.add(_ordinal(state, categories, loc), x, loc=loc)
    if head.base.__name__ == "TargetEncoder":
        return builder.add(_target(state, categories, loc), x, loc=loc)
    op, counts = _one_hot(state, categories, loc)
    kept = np.flatnonzero(counts)
    if not len(kept):
        raise error("E0302", "this OneHotEncoder drops every category", help="leave the step out", loc=loc)
    check_sizes(int(counts.sum()), 0, loc)
    (places,) = builder.add(op, x, loc=loc)
    if len(kept) < len(counts):
        (places,) = builder.add(Gather(len(counts), kept), places, loc=loc)
    return builder.add(OneHot(tuple(counts[kept].tolist())), places, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, of rows with missing values and unknown categories too."""
    from mcugen.frontends.sklearn.composite_reference import CompositeReference

    return CompositeReference(estimator, head)


def asked(estimator: Any, plain: bool) -> Any:
    """The encoder over categories of float32, which does with unknown ones what the C does, and gives plain arrays."""
    changed = copy(estimator)
    changed.__class__ = _rounding(type(estimator))
    with np.errstate(over="ignore"):
        rounded = [np.asarray(one, np.float64).astype(np.float32) for one in estimator.categories_]
    changed.categories_ = [one.astype(np.float64) for one in rounded]
    changed.dtype, changed.sparse_output = np.float64, False
    if getattr(changed, "handle_unknown", None) == "error":
        one_hot = hasattr(changed, "drop")
        changed.handle_unknown, changed.unknown_value = ("ignore", None) if one_hot else ("use_encoded_value", NONE)
    return changed


def _rounding(cls: Any) -> type:
    """A class of encoders that round what they are given to float32, as an imputer's numbers in front of them are in the C."""

    def check(self: Any, rows: Any, ensure_all_finite: Any = True) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = np.asarray(rows, np.float64).astype(np.float32).astype(np.float64)
        return cls._check_X(self, rounded, ensure_all_finite=ensure_all_finite)

    return type(cls.__name__, (cls,), {"_check_X": check, "__module__": cls.__module__})


# ---- what stands for a category --------------------------------------------------------------------------------------


def _ordinal(state: State, categories: list[Floats], loc: Loc) -> Lookup:
    known = _unknown(state, "OrdinalEncoder", loc) == "use_encoded_value"
    unknown = _number(state, "unknown_value", loc) if known else NONE
    missing = _number(state, "encoded_missing_value", loc)
    codes = [code.astype(np.float64) for code in _groups(state, categories, loc)]
    for code, one in zip(codes, categories, strict=True):
        code[np.isnan(one)] = missing
    return _lookup(categories, [code[:, np.newaxis] for code in codes], np.full((len(codes), 1), unknown))


def _one_hot(state: State, categories: list[Floats], loc: Loc) -> tuple[Lookup, npt.NDArray[np.int64]]:
    """The column of each category, NONE where it has none, and how many columns each feature has."""
    groups = _groups(state, categories, loc)
    counts = np.array([group.max() + 1 for group in groups], np.int64)
    unknown = np.full(len(groups), NONE)
    if _unknown(state, "OneHotEncoder", loc) in ("infrequent_if_exist", "warn"):
        for i, rare in enumerate(_infrequent(state, categories, loc)):
            unknown[i] = NONE if rare is None else groups[i][rare]
    columns = [group.astype(np.float64) for group in groups]
    for i, dropped in enumerate(_dropped(state, counts, loc)):
        if dropped is not None:
            columns[i], unknown[i] = _without(columns[i], dropped), _without(unknown[i], dropped)
            counts[i] -= 1
    return _lookup(categories, [one[:, np.newaxis] for one in columns], unknown[:, np.newaxis]), counts


def _unknown(state: State, name: str, loc: Loc) -> str:
    """What is done with an unknown category."""
    found = word(state, "handle_unknown", loc)
    refuse(
        [] if found in UNKNOWN[name] else [("handle_unknown", f"must be one of scikit-learn's, not {shown(found)}")],
        loc,
    )
    return found


def _without(columns: npt.ArrayLike, dropped: int) -> Any:
    """Numbers of columns where one is left out."""
    found = np.asarray(columns)
    return np.where(found == dropped, NONE, found - (found > dropped))


def _target(state: State, categories: list[Floats], loc: Loc) -> Lookup:
    kind = word(state, "target_type_", loc)
    mean = state.get("target_mean_")
    several = kind == "multiclass"
    outputs = len(mean) if several and isinstance(mean, np.ndarray) and mean.ndim == 1 and len(mean) else 1
    means = numbers_of(state, "target_mean_", (outputs,) if several else (), loc).reshape(outputs)
    found = state.get("encodings_")
    if not isinstance(found, list) or len(found) != outputs * len(categories):
        refuse([("encodings_", f"must be a list of {outputs * len(categories)} arrays, not {shown(found)}")], loc)
    columns = [
        numbers_of({"encodings_": one}, "encodings_", (len(categories[i // outputs]),), loc)
        for i, one in enumerate(cast("list[object]", found))
    ]
    values = [np.stack(columns[i * outputs : (i + 1) * outputs], axis=1) for i in range(len(categories))]
    return _lookup(categories, values, np.tile(means, (len(categories), 1)))


def _lookup(categories: list[Floats], values: list[Floats], unknown: Floats) -> Lookup:
    """The op; a missing value is a category, the last one, or unknown."""
    missing = [
        one[-1] if np.isnan(category[-1]) else other
        for category, one, other in zip(categories, values, unknown, strict=True)
    ]
    numbers = [category[~np.isnan(category)] for category in categories]
    kept = [one[: len(number)] for one, number in zip(values, numbers, strict=True)]
    # A feature that was always missing has no category; -inf, which no row is, keeps its place.
    numbers = [one if len(one) else np.array([-np.inf]) for one in numbers]
    kept = [one if len(one) else other[np.newaxis] for one, other in zip(kept, unknown, strict=True)]
    return Lookup(tuple(numbers), tuple(kept), np.array(missing), unknown)


# ---- what is in the estimator ----------------------------------------------------------------------------------------


def categories_of(state: State, features: int, loc: Loc) -> list[Floats]:
    """Each feature's categories as float32 numbers that rise, NaN last. E0302 for texts, E0303 for two that are one float32."""
    found = state.get("categories_")
    if not isinstance(found, list) or len(found) != features or any(not _is_column(one) for one in found):
        refuse([("categories_", f"must be a list of {features} arrays, not {shown(found)}")], loc)
    made = [_numbers(cast("npt.NDArray[Any]", one), loc) for one in cast("list[object]", found)]
    if sum(map(len, made)) > MAX_POINTS:
        text = f"{sum(map(len, made)):,} categories; the generated C takes {MAX_POINTS:,} at most"
        raise error("E0303", text, help="group rare ones: `min_frequency` or `max_categories`", loc=loc)
    refuse(_out_of_order(made), loc)
    return made


def _numbers(column: npt.NDArray[Any], loc: Loc) -> Floats:
    plain = column.dtype.kind in "fiub" or all(isinstance(v, int | float | np.number | np.bool_) for v in column)
    if not plain:
        text = f"the category {shown(next(v for v in column if not isinstance(v, int | float)))} is no number"
        help = "the C takes rows of numbers: give every category one before `fit`, and in your sketch (pandas: `.cat.codes`)"
        raise error("E0302", text, help=help, loc=loc.within("categories_"))
    exact = column.astype(np.float64)
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    if len({*rounded.tolist()}) < len({*exact.tolist()}) or np.isinf(rounded).any():
        text = f"some of its categories, from {shown(exact[0])} on, are the same number, or infinite, in a C float"
        raise error("E0303", text, help="number the categories from 0 on before `fit`, and in your sketch", loc=loc)
    return rounded.astype(np.float64)


def _is_column(one: object) -> bool:
    return isinstance(one, np.ndarray) and one.ndim == 1 and len(one) > 0


def _out_of_order(categories: list[Floats]) -> Iterator[Problem]:
    for i, one in enumerate(categories):
        if not (np.diff(one[~np.isnan(one)]) > 0).all() or np.isnan(one[:-1]).any():
            yield "categories_", f"must rise, with NaN at the end; those of feature {i} do not"


def _groups(state: State, categories: list[Floats], loc: Loc) -> list[npt.NDArray[np.int64]]:
    """The number of each category: its place, or its group's where rare ones are put together."""
    plain = [np.arange(len(one)) for one in categories]
    if not flag(state, "_infrequent_enabled", loc):
        return plain
    name = "_default_to_infrequent_mappings"
    found = _listed(state, name, len(categories), loc)
    groups = []
    for own, column, one in zip(plain, categories, found, strict=True):
        aside = np.isnan(column[-1]) and isinstance(one, np.ndarray) and one.shape == (len(own) - 1,)
        kept = own[: len(own) - aside]  # an OrdinalEncoder sets what is missing aside
        groups.append(np.r_[kept if one is None else _whole(one, name, len(kept), loc), own[len(kept) :]])
    return groups


def _infrequent(state: State, categories: list[Floats], loc: Loc) -> list[int | None]:
    """A category of each feature that is in the group of rare ones; None where there is no such group."""
    if not flag(state, "_infrequent_enabled", loc):
        return [None] * len(categories)
    found = _listed(state, "_infrequent_indices", len(categories), loc)
    return [
        None if one is None else int(_whole(one, "_infrequent_indices", None, loc, len(own))[0])
        for own, one in zip(categories, found, strict=True)
    ]


def _dropped(state: State, counts: npt.NDArray[np.int64], loc: Loc) -> list[int | None]:
    """The group of each feature that has no column."""
    name = "_drop_idx_after_grouping"
    if state.get(name) is None:
        return [None] * len(counts)
    found = state[name]
    listed = _listed(
        {name: list(found) if isinstance(found, np.ndarray) and found.ndim else found}, name, len(counts), loc
    )
    numbers = [None if one is None else whole(one) for one in listed]
    bad = [
        one
        for one, number, n in zip(listed, numbers, counts, strict=True)
        if one is not None and not 0 <= (-1 if number is None else number) < n
    ]
    refuse(((name, f"{shown(one)} is the number of no category") for one in bad), loc)
    return numbers


def _whole(found: object, name: str, count: int | None, loc: Loc, below: int = 0) -> npt.NDArray[np.int64]:
    """Whole numbers from 0 on, as many as asked for, or at least one."""
    good = isinstance(found, np.ndarray) and found.dtype.kind in "iu" and found.ndim == 1 and len(found) > 0
    if good:
        array = cast("npt.NDArray[np.int64]", found)
        good = (count is None or len(array) == count) and array.min() >= 0 and array.max() < (below or len(array))
    refuse([] if good else [(name, "must be numbers of the feature's categories")], loc)
    return np.asarray(found, np.int64)


def _listed(state: State, name: str, count: int, loc: Loc) -> list[object]:
    found = state.get(name)
    if not isinstance(found, list) or len(found) != count:
        refuse([(name, f"must be a list of {count}, not {shown(found)}")], loc)
    return cast("list[object]", found)


def _number(state: State, name: str, loc: Loc) -> float:
    """A number that a float32 is, or NaN."""
    found = state.get(name)
    good = isinstance(found, int | float | np.number) and not isinstance(found, bool)
    if not good or abs(float(cast(float, found))) > LARGEST:
        refuse([(name, f"must be a number that a C float holds, not {shown(found)}")], loc)
    return float(cast(float, found))


def _check_source(builder: GraphBuilder, x: str, loc: Loc) -> None:
    """E0302 where numbers are encoded that a step works out: as float32 they are no category's."""
    maker = computed_by(builder, x)
    if maker:
        text = f"it encodes numbers that a step in front of it works out ({maker}), which no float32 is exactly"
        raise error("E0302", text, help="encode first: a ColumnTransformer takes the columns apart", loc=loc)


def _checked(estimator: object, loc: Loc) -> tuple[type, State]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "categories_", loc)


@cache
def _known() -> frozenset[type]:
    from sklearn import preprocessing

    return frozenset(getattr(preprocessing, name) for name in SUPPORTED)
