"""Boosting behind steps whose last digits decide: told apart as the model does it, or refused. Rows are those of the training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, SplineTransformer, StandardScaler
from xgboost import XGBClassifier

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.evaluate import evaluate
from mcugen.frontends.sklearn import read_estimator
from mcugen.ir import Module
from mcugen.passes import run

X, Y = load_iris(return_X_y=True)
X = X.astype(np.float32).astype(np.float64)
HOST = Target(load_board("host"), numeric="float32")


def xgboost() -> XGBClassifier:
    return XGBClassifier(n_estimators=6, max_depth=5, n_jobs=1)


def histograms() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=3)


def lightgbm() -> LGBMClassifier:
    return LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1)


def lowered(model: Any) -> Module:
    return run(read_estimator(model, "m", output="proba"), HOST)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("behind", [(), (StandardScaler(),)])
@pytest.mark.parametrize("trees", [xgboost, histograms])
def test_cosines_are_told_apart_by_all_digits(behind: tuple[Any, ...], trees: Any) -> None:
    """XGBoost's thresholds are cosines of rows, as floats: 13 of these rows had other answers."""
    sampler = RBFSampler(n_components=10, random_state=0)
    model = make_pipeline(StandardScaler(), sampler, *behind, trees()).fit(X, Y)
    graph = lowered(model).predict
    found = [evaluate(graph, {"x": row.astype(np.float32)})["proba"] for row in X]
    np.testing.assert_allclose(found, model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    "middle", [RBFSampler(n_components=10, random_state=0), Nystroem(n_components=10, random_state=0)]
)
def test_rows_on_the_thresholds_of_many_numbers_go_left(middle: Any) -> None:
    """Of more than 255 numbers thresholds are some of them, which cosines and sums of kernels reach but for their last digits."""
    x, y = load_breast_cancer(return_X_y=True)
    x = x[:, :8].astype(np.float32)
    steps = StandardScaler(), middle, HistGradientBoostingClassifier(max_iter=10)
    model = make_pipeline(*steps).fit(x.astype(np.float64), y)
    graph = lowered(model).predict
    thresholds = np.concatenate([tree.nodes["num_threshold"] for (tree,) in model[-1]._predictors])
    given = model[:-1].transform(x.astype(np.float64))
    x = x[np.isclose(given[..., np.newaxis], thresholds, rtol=1e-14, atol=0).any(axis=(1, 2))]
    assert len(x) > 20
    found = [evaluate(graph, {"x": row})["proba"] for row in x]
    np.testing.assert_allclose(found, model.predict_proba(x.astype(np.float64)), atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("steps", "place"),
    [
        ((SplineTransformer(4), xgboost()), "splinetransformer"),
        ((SplineTransformer(4), histograms()), "splinetransformer"),
        ((SplineTransformer(4), lightgbm()), "splinetransformer"),
        ((KMeans(4, n_init=1, random_state=0), histograms()), "kmeans"),
        ((StandardScaler(), FunctionTransformer(np.sin), xgboost()), "functiontransformer"),
        ((FunctionTransformer(np.square), histograms()), "functiontransformer"),
        ((PowerTransformer(), PCA(2), xgboost()), "powertransformer"),
    ],
)
def test_what_is_worked_out_in_float32_is_refused_in_front_of_boosting(steps: tuple[Any, ...], place: str) -> None:
    model = make_pipeline(*steps).fit(X, Y)
    with pytest.raises(McugenError, match="numbers of their own training") as refused:
        lowered(model)
    (found,) = refused.value.diagnostics
    assert found.code == "E0302"
    assert place in found.loc.where


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "steps",
    [
        (SplineTransformer(4), GradientBoostingClassifier(n_estimators=3)),  # thresholds half way between numbers
        (KMeans(4, n_init=1, random_state=0), lightgbm()),
        (FunctionTransformer(np.square), xgboost()),  # a product is rounded once, as XGBoost rounds it
        (FunctionTransformer(np.absolute), histograms()),
        (PowerTransformer(), histograms()),
    ],
)
def test_what_leaves_no_side_open_is_taken(steps: tuple[Any, ...]) -> None:
    model = make_pipeline(*steps).fit(X, Y)
    graph = lowered(model).predict
    found = [evaluate(graph, {"x": row.astype(np.float32)})["proba"] for row in X]
    np.testing.assert_allclose(found, model.predict_proba(X), atol=1e-6)
