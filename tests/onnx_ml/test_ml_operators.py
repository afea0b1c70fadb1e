"""ai.onnx.ml's operators one by one, beside onnxruntime, and what of them is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from ml_node import DOUBLE, FLOAT, INT64, STRING, TARGETS, compare, node_model, refusal

from mcugen.boards import Target
from mcugen.ir import Array

RNG = np.random.default_rng(0)
ROWS = 50
NAN = float("nan")
Case = tuple[onnx.ModelProto, Array]


def rows(width: int) -> Array:
    x = RNG.normal(size=(ROWS, width)) * RNG.choice([0.01, 1, 30], (ROWS, 1))
    x[:3] = 0
    return x.astype(np.float32)


def features() -> Iterator[Case]:
    x = rows(3)
    yield node_model("Scaler", [1, 3], [FLOAT], offset=[1.5, -2.0, 1e3], scale=[0.5, 3.0, 1e-3]), x
    yield node_model("Scaler", [1, 3], [FLOAT], offset=[1.0], scale=[2.0]), x
    yield node_model("Scaler", [1, 3], [FLOAT], offset=[1.0, 2.0, 3.0], scale=[2.0, 0.0, 1.0]), x
    for norm in ("MAX", "L1", "L2"):
        yield node_model("Normalizer", [1, 3], [FLOAT], norm=norm), x
    yield node_model("Normalizer", [1, 3], [FLOAT], norm="L1"), x * np.float32(1e-20)
    holes = np.where(RNG.random(x.shape) < 0.3, np.float32(NAN), x)
    yield node_model("Imputer", [1, 3], [FLOAT], imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=NAN), holes
    yield node_model("Imputer", [1, 3], [FLOAT], imputed_value_floats=[9.0], replaced_value_float=0.0), x
    whole = RNG.integers(-2, 5, (ROWS, 3))
    yield node_model("Imputer", [1, 3], [INT64], INT64, imputed_value_int64s=[7], replaced_value_int64=2), whole
    yield node_model("Binarizer", [1, 3], [FLOAT], threshold=0.25), x
    yield node_model("OneHotEncoder", [1, 3], [FLOAT], INT64, cats_int64s=[3, 0, 1]), whole
    yield node_model("OneHotEncoder", [1, 3], [FLOAT], cats_int64s=[0, 1]), whole.astype(np.float32) + 0.5
    yield node_model("FeatureVectorizer", [1, 3], [FLOAT], inputdimensions=[3]), x
    yield node_model("Scaler", [1, 3], [FLOAT], DOUBLE, offset=[0.5], scale=[2.0]), x.astype(np.float64)


def encoders() -> Iterator[Case]:
    whole = RNG.integers(-5, 12, (ROWS, 2))
    floats = RNG.choice([0.5, 1.5, 2.5, NAN], (ROWS, 2)).astype(np.float32)
    near, far = [3, 1, 2, 8], [-(10**6), 7, 10**9]
    yield node_model("LabelEncoder", [1, 2], [INT64], INT64, 2, keys_int64s=near, values_int64s=[10, 20, 30, 40]), whole
    yield node_model("LabelEncoder", [1, 2], [FLOAT], INT64, 2, keys_int64s=far, values_floats=[0.5, 1.5, 2.5]), whole
    yield (
        node_model(
            "LabelEncoder",
            [1, 2],
            [FLOAT],
            INT64,
            2,
            keys_int64s=near,
            values_floats=[0.5, 1.5, 2.5, 3.0],
            default_float=9.0,
        ),
        whole,
    )
    yield (
        node_model(
            "LabelEncoder", [1, 2], [INT64], FLOAT, 4, keys_floats=[1.5, NAN], values_int64s=[1, 2], default_int64=5
        ),
        floats,
    )
    tensors = {
        "keys_tensor": np.array(near),
        "values_tensor": np.array([1.0, 2, 3, 4], np.float32),
        "default_tensor": np.array([7.0], np.float32),
    }
    found = {name: onnx.numpy_helper.from_array(value) for name, value in tensors.items()}
    yield node_model("LabelEncoder", [1, 2], [FLOAT], INT64, 4, **found), whole


def weights() -> Iterator[Case]:
    x = rows(3)
    three = {"coefficients": RNG.normal(size=9).tolist(), "intercepts": [0.1, -0.2, 0.3]}
    for name in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
        yield (
            node_model(
                "LinearClassifier", [1, 3], [INT64, FLOAT], classlabels_ints=[4, 2, 7], post_transform=name, **three
            ),
            x,
        )
    one = RNG.normal(size=3).astype(np.float32)
    two = {"coefficients": [*(-one).tolist(), *one.tolist()], "intercepts": [-0.25, 0.25]}
    for name in ("NONE", "LOGISTIC", "SOFTMAX"):
        yield (
            node_model("LinearClassifier", [1, 3], [INT64, FLOAT], classlabels_ints=[0, 1], post_transform=name, **two),
            x,
        )
    single = {"coefficients": one.tolist(), "intercepts": [0.5]}
    yield (
        node_model(
            "LinearClassifier", [1, 3], [INT64, FLOAT], classlabels_ints=[3, 9], post_transform="LOGISTIC", **single
        ),
        x,
    )
    yield node_model("LinearRegressor", [1, 3], [FLOAT], **single), x
    yield node_model("LinearRegressor", [1, 3], [FLOAT], targets=3, post_transform="SOFTMAX", **three), x


def machines() -> Iterator[Case]:
    x, names = (RNG.normal(size=(ROWS, 2))).astype(np.float32), ["LINEAR", "POLY", "RBF", "SIGMOID"]
    for kernel in names:
        common: dict[str, Any] = {"kernel_type": kernel, "kernel_params": [0.5, 0.25, 3.0]}
        for classes in (2, 3):
            vectors, pairs = 3 * classes, classes * (classes - 1) // 2
            machine = {
                "support_vectors": RNG.normal(size=2 * vectors).tolist(), "vectors_per_class": [3] * classes,
                "coefficients": RNG.normal(size=(classes - 1) * vectors).tolist(), "rho": RNG.normal(size=pairs).tolist(),
                "classlabels_ints": [5, 3, 8][:classes], **common,
            }  # fmt: skip
            fitted = {"prob_a": [-1.5] * pairs, "prob_b": [0.1] * pairs}
            yield node_model("SVMClassifier", [1, 2], [INT64, FLOAT], **machine), x
            yield node_model("SVMClassifier", [1, 2], [INT64, FLOAT], **machine, **fitted), x
        single = {
            "support_vectors": RNG.normal(size=8).tolist(),
            "coefficients": [1.0, -0.5, 0.25, -0.75],
            "rho": [0.1],
            "n_supports": 4,
        }
        yield node_model("SVMRegressor", [1, 2], [FLOAT], **single, **common), x
        yield node_model("SVMRegressor", [1, 2], [FLOAT], one_class=1, **single, **common), x


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.board.name)
def test_operators_agree_with_onnxruntime(target: Target) -> None:
    found = [*features(), *encoders(), *weights(), *machines()]
    compare([model for model, _ in found], [x for _, x in found], target)


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        (node_model("OneHotEncoder", [1, 2], [FLOAT], cats_strings=["a"]), "E0302", "text, which no board has"),
        (node_model("LabelEncoder", [1, 2], [INT64], keys_strings=["a"], values_int64s=[1]), "E0302", "looks up text"),
        (node_model("LabelEncoder", [1, 2], [INT64], STRING, keys_strings=["a"], values_int64s=[1]), "E0201", "not supported"),
        (node_model("Scaler", [1, 3], [FLOAT], offset=[1.0, 2.0]), "E0104", "2 entries for 3 features"),
        (node_model("Imputer", [1, 3], [FLOAT]), "E0104", "imputed_value_floats is missing"),
        (node_model("LinearRegressor", [1, 3], [FLOAT], coefficients=[1.0]), "E0104", "1 coefficients"),
        (node_model("FeatureVectorizer", [1, 1], [FLOAT], inputdimensions=[2**31]), "E0303", "2,147,483,648 elements"),
        (node_model("LinearRegressor", [1, 1], [FLOAT], coefficients=[1.0], targets=2**31), "E0104", "2,147,483,648 sums"),
        (node_model("TreeEnsembleRegressor", [1, 1], [FLOAT], n_targets=2**31, nodes_treeids=[0], nodes_nodeids=[0],
                    nodes_modes=["LEAF"]), "E0303", "2,147,483,648 numbers"),
        (node_model("LinearRegressor", [1, 1], [FLOAT], coefficients=[NAN]), "E0104", "not finite"),
        (node_model("LinearClassifier", [1, 1], [INT64, FLOAT], coefficients=[1.0], intercepts=[0.0], classlabels_ints=[0, 1]),
         "E0302", "runtimes make different answers"),
        (node_model("LinearClassifier", [1, 1], [INT64, FLOAT], coefficients=[1.0], intercepts=[0.0]), "E0104", "no labels"),
        (node_model("SVMClassifier", [1, 1], [INT64, FLOAT], coefficients=[1.0, 1.0], rho=[0.0], classlabels_ints=[0, 1]),
         "E0104", "0 classes of support vectors"),
        (node_model("SVMRegressor", [1, 2], [FLOAT], coefficients=[1.0], rho=[0.0], n_supports=1, support_vectors=[1.0]),
         "E0104", "support_vectors must be 2 numbers"),
        (node_model("SVMRegressor", [1, 1], [FLOAT], coefficients=[1.0], rho=[0.0], n_supports=1, support_vectors=[1.0],
                    kernel_type="ODD"), "E0302", "the kernel ODD"),
        (node_model("LinearRegressor", [100, 1], [FLOAT], coefficients=[1.0]), "E0303", "100 rows at once"),
    ],
)  # fmt: skip
def test_what_is_no_such_operator_is_refused_in_words(model: onnx.ModelProto, code: str, words: str) -> None:
    found, message = refusal(model)
    assert (found, words in message) == (code, True), message
