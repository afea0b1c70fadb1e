"""Estimators that hold others, on every row of scikit-learn's own data sets: labels equal, numbers within 1e-5."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor, StackingClassifier, StackingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  # else they are not there
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, RANSACRegressor, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from test_pipelines import prove_all

DATA = {"iris": load_iris, "wine": load_wine, "breast_cancer": load_breast_cancer, "digits": load_digits}


def line() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))


def tree() -> Any:
    return DecisionTreeClassifier(max_depth=4, random_state=0)


def forest() -> Any:
    return RandomForestClassifier(6, max_depth=4, random_state=0)


def classifiers(x: Any, y: Any) -> list[tuple[Any, str]]:
    depths = {"max_depth": [7, 8]}
    return [
        (GridSearchCV(line(), {"logisticregression__C": [0.1, 1]}, cv=2), "proba"),
        (RandomizedSearchCV(tree(), depths, n_iter=2, cv=2), "label"),
        (HalvingGridSearchCV(tree(), depths, cv=2, random_state=0), "label"),
        (HalvingRandomSearchCV(tree(), depths, cv=2, random_state=0), "proba"),
        (SelfTrainingClassifier(line()), "label"),
        (FrozenEstimator(line().fit(x, y)), "decision"),
        (DummyClassifier(strategy="most_frequent"), "proba"),
        (DummyClassifier(strategy="constant", constant=y[0]), "label"),
    ]


@pytest.mark.parametrize("data", DATA)
def test_classifiers(data: str) -> None:
    x, y = DATA[data](return_X_y=True)
    prove_all(classifiers(x, y), x, y)


@pytest.mark.parametrize("data", ["iris", "breast_cancer"])
def test_stacks(data: str) -> None:
    x, y = DATA[data](return_X_y=True)
    members = [("forest", forest()), ("line", line()), ("dropped", "drop")]
    stack = StackingClassifier(members, cv=2)
    passed = StackingClassifier([*members, ("tree", tree())], line(), cv=2, passthrough=True)
    found: list[tuple[Any, str]] = [(stack, "label"), (stack, "transform"), (passed, "decision")]
    found.append((StackingClassifier(members, forest(), cv=2), "proba"))
    prove_all(found, x, y, 100)


@pytest.mark.parametrize("data", ["iris", "breast_cancer"])
def test_calibrated(data: str) -> None:
    x, y = DATA[data](return_X_y=True)
    scored = CalibratedClassifierCV(make_pipeline(StandardScaler(), LinearSVC()), cv=3)
    whole = CalibratedClassifierCV(make_pipeline(StandardScaler(), SVC()), cv=2, ensemble=False)
    by_chance = CalibratedClassifierCV(forest(), cv=2)
    found: list[tuple[Any, str]] = [(scored, "label"), (scored, "proba"), (whole, "label"), (by_chance, "proba")]
    prove_all(found, x, y, 200)


def test_stacks_of_regressors() -> None:
    x, y = load_diabetes(return_X_y=True)
    members = [("forest", RandomForestRegressor(5, max_depth=4, random_state=0)), ("line", LinearRegression())]
    found: list[tuple[Any, str]] = [
        (StackingRegressor(members, cv=2, passthrough=one), "value") for one in (False, True)
    ]
    found.append((StackingRegressor(members[1:], RandomForestRegressor(4, max_depth=4, random_state=0), cv=2), "value"))
    prove_all(found, x, y, 200)


def test_thresholds() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    tuned = TunedThresholdClassifierCV(tree(), cv=2, thresholds=9)
    found: list[tuple[Any, str]] = [(tuned, "label")]
    for positive, output in ((0, "label"), (1, "proba")):
        by_chance = (FixedThresholdClassifier(one, threshold=0.31, pos_label=positive) for one in (line(), forest()))
        found += [(one, output) for one in by_chance]
        by_score = FixedThresholdClassifier(
            line(), threshold=0.7, pos_label=positive, response_method="decision_function"
        )
        found += [(by_score, "label"), (by_score, "decision")]
    prove_all(found, x, y)


def test_regressors() -> None:
    x, y = load_diabetes(return_X_y=True)
    found: list[Any] = [DummyRegressor(), RANSACRegressor(random_state=0), GridSearchCV(Ridge(), {"alpha": [0.1, 1]})]
    functions = ((np.log, np.exp), (np.log1p, np.expm1), (np.sqrt, np.square), (np.square, np.sqrt), (None, None))
    found += [TransformedTargetRegressor(Ridge(), func=one, inverse_func=other) for one, other in functions]
    for scaler in (StandardScaler(), MinMaxScaler((-1, 2)), RobustScaler(), MaxAbsScaler()):
        found.append(TransformedTargetRegressor(Ridge(), transformer=scaler))
    inner = RandomForestRegressor(5, max_depth=5, random_state=0)
    found.append(TransformedTargetRegressor(inner, func=np.log1p, inverse_func=np.expm1))
    prove_all([(one, "value") for one in found], x, y)
    found = [
        TransformedTargetRegressor(Ridge(), func=np.exp, inverse_func=np.log),
        TransformedTargetRegressor(Ridge(), func=np.expm1, inverse_func=np.log1p),
    ]
    prove_all([(one, "value") for one in found], x, y / 300)
