"""Regressors with links, on every row of diabetes: within 1e-5; and what is refused of them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.datasets import load_diabetes
from sklearn.linear_model import GammaRegressor, HuberRegressor, PoissonRegressor, QuantileRegressor, TweedieRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_pipelines import prove_all

from mcugen.diagnostics import McugenError
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import read_estimator, reference_of

X, Y = load_diabetes(return_X_y=True)
POISSON = PoissonRegressor().fit(X, Y)


def code_of(model: Any) -> str:
    with pytest.raises(McugenError) as caught:
        read_estimator(model, "m")
    assert all(one.help for one in caught.value.diagnostics)
    return caught.value.diagnostics[0].code


def test_every_row() -> None:
    tweedie = [TweedieRegressor(power=power, max_iter=300) for power in (0, 1, 1.5, 2, 3)]
    models = [POISSON, GammaRegressor(), *tweedie, TweedieRegressor(power=1.5, link="log"), HuberRegressor()]
    models += [QuantileRegressor(alpha=0.0), TweedieRegressor(power=0, link="identity")]
    prove_all([(make_pipeline(StandardScaler(), one), "value") for one in models], X, Y)
    prove_all([(PoissonRegressor(alpha=1e-4), "value"), (GammaRegressor(alpha=1e-4), "value")], X, Y)


@pytest.mark.parametrize(
    "model", [PoissonRegressor(), GammaRegressor(), TweedieRegressor(), TweedieRegressor(power=1.5)]
)
def test_skops_files(model: Any) -> None:
    fitted = model.fit(X, Y)
    loaded = read_model(skops.io.dumps(fitted)).estimator
    assert str(read_estimator(loaded, "m")) == str(read_estimator(fitted, "m"))
    rows = X.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(reference_of(loaded).numbers("value", rows), fitted.predict(rows), rtol=1e-12)


def test_what_is_refused() -> None:
    assert code_of(PoissonRegressor()) == "E0106"
    for name, value in (("coef_", None), ("coef_", np.full(10, np.nan)), ("intercept_", "x"), ("_base_loss", None)):
        model = copy.deepcopy(POISSON)
        setattr(model, name, value)
        assert code_of(model) == "E0107", name
    tweedie = TweedieRegressor(power=1.5).fit(X, Y)
    for name, odd in (("link", "logit"), ("power", "x"), ("power", -1)):
        changed = copy.deepcopy(tweedie)
        setattr(changed, name, odd)
        assert code_of(changed) == "E0107", name
