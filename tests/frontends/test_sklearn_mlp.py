"""MLPClassifier and MLPRegressor: scikit-learn's forward pass, and what is refused."""

import copy
import warnings

import numpy as np
import pytest
import skops.io
from sklearn import datasets
from sklearn.neural_network import MLPClassifier, MLPRegressor

import mcugen
from mcugen.diagnostics import Loc, McugenError
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import read_estimator, reference_of

LOC = Loc("model.skops")
X, Y = datasets.load_iris(return_X_y=True)
ACTIVATIONS = ("identity", "logistic", "relu", "tanh")


def fitted(make, y=Y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(**{"max_iter": 60, "random_state": 0, "learning_rate_init": 0.02, **options}).fit(X, y)


MODEL = fitted(MLPClassifier, hidden_layer_sizes=(12, 8), max_iter=300)


def edited(model=MODEL, **attributes):
    model = copy.deepcopy(model)
    for name, value in attributes.items():
        setattr(model, name, value)
    return model


def code_of(model, output=None):
    with pytest.raises(McugenError) as caught:
        read_estimator(model, "m", output, LOC)
    assert all(d.help and d.loc.file == LOC.file for d in caught.value.diagnostics)
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize("hidden", [(), (5,), (6, 4, 5)], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_and_depth(activation, hidden):
    options = {"activation": activation, "hidden_layer_sizes": hidden}
    several = fitted(MLPClassifier, **options)
    two = fitted(MLPClassifier, np.where(Y > 0, "yes", "no"), **options)
    number = fitted(MLPRegressor, X @ [1.0, 2, -1, 3], **options)
    for model, output in ((several, "proba"), (two, "proba"), (number, "value")):
        compiled = mcugen.compile(model, board="uno", output=output, check_fit=False)
        assert compiled.verify(X).proven
        assert compiled.verify().proven


def test_what_the_nodes_are():
    ops = {
        a: [n.op.name for n in read_estimator(fitted(MLPClassifier, activation=a), "m").predict.nodes]
        for a in ACTIVATIONS
    }
    assert ops == {
        "identity": ["linear"],
        "logistic": ["linear", "sigmoid", "linear"],
        "relu": ["mlp"],
        "tanh": ["linear", "tanh", "linear"],
    }


def test_a_model_fitted_on_float32_is_asked_in_float64():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MLPClassifier((5,), max_iter=20, random_state=0).fit(X.astype(np.float32), Y)
    assert model.coefs_[0].dtype == np.float32
    scores = reference_of(model).scores(X)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(
        reference_of(model).numbers("proba", X), powers / powers.sum(axis=1, keepdims=True), rtol=1e-12
    )
    assert mcugen.compile(model, board="uno", output="proba").verify(X).proven


@pytest.mark.parametrize("numeric", ["int16", "int8"])
def test_smaller_formats_are_measured(numeric):
    compiled = mcugen.compile(MODEL, board="uno", numeric=numeric, output="proba", data=X, max_disagreement=0.2)
    proof = compiled.verify(X)
    assert compiled.quantised
    assert proof.off[0].largest < (0.01 if numeric == "int16" else 0.2)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_skops_files(solver):
    """The optimizer is not needed, and never made."""
    model = fitted(MLPClassifier, hidden_layer_sizes=(5,), solver=solver, early_stopping=solver == "sgd")
    loaded = read_model(skops.io.dumps(model)).estimator
    assert str(read_estimator(loaded, "m")) == str(read_estimator(model, "m"))
    assert isinstance(getattr(loaded, "_optimizer", None), type(None))
    assert mcugen.compile(loaded, board="uno").predict(X).tolist() == model.predict(X).tolist()


def test_labels():
    model = fitted(MLPClassifier, np.array([-(2**40), 5, 2**60])[Y])
    assert mcugen.compile(model, board="uno").predict(X).tolist() == model.predict(X).tolist()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_weights_of_any_scale(scale):
    """The first layer's features are as large as its weights are small."""
    model = edited(coefs_=[MODEL.coefs_[0] / scale, *MODEL.coefs_[1:]])
    compiled = mcugen.compile(model, board="uno", output="proba")
    assert compiled.verify((X * scale).astype(np.float32)).proven


def test_what_is_refused():
    assert code_of(MLPClassifier()) == code_of(MLPRegressor()) == "E0106"
    many = fitted(MLPClassifier, np.stack([Y > 0, Y > 1], axis=1).astype(int))
    assert code_of(many, "proba") == "E0304"
    many._label_binarizer.y_type_ = "multiclass"
    assert code_of(many) == "E0107"
    two = fitted(MLPRegressor, X[:, :2])
    two.n_outputs_ = 3
    assert code_of(two) == "E0107"
    for name in (
        "coefs_",
        "intercepts_",
        "activation",
        "out_activation_",
        "n_layers_",
        "n_outputs_",
        "classes_",
        "_label_binarizer",
    ):
        for value in (None, 7, "x", [], [1, 2, 3], np.zeros((2, 2))):
            assert code_of(edited(**{name: value})) == "E0107", name
    assert code_of(edited(activation="softplus")) == code_of(edited(activation=["relu"])) == "E0107"


@pytest.mark.parametrize("layer", range(3))
def test_layers_that_do_not_chain(layer):
    shorter = [c if i != layer else c[:-1] for i, c in enumerate(MODEL.coefs_)]
    narrower = [c if i != layer else c[:, :-1] for i, c in enumerate(MODEL.coefs_)]
    odd = [
        c if i != layer else np.where(np.arange(c.size).reshape(c.shape) == 1, np.nan, c)
        for i, c in enumerate(MODEL.coefs_)
    ]
    large = [c if i != layer else c * 1e60 for i, c in enumerate(MODEL.coefs_)]
    for coefs, code in ((shorter, "E0107"), (narrower, "E0107"), (odd, "E0107"), (large, "E0303")):
        assert code_of(edited(coefs_=coefs)) == code
    intercepts = [b if i != layer else b[:-1] for i, b in enumerate(MODEL.intercepts_)]
    assert code_of(edited(intercepts_=intercepts)) == "E0107"


def test_a_label_binarizer_that_says_otherwise():
    for name, value in (
        ("classes_", np.array([0, 1, 3])),
        ("y_type_", "binary"),
        ("neg_label", -1),
        ("pos_label", 2.0),
    ):
        model = copy.deepcopy(MODEL)
        setattr(model._label_binarizer, name, value)
        assert code_of(model) == "E0107", name


@pytest.mark.parametrize("seed", range(3))
def test_rows_far_out_leave_the_last_intercepts_their_digits(seed):
    """Where all hidden units are 0 the answer is the last intercepts alone, however large the row."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(80, 2)).astype(np.float32).astype(np.float64)
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0.5)
    model = MLPClassifier((8, 4), max_iter=60, random_state=seed).fit(x, y)
    compiled = mcugen.compile(model, output="proba", check_fit=False)
    for size in (1e3, 1e5, 1e8, 1e12, 1e30):
        rows = (rng.normal(size=(300, 2)) * size).astype(np.float32)
        expected = model.predict_proba(rows.astype(np.float64))
        found = compiled.predict_proba(rows)
        # Not 1e-5: what is left of a unit next to 0 is a difference of parts as large as the row, and 2^-28 of those is more.
        np.testing.assert_allclose(found, expected, atol=1e-4)
        best = np.sort(expected, axis=1)
        clear = best[:, -1] - best[:, -2] > 2e-4
        np.testing.assert_array_equal(found.argmax(axis=1)[clear], expected.argmax(axis=1)[clear])
        assert clear.mean() > 0.9
