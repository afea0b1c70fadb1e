"""QuadraticDiscriminantAnalysis: scikit-learn's decision function, and what is refused."""

import copy

import numpy as np
import pytest
import skops.io
from scipy import sparse
from sklearn import datasets
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis as Qda

import mcugen
from mcugen.diagnostics import Loc, McugenError
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import read_estimator, reference_of

LOC = Loc("model.skops")
X, Y = datasets.load_iris(return_X_y=True)
MODEL = Qda().fit(X, Y)


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


@pytest.mark.parametrize("priors", [None, [0.1, 0.2, 0.7]])
@pytest.mark.parametrize("reg", [0.0, 0.3])
def test_scores_are_scikit_learns(priors, reg):
    model = Qda(priors=priors, reg_param=reg).fit(X, Y)
    np.testing.assert_allclose(op_of(model).model.scores(X), model.decision_function(X), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("output", ["label", "proba", "decision"])
def test_outputs(output):
    for y in (Y, np.where(Y > 1, "b", "a"), np.array([-(2**40), 5, 2**60])[Y]):
        model = Qda().fit(X, y)
        compiled = mcugen.compile(model, board="uno", output=output)
        assert compiled.predict(X).tolist() == model.predict(X).tolist()
        assert compiled.verify().proven
        if output == "decision":
            np.testing.assert_allclose(compiled.decision_function(X), model.decision_function(X), rtol=1e-5, atol=1e-4)
        elif output == "proba":
            np.testing.assert_allclose(compiled.predict_proba(X), model.predict_proba(X), atol=1e-5)


def test_skops_files():
    loaded = read_model(skops.io.dumps(Qda(store_covariance=True).fit(X, Y))).estimator
    assert str(read_estimator(loaded, "m")) == str(read_estimator(MODEL, "m"))


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_features_of_any_scale(scale):
    x = (X * scale).astype(np.float32)
    model = edited(means_=MODEL.means_ * scale, scalings_=[s * scale**2 for s in MODEL.scalings_])
    assert mcugen.compile(model, board="uno", output="proba").verify(x).proven


def test_features_far_from_0():
    """Where means are ten thousand deviations, 32 bits are a thousandth of a deviation off."""
    rows = (X + 1e4).astype(np.float32)
    model = Qda(reg_param=0.01).fit(rows.astype(np.float64), Y)
    for output in ("label", "proba", "decision"):
        assert mcugen.compile(model, board="mega2560", output=output, data=rows).verify(rows).proven


def test_the_proof_excuses_what_float64_rounds_and_no_more():
    model = Qda().fit(X, Y)
    assert reference_of(model).rounding(X.astype(np.float32)).max() < 1e-10


def test_what_is_refused():
    assert code_of(Qda()) == "E0106"
    assert code_of(MODEL, "value") == "E0304"
    for name in ("means_", "priors_", "rotations_", "scalings_", "classes_", "n_features_in_"):
        for value in (None, 7, "x", [], [1, 2, 3], np.full((2, 2), np.nan)):
            assert code_of(edited(**{name: value})) == "E0107", name
    for scaling in (0.0, -1.0, np.nan, 1e-90):
        assert code_of(edited(scalings_=[np.full(4, scaling)] * 3)) == "E0107"
    assert code_of(edited(scalings_=[MODEL.scalings_[0][:3], *MODEL.scalings_[1:]])) == "E0107"
    assert code_of(edited(priors_=np.array([-1.0, 1, 1]))) == code_of(edited(priors_=np.zeros(3))) == "E0107"
    singular = [s * [1, 1, 1, 1e-30] for s in MODEL.scalings_]
    assert code_of(edited(scalings_=singular)) == "E0302"
    assert code_of(edited(rotations_=[r * 1e60 for r in MODEL.rotations_])) == "E0303"


def test_sparse_arrays_are_made_dense():
    model = edited(**{name: sparse.csr_matrix(getattr(MODEL, name)) for name in ["means_"]})
    assert read_estimator(model, "m", None, LOC)
    assert np.array_equal(reference_of(model).labels(X), reference_of(MODEL).labels(X))
