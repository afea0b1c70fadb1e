"""Fitted scikit-learn estimators as the first state of a trainer, and a trainer's state as a scikit-learn estimator."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import read_estimator
from mcugen.ir import Array, DType, Label
from mcugen.learning import FEATURE_BITS, are_set, fraction
from mcugen.ops.welford import MOST

if TYPE_CHECKING:
    from mcugen.trainers import Wanted
    from mcugen.trainers.trainer import Trainer

Floats = npt.NDArray[np.float64]
LINEAR = (
    "SGDClassifier",
    "Perceptron",
    "PassiveAggressiveClassifier",
    "LogisticRegression",
    "LogisticRegressionCV",
    "LinearSVC",
    "RidgeClassifier",
    "RidgeClassifierCV",
)
LEAST_LARGEST = 16  # units of the largest weight: much less would round all of them to 0
HELP = f"give a fitted {', '.join(LINEAR[:6])} or a OneVsRest- or OneVsOneClassifier of these, with a StandardScaler in front or none"


@dataclass(frozen=True, eq=False)
class Fitted:
    """A linear classifier: weights (rows, d) and biases (rows,) of standardised features; rows are of pairs of classes (above 0 for the
    first) where `pairs`, else of a class each, or one for class 1. mean, variance (d,) and how many rows they are of, where it scales.
    """

    labels: tuple[Label, ...]
    weights: Floats
    bias: Floats
    pairs: bool = False
    mean: Floats | None = None
    variance: Floats | None = None
    count: int = 0

    @property
    def features(self) -> int:
        """Numbers of a row."""
        return int(self.weights.shape[1])


def fitted(model: object, allow_pickle: bool = False) -> Fitted:
    """A fitted estimator, or a file of one. E01xx for what cannot be read, E0106 and E0107 for what is not fitted or damaged, E0301 for
    what no trainer can begin with.
    """
    loc, estimator = Loc("", type(model).__name__), model
    if isinstance(model, str | os.PathLike | bytes | bytearray | memoryview):
        loaded = read_model(model, allow_pickle=allow_pickle)
        loc, estimator = loaded.loc, loaded.estimator
    steps = [one for _, one in estimator.steps] if type(estimator).__name__ == "Pipeline" else [estimator]  # type: ignore[attr-defined]
    *scalers, last = [one for one in steps if one not in (None, "passthrough")] or [estimator]
    if [type(one).__name__ for one in scalers] not in ([], ["StandardScaler"]) or not _is_linear(last):
        names = " and ".join(type(one).__name__ for one in (*scalers, last))
        raise error("E0301", f"a trainer cannot begin with {names}", help=HELP, loc=loc)
    read_estimator(estimator, "model", "label", loc)  # every array is checked
    found = _linear(last)
    return found if not scalers else _scaled(found, scalers[0], loc)


def _is_linear(estimator: object) -> bool:
    name = type(estimator).__name__
    if name in ("OneVsRestClassifier", "OneVsOneClassifier"):
        return all(type(one).__name__ in LINEAR for one in getattr(estimator, "estimators_", [estimator]))
    return name in LINEAR


def _linear(estimator: Any) -> Fitted:
    labels = tuple(np.asarray(estimator.classes_).tolist())
    parts = getattr(estimator, "estimators_", None)
    name = type(estimator).__name__
    if parts is None or name not in ("OneVsRestClassifier", "OneVsOneClassifier"):
        return Fitted(labels, _weights(estimator), np.atleast_1d(estimator.intercept_).astype(np.float64))
    weights = np.concatenate([_weights(one) for one in parts])
    bias = np.concatenate([np.atleast_1d(one.intercept_) for one in parts]).astype(np.float64)
    if name == "OneVsRestClassifier":
        return Fitted(labels, weights, bias)
    if len(labels) == 2:
        return Fitted(labels, weights, bias)
    return Fitted(labels, -weights, -bias, pairs=True)  # scikit-learn's are above 0 for the second class


def _weights(estimator: Any) -> Floats:
    return np.atleast_2d(np.asarray(estimator.coef_, np.float64))


def _scaled(found: Fitted, scaler: Any, loc: Loc) -> Fitted:
    """The classifier behind a scaler. A trainer's own always takes means away: where this one does not, biases have them."""
    if not scaler.with_std:
        help = "leave with_std as it is, and fit again: a trainer divides by deviations"
        raise error("E0301", "a trainer cannot begin with a StandardScaler that has with_std=False", help=help, loc=loc)
    mean, scale = np.asarray(scaler.mean_, np.float64), np.asarray(scaler.scale_, np.float64)
    bias = found.bias if scaler.with_mean else found.bias + found.weights @ (mean / scale)
    count = int(np.min(scaler.n_samples_seen_))
    return Fitted(found.labels, found.weights, bias, found.pairs, mean, scale**2, count)


def start_of(found: Fitted, wanted: Wanted) -> Mapping[str, Array]:
    """The first content of a trainer's state by name, in its format. E0112 where the learner has other rows of weights."""
    rows = wanted.learner.rows(len(found.labels))
    weights, bias = found.weights, found.bias
    if len(weights) == 1 and rows == 2:  # of two classes that learn together
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    if len(weights) != rows or found.pairs != (wanted.learner.name == "opt-ovo"):
        help = "leave the learner out: it follows from the estimator"
        raise error("E0112", f"{wanted.learner.name} does not go on from such an estimator", help=help)
    unit = 1.0
    if wanted.weights is not DType.F32:
        unit = 2.0 ** -fraction(wanted.weights, found.features)
        high = (wanted.weights.limits or (0, 0))[1] * unit
        largest = max(np.abs(weights).max(), np.abs(bias).max())
        # decisions stay what they are where all weights shrink or grow alike
        factor = 2.0 ** -max(0, ceil(log2(largest / high))) if largest > 0 else 1.0
        factor *= 2.0 ** max(0, ceil(log2(LEAST_LARGEST * unit / largest))) if largest > 0 else 1.0
        weights, bias = weights * factor, bias * factor
    own = {"weights": weights / unit, "bias": bias / unit}
    start: dict[str, Any] = own | {f"mean_{name}": value for name, value in own.items()}
    if found.mean is not None and found.variance is not None and wanted.scaler != "none":
        kept = wanted.scaled
        up, deviation = (kept.mean_bits, kept.deviation_bits) if kept else (0, 0)
        start |= {"mean": found.mean * 2.0**up, "variance": found.variance * 4.0**deviation}
        start["count"] = min(found.count, MOST)
    return {name: _as(value, wanted.state[name].dtype) for name, value in start.items() if name in wanted.state}


def _as(values: Any, dtype: np.dtype[np.generic]) -> Array:
    if dtype.kind == "f":
        return np.asarray(values).astype(dtype)
    limits = np.iinfo(dtype)  # type: ignore[type-var]  # of integers only
    return np.asarray(np.clip(np.round(values), limits.min, limits.max)).astype(dtype)


def learnt(trainer: Trainer) -> Fitted:
    """What a trainer's state says, in floats."""
    wanted, values = trainer.wanted, trainer.host.values
    unit = 1.0 if wanted.weights is DType.F32 else 2.0 ** -fraction(wanted.weights, wanted.features)
    weights, bias = (np.asarray(values[name], np.float64) * unit for name in wanted.learner.asked)
    if wanted.learner.live():
        live = are_set(values["live"], len(bias))
        weights, bias = weights[live], bias[live]
    if wanted.weights is not DType.F32 and wanted.scaler == "none" and wanted.input == "int8":
        weights = weights / 2**FEATURE_BITS  # of the whole numbers that rows are made of
    found = Fitted(wanted.labels, weights, bias, wanted.learner.name == "opt-ovo")
    if wanted.scaler == "none":
        return found
    kept = wanted.scaled
    up, deviation = (kept.mean_bits, kept.deviation_bits) if kept else (0, 0)
    mean = np.asarray(values["mean"], np.float64) / 2.0**up
    variance = np.asarray(values["variance"], np.float64) / 4.0**deviation
    return Fitted(found.labels, weights, bias, found.pairs, mean, variance, int(values.get("count", 0)))


def as_estimator(found: Fitted, pairs: tuple[tuple[int, int], ...] = ()) -> Any:
    """A scikit-learn estimator that decides as this state does: an SGDClassifier, or a OneVsOneClassifier of them, behind a
    StandardScaler where features are scaled. E0302 where pairs were left out, which scikit-learn does not know.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classes = len(found.labels)
    if found.pairs and len(found.weights) != classes * (classes - 1) // 2:
        help = "keep all pairs, or predict with the trainer itself"
        raise error("E0302", "scikit-learn has no one-versus-one classifier without some of its pairs", help=help)
    last = _one_versus_one(found) if found.pairs else _sgd(found.weights, found.bias, np.array(found.labels))
    if found.mean is None or found.variance is None:
        return last
    scaler = StandardScaler()
    known = found.variance > 0
    scaler.mean_, scaler.var_ = found.mean, found.variance
    scaler.scale_ = np.where(known, np.sqrt(found.variance), np.inf)  # what never varied counts 0
    scaler.n_samples_seen_, scaler.n_features_in_ = max(1, found.count), found.features
    return make_pipeline(scaler, last)


def _sgd(weights: Floats, bias: Floats, classes: Array) -> Any:
    from sklearn.linear_model import SGDClassifier

    made = SGDClassifier(loss="hinge", penalty=None)
    if len(weights) == 2 and len(classes) == 2:
        weights, bias = weights[1:] - weights[:1], bias[1:] - bias[:1]
    made.coef_, made.intercept_, made.classes_ = weights, bias, classes
    made.n_features_in_, made.n_iter_, made.t_ = weights.shape[1], 1, 1.0
    return made


def _one_versus_one(found: Fitted) -> Any:
    from sklearn.multiclass import OneVsOneClassifier

    made = OneVsOneClassifier(_sgd(found.weights[:1], found.bias[:1], np.array([0, 1])))
    made.estimators_ = [
        _sgd(-w[None], -b[None], np.array([0, 1])) for w, b in zip(found.weights, found.bias, strict=True)
    ]
    made.classes_, made.n_features_in_, made.pairwise_indices_ = np.array(found.labels), found.features, None
    return made
