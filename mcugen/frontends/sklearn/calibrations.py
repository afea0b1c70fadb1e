"""What CalibratedClassifierCV makes of a classifier's scores: its three methods, each read with suspicion, and as nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from mcugen.curves import Curve
from mcugen.diagnostics import Loc, error
from mcugen.frontends.sklearn.attributes import numbers_of, refuse, shown
from mcugen.frontends.sklearn.coefficients import Floats
from mcugen.frontends.sklearn.head import NO_SIGMOID
from mcugen.frontends.sklearn.isotonic import curve_of
from mcugen.frontends.sklearn.quantiles import check_points
from mcugen.ir import GraphBuilder
from mcugen.ops.affine import Affine
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.gather import Gather
from mcugen.ops.interpolate import Interpolate
from mcugen.ops.one_vs_rest import OneVsRest
from mcugen.ops.softmax import Softmax

Score = Literal["decision", "proba"]
NOT_NOTHING = 1e-12  # what scikit-learn adds to a probability before it takes the logarithm


class Calibration(Protocol):
    """A fitted method."""

    def chances(self, builder: GraphBuilder, score: str, loc: Loc) -> str:
        """The value of all classes' probabilities, from one of scores, or of the probabilities of a classifier."""

    @property
    def gain(self) -> float:
        """What a score is multiplied with, in the largest case."""

    def lost(self, scores: Floats, off: Floats) -> Floats:
        """What a probability may be off (rows,) where scores are off by so much, both (rows, scores)."""


@dataclass(frozen=True, eq=False)
class Sigmoids:
    """1 / (1 + exp(slope · score + offset)) of each score, divided by their sum."""

    slopes: Floats
    offsets: Floats

    def chances(self, builder: GraphBuilder, score: str, loc: Loc) -> str:
        """An `affine` that gives the logarithms of odds, and `one_vs_rest`."""
        size = len(self.slopes)
        odds = Affine(np.zeros(size), np.ones(size), -self.slopes, -self.offsets)
        (score,) = builder.add(odds, _of_second(builder, score, size, loc), loc=loc)
        return builder.add(OneVsRest(size, "proba", odds=NO_SIGMOID, even=True), score, loc=loc)[1]

    @property
    def gain(self) -> float:
        return float(np.abs(self.slopes).max())

    def lost(self, scores: Floats, off: Floats) -> Floats:
        return np.asarray(np.abs(self.slopes).max() / 4 * off.max(axis=1))


@dataclass(frozen=True, eq=False)
class Curves:
    """Isotonic regression of each score, divided by their sum; `single` scores are rounded to the float32 of its thresholds."""

    curves: tuple[Curve, ...]
    single: bool

    def chances(self, builder: GraphBuilder, score: str, loc: Loc) -> str:
        """An `interpolate`, and `one_vs_rest`."""
        size = len(self.curves)
        op = Interpolate(self.curves, np.full(size, np.nan), scores="float32" if self.single else "float64")
        check_points(op, "calibrate it on fewer rows", loc)
        (found,) = builder.add(op, _of_second(builder, score, size, loc), loc=loc)
        return builder.add(OneVsRest(size, "proba", even=True), found, found, loc=loc)[1]

    @property
    def gain(self) -> float:
        return 1.0

    def lost(self, scores: Floats, off: Floats) -> Floats:
        used, lost = (one[:, -1:] if len(self.curves) == 1 else one for one in (scores, off))
        with np.errstate(invalid="ignore"):  # what is lost is infinite in rows that hang on a threshold
            found = [
                [curve.of(self._seen(at)) for at in (one - less, one, one + less)]
                for curve, one, less in zip(self.curves, used.T, lost.T, strict=True)
            ]
        moved = np.max([np.ptp(one, axis=0) for one in found], axis=0)
        total = np.sum([at for _, at, _ in found], axis=0) if len(self.curves) > 1 else np.ones(len(scores))
        return np.asarray(2 * moved / np.maximum(np.maximum(total, moved), 1e-30))

    def _seen(self, scores: Floats) -> Floats:
        return scores.astype(np.float32).astype(np.float64) if self.single else scores


@dataclass(frozen=True, eq=False)
class Temperature:
    """The softmax of scores, or of the logarithms of probabilities, times a factor; a single score x counts as -x and x."""

    factor: float
    asked: Score
    classes: int

    def chances(self, builder: GraphBuilder, score: str, loc: Loc) -> str:
        """An `affine` and a `softmax`, of probabilities with their logarithms before; `one_vs_rest` for a single score."""
        size, ones = builder.type_of(score).size, np.ones(self.classes)
        if size == 1:
            (score,) = builder.add(Affine(np.zeros(1), np.ones(1), np.full(1, 2 * self.factor)), score, loc=loc)
            return builder.add(OneVsRest(1, "proba", odds=NO_SIGMOID), score, loc=loc)[1]
        _check_size(size, self.classes, loc)
        if self.asked == "proba":
            (score,) = builder.add(Affine(-NOT_NOTHING * ones, ones), score, loc=loc)
            (score,) = builder.add(Elementwise("Log"), score, loc=loc)
        (score,) = builder.add(Affine(0 * ones, ones, self.factor * ones), score, loc=loc)
        (found,) = builder.add(Softmax("Softmax", (0,)), score, loc=loc)
        return found

    @property
    def gain(self) -> float:
        return 2 * self.factor

    def lost(self, scores: Floats, off: Floats) -> Floats:
        return np.asarray(self.factor / 2 * off.max(axis=1))


def calibration_of(state: Mapping[str, object], asked: Score, classes: int, loc: Loc) -> Calibration:
    """The calibration of a `_CalibratedClassifier` that asks for `asked`. E0107 where it is damaged, E0302 where C has it not."""
    method, held = state.get("method"), state.get("calibrators")
    if not isinstance(method, str) or method not in ("sigmoid", "isotonic", "temperature"):
        help = "fit it with `method='sigmoid'`, 'isotonic' or 'temperature'"
        raise error("E0302", f"calibration by {shown(method)} is not supported", help=help, loc=loc)
    count = 1 if classes == 2 or method == "temperature" else classes
    if not isinstance(held, list) or len(held) != count:
        refuse([("calibrators", f"must be a list of {count}, not {shown(held)}")], loc)
    assert isinstance(held, list)
    kind = {"sigmoid": "_SigmoidCalibration", "isotonic": "IsotonicRegression", "temperature": "_TemperatureScaling"}[
        method
    ]
    places = [loc.within(f"calibrators[{i}]") for i in range(count)]
    for one, place in zip(held, places, strict=True):
        if type(one).__name__ != kind or type(one).__module__ not in ("sklearn.calibration", "sklearn.isotonic"):
            refuse([("", f"must be scikit-learn's own {kind}, not {shown(one)}")], place)
    if method == "temperature":
        factor = float(numbers_of(vars(held[0]), "beta_", (), places[0]))
        if not 1e-20 < factor < 1e20:
            refuse([("beta_", f"must be a positive number, not {factor:.3g}")], places[0])
        return Temperature(factor, asked, classes)
    if method == "isotonic":
        curves = tuple(_curve(one, place) for one, place in zip(held, places, strict=True))
        return Curves(curves, any(vars(one)["X_thresholds_"].dtype == np.float32 for one in held))
    slopes, offsets = np.array([_sigmoid(one, place) for one, place in zip(held, places, strict=True)]).T
    return Sigmoids(slopes, offsets)


def _of_second(builder: GraphBuilder, score: str, wanted: int, loc: Loc) -> str:
    """The score that is calibrated: of two classes' probabilities the second. E0302 for another number of scores."""
    size = builder.type_of(score).size
    if wanted == 1 and size == 2:
        (score,) = builder.add(Gather(2, np.array([1])), score, loc=loc)
        return score
    _check_size(size, wanted, loc)
    return score


def _check_size(size: int, wanted: int, loc: Loc) -> None:
    if size != wanted:
        text = f"the classifier inside gives {size} scores for {wanted} classes"
        raise error("E0302", text, help="use `decision_function_shape='ovr'`", loc=loc)


def _curve(one: object, loc: Loc) -> Curve:
    curve, inside = curve_of(one, loc)
    if inside:
        refuse([("out_of_bounds", "must be 'clip', as calibration has it")], loc)
    return curve


def _sigmoid(one: object, loc: Loc) -> list[float]:
    """The numbers a and b of a sigmoid."""
    numbers = [float(numbers_of(vars(one), name, (), loc)) for name in ("a_", "b_")]
    if not 1e-20 < abs(numbers[0]) < 1e20 or not abs(numbers[1]) < 1e20:
        help = "fit it on more rows"
        raise error("E0302", f"a sigmoid as steep as {numbers[0]:.3g} says nothing", help=help, loc=loc)
    return numbers
