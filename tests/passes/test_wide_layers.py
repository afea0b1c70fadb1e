"""Networks as linear ops of 62 bits, where integers of 32 bits lose too much."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mcugen.compile import compile

CANCER, CLASSES = load_breast_cancer(return_X_y=True)
FAR = (CANCER + 1e4).astype(np.float32)
OPTIONS: dict[str, Any] = {"max_iter": 40, "random_state": 0}


def ops(model: Any, x: Any, **options: Any) -> list[str]:
    compiled = compile(model, "mega2560", numeric="float32", check_fit=False, check_answers=False, **options)
    return [node.op.name for node in compiled.module.nodes]


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("layers", [(8,), (6, 4)])
def test_numbers_of_features_far_off_zero(layers: tuple[int, ...], known: bool) -> None:
    model = MLPRegressor(hidden_layer_sizes=layers, **OPTIONS).fit(FAR.astype(np.float64), CLASSES * 1.0)
    data = FAR if known else None
    compiled = compile(model, "mega2560", output="value", numeric="float32", data=data, check_fit=False)
    np.testing.assert_allclose(compiled.predict(FAR), model.predict(FAR.astype(np.float64)), rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_shares_of_small_sums() -> None:
    x, y = load_wine(return_X_y=True)
    x = x.astype(np.float32)
    model = OneVsRestClassifier(MLPClassifier((4,), max_iter=20, random_state=0)).fit(x.astype(np.float64), y)
    compiled = compile(model, "mega2560", output="proba", numeric="float32", data=x, check_fit=False)
    np.testing.assert_allclose(compiled.predict_proba(x), model.predict_proba(x.astype(np.float64)), atol=1e-5)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_labels_and_scaled_features_stay_networks() -> None:
    model = MLPClassifier((8,), **OPTIONS).fit(CANCER, CLASSES)
    scaled = make_pipeline(StandardScaler(), MLPClassifier((8,), **OPTIONS)).fit(CANCER, CLASSES)
    assert ops(model, CANCER) == ["mlp"]
    assert ops(model, CANCER, output="proba") == ["linear", "relu", "linear"]
    assert ops(scaled, CANCER, output="proba") == ["affine", "mlp"]
    assert ops(scaled, CANCER, output="proba", data=CANCER) == ["affine", "mlp"]


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_scaler_in_front_is_part_of_the_first_layer() -> None:
    x, y = load_wine(return_X_y=True)
    x = (100 * x).astype(np.float32)
    model = make_pipeline(StandardScaler(with_std=False), MLPClassifier((6,), **OPTIONS)).fit(x.astype(np.float64), y)
    compiled = compile(model, "mega2560", output="proba", numeric="float32", data=x, check_fit=False)
    assert [node.op.name for node in compiled.module.nodes] == ["linear", "relu", "linear"]
    np.testing.assert_allclose(compiled.predict_proba(x), model.predict_proba(x.astype(np.float64)), atol=1e-5)
