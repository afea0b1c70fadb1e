"""EllipticEnvelope: how far a row lies from the middle, in deviations; one op `quadratic`, of two forms, one of which is a constant.

What counts is `decision_function` of scikit-learn 1.4 to 1.9: less the squared Mahalanobis distance from `location_` by the precision, less
`offset_`. A row is an inlier where that is 0 or more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import flag, refuse
from mcugen.frontends.sklearn.coefficients import Floats, check_size, number_of, numbers_of
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.frontends.sklearn.quadratic import add_forms
from mcugen.frontends.sklearn.reference import SklearnReference, single
from mcugen.gaussian import AROUND
from mcugen.ir import Array, GraphBuilder
from mcugen.quadratic import Forms

SUPPORTED = ("EllipticEnvelope",)
TRUSTED = ("sklearn.covariance._elliptic_envelope.EllipticEnvelope",)
HOLDS = ("covariance_", "location_", "offset_", "precision_", "get_precision", "mahalanobis", "score_samples")
NOTHING = 1e-13  # of the largest eigenvalue: what rounding leaves of none


@dataclass(frozen=True, eq=False)
class _Ellipse:
    """Half axes as rows (axes, features) that turn differences from the middle (features,) into deviations."""

    axes: Floats
    middle: Floats
    offset: float


def takes(estimator: object) -> bool:
    """Whether the estimator is an EllipticEnvelope, or of a class derived from it."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted envelope says of itself."""
    base, state = _checked(estimator, loc)
    return Head(base, features_of(state, loc), ("label", "decision"), (-1, 1))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """A node `quadratic`: an outlier's form is the offset, whatever the row."""
    e = _ellipse(_checked(estimator, loc)[1], head.n_features, loc)
    nothing = np.zeros((1, head.n_features))
    forms = Forms((nothing, e.axes), (np.zeros(1), e.axes @ e.middle), np.array([e.offset, 0.0]))
    widest = np.abs(e.middle) + AROUND * np.sqrt(np.square(np.linalg.pinv(e.axes)).sum(axis=1))
    for found in (*forms.matrices, *forms.offsets, widest):
        check_size(float(np.abs(found).max()), "precision_", loc)
    sizes = np.frexp(widest)[1].astype(np.int64) + 126
    return add_forms(builder, x, forms, sizes, wanted, "fit with a larger `support_fraction`", loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers; what its float64 rounds of distances counts."""
    return EllipseReference(estimator, head)


class EllipseReference(SklearnReference):
    """A square is off by twice its root times what its sum is."""

    def rounding(self, rows: Array) -> Floats:
        e = _ellipse(vars(self._model), self._head.n_features, Loc())
        x = np.where(self.accepts(rows)[:, None], single(rows), np.float32(0)).astype(np.float64)
        off = x - e.middle
        parts = np.abs(off) @ np.abs(e.axes.T)
        with np.errstate(over="ignore"):
            return np.asarray(4 * len(e.middle) * np.finfo(np.float64).eps * np.square(parts).sum(axis=1))

    def near_ties(self, rows: Array) -> npt.NDArray[np.bool_]:
        return np.asarray(super().near_ties(rows) | (np.abs(self.scores(rows)[:, 0]) <= self.rounding(rows)))


def _ellipse(state: Mapping[str, object], features: int, loc: Loc) -> _Ellipse:
    from scipy.linalg import pinvh

    middle = numbers_of(state, "location_", (features,), loc)
    name = "precision_" if flag(state, "store_precision", loc) else "covariance_"
    given = numbers_of(state, name, (features, features), loc, power=2)
    refuse([(name, "must be symmetric")] * bool(np.abs(given - given.T).max() > 1e-6 * np.abs(given).max()), loc)
    precision = given if name == "precision_" else pinvh(given)
    sizes = np.sqrt(np.abs(np.diag(precision)))
    sizes = np.where(sizes > 0, sizes, 1.0)
    values, vectors = np.linalg.eigh(
        (precision + precision.T) / 2 / np.outer(sizes, sizes)
    )  # of one size: less is rounded
    values = np.where(np.abs(values) > NOTHING * np.abs(values).max(), values, 0.0)
    refuse([(name, "must have no negative and some positive axes")] * bool((values < 0).any() or not values.any()), loc)
    axes = (vectors * np.sqrt(values)).T[values > 0] * sizes
    return _Ellipse(axes, middle, number_of(state, "offset_", loc))


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "location_", loc, also=HOLDS)


@cache
def _known() -> frozenset[type]:
    from sklearn.covariance import EllipticEnvelope

    return frozenset([EllipticEnvelope])
