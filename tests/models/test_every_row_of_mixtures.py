"""Gaussian mixtures, on every row of scikit-learn's own data sets; and what is refused of them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_maps import prove_all as prove_as_they_are
from test_pipelines import prove_all

from mcugen.diagnostics import McugenError
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import read_estimator

X, Y = load_iris(return_X_y=True)
MODEL = GaussianMixture(3, random_state=0).fit(X)
BAYESIAN = BayesianGaussianMixture(n_components=3, random_state=0).fit(X)


def code_of(model: Any) -> str:
    with pytest.raises(McugenError) as caught:
        read_estimator(model, "m")
    assert all(one.help for one in caught.value.diagnostics)
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
def test_every_row(load: Any) -> None:
    x, y = load(return_X_y=True)
    kinds = ("full", "tied", "diag", "spherical")
    models = [make_pipeline(StandardScaler(), GaussianMixture(3, covariance_type=one, random_state=0)) for one in kinds]
    prove_all([(one, output) for one in models for output in ("label", "proba")], x, y, 200)


def test_every_row_of_bayesian_ones() -> None:
    priors = ("dirichlet_process", "dirichlet_distribution")
    kinds = ("full", "tied", "diag", "spherical")
    models = [
        BayesianGaussianMixture(
            n_components=3, covariance_type=kind, weight_concentration_prior_type=prior, random_state=0
        )
        for kind, prior in zip(kinds, (*priors, *priors), strict=True)
    ]
    x, y = load_wine(return_X_y=True)
    prove_all([(make_pipeline(StandardScaler(), one), "proba") for one in models], x, y, 200)
    prove_all([(one, "label") for one in models[:2]], X + 1e4, Y, 200)


def test_fitted_on_float32() -> None:
    """scikit-learn would multiply its means with its precisions in float32, and far from 0 be far off."""
    x = (X + 1000).astype(np.float32)
    models = [GaussianMixture(3, random_state=0), BAYESIAN]
    prove_as_they_are([(_Single(model), "proba") for model in models], x, Y)


class _Single:
    """Fits on float32, whatever is given."""

    def __init__(self, model: Any) -> None:
        self._model = copy.deepcopy(model)

    def fit(self, x: Any, y: Any) -> Any:
        return self._model.fit(np.asarray(x, np.float32))


def test_skops_files() -> None:
    for model in (MODEL, BAYESIAN):
        loaded = read_model(skops.io.dumps(model)).estimator
        assert str(read_estimator(loaded, "m", "proba")) == str(read_estimator(model, "m", "proba"))


def test_what_is_refused() -> None:
    assert code_of(GaussianMixture()) == "E0106"
    assert code_of(GaussianMixture(1).fit(X)) == "E0302"
    for name in ("means_", "weights_", "precisions_cholesky_", "covariance_type"):
        for value in (None, "x", np.full((3, 4), np.nan), -np.ones(3)):
            model = copy.deepcopy(MODEL)
            setattr(model, name, value)
            assert code_of(model) == "E0107", name
    singular = copy.deepcopy(MODEL)
    singular.precisions_cholesky_ = MODEL.precisions_cholesky_ * 0
    assert code_of(singular) == "E0107"
    singular.precisions_cholesky_ = MODEL.precisions_cholesky_.transpose(0, 2, 1)
    assert code_of(singular) == "E0107"


def test_what_is_refused_of_bayesian_ones() -> None:
    assert code_of(BayesianGaussianMixture()) == "E0106"
    names = ("weight_concentration_", "weight_concentration_prior_type", "degrees_of_freedom_", "mean_precision_")
    for name in names:
        for value in (None, "x", np.full(3, np.nan), -np.ones(3)):
            model = copy.deepcopy(BAYESIAN)
            setattr(model, name, value)
            assert code_of(model) == "E0107", name
