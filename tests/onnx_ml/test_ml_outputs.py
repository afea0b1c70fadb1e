"""What an exported classical model is asked for: its class with the user's labels, probabilities, a number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import mcugen
from mcugen.diagnostics import McugenError

skl2onnx = pytest.importorskip("skl2onnx")
X, Y = load_iris(return_X_y=True)
X = X.astype(np.float32)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
MODELS = {
    "linear": LogisticRegression(max_iter=200),
    "tree": DecisionTreeClassifier(max_depth=4, random_state=0),
    "neighbours": KNeighborsClassifier(3),
}


def compiled(model: Any, output: str | None) -> mcugen.Compiled:
    graph = skl2onnx.to_onnx(model, X[:1])  # probabilities as a list of dicts, which is what skl2onnx does unasked
    return mcugen.compile(
        graph.SerializeToString(), board="nano33ble", name="iris", output=output, shapes={"X": (1, 4)}
    )


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("labels", [Y, 10 * Y - 5, NAMES], ids=["indices", "integers", "text"])
def test_a_classifier_gives_its_class_and_its_probabilities(name: str, labels: Any) -> None:
    model = MODELS[name].fit(X, labels)
    label, both = compiled(model, "label"), compiled(model, "proba")
    assert "int iris_predict(const float x[4])" in label.files["src/iris.h"]
    assert "int iris_predict_proba(const float x[4], float proba[3])" in both.files["src/iris.h"]
    assert label.proof.proven
    assert both.proof.proven
    assert (label.predict(X) == model.predict(X)).all()
    np.testing.assert_allclose(both.predict_proba(X), model.predict_proba(X), atol=1e-6)


def test_labels_that_are_text_are_given_by_their_index_without_being_asked() -> None:
    model = MODELS["tree"].fit(X, NAMES)
    found = compiled(model, None)
    assert (found.predict(X) == model.predict(X)).all()
    assert "const char *iris_label(int i, char *buf)" in found.files["src/iris.h"]


def test_whole_numbers_as_labels_come_as_the_graph_has_them() -> None:
    label, proba = compiled(MODELS["tree"].fit(X, Y), None).run([X[:, np.newaxis]])
    assert label.dtype == np.int64
    assert (label[:, 0] == MODELS["tree"].predict(X)).all()
    assert proba.shape == (len(X), 1, 3)


def test_a_label_alone_needs_no_probabilities() -> None:
    (node,) = (n for n in compiled(MODELS["tree"].fit(X, Y), "label").module.nodes if n.op.name == "tree_ensemble")
    assert len(node.outputs) == 1


def test_a_regressor_gives_a_number_and_a_transformer_a_row(tmp_path: Path) -> None:
    regressor, scaler = LinearRegression().fit(X[:, 1:], X[:, 0]), StandardScaler().fit(X)
    graph = skl2onnx.to_onnx(regressor, X[:1, 1:]).SerializeToString()
    found = mcugen.compile(graph, board="uno", output="value", shapes={"X": (1, 3)})
    np.testing.assert_allclose(found.predict(X[:, 1:]), regressor.predict(X[:, 1:]), rtol=1e-5)
    transformer = compiled(scaler, "transform")
    np.testing.assert_allclose(transformer.transform(X), scaler.transform(X), atol=1e-5)
    for name, one in (
        ("number", found),
        ("row", transformer),
        ("class", compiled(MODELS["tree"].fit(X, NAMES), "proba")),
    ):
        one.write(tmp_path / name, as_="arduino")  # with unit tests of the model's own answers


def test_fewer_probabilities_than_labels_have_a_count_of_their_own(tmp_path: Path) -> None:
    label = [
        helper.make_node("ArgMax", ["x"], ["index"], axis=1, keepdims=0),
        helper.make_node(
            "LabelEncoder", ["index"], ["y"], "", "", "ai.onnx.ml", keys_int64s=[0, 1], values_strings=["a", "b"]
        ),
        helper.make_node("Softmax", ["x"], ["p"]),
    ]
    floats = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("x", "p")]
    text = helper.make_tensor_value_info("y", TensorProto.STRING, [1])
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    graph = helper.make_model(
        helper.make_graph(label, "net", floats[:1], [text, floats[1]]), opset_imports=versions, ir_version=8
    )
    found = mcugen.compile(graph.SerializeToString(), board="uno", name="net", output="proba")
    assert "#define NET_CLASSES 3" in found.files["src/net.h"]  # the third is LabelEncoder's default
    assert "#define NET_PROBAS 2" in found.files["src/net.h"]
    found.write(tmp_path)
    assert "float p[NET_PROBAS], expected_p[NET_PROBAS];" in (tmp_path / "test" / "test_net.c").read_text()


def test_an_output_that_the_graph_does_not_have_is_refused() -> None:
    with pytest.raises(McugenError, match="no output 'proba'") as caught:
        compiled(StandardScaler().fit(X), "proba")
    assert caught.value.diagnostics[0].code == "E0304"
    assert "--output transform" in (caught.value.diagnostics[0].help or "")


def test_an_exported_forest_is_estimated_and_written_as_the_forest_itself() -> None:
    forest = RandomForestClassifier(10, max_depth=5, random_state=0).fit(X, Y)
    direct = mcugen.compile(forest, board="nano33ble", output="label")
    (own,) = direct.module.nodes
    exported = compiled(forest, "label")
    (node,) = (n for n in exported.module.nodes if n.op.name == "tree_ensemble")
    assert node.op.describe() == own.op.describe()
    assert exported.report.flash.value == direct.report.flash.value
