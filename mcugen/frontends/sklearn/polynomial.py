"""PolynomialFeatures: the op `polynomial`, and a `gather` where lower degrees are left out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import cast

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output
from mcugen.frontends.sklearn.attributes import flag, refuse, shown, whole
from mcugen.frontends.sklearn.head import MAX_FEATURES, Head, base_of, features_of, state_of
from mcugen.ir import GraphBuilder
from mcugen.ops.gather import Gather
from mcugen.ops.polynomial import Polynomial, terms

SUPPORTED = ("PolynomialFeatures",)
TRUSTED = ("sklearn.preprocessing._polynomial.PolynomialFeatures",)

MAX_DEGREE = 255


def takes(estimator: object) -> bool:
    """Whether the estimator is a PolynomialFeatures, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What one says of itself."""
    return Head(_base(), features_of(_state(estimator, loc), loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """All terms up to the highest degree, of which those that are wanted are picked."""
    state = _state(estimator, loc)
    n, (least, most) = head.n_features, _degrees(state, loc)
    interaction_only, bias = flag(state, "interaction_only", loc), flag(state, "include_bias", loc)
    _check_count(n, most, interaction_only, loc)
    op = Polynomial(n, most, interaction_only)
    left_out = terms(n, least - 1, interaction_only) if least > 0 else 1
    kept = np.array([*([0] if bias else []), *range(left_out, op.height)], np.int64)
    full = op.height if bias else op.height - 1
    for name, count in (("n_output_features_", len(kept)), ("_n_out_full", full)):
        given = whole(state.get(name))
        if given is not None and given != count:
            refuse([(name, f"is {given}; its degrees give {count}")], loc)
    if not len(kept):
        raise error("E0302", "this PolynomialFeatures gives nothing", help="use `degree=1` or more", loc=loc)
    (made,) = builder.add(op, x, loc=loc)
    return (made,) if len(kept) == op.height else builder.add(Gather(op.height, kept), made, loc=loc)


def _state(estimator: object, loc: Loc) -> Mapping[str, object]:
    return state_of(estimator, _base(), "n_features_in_", loc)


def _degrees(state: Mapping[str, object], loc: Loc) -> tuple[int, int]:
    degree = state.get("degree")
    pair = degree if isinstance(degree, tuple | list) and len(degree) == 2 else (0, degree)
    found = tuple(whole(one) for one in pair)
    if None in found or not 0 <= cast(int, found[0]) <= cast(int, found[1]):
        refuse([("degree", f"must be a whole number, or two, not {shown(degree)}")], loc)
    return cast(tuple[int, int], found)


def _check_count(n: int, degree: int, interaction_only: bool, loc: Loc) -> None:
    """E0303 for more terms than the C counts, before any of them is made."""
    known = min(degree, n) if interaction_only else degree
    count = terms(n, known, interaction_only) if known <= MAX_DEGREE else MAX_FEATURES + 1
    if count > MAX_FEATURES or degree > MAX_DEGREE:
        text = f"degree {degree} of {n} features gives {'over ' if count > MAX_FEATURES else ''}{min(count, MAX_FEATURES):,} terms"
        help = f"the generated C takes degrees up to {MAX_DEGREE} and {MAX_FEATURES:,} terms: use a smaller degree"
        raise error("E0303", text, help=help, loc=loc)


def _base() -> type:
    (base,) = _known()
    return base


@cache
def _known() -> frozenset[type]:
    from sklearn.preprocessing import PolynomialFeatures

    return frozenset({PolynomialFeatures})
