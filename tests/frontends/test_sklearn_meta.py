"""Estimators that hand on questions, thresholds, targets that are transformed, dummies: what is read, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import GradientBoostingClassifier, StackingClassifier, StackingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  # else they are not there
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, RANSACRegressor, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, QuantileTransformer, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

import mcugen
from mcugen.diagnostics import Loc, McugenError
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import read_estimator, reference_of

LOC = Loc("model.skops")
X, Y = load_iris(return_X_y=True)
TWO, SIDES = load_breast_cancer(return_X_y=True)
NUMBERS = X[:, 3] + 1
LINE = LogisticRegression(max_iter=300)
SEARCH = GridSearchCV(LINE, {"C": [0.1, 1]}, cv=2).fit(X, Y)
FIXED = FixedThresholdClassifier(make_pipeline(StandardScaler(), LINE), threshold=0.3).fit(TWO, SIDES)
TUNED = TunedThresholdClassifierCV(DecisionTreeClassifier(max_depth=3), scoring="f1", cv=2).fit(TWO, SIDES)
TARGET = TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp).fit(X, NUMBERS)
SCALED = TransformedTargetRegressor(Ridge(), transformer=MinMaxScaler()).fit(X, NUMBERS)
DUMMY = DummyClassifier().fit(X, Y)
STACK = StackingClassifier(
    [("line", LINE), ("tree", DecisionTreeClassifier(max_depth=3))], GradientBoostingClassifier(n_estimators=3), cv=2
).fit(X, Y)
CALIBRATED = CalibratedClassifierCV(DecisionTreeClassifier(max_depth=3), cv=2).fit(X, Y)
EVERY = {
    "boosting": make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=3)).fit(X, Y),
    "calibrated": CALIBRATED,
    "isotonic": CalibratedClassifierCV(DecisionTreeClassifier(max_depth=3), method="isotonic", cv=2).fit(X, Y),
    "temperature": CalibratedClassifierCV(LINE, method="temperature", cv=2).fit(X, Y),
    "stack": STACK,
    "stacked numbers": StackingRegressor([("line", LinearRegression()), ("ridge", Ridge())], cv=2).fit(X, NUMBERS),
    "search": SEARCH,
    "halving": HalvingGridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2).fit(X, Y),
    "ransac": RANSACRegressor(random_state=0).fit(X, NUMBERS),
    "self": SelfTrainingClassifier(LINE).fit(X, np.where(np.arange(150) % 3, Y, -1)),
    "frozen": FrozenEstimator(LINE.fit(X, Y)),
    "fixed": FIXED,
    "tuned": TUNED,
    "target": TARGET,
    "scaled": SCALED,
    "dummy": DUMMY,
    "number": DummyRegressor().fit(X, NUMBERS),
}


def edited(model: Any, **attributes: Any) -> Any:
    changed = copy.deepcopy(model)
    for name, value in attributes.items():
        setattr(changed, name, value)
    return changed


def code_of(model: Any, output: str | None = None) -> str:
    with pytest.raises(McugenError) as caught:
        read_estimator(model, "m", output, LOC)
    assert all(d.help and d.loc.file == LOC.file for d in caught.value.diagnostics)
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize("name", EVERY)
def test_skops_files(name: str) -> None:
    model = EVERY[name]
    loaded = read_model(skops.io.dumps(model)).estimator
    assert str(read_estimator(loaded, "m")) == str(read_estimator(model, "m"))
    rows = TWO if name in ("fixed", "tuned") else X
    again, first = reference_of(loaded), reference_of(model)
    if hasattr(model, "classes_"):
        assert np.array_equal(again.labels(rows), first.labels(rows))
        names = np.asarray(model.classes_)
        assert np.array_equal(names[first.labels(rows)], model.predict(rows.astype(np.float32).astype(np.float64)))
    else:
        found = first.numbers("value", rows)
        assert np.array_equal(again.numbers("value", rows), found)
        np.testing.assert_allclose(found, model.predict(rows.astype(np.float32).astype(np.float64)), rtol=1e-12)


def test_a_search_is_what_it_found() -> None:
    found = SEARCH.best_estimator_
    assert str(read_estimator(SEARCH, "m", "proba")) == str(read_estimator(found, "m", "proba"))
    assert code_of(GridSearchCV(LINE, {})) == "E0106"
    assert code_of(GridSearchCV(LINE, {"C": [1.0]}, cv=2, refit=False).fit(X, Y)) == "E0106"
    assert code_of(edited(SEARCH, best_estimator_=None)) == code_of(edited(SEARCH, best_estimator_="x")) == "E0301"
    assert code_of(SEARCH, "value") == "E0304"
    ring = edited(SEARCH)
    ring.best_estimator_ = ring
    assert code_of(ring) == "E0107"
    outer = FrozenEstimator(ring)
    ring.best_estimator_ = outer
    assert code_of(ring) == code_of(outer) == "E0107"
    assert code_of(edited(EVERY["ransac"], n_features_in_=3)) == "E0107"


def test_a_row_at_the_threshold_is_positive() -> None:
    tree = DecisionTreeClassifier(max_depth=1, random_state=0).fit(TWO, SIDES)
    for positive in (0, 1):
        threshold = tree.predict_proba(TWO)[:, positive].max()
        model = FixedThresholdClassifier(tree, threshold=threshold, pos_label=positive).fit(TWO, SIDES)
        assert (model.estimator_.predict_proba(TWO)[:, positive] == threshold).any()
        assert (mcugen.compile(model, board="host").predict(TWO) == model.predict(TWO)).all()


def test_thresholds_that_are_refused() -> None:
    assert code_of(FixedThresholdClassifier(LINE)) == "E0106"
    assert code_of(edited(FIXED, threshold=np.nan)) == code_of(edited(FIXED, threshold="x")) == "E0107"
    assert code_of(edited(FIXED, pos_label=7)) == code_of(edited(FIXED, response_method="predict")) == "E0107"
    assert code_of(edited(TUNED, _curve_scorer=None)) == code_of(edited(TUNED, best_threshold_=None)) == "E0107"
    assert code_of(edited(FIXED, estimator_=LINE)) == "E0302"  # of three classes
    assert code_of(edited(FIXED, estimator_=LinearRegression().fit(X, NUMBERS))) == "E0302"
    svc = FixedThresholdClassifier(LinearSVC()).fit(TWO, SIDES)
    assert code_of(edited(svc, response_method="predict_proba")) == "E0302"


def test_targets_that_are_refused() -> None:
    assert code_of(TransformedTargetRegressor(Ridge())) == "E0106"
    for transformer in (None, "x", QuantileTransformer(n_quantiles=5).fit(NUMBERS[:, None])):
        assert code_of(edited(TARGET, transformer_=transformer)) == "E0302"
    for function in (np.sin, np.exp.__class__, "exp", [], lambda x: x):
        assert code_of(edited(TARGET, transformer_=edited(TARGET.transformer_, inverse_func=function))) == "E0302"
    two = MinMaxScaler().fit(X[:, :2])
    assert code_of(edited(SCALED, transformer_=two)) == "E0107"
    assert code_of(edited(SCALED, transformer_=edited(SCALED.transformer_, clip=True))) == "E0302"
    assert code_of(edited(TARGET, regressor_=LINE.fit(X, Y))) == "E0302"
    assert code_of(TransformedTargetRegressor(Ridge()).fit(X, np.c_[NUMBERS, NUMBERS])) == "E0302"


def test_answers_without_a_number_are_no_answers() -> None:
    model = TransformedTargetRegressor(Ridge(), func=np.exp, inverse_func=np.log).fit(X, NUMBERS)
    rows = np.array([X[0], -1e3 * X[0]])
    assert reference_of(model).accepts(rows).tolist() == [True, False]


def test_calibrations_that_are_refused() -> None:
    assert code_of(CalibratedClassifierCV()) == "E0106"
    for method, attributes in (
        ("isotonic", {"out_of_bounds": "nan"}),
        ("temperature", {"beta_": -1.0}),
        ("temperature", {"beta_": "x"}),
    ):
        model = CalibratedClassifierCV(LINE, method=method, cv=2).fit(X, Y)
        read_estimator(model, "m")
        for one in model.calibrated_classifiers_[0].calibrators:
            vars(one).update(attributes)
        assert code_of(model) == "E0107"
    for held in (None, [], [LINE], "x"):
        assert code_of(edited(CALIBRATED, calibrated_classifiers_=held)) == "E0107"
    first = CALIBRATED.calibrated_classifiers_[0]
    for name, odd, code in (
        ("calibrators", [], "E0107"), ("calibrators", [LINE] * 3, "E0107"), ("method", None, "E0302"), ("classes", None, "E0107"),
        ("classes", np.arange(2), "E0302"), ("estimator", None, "E0301"),
        ("calibrators", [edited(first.calibrators[0], a_=np.nan)] * 3, "E0107"),
        ("calibrators", [edited(first.calibrators[0], a_=0.0)] * 3, "E0302"),
    ):  # fmt: skip
        assert code_of(edited(CALIBRATED, calibrated_classifiers_=[edited(first, **{name: odd})])) == code, name
    assert code_of(edited(CALIBRATED, classes_=np.arange(1))) == "E0107"


def test_what_calibrated_classifiers_were_made_of_does_not_matter() -> None:
    reference = reference_of(edited(CALIBRATED, estimator=3))
    np.testing.assert_allclose(
        reference.numbers("proba", X.astype(np.float32)), CALIBRATED.predict_proba(X.astype(np.float32))
    )


def test_missing_values_go_where_members_take_them() -> None:
    rows = np.where(np.arange(4) == 1, np.nan, X)
    inner = DecisionTreeClassifier(max_depth=3)
    assert reference_of(CalibratedClassifierCV(inner, cv=2).fit(rows, Y)).accepts(rows).all()
    assert not reference_of(STACK).accepts(rows).any()


def test_stacks_that_are_refused() -> None:
    assert code_of(StackingClassifier([("line", LINE)])) == "E0106"
    by_label = StackingClassifier([("line", LINE)], stack_method="predict", cv=2).fit(X, Y)
    assert code_of(by_label) == "E0302"
    for methods in (None, ["predict_proba"], ["predict_proba", "score"], [1, 2]):
        assert code_of(edited(STACK, stack_method_=methods)) == "E0107"
    assert code_of(edited(STACK, classes_=np.arange(2))) == code_of(edited(STACK, classes_=np.arange(3) + 1)) == "E0107"
    assert code_of(edited(STACK, estimators_=[])) == code_of(edited(STACK, _label_encoder=None)) == "E0107"
    assert code_of(edited(STACK, final_estimator_=LINE.fit(X, Y))) == "E0107"  # of other features
    assert code_of(edited(STACK, final_estimator_=None)) == code_of(edited(STACK, estimators_=[None, 1])) == "E0301"
    assert code_of(edited(EVERY["stacked numbers"], final_estimator_=LINE)) == "E0302"


def test_dummies_that_are_refused() -> None:
    assert code_of(DummyClassifier()) == code_of(DummyRegressor()) == "E0106"
    for strategy in ("uniform", "stratified"):
        assert code_of(DummyClassifier(strategy=strategy).fit(X, Y)) == "E0302"
    assert code_of(edited(DUMMY, _strategy="x")) == code_of(edited(DUMMY, _strategy=None)) == "E0107"
    for prior in (None, np.ones(3), np.array([2.0, -1, 0]), np.full(3, np.nan), np.ones(2) / 2):
        assert code_of(edited(DUMMY, class_prior_=prior)) == "E0107"
    constant = DummyClassifier(strategy="constant", constant=1).fit(X, Y)
    assert code_of(edited(constant, constant=9)) == code_of(edited(constant, constant=[1, 2])) == "E0107"
    number = EVERY["number"]
    assert code_of(edited(number, constant_=np.array([np.inf]))) == code_of(edited(number, constant_=3)) == "E0107"
    assert code_of(edited(DUMMY, n_outputs_=0)) == "E0107"
    assert code_of(DummyRegressor().fit(X, np.c_[NUMBERS, NUMBERS])) == "E0302"
    unknown = edited(DUMMY)
    del unknown.n_features_in_
    assert code_of(unknown) == "E0302"


def test_what_isotonic_calibrations_round_themselves() -> None:
    """Naive Bayes says probabilities next to 1, which float64 rounds: that moves some answers, and what the C's floats lose none."""
    x, y = load_breast_cancer(return_X_y=True)
    model = CalibratedClassifierCV(GaussianNB(), method="isotonic", cv=3).fit(x, y)
    reference = reference_of(model)
    assert np.mean(reference.rounding(x) > 1e-5) < 0.02, "what the C's floats lose is no rounding of the model"
    noise = 1 + np.random.default_rng(0).choice([-1, 1], x.shape) * 2.0**-52
    moved = np.abs(model.predict_proba(x.astype(np.float32) * noise) - model.predict_proba(x.astype(np.float32)))
    assert (moved.max(axis=1) <= reference.rounding(x) + 1e-12).all()


def test_scores_beyond_floats_are_no_answers() -> None:
    """A temperature makes more of a score than a float holds."""
    model = CalibratedClassifierCV(LogisticRegression(), method="temperature", cv=2).fit(X, Y)
    rows = np.array([X[0], np.full(X.shape[1], 3e38), X[1]], np.float32)
    assert reference_of(model).accepts(rows).tolist() == [True, False, True]


def test_flags_that_are_none_are_refused() -> None:
    several = np.zeros(4)
    assert code_of(edited(TARGET, _training_dim=several)) == "E0302"
    encoder = OneHotEncoder(sparse_output=False).fit(X)
    assert code_of(edited(encoder, _infrequent_enabled=several)) == "E0107"
    assert code_of(edited(encoder, _drop_idx_after_grouping=np.array(5))) == "E0107"


def test_isotonic_rows_that_hang_on_a_threshold_are_excused() -> None:
    """What a classifier may be off is infinite there, and what a curve makes of it is no more than it rises."""
    model = CalibratedClassifierCV(
        make_pipeline(StandardScaler(), PCA(2), DecisionTreeClassifier(max_depth=3)), method="isotonic", cv=2
    ).fit(X, Y)
    curve = reference_of(model)._members[0].calibration
    lost = curve.lost(np.full((2, 3), 0.5), np.array([[np.inf] * 3, [0.0] * 3]))
    assert np.isfinite(lost).all()
    assert lost[1] == 0 <= lost[0]
