"""MissingIndicator: `missing`, of the columns that it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cache
from math import isnan, nan
from typing import Any

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.frontends.sklearn.impute import indicated_by, missing_of
from mcugen.ir import GraphBuilder
from mcugen.ops.gather import Gather
from mcugen.ops.impute import Impute
from mcugen.ops.missing import Missing

SUPPORTED = ("MissingIndicator",)
TRUSTED = ("sklearn.impute._base.MissingIndicator",)


def takes(estimator: object) -> bool:
    """Whether the estimator is a MissingIndicator, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def exact(estimator: object) -> bool:
    """Whether trees behind it see exactly what scikit-learn's trees see."""
    return True


def keeps(estimator: object) -> bool:
    """It gives whole numbers."""
    return True


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted indicator says of itself."""
    return Head(_base(), features_of(_state(estimator, loc), loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A number that means missing made NaN, and a node `missing` of its columns."""
    missing, columns = missing_of(_state(estimator, loc), loc), indicated_by(estimator, head.n_features, loc)
    if not len(columns):
        text = "this MissingIndicator tells of no column"
        raise error("E0302", text, help='leave the step out, or use `features="all"`', loc=loc)
    (picked,) = builder.add(Gather(head.n_features, columns), x, loc=loc)
    if not isnan(missing):
        (picked,) = builder.add(Impute(np.full(len(columns), nan), missing), picked, loc=loc)
    return builder.add(Missing(len(columns)), picked, loc=loc)


def asked(estimator: Any, plain: bool) -> Any:
    """The indicator that gives plain arrays, and takes rows that miss what was never missing: of these it tells nothing."""
    changed = copy(estimator)
    changed.sparse = changed.error_on_new = False
    return changed


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, of rows with missing values where it takes them."""
    from mcugen.frontends.sklearn.composite_reference import CompositeReference

    return CompositeReference(estimator, head)


def _state(estimator: object, loc: Loc) -> Mapping[str, object]:
    return state_of(estimator, _base(), "features_", loc)


def _base() -> type:
    (base,) = _known()
    return base


@cache
def _known() -> frozenset[type]:
    from sklearn.impute import MissingIndicator

    return frozenset({MissingIndicator})
