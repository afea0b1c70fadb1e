"""Trainers that go on from scikit-learn's estimators, and back: the answers of the estimator on every row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron, RidgeClassifier, SGDClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import LinearSVC

import mcugen
from mcugen import McugenError
from mcugen.ir import Array

ESTIMATORS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: SGDClassifier(random_state=0),
    "logistic": lambda: LogisticRegression(max_iter=300),
    "svc": lambda: LinearSVC(),
    "perceptron": lambda: Perceptron(),
    "ridge": lambda: RidgeClassifier(),
    "rest": lambda: OneVsRestClassifier(SGDClassifier(random_state=0)),
    "pairs": lambda: OneVsOneClassifier(SGDClassifier(random_state=0)),
}
SETS = {"iris": load_iris, "breast_cancer": load_breast_cancer, "digits": load_digits}


def rows_of(name: str) -> tuple[Array, Array]:
    x, y = SETS[name](return_X_y=True)
    return x.astype(np.float32), y


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_it_goes_on_with_the_estimators_answers_and_gives_them_back(name: str, estimator: str) -> None:
    x, y = rows_of(name)
    model = make_pipeline(StandardScaler(), ESTIMATORS[estimator]()).fit(x.astype(np.float64), y)
    trainer = mcugen.trainer(start=model)
    np.testing.assert_array_equal(trainer.predict(x), model.predict(x))
    np.testing.assert_array_equal(trainer.to_sklearn().predict(x), model.predict(x))
    if estimator == "sgd":
        coef = model[1].coef_ / model[0].scale_
        np.testing.assert_allclose(trainer.coef_, coef, rtol=1e-4, atol=1e-6 * np.abs(coef).max())
        decided = x.astype(np.float64) @ trainer.coef_.T + trainer.intercept_
        np.testing.assert_allclose(decided.squeeze(), model.decision_function(x), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(("numeric", "least"), [("int16", 0.99), ("int8", 0.98)])
def test_weights_of_integers_decide_nearly_the_same(numeric: str, least: float) -> None:
    x, y = rows_of("digits")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(x, y)
    trainer = mcugen.trainer(start=model, numeric=numeric, input="uint8")
    assert np.mean(trainer.predict(x) == model.predict(x)) >= least
    assert np.mean(trainer.to_sklearn().predict(x) == trainer.predict(x)) >= least


@pytest.mark.parametrize("estimator", ["logistic", "pairs"])
def test_a_scaler_that_leaves_means_where_they_are(estimator: str) -> None:
    x, y = rows_of("iris")
    model = make_pipeline(StandardScaler(with_mean=False), ESTIMATORS[estimator]()).fit(x.astype(np.float64), y)
    trainer = mcugen.trainer(start=model)
    np.testing.assert_array_equal(trainer.predict(x), model.predict(x))
    np.testing.assert_array_equal(trainer.to_sklearn().predict(x), model.predict(x))


def test_weights_that_are_small_do_not_round_to_nothing() -> None:
    x, y = rows_of("breast_cancer")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-5)).fit(x, y)
    assert np.abs(model[1].coef_).max() < 2**-8  # half of an int8's last bit
    trainer = mcugen.trainer(start=model, numeric="int8")
    assert np.mean(trainer.predict(x) == model.predict(x)) > 0.95


def test_without_a_scaler_and_with_labels_of_text_from_a_file(tmp_path: Path) -> None:
    x, y = rows_of("iris")
    names = load_iris().target_names[y].astype(object)
    model = SGDClassifier(random_state=0).fit(x.astype(np.float64), names)
    skops.io.dump(model, tmp_path / "iris.skops")
    trainer = mcugen.trainer(start=tmp_path / "iris.skops")
    assert trainer.wanted.scaler == "none"
    np.testing.assert_array_equal(trainer.predict(x), model.predict(x))
    assert "iris" not in trainer.files["src/trainer.h"]
    assert "const char *trainer_class(int i, char *buf);" in trainer.files["src/trainer.h"]


def test_a_state_from_a_board_becomes_an_estimator() -> None:
    x, y = rows_of("breast_cancer")
    board, here = mcugen.trainer(n_features=30, numeric="int16"), mcugen.trainer(n_features=30, numeric="int16")
    here.state = board.partial_fit(x, y).state
    assert np.mean(here.to_sklearn().predict(x) == y) > 0.95
    with pytest.raises(McugenError, match="has 3 bytes"):
        here.state = b"abc"


@pytest.mark.parametrize(
    ("model", "code"),
    [
        (SGDClassifier(), "E0106"),
        (LinearRegression(), "E0301"),
        (make_pipeline(MinMaxScaler(), SGDClassifier()), "E0301"),
        (make_pipeline(StandardScaler(with_std=False), SGDClassifier()).fit([[1, 2], [3, 5]], [0, 1]), "E0301"),
        ("nowhere.skops", "E0101"),
    ],
)
def test_what_no_trainer_can_begin_with(model: object, code: str) -> None:
    with pytest.raises(McugenError) as caught:
        mcugen.trainer(start=model)
    assert caught.value.diagnostics[0].code == code


def test_options_that_do_not_go_with_it() -> None:
    x, y = rows_of("iris")
    model = SGDClassifier().fit(x, y)
    for asked in ({"numeric": "int16"}, {"learner": "opt-ovo"}, {"n_features": 5}, {"classes": 2}):
        with pytest.raises(McugenError) as caught:
            mcugen.trainer(**{"start": model, **asked})
        assert caught.value.diagnostics[0].code == "E0112", asked
    pairs = mcugen.trainer("opt-ovo", n_features=2, classes=4, pairs=((0, 1), (1, 2), (2, 3)))
    with pytest.raises(McugenError, match="without some of its pairs"):
        pairs.to_sklearn()
