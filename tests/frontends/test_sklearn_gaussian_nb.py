"""GaussianNB: scikit-learn's joint log-likelihoods, and what is refused."""

import copy

import numpy as np
import pytest
import skops.io
from scipy import sparse
from sklearn import datasets
from sklearn.naive_bayes import GaussianNB

import mcugen
from mcugen.diagnostics import Loc, McugenError
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import read_estimator, reference_of

LOC = Loc("model.skops")
X, Y = datasets.load_iris(return_X_y=True)
MODEL = GaussianNB().fit(X, Y)


def op_of(model, output=None):
    (node,) = read_estimator(model, "m", output, LOC).predict.nodes
    return node.op


def edited(**attributes):
    model = copy.deepcopy(MODEL)
    for name, value in attributes.items():
        setattr(model, name, value)
    return model


def code_of(model, output=None):
    with pytest.raises(McugenError) as caught:
        read_estimator(model, "m", output, LOC)
    assert all(d.help and d.loc.file == LOC.file for d in caught.value.diagnostics)
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize("priors", [None, [0.1, 0.2, 0.7], [0, 0.5, 0.5]])
@pytest.mark.parametrize("smoothing", [1e-12, 1e-9, 1e-2])
def test_scores_are_scikit_learns(priors, smoothing):
    model = GaussianNB(priors=priors, var_smoothing=smoothing).fit(X, Y)
    rows = X.astype(np.float32)
    with np.errstate(divide="ignore"):
        expected = model.predict_joint_log_proba(rows.astype(np.float64))
    np.testing.assert_allclose(op_of(model).scores(rows), expected, rtol=1e-12)


def test_a_model_fitted_on_float32_is_asked_in_float64():
    model = GaussianNB().fit(X.astype(np.float32), Y)
    assert model.theta_.dtype == np.float32
    reference = reference_of(model)
    np.testing.assert_allclose(reference.scores(X), op_of(model).scores(X.astype(np.float32)), rtol=1e-12)
    assert model.theta_.dtype == np.float32


def test_outputs_labels_and_files():
    model = GaussianNB().fit(X, np.array([-(2**40), 5, 2**60])[Y])
    compiled = mcugen.compile(model, board="uno", output="proba")
    assert compiled.predict(X).tolist() == model.predict(X).tolist()
    np.testing.assert_allclose(compiled.predict_proba(X), model.predict_proba(X), atol=1e-5)
    assert code_of(model, "value") == code_of(model, "decision") == "E0304"
    loaded = read_model(skops.io.dumps(model)).estimator
    assert str(read_estimator(loaded, "m")) == str(read_estimator(model, "m"))


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_features_of_any_scale(scale):
    x = (X * scale).astype(np.float32)
    model = GaussianNB().fit(x.astype(np.float64), Y)
    compiled = mcugen.compile(model, board="uno", output="proba")
    assert compiled.verify(x).proven
    assert compiled.verify().proven


def test_far_means_and_far_rows():
    """Means a million deviations from 0, and rows a million times as far."""
    x = (X + 1e6).astype(np.float32)
    model = GaussianNB(var_smoothing=1e-30).fit(x.astype(np.float64), Y)
    compiled = mcugen.compile(model, board="uno", output="proba")
    assert compiled.verify(x).proven
    assert compiled.verify((x * 1e6).astype(np.float32)).proven


def test_a_feature_that_tells_nothing_takes_no_digits():
    """However large it is: all classes see it alike."""
    x = np.column_stack([X, np.full(len(X), 1e4)]).astype(np.float32)
    compiled = mcugen.compile(GaussianNB().fit(x.astype(np.float64), Y), board="uno", output="proba")
    assert compiled.verify(x).proven


def test_the_proof_excuses_what_float64_rounds_and_no_more():
    """Not what integers of 32 bits lose: digits has deviations of 2e-4, and rows that these were 7e-6 off for."""
    x, y = datasets.load_digits(return_X_y=True)
    model = GaussianNB().fit(x, y)
    assert reference_of(model).rounding(x).max() < 1e-8


def test_deviations_a_billion_times_smaller_than_the_range():
    x, y = datasets.load_digits(return_X_y=True)
    model = GaussianNB(var_smoothing=1e-15).fit(x[:500], y[:500])
    compiled = mcugen.compile(model, board="nano33ble", output="proba")
    np.testing.assert_allclose(compiled.predict_proba(x), model.predict_proba(x), atol=1e-5)
    assert mcugen.compile(model, board="nano33ble").predict(x).tolist() == model.predict(x).tolist()


def test_300_classes():
    rng = np.random.default_rng(0)
    y = np.arange(900) % 300
    x = rng.normal(size=(900, 3)) + rng.normal(size=(300, 3))[y] * 5
    compiled = mcugen.compile(GaussianNB().fit(x, y), board="uno", output="proba", check_fit=False)
    assert compiled.verify(x).proven


def test_one_class_needs_no_second():
    assert mcugen.compile(GaussianNB().fit(X, np.zeros(len(X))), board="uno").predict(X).tolist() == [0.0] * len(X)


def test_what_is_refused():
    assert code_of(GaussianNB()) == "E0106"
    for name in ("theta_", "var_", "class_prior_", "classes_", "n_features_in_"):
        assert code_of(edited(**{name: None})) == "E0107"
        assert code_of(edited(**{name: np.full((2, 2), np.nan)})) == "E0107"
    for variance in (0.0, -1.0, np.inf, np.nan):
        assert code_of(edited(var_=np.full((3, 4), variance))) == "E0107"
    assert code_of(edited(class_prior_=np.array([-1.0, 1, 1]))) == "E0107"
    assert code_of(edited(class_prior_=np.zeros(3))) == "E0107"
    apart = MODEL.var_.copy()
    apart[0, 0] *= 1e-20
    assert code_of(edited(var_=apart)) == "E0302"
    assert code_of(edited(var_=MODEL.var_ * 1e-100)) == "E0302"
    assert code_of(edited(theta_=MODEL.theta_ * 1e38)) in ("E0302", "E0303")

    class Other(GaussianNB):
        def _joint_log_likelihood(self, X):  # noqa: N803  # scikit-learn's name
            return -super()._joint_log_likelihood(X)

    assert code_of(Other().fit(X, Y)) == "E0301"


def test_sparse_arrays_are_made_dense():
    model = edited(**{name: sparse.csr_matrix(getattr(MODEL, name)) for name in ("theta_", "var_")})
    assert read_estimator(model, "m", None, LOC)
    assert np.array_equal(reference_of(model).labels(X), reference_of(MODEL).labels(X))
