"""IR text in, IR text out: what isotonic calibration looks up comes as pairs of floats; and all answers on whole data sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import mcugen
from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.frontends.sklearn import read_estimator
from mcugen.passes import run
from mcugen.passes.dead_code import dead_code
from mcugen.passes.pair_scores import pair_scores

SETS = {"iris": load_iris, "breast_cancer": load_breast_cancer}
X, Y = load_iris(return_X_y=True)
SINGLE = [np.float64, np.float32]  # of which models are fitted: thresholds are of the same type


def isotonic(inner: Any, x: Any = X, y: Any = Y, **options: Any) -> Any:
    return CalibratedClassifierCV(inner, method="isotonic", **{"cv": 2, **options}).fit(x, y)


def paired(model: Any, numeric: Any = "float32") -> str:
    module = read_estimator(model, "m", None)
    return str(run(module, Target(load_board("uno"), numeric=numeric), pipeline=(pair_scores, dead_code)))


def test_sums_are_handed_over_as_pairs() -> None:
    text = paired(isotonic(LogisticRegression(), ensemble=False))
    assert "linear(%x) {rows=3 output=transform pairs} : 6:f32" in text
    assert "of_pairs} : 3:f32" in text
    alone = paired(isotonic(LogisticRegression(), X[50:], Y[50:], ensemble=False))
    assert "linear(%x) {rows=1 output=transform pairs} : 2:f32" in alone


@pytest.mark.parametrize(
    ("inner", "some"),
    [
        (GaussianNB(), ["gaussian_nb(%x) {classes=3 output=decision pairs}", "softmax_pairs"]),
        (MultinomialNB(), ["{rows=3 output=transform pairs}", "softmax_pairs"]),
        (QuadraticDiscriminantAnalysis(), ["output=decision pairs"]),
        (MLPClassifier((4,), max_iter=20), ["mlp(%x)", "output=transform pairs", "softmax_pairs"]),
        (SVC(), ["kernel_values(%x)", "output=transform pairs", "one_vs_one", "{classes=3 output=decision pairs}"]),
        (RandomForestClassifier(3), ["output=proba pairs"]),
        (GradientBoostingClassifier(n_estimators=3), ["output=decision pairs"]),
    ],
    ids=str,
)
def test_every_classifier_in_its_own_way(inner: Any, some: list[str]) -> None:
    text = paired(isotonic(inner, ensemble=False))
    assert all(one in text for one in [*some, "of_pairs"]), text


def test_of_two_classes_the_second_ones_probability_is_picked() -> None:
    text = paired(isotonic(GaussianNB(), X[50:], Y[50:], ensemble=False))
    assert "gather" in text
    assert "{features=1 points=" in text


def test_floats_stay_where_nothing_knows_more_or_integers_are_narrow() -> None:
    assert "of_pairs" not in paired(isotonic(KNeighborsClassifier()))
    assert "of_pairs" not in paired(isotonic(LogisticRegression()), "int16")


def test_curves_that_rise_between_scores_that_floats_do_not_tell_apart() -> None:
    """Refused where there are only floats, right where there are pairs."""
    x = np.linspace(0, 1, 40)[:, np.newaxis] * 1e-6 + 1000
    y = (np.arange(40) // 10) % 2
    line = LogisticRegression().fit(np.array([[-1.0], [1.0]]), [0, 1])
    line.coef_, line.intercept_ = np.array([[1.0]]), np.array([0.0])
    model = CalibratedClassifierCV(make_pipeline(line), method="isotonic", cv=2, ensemble=False).fit(x, y)
    (member,) = model.calibrated_classifiers_
    member.estimator = line
    curve = member.calibrators[0].fit(x[:, 0], np.arange(40) >= 20)
    assert np.ptp(curve.X_thresholds_) < 1e-5
    assert "of_pairs" in paired(model)
    with pytest.raises(McugenError, match=r"rises by .* at 1000"):
        paired(model, "int8")


def test_scores_that_the_model_rounds_to_floats() -> None:
    text = paired(isotonic(LogisticRegression(), X.astype(np.float32), ensemble=False))
    assert "transform pairs} : 6:f32" in text
    assert "gather" in text
    assert "of_pairs" not in text


@pytest.mark.parametrize("dtype", SINGLE)
@pytest.mark.parametrize("name", SETS)
def test_all_rows(name: str, dtype: type) -> None:
    """Probabilities beside 1, sums that are close, votes with parts of sums: within 1e-5 but where float64 itself rounds."""
    x, y = SETS[name](return_X_y=True)
    x = x.astype(np.float32).astype(dtype)
    scaled = [make_pipeline(StandardScaler(), one) for one in (LogisticRegression(), SVC())]
    for inner in (GaussianNB(), GradientBoostingClassifier(n_estimators=5, random_state=0), *scaled):
        model = isotonic(inner, x, y, cv=3)
        compiled = mcugen.compile(model, board="host", output="proba", data=x)
        np.testing.assert_array_equal(compiled.predict(x), model.predict(x.astype(np.float64)))


@pytest.mark.parametrize(
    "inner",
    [
        make_pipeline(PCA(2), GaussianNB()),
        make_pipeline(StandardScaler(), RBFSampler(n_components=8, random_state=0), LogisticRegression()),
    ],
    ids=["pca", "cosines"],
)
def test_pairs_of_transformers_lead_to_pairs_of_scores(inner: Any) -> None:
    """Where a pass takes the transformer's numbers as pairs, the sums behind it stay pairs."""
    for x, y in [(X, Y), (X[50:], Y[50:])]:
        x = x.astype(np.float32).astype(np.float64)
        model = isotonic(inner, x, y, cv=3)
        compiled = mcugen.compile(model, board="host", output="proba", data=x)
        np.testing.assert_array_equal(compiled.predict(x), model.predict(x))
        np.testing.assert_allclose(compiled.predict_proba(x), model.predict_proba(x), rtol=0, atol=2e-6)
