"""Features that go through curves of their own, on whole data sets: quantiles, powers, splines, isotonic regression, and calibration by it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)
from test_maps import MEGA, prove_all

from mcugen.compile import lower
from mcugen.diagnostics import McugenError
from mcugen.frontends import read
from mcugen.targets.host import compile_for_host

warnings.filterwarnings("ignore")
DATA = {"iris": load_iris, "diabetes": load_diabetes}


def quantiles(count: int, normal: bool = False) -> QuantileTransformer:
    return QuantileTransformer(n_quantiles=count, output_distribution="normal" if normal else "uniform", random_state=0)


def powers() -> PowerTransformer:
    return PowerTransformer("box-cox")


def line() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(4, max_depth=5, random_state=0)


@pytest.mark.parametrize("name", DATA)
def test_every_row(name: str) -> None:
    """Also of classifiers behind, which see what repeats in a feature; trees compare exactly."""
    x, y = DATA[name](return_X_y=True)
    y = np.digitize(y, [100, 200]) if name == "diabetes" else y
    half, rest = list(range(2)), list(range(2, x.shape[1]))
    columns = make_column_transformer((quantiles(30), half), (make_pipeline(MinMaxScaler(), quantiles(15, True)), rest))
    found: list[tuple[Any, str]] = [
        (quantiles(100, True), "transform"),
        (make_pipeline(StandardScaler(), quantiles(100, True)), "transform"),
        (make_pipeline(PCA(2), quantiles(50)), "transform"),
        (make_pipeline(columns, forest()), "label"),
        (make_pipeline(StandardScaler(), quantiles(30), forest()), "label"),
        (make_pipeline(quantiles(30, True), HistGradientBoostingClassifier(max_iter=2)), "label"),
        (make_pipeline(columns, LogisticRegression()), "proba"),
    ]
    prove_all(found, x, y)


def test_quantiles_are_numbers_of_the_training() -> None:
    """What scikit-learn answers to a number, or to its float32: quantiles that float64 rounds, or closer than floats; integers."""
    iris, diabetes, digits = load_iris().data, load_diabetes().data, load_digits().data[:, 21:23]
    rows = (iris + 1e5).astype(np.float32).astype(np.float64)
    beside = np.array([[1.0]] * 4 + [[1.7], [1.7 - 2**-52], [2.0]])
    cases = [(iris, 150, False), (digits, 1797, True), (diabetes, 50, True), (diabetes, 442, False)]
    cases += [(rows, 50, True), (rows, 150, False), (diabetes + 1e5, 50, False), (beside, 7, False)]
    models = [quantiles(count, normal).fit(x) for x, count, normal in cases]
    library = compile_for_host([lower(read(one, name=f"m{i}"), MEGA).unit for i, one in enumerate(models)], ("-O0",))
    for i, ((x, count, _), model) in enumerate(zip(cases, models, strict=True)):
        (found,) = library.run([x.astype(np.float32)], i)
        exact, rounded = (np.abs(found - model.transform(one)) for one in (x, x.astype(np.float32).astype(np.float64)))
        assert np.minimum(exact, rounded).max() < 2e-6, (i, count)
        assert (exact > 1e-5).mean() < 0.02 or i > 5, (i, count)  # what numbers that share a float lose


def test_quantiles_half_way_between_numbers_of_the_training() -> None:
    """Boosting's thresholds are the means of what two numbers become, to the last digit, which numbers half way become, too."""
    x, y = load_wine(return_X_y=True)
    x = x.astype(np.float32).astype(np.float64)
    model = make_pipeline(quantiles(50), HistGradientBoostingClassifier(max_iter=5)).fit(x, y)
    known = [np.unique(column) for column in x.T]
    halves = [np.resize((one[1:] + one[:-1]) / 2, 3 * len(x)) for one in known]
    rows = np.concatenate([x, *np.split(np.stack(halves, axis=1), 3)]).astype(np.float32)
    found, _ = compile_for_host([lower(read(model, name="m", output="proba"), MEGA).unit]).run([rows])[::-1]
    np.testing.assert_allclose(found, model.predict_proba(rows.astype(np.float64)), atol=1e-5)


def test_what_jumps_behind_steps_of_float32() -> None:
    """Bins see through functions of one feature, exactly; what else jumps at numbers of the training is refused behind them."""
    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32).astype(np.float64)

    def bins() -> KBinsDiscretizer:
        return KBinsDiscretizer(4, encode="ordinal", strategy="quantile")

    logarithm = FunctionTransformer(np.log1p)
    found: list[tuple[Any, str]] = [
        (make_pipeline(step, bins()), "transform") for step in (logarithm, PowerTransformer(), StandardScaler())
    ]
    prove_all(found, x, y)
    (below,) = compile_for_host([lower(read(make_pipeline(logarithm, bins()).fit(x), name="m"), MEGA).unit]).run(
        [np.array([[-0.5] * 4, [0.0] * 4], np.float32)]
    )
    np.testing.assert_array_equal(below, 0)
    jumps = SplineTransformer(6, degree=1, knots="quantile")
    for steps in ((logarithm, quantiles(20)), (PCA(2), bins()), (StandardScaler(), jumps)):
        model = make_pipeline(*steps).fit(np.round(x))
        with pytest.raises(McugenError, match="jumps at numbers of its training"):
            lower(read(model, name="m"), MEGA)


def test_powers() -> None:
    """Also where the usual numbers are far from 0, or next to nothing; scikit-learn's own answers are rounding where they hardly vary."""
    x, y = load_iris(return_X_y=True)
    scaled, shifted = make_pipeline(StandardScaler(), PowerTransformer()), make_pipeline(MinMaxScaler((1, 2)), powers())
    found: list[tuple[Any, str]] = [
        (PowerTransformer(), "transform"),
        (PowerTransformer(standardize=False), "transform"),
        (scaled, "transform"),
        (powers(), "transform"),
        (make_pipeline(scaled, forest()), "label"),
        (make_pipeline(shifted, HistGradientBoostingClassifier(max_iter=2)), "label"),
        (make_pipeline(shifted, LogisticRegression()), "proba"),
    ]
    prove_all(found, x, y)
    normal = np.random.default_rng(0).standard_normal((150, 6))
    odd = normal * [30, 100, 1e-6, 1e6, 1, 1] + [1e3, 1e3, 0, 0, 0, 0]
    odd[:, 4:] = np.exp(5 * odd[:, 4:]) * [1e-9, -1]
    prove_all([(PowerTransformer(), "transform")], odd, y)


def test_rows_that_box_and_cox_refuse() -> None:
    x, y = load_iris(return_X_y=True)
    for model in (powers(), make_pipeline(powers(), LogisticRegression())):
        source = read(model.fit(x, y), name="m")
        rows = np.array([x[0], -x[0], 0 * x[0]], np.float32)
        assert source.reference.accepts(rows).tolist() == [True, False, False]
    (found,) = compile_for_host([lower(read(powers().fit(x), name="m"), MEGA).unit]).run([rows])
    assert np.isnan(found).tolist() == [[False] * 4, [True] * 4, [True] * 4]


def test_splines() -> None:
    """Also with knots that repeat, of features that never vary, and far from 0."""
    x, y = load_digits(return_X_y=True)
    repeated: list[tuple[Any, str]] = [
        (
            SplineTransformer(n_knots=n, knots="quantile", degree=degree, extrapolation=beyond, include_bias=bias),
            "transform",
        )
        for n, degree, beyond, bias in ((5, 3, "constant", True), (6, 3, "linear", True), (7, 1, "constant", False))
    ]
    prove_all(repeated, x[:600, :24], y[:600])
    rng = np.random.default_rng(0)
    far = rng.standard_normal((300, 4)) * [1, 10, 1e-6, 1e6] + [1e3, 1e6, 0, 0]
    every: list[tuple[Any, str]] = [
        (SplineTransformer(6, extrapolation=beyond, sparse_output=beyond == "linear"), "transform")
        for beyond in ("constant", "linear", "continue", "periodic")
    ]
    every.append((make_pipeline(StandardScaler(), SplineTransformer(4, degree=2), LogisticRegression()), "proba"))
    prove_all(every, far, (far[:, 0] > 1e3).astype(int))
    prove_all(every[3:5], *load_iris(return_X_y=True))


def test_splines_beyond_what_is_usual() -> None:
    """Infinite numbers where scikit-learn takes them; a period that has fewer functions than there are at a time; lines beyond the knots
    of features of any size.
    """
    x = load_iris().data
    for size in (1e-6, 1e6):
        line = SplineTransformer(4, extrapolation="linear").fit(x * size)
        beyond = ((x - 4) * size * 3).astype(np.float32)
        (found,) = compile_for_host([lower(read(line, name="m"), MEGA).unit]).run([beyond])
        np.testing.assert_allclose(found, line.transform(beyond.astype(np.float64)), rtol=1e-5, atol=1e-5)
    ends = SplineTransformer(4, handle_missing="zeros").fit(x)
    rows = np.array([[np.inf, -np.inf, np.nan, 3e38], [5, np.inf, -3e38, 1]], np.float32)
    (found,) = compile_for_host([lower(read(ends, name="m"), MEGA).unit]).run([rows])
    np.testing.assert_allclose(found, ends.transform(rows.astype(np.float64)), atol=1e-6)
    few: list[tuple[Any, str]] = [(SplineTransformer(n, extrapolation="periodic"), "transform") for n in (4, 5)]
    prove_all(few, x, None)


def test_what_is_missing() -> None:
    x, y = load_iris(return_X_y=True)
    x = np.where(np.random.default_rng(0).random(x.shape) < 0.1, np.nan, x)
    filled = make_pipeline(SimpleImputer(), StandardScaler(), quantiles(20, True))
    prove_all(
        [
            (PowerTransformer(), "transform"),
            (quantiles(20), "transform"),
            (filled, "transform"),
            (make_pipeline(filled, forest()), "label"),
        ],
        x,
        y,
    )


@pytest.mark.parametrize("scale", [(1e-7, 1.0), (1e-3, 1e3), (1e-42, 0.0)])
def test_isotonic(scale: tuple[float, float]) -> None:
    """Also where several thresholds lie between two floats, and beyond what floats hold with all their digits."""
    x, y = load_diabetes(return_X_y=True)
    found: list[tuple[Any, str]] = [
        (IsotonicRegression(increasing=rises, out_of_bounds=bounds), "value")
        for rises, bounds in ((True, "clip"), (False, "nan"), ("auto", "clip"))
    ]
    prove_all(found, (x[:, [2]] * 1e3) * scale[0] + scale[1], y - 150)


def test_isotonic_that_raises_errors() -> None:
    """Rows beyond, for which it has no answer, get NaN."""
    x, y = np.arange(20.0)[:, np.newaxis], np.sqrt(np.arange(20.0))
    source = read(IsotonicRegression(out_of_bounds="raise").fit(x[5:], y[5:]), name="m")
    assert source.reference.accepts(x).tolist() == [False] * 5 + [True] * 15
    (found,) = compile_for_host([lower(source, MEGA).unit]).run([x.astype(np.float32)])
    np.testing.assert_allclose(found, np.where(np.arange(20) < 5, np.nan, y), rtol=1e-6)


def test_calibrated() -> None:
    """By isotonic regression, whose probabilities may all be 0, and by temperature; two classes and three."""
    x, y = load_iris(return_X_y=True)
    found: list[tuple[Any, str]] = [
        (CalibratedClassifierCV(inner, method=method, cv=2), "proba")
        for inner in (line(), forest())
        for method in ("isotonic", "temperature")
    ]
    prove_all(found, x, y)
    prove_all(found, x[50:], y[50:])
