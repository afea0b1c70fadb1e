"""Chains of transformers as pairs of floats, where rounding between them would move an answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, PassiveAggressiveClassifier, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, SVR

from mcugen.compile import compile

CANCER, CLASSES = load_breast_cancer(return_X_y=True)
CANCER = CANCER.astype(np.float32)
FOUR = CANCER[:, :4]
FAR, KINDS = load_iris(return_X_y=True)
ONE_FAR = (FAR + np.array([1e4, 0, 0, 0])).astype(np.float32)  # divided by its norm, the first stays next to 1
FAR = (FAR + 1e4).astype(np.float32)
TWO = PolynomialFeatures(2)
NEIGHBOURS = KNeighborsClassifier(3, weights="distance")
BOOSTING = HistGradientBoostingClassifier(max_iter=8)
EXTRA = ExtraTreesClassifier(5, random_state=0)

MODELS: dict[str, tuple[Any, Any, str, tuple[Any, ...]]] = {
    "alone": (FOUR, CLASSES, "transform", (Normalizer(), StandardScaler(), Normalizer())),
    "sums": (FOUR, CLASSES, "proba", (Normalizer(), StandardScaler(), Normalizer(), LogisticRegression())),
    "neighbours": (FAR, KINDS, "proba", (TWO, NEIGHBOURS)),
    "neighbours behind a projection": (FAR, KINDS, "proba", (StandardScaler(), PCA(2), NEIGHBOURS)),
    "machine": (FAR, KINDS, "decision", (TWO, SVC())),
    "machine behind a scaler": (FAR, KINDS, "decision", (TWO, StandardScaler(), SVC(C=100))),
    "steep machine": (FAR, KINDS, "decision", (Normalizer(), SVC(C=100, gamma=1e11))),
    "machine that sees only its vectors": (
        *(FAR, KINDS, "proba"),
        (TWO, SVC(C=100, gamma="auto", probability=True, max_iter=300, random_state=0)),
    ),
    "network": (FAR, KINDS, "proba", (TWO, MinMaxScaler(), MLPClassifier((6,), max_iter=50, random_state=0))),
    "bayes": (FAR, KINDS, "proba", (PolynomialFeatures(2, include_bias=False), GaussianNB())),
    "thresholds": (CANCER, CLASSES, "proba", (Normalizer(), BOOSTING)),
    "terms of rounded numbers": (
        *(ONE_FAR, KINDS, "decision"),
        (Normalizer(), PolynomialFeatures(2), StandardScaler(), LogisticRegression(C=100)),
    ),
    "thresholds next to 1": (ONE_FAR, KINDS, "proba", (Normalizer(), HistGradientBoostingClassifier(max_iter=2))),
    "thresholds behind a scaler": (ONE_FAR, KINDS, "proba", (Normalizer(), StandardScaler(), EXTRA)),
    "thresholds of a square": (FAR, KINDS, "proba", (TWO, EXTRA)),
    "thresholds behind two": (CANCER, CLASSES, "proba", (PCA(4), Normalizer(), BOOSTING)),
}
METHODS = {"decision": "decision_function", "proba": "predict_proba", "transform": "transform"}


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_numbers_are_scikit_learns(name: str, known: bool) -> None:
    x, y, output, steps = MODELS[name]
    model = make_pipeline(*steps).fit(x.astype(np.float64), y)
    data = x if known else None
    compiled = compile(model, "mega2560", output=output, numeric="float32", data=data, check_fit=False)
    wanted = getattr(model, METHODS[output])(x.astype(np.float64)).reshape(len(x), -1)
    found = compiled.run([x])[-1].reshape(len(x), -1)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_rows_that_lose_nothing_need_no_pairs() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    model = make_pipeline(Normalizer(), SVC()).fit(x.astype(np.float64), x[:, 0] > 0)
    assert "l2 pairs" in str(compile(model, "mega2560", numeric="float32", check_answers=False).module)
    assert "l2 pairs" not in str(compile(model, "mega2560", numeric="float32", data=x, check_answers=False).module)


def test_smaller_formats_round_anyway() -> None:
    model = make_pipeline(Normalizer(), LogisticRegression()).fit(FAR, KINDS)
    found = compile(model, "mega2560", numeric="int16", data=FAR, max_disagreement=1.0, check_answers=False)
    assert "l2 pairs" not in str(found.module)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("model", [Ridge(), make_pipeline(PCA(2), StandardScaler(), SVR())])
def test_what_is_filled_in_keeps_its_digits(model: Any, known: bool) -> None:
    gaps = np.where(np.random.default_rng(0).random(FAR.shape) < 0.2, np.nan, FAR).astype(np.float32)
    filled = make_pipeline(SimpleImputer(), model).fit(gaps.astype(np.float64), KINDS + FAR[:, 1] - 1e4)
    data = gaps if known else None
    compiled = compile(filled, "mega2560", output="value", numeric="float32", data=data, check_fit=False)
    np.testing.assert_allclose(compiled.predict(gaps), filled.predict(gaps.astype(np.float64)), rtol=1e-5, atol=1e-5)


def test_a_scaler_becomes_part_of_normal_distributions() -> None:
    model = make_pipeline(StandardScaler(with_mean=False), GaussianNB()).fit(FAR.astype(np.float64), KINDS)
    compiled = compile(model, "mega2560", output="proba", numeric="float32", check_fit=False)
    assert [node.op.name for node in compiled.module.nodes] == ["gaussian_nb"]
    wanted = model.predict_proba(FAR.astype(np.float64))
    np.testing.assert_allclose(compiled.predict_proba(FAR), wanted, atol=1e-5)


def test_a_scaler_that_leaves_features_far_off_zero_takes_the_middle_off() -> None:
    steps = StandardScaler(with_mean=False), SelectKBest(k=2), KMeans(3, n_init=1, random_state=0)
    model = make_pipeline(*steps).fit(FAR.astype(np.float64), KINDS)
    compiled = compile(model, "mega2560", output="transform", numeric="float32", check_fit=False)
    assert [node.op.name for node in compiled.module.nodes][:2] == ["gather", "affine"]
    wanted = model.transform(FAR.astype(np.float64))
    np.testing.assert_allclose(compiled.transform(FAR), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("known", [False, True])
def test_quadratic_forms_of_products_far_off_zero_tell_classes_apart(known: bool) -> None:
    forms = QuadraticDiscriminantAnalysis(reg_param=0.1)
    model = make_pipeline(PolynomialFeatures(2), forms).fit(FAR.astype(np.float64), KINDS)
    compiled = compile(model, "mega2560", output="label", numeric="float32", data=FAR if known else None)
    np.testing.assert_array_equal(compiled.predict(FAR), model.predict(FAR.astype(np.float64)))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rows_off_the_line_that_a_projection_was_fitted_on(kind: type[np.floating[Any]]) -> None:
    """Features on a line but for their rounding: a row off it is millions of deviations away, and two terms cancel."""
    rng = np.random.default_rng(2)
    along = rng.normal(size=(200, 1))
    x = (along * rng.normal(size=(1, 4)) + 5).astype(np.float32)
    model = make_pipeline(PCA(3), GaussianNB()).fit(x.astype(kind), along[:, 0] > 0)
    compiled = compile(model, "mega2560", output="proba", numeric="float32", check_fit=False)
    off = (x + rng.normal(size=x.shape) * 10.0 ** rng.uniform(-7, 0, (200, 1))).astype(np.float32)
    assert compiled.verify(off).wrong == 0


@pytest.mark.parametrize(
    "steps",
    [
        (StandardScaler(), SimpleImputer(), PassiveAggressiveClassifier(random_state=0)),
        (PCA(1), LogisticRegression(C=1e4)),
    ],
    ids=["filled in behind a scaler", "more to add up than both"],
)
def test_labels_of_sums_next_to_where_they_change(steps: tuple[Any, ...]) -> None:
    model = make_pipeline(*steps).fit(FAR.astype(np.float64), KINDS)
    compiled = compile(model, "mega2560", numeric="float32", check_fit=False)
    assert compiled.verify(near_thresholds(model, FAR)).wrong == 0


def near_thresholds(model: Any, x: Any) -> Any:
    """Rows next to where the answer changes, and at every smaller distance from there: between pairs of rows, by halving."""
    rng = np.random.default_rng(0)
    low, high = (x[rng.integers(len(x), size=200)].astype(np.float64) for _ in range(2))
    said, steps = model.predict(low), rng.integers(10, 26, (200, 1))
    for step in range(26):
        middle = ((low + high) / 2).astype(np.float32).astype(np.float64)
        same = (model.predict(middle) == said)[:, np.newaxis]
        low, high = np.where(same & (step < steps), middle, low), np.where(~same & (step < steps), middle, high)
    return np.concatenate([low, high]).astype(np.float32)


@pytest.mark.parametrize(
    ("numeric", "steps"),
    [
        ("float32", (Normalizer(), BOOSTING)),
        ("int16", (PolynomialFeatures(2), StandardScaler(), BOOSTING)),
        ("float32", (PCA(3), StandardScaler(), EXTRA)),
        ("int8", (make_column_transformer((StandardScaler(), [0]), remainder="passthrough"), Normalizer(), EXTRA)),
    ],
    ids=["norms", "products", "projections", "columns"],
)
def test_the_side_of_a_threshold_is_scikit_learns_next_to_it(steps: tuple[Any, ...], numeric: Any) -> None:
    model = make_pipeline(*steps).fit(FOUR.astype(np.float64), CLASSES)
    compiled = compile(model, "mega2560", numeric=numeric, check_fit=False)
    rows = near_thresholds(model, FOUR)
    np.testing.assert_array_equal(compiled.predict(rows), model.predict(rows.astype(np.float64)))
