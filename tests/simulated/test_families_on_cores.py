"""Encoders, projections, estimators that hold others, regressors with links and mixtures on an AVR and a Cortex-M4F: scikit-learn's
labels, and its numbers within 1e-5."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.decomposition import FactorAnalysis, FastICA, IncrementalPCA, TruncatedSVD
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor, StackingClassifier, StackingRegressor
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge, RidgeClassifier
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multioutput import ClassifierChain, RegressorChain
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from mcugen.boards import Target, load_board
from mcugen.compile import lower
from mcugen.frontends import Source, read
from mcugen.targets import toolchain_for
from mcugen.verify import prove

BOARDS = {"mega2560": ("avr-gcc", "simavr"), "feather_nrf52840": ("arm-none-eabi-gcc", "qemu-system-arm")}
LINE = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
CLASSIFIERS = (
    (GridSearchCV(LINE, {"logisticregression__C": [0.1, 1]}, cv=2), "proba"),
    (DummyClassifier(), "proba"),
    (GaussianMixture(3, random_state=0), "proba"),
    (CalibratedClassifierCV(LINE, cv=2), "proba"),
    (
        StackingClassifier([("forest", RandomForestClassifier(3, max_depth=3, random_state=0)), ("line", LINE)], cv=2),
        "proba",
    ),
)
PREPROCESSING = (
    (make_pipeline(OneHotEncoder(max_categories=5), LogisticRegression(max_iter=300)), "proba"),
    (make_pipeline(OrdinalEncoder(), DecisionTreeClassifier(max_depth=5, random_state=0)), "label"),
    (TargetEncoder(random_state=0), "transform"),
    (KBinsDiscretizer(4, encode="onehot-dense", strategy="kmeans", random_state=0), "transform"),
    (make_union(FunctionTransformer(np.log1p), FunctionTransformer(np.sqrt), StandardScaler()), "transform"),
    (
        make_union(
            TruncatedSVD(2, random_state=0),
            IncrementalPCA(2),
            FactorAnalysis(2, random_state=0),
            FastICA(2, random_state=0),
            GaussianRandomProjection(2, random_state=0),
            SparseRandomProjection(2, random_state=0),
        ),
        "transform",
    ),
)
CURVES = (
    (QuantileTransformer(n_quantiles=20), "transform"),
    (QuantileTransformer(n_quantiles=20, output_distribution="normal"), "transform"),
    (PowerTransformer(), "transform"),
    (SplineTransformer(4), "transform"),
    (SplineTransformer(5, degree=2, knots="quantile", extrapolation="linear", include_bias=False), "transform"),
    (SplineTransformer(6, extrapolation="periodic"), "transform"),
    (PowerTransformer("box-cox", standardize=False), "transform"),
    (CalibratedClassifierCV(LINE, method="isotonic", cv=2), "proba"),
    (CalibratedClassifierCV(GaussianNB(), method="isotonic", cv=2), "proba"),
    (CalibratedClassifierCV(SVC(), method="isotonic", cv=2, ensemble=False), "proba"),
    (CalibratedClassifierCV(LINE, method="temperature", cv=2), "proba"),
)
OF_TWO = (
    (FixedThresholdClassifier(LINE, threshold=0.3), "label"),
    (FixedThresholdClassifier(LINE, threshold=0.3, pos_label=0), "proba"),
)
REGRESSORS = (
    (make_pipeline(SelectKBest(f_regression, k=1), IsotonicRegression(out_of_bounds="clip")), "value"),
    (make_pipeline(StandardScaler(), PoissonRegressor()), "value"),
    (StackingRegressor([("a", Ridge()), ("b", Ridge(1e-3))], Ridge(), cv=2, passthrough=True), "value"),
    (TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1), "value"),
    (TransformedTargetRegressor(Ridge(), func=np.sqrt, inverse_func=np.square), "value"),
    (TransformedTargetRegressor(Ridge(), transformer=StandardScaler()), "value"),
)
SEVERAL = (
    (RegressorChain(RandomForestRegressor(2, max_depth=3, random_state=0), order=[1, 0]), "value"),
    (make_pipeline(StandardScaler(), KNeighborsRegressor(3)), "value"),
    (PLSRegression(2), "value"),
)
LABELS = (
    (RandomForestClassifier(3, max_depth=3, random_state=0), "label"),
    (ClassifierChain(LINE, order=[1, 0]), "label"),
    (RidgeClassifier(), "label"),
)


def sources() -> Iterator[tuple[Source, Any]]:
    """Every family, and rows."""
    number = 0
    for models, load in (
        (CLASSIFIERS + PREPROCESSING + CURVES, load_iris),
        (OF_TWO, load_breast_cancer),
        (REGRESSORS, load_diabetes),
    ):
        x, y = load(return_X_y=True)
        for model, output in models:
            number += 1
            yield read(model.fit(x, y), name=f"m{number}", output=output), x[::9].astype(np.float32)
    x, y = load_iris(return_X_y=True)
    for models, answers in ((SEVERAL, np.c_[x[:, 0] * 1e3, y]), (LABELS, np.c_[x[:, 0] > 5.8, y > 1].astype(int))):
        for model, output in models:
            number += 1
            yield read(model.fit(x, answers), name=f"m{number}", output=output), x[::9].astype(np.float32)


@pytest.mark.long
@pytest.mark.parametrize("board", BOARDS)
def test_cores_give_scikit_learns_answers(board: str, require: Any) -> None:
    require(*BOARDS[board], "python:elftools")
    target = Target(load_board(board), numeric="float32")
    cases = [*sources()]
    units = [lower(source, target).unit for source, _ in cases]
    runs = toolchain_for(target.board).run_rows(units, [[rows] for _, rows in cases], target.board)
    for (source, rows), unit, run in zip(cases, units, runs, strict=True):
        proof = prove(
            unit.module, source.reference, rows, lambda _, run=run: run.outputs, on="simulator", source="rows"
        )
        assert proof.wrong == 0, f"{source.loc} {unit.module.name}: {proof} {proof.worst}"
        assert proof.rows + proof.near_ties == len(rows)
