"""RBFSampler and SkewedChi2Sampler: cosines of random projections; the ops `linear`, in pairs of floats, and `cosines`.

What counts is `transform` of scikit-learn 1.4 to 1.9: cos(x · random_weights_ + random_offset_) times the root of 2 / n_components,
of the SkewedChi2Sampler for log(x + skewedness).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc
from mcugen.fixed import Floats
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import refuse
from mcugen.frontends.sklearn.coefficients import count_of, number_of, numbers_of
from mcugen.frontends.sklearn.head import Head, base_of, features_of, state_of
from mcugen.frontends.sklearn.reference import SklearnReference, single
from mcugen.ir import Array, GraphBuilder
from mcugen.ops.affine import LARGEST, Affine
from mcugen.ops.cosines import Cosines
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.linear import Linear

SUPPORTED = ("RBFSampler", "SkewedChi2Sampler")
TRUSTED = tuple(f"sklearn.kernel_approximation.{name}" for name in SUPPORTED)
LEAST = 1e-30  # that has a logarithm


def takes(estimator: object) -> bool:
    """Whether the estimator is one of the samplers, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted sampler says of itself."""
    base, state = _checked(estimator, loc)
    return Head(base, features_of(state, loc), ("transform",))


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """The angles in turns, and their cosines."""
    state = _checked(estimator, loc)[1]
    weights, offset, amplitude = _read(state, head.n_features, loc)
    if head.base.__name__ == "SkewedChi2Sampler":
        shift = np.full(head.n_features, -_skewedness(state, loc))
        (x,) = builder.add(Affine(shift, np.ones(head.n_features), low=LEAST, high=LARGEST), x, loc=loc)
        (x,) = builder.add(Elementwise("Log"), x, loc=loc)
    turns = Linear(weights.T / (2 * np.pi), offset / (2 * np.pi), "transform", delicate=True, pairs=True)
    (angles,) = builder.add(turns, x, loc=loc)
    return builder.add(Cosines(len(offset), amplitude), angles, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers; what float64 rounds of many turns counts."""
    return SamplerReference(estimator, head)


class SamplerReference(SklearnReference):
    """A cosine of a large angle is off by what the angle is."""

    def rounding(self, rows: Array) -> Floats:
        weights, _, amplitude = _read(vars(self._model), self._head.n_features, Loc())
        x = np.where(self.accepts(rows)[:, None], single(rows), np.float32(1)).astype(np.float64)
        if self._head.base.__name__ == "SkewedChi2Sampler":
            x = np.log(x + _skewedness(vars(self._model), Loc()))
        sizes = (np.abs(x) @ np.abs(weights)).max(axis=1)
        return np.asarray(np.finfo(np.float64).eps * amplitude * np.maximum(sizes, 1))

    def accepts(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Of the SkewedChi2Sampler rows above minus its skewedness."""
        finite = super().accepts(rows)
        if self._head.base.__name__ != "SkewedChi2Sampler":
            return finite
        return np.asarray(finite & (single(rows) > -_skewedness(vars(self._model), Loc())).all(axis=1))


def _read(state: Mapping[str, object], features: int, loc: Loc) -> tuple[Floats, Floats, float]:
    """The weights (features, components), the offsets (components,), and what cosines are multiplied with."""
    count = count_of(state, "n_components", loc)
    weights = numbers_of(state, "random_weights_", (features, count), loc)
    offset = numbers_of(state, "random_offset_", (count,), loc)
    return weights, offset, float(np.sqrt(2.0 / count))


def _skewedness(state: Mapping[str, object], loc: Loc) -> float:
    number = number_of(state, "skewedness", loc)
    refuse([("skewedness", f"must be positive, not {number:.3g}")] * (number <= 0), loc)
    return number


def _checked(estimator: object, loc: Loc) -> tuple[type, Mapping[str, object]]:
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    return base, state_of(estimator, base, "random_weights_", loc)


@cache
def _known() -> frozenset[type]:
    from sklearn import kernel_approximation

    return frozenset(getattr(kernel_approximation, name) for name in SUPPORTED)
