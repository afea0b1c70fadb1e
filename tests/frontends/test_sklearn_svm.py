"""Support vector machines: the op's answers are scikit-learn's, the C's are the op's, and what is wrong has a diagnostic."""

import contextlib
import copy
import warnings

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn import datasets, preprocessing, svm

import mcugen
from mcugen.diagnostics import Loc, McugenError
from mcugen.frontends import read
from mcugen.frontends.sklearn import read_estimator
from mcugen.ops.linear import Linear
from mcugen.ops.svm import Svm

warnings.filterwarnings("ignore", category=FutureWarning)  # probability=True is on its way out
LOC = Loc("model.skops")
IRIS = datasets.load_iris(return_X_y=True)
WINE = preprocessing.scale(datasets.load_wine().data), datasets.load_wine().target
CANCER = preprocessing.scale(datasets.load_breast_cancer().data), datasets.load_breast_cancer().target
DIGITS = datasets.load_digits(return_X_y=True)
DIABETES = datasets.load_diabetes(return_X_y=True)
DIABETES_RAW = datasets.load_diabetes(return_X_y=True, scaled=False)
SVC = svm.SVC(probability=True).fit(*IRIS)
KERNELS = ("linear", "poly", "rbf", "sigmoid")
CLASSIFIERS = [
    *(svm.SVC(kernel=kernel) for kernel in KERNELS),
    *(svm.NuSVC(nu=0.1, kernel=kernel, coef0=0.3) for kernel in KERNELS),
    svm.SVC(C=100, gamma="auto", class_weight="balanced", decision_function_shape="ovo"),
    svm.SVC(kernel="linear", decision_function_shape="ovo"),
    svm.SVC(break_ties=True),
    svm.SVC(kernel="linear", break_ties=True),
    svm.SVC(kernel="poly", degree=0),
]


def code_of(estimator, output=None):
    with pytest.raises(McugenError) as caught:
        read_estimator(estimator, "m", output, LOC)
    assert all(d.help and d.loc.file == LOC.file for d in caught.value.diagnostics)
    return caught.value.diagnostics[0].code


def changed(model, **attributes):
    made = copy.copy(model)
    vars(made).update(attributes)
    return made


@pytest.mark.parametrize("model", CLASSIFIERS, ids=str)
def test_every_row_of_classifiers(model):
    for x, y in (WINE, CANCER):
        compiled = mcugen.compile(model.fit(x, y), board="host", output="decision", numeric="float32")
        proof = compiled.verify(x)
        assert proof.proven
        assert proof.near_ties < 0.1 * len(x)


@pytest.mark.parametrize("data", [IRIS, CANCER, DIGITS], ids=["iris", "cancer", "digits"])
@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_every_row_of_probabilities(data, kernel):
    model = svm.SVC(kernel=kernel, probability=True, random_state=0).fit(*data)
    assert mcugen.compile(model, board="host", output="proba", numeric="float32").verify(data[0][:600]).proven


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("kind", [svm.SVR, svm.NuSVR])
def test_every_row_of_regressors(kind, kernel):
    x, y = DIABETES
    model = kind(kernel=kernel, C=30, gamma=2.0).fit(x, y)
    assert mcugen.compile(model, board="host", numeric="float32").verify(x).proven


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_row_of_outliers(kernel):
    compiled = mcugen.compile(
        svm.OneClassSVM(kernel=kernel, nu=0.2).fit(WINE[0]), board="host", output="decision", numeric="float32"
    )
    assert compiled.verify(WINE[0]).proven
    assert set(compiled.predict(WINE[0])) == {-1, 1}


@pytest.mark.parametrize("numeric", ["int16", "int8"])
def test_smaller_formats_change_few_labels(numeric):
    model = svm.SVC().fit(*CANCER)
    compiled = mcugen.compile(model, board="host", numeric=numeric, data=CANCER[0], max_disagreement=0.02)
    assert compiled.verify(CANCER[0]).wrong <= (0 if numeric == "int16" else 10)


def test_scikit_learns_own_answers_are_the_ops():
    for model in (m.fit(*IRIS) for m in CLASSIFIERS):
        source = read(model)
        op = source.module.predict.nodes[0].op
        rows = IRIS[0].astype(np.float32)
        clear = ~source.reference.near_ties(rows)
        if isinstance(op, Svm):
            assert np.array_equal(op.answers(rows)[0][clear], model.predict(rows)[clear])
        assert isinstance(op, Linear if model.kernel == "linear" else Svm)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000))
def test_small_models_of_any_scale(seed):
    rng = np.random.default_rng(seed)
    rows, features = int(rng.integers(4, 40)), int(rng.integers(1, 9))
    x = rng.normal(size=(rows, features)) * 10.0 ** rng.uniform(-8, 8)
    y = np.arange(rows) % int(rng.integers(2, 5))
    x *= 10.0 ** rng.choice([0, 1, 3], features)
    kernel = KERNELS[seed % 4]
    model = svm.SVC(kernel=kernel, C=10.0 ** rng.uniform(-2, 3), max_iter=10_000)
    warnings.simplefilter("ignore")  # not converged: as good a machine as any
    for output in ("label", "decision"):
        with contextlib.nullcontext() if kernel in ("rbf", "linear") else may_cancel():
            mcugen.compile(
                model.fit(x, y), board="host", numeric="float32", output=output
            )  # proves it on rows of its own


@contextlib.contextmanager
def may_cancel():
    """Lets the diagnostic through that scores cancel, and no other."""
    try:
        yield
    except McugenError as refused:
        if "scores cancel" not in refused.diagnostics[0].message:
            raise


@pytest.mark.parametrize("kernel", ["poly", "sigmoid"])
def test_a_feature_far_larger_than_others_is_answered_or_refused(kernel):
    """Labels are wrong where kernel values cancel to less than integers of 32 bits hold, and no near tie may hide them."""
    warnings.simplefilter("ignore")
    for larger in (1, 100, 10_000):
        x = (IRIS[0] * [larger, 1, 1, 1]).astype(np.float32)
        rows = (x + x[np.random.default_rng(0).permutation(len(x))]) / np.float32(2)
        usual = svm.SVC(kernel=kernel, gamma="scale", max_iter=100_000).fit(x, IRIS[1])
        compiled = mcugen.compile(usual, board="host", numeric="float32")
        assert (compiled.predict(rows) == usual.predict(rows.astype(np.float64))).all()
        assert not compiled.source.reference.near_ties(rows).any()
        if larger > 1:
            steep = svm.SVC(kernel="poly", gamma="auto", max_iter=100_000).fit(x, IRIS[1])
            pairs = mcugen.compile(steep, board="host", numeric="float32", output="decision", check_answers=False)
            assert [node.op.name for node in pairs.module.nodes] == ["kernel_values", "linear"]
            wanted = steep.decision_function(rows.astype(np.float64))
            clear = pairs.source.reference.rounding(rows) < 1e-6
            np.testing.assert_allclose(pairs.decision_function(rows)[clear], wanted[clear], rtol=1e-5, atol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("kernel", ["rbf", "sigmoid"])
def test_rows_that_are_all_the_same_leave_nothing_but_rounding(kernel):
    x = np.full((40, 3), 2.5, np.float32)
    model = svm.OneClassSVM(kernel=kernel).fit(x)
    assert np.abs(model.decision_function(x)).max() < 1e-12
    assert np.abs(mcugen.compile(model, numeric="float32", output="decision").run([x])[1]).max() < 1e-5


def test_many_vectors_and_many_classes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5_000, 4))
    model = svm.SVC(C=0.01).fit(x, rng.integers(0, 2, 5_000))
    assert len(model.support_vectors_) > 4_900
    assert mcugen.compile(model, board="host", numeric="float32", check_answers=False).verify(x[:300]).proven
    many = svm.SVC().fit(x[:520], np.arange(520) % 260 + 2**40)  # more than a byte counts
    assert mcugen.compile(many, board="host", numeric="float32", check_answers=False).verify(x[:20]).proven


def test_libsvm_reads_two_counts_where_there_are_no_classes():
    model = svm.SVR().fit(*DIABETES)
    assert code_of(changed(model, _n_support=model._n_support[:1])) == "E0107"  # libsvm would read beyond it


def test_no_vectors_leave_the_intercept():
    model = svm.SVR(epsilon=1e6).fit(*DIABETES)
    assert len(model.support_vectors_) == 0
    compiled = mcugen.compile(model, board="host", check_answers=False)
    assert compiled.predict(DIABETES[0][:2]) == pytest.approx([model.intercept_[0]] * 2)


def test_a_kernel_too_narrow_for_the_grid_of_its_vectors():
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    assert mcugen.compile(svm.SVC(gamma=1e15).fit(x, np.arange(40) % 2), board="host", data=x).verify(x).proven


@pytest.mark.parametrize(
    "model",
    [
        svm.SVR(C=1e4, gamma=1e-4),
        svm.SVC(kernel="poly", coef0=1, gamma=1.0, degree=4, C=100),
        svm.SVC(C=1e5, gamma=1e-3, decision_function_shape="ovo"),
        svm.SVC(C=1e5, gamma=1e-3, break_ties=True),
    ],
    ids=str,
)
def test_scores_that_cancel_are_sums_of_pairs(model):
    x, y = (IRIS[0], IRIS[1]) if isinstance(model, svm.SVC) else DIABETES_RAW
    x = x.astype(np.float32)
    model.fit(x.astype(np.float64), y)
    output = "value" if isinstance(model, svm.SVR) else "decision"
    compiled = mcugen.compile(model, board="nano33ble", output=output, numeric="float32", data=x)
    assert [node.op.name for node in compiled.module.nodes] == ["kernel_values", "linear"]
    wanted = np.asarray((model.predict if output == "value" else model.decision_function)(x.astype(np.float64)))
    np.testing.assert_allclose(compiled.run([x])[-1].reshape(wanted.shape), wanted, rtol=1e-6, atol=1e-6)


def test_the_sigmoid_kernel_and_probabilities_whose_scores_cancel_are_refused():
    steep = svm.SVC(kernel="sigmoid", C=1e6, gamma=1e-4, probability=True).fit(IRIS[0] + 100, IRIS[1])
    assert code_of(steep) == code_of(steep, "proba") == "E0302"


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"support_vectors_": None}, "E0107"),
        ({"support_vectors_": SVC.support_vectors_[:, :3]}, "E0107"),
        ({"support_vectors_": SVC.support_vectors_[:9]}, "E0107"),
        ({"support_vectors_": SVC.support_vectors_ * np.nan}, "E0107"),
        ({"support_vectors_": SVC.support_vectors_ * 1e40}, "E0302"),
        ({"support_vectors_": SVC.support_vectors_.astype(np.float32)}, "E0107"),
        ({"support_vectors_": sparse.csr_matrix(SVC.support_vectors_)}, "E0302"),
        ({"support_": SVC.support_[:3]}, "E0107"),
        ({"support_": SVC.support_.astype(np.int64)}, "E0107"),
        ({"_n_support": SVC._n_support + 1}, "E0107"),
        ({"_n_support": SVC._n_support * 0 + [-1, 1, len(SVC.support_)]}, "E0107"),
        ({"_n_support": SVC._n_support[:2]}, "E0107"),
        ({"_dual_coef_": SVC._dual_coef_[:1]}, "E0107"),
        ({"_dual_coef_": SVC._dual_coef_ * np.inf}, "E0107"),
        ({"_intercept_": SVC._intercept_ * 1e40}, "E0302"),
        ({"_intercept_": SVC._intercept_[:2]}, "E0107"),
        ({"_probA": SVC._probA[:2]}, "E0107"),
        ({"_probB": SVC._probB * np.nan}, "E0107"),
        ({"_probA": None}, "E0107"),
        ({"classes_": np.arange(1)}, "E0107"),
        ({"classes_": np.arange(4)}, "E0107"),
        ({"_gamma": -1.0}, "E0107"),
        ({"_gamma": "scale"}, "E0107"),
        ({"_gamma": np.nan}, "E0107"),
        ({"_gamma": 1e58}, "E0302"),
        ({"coef0": None}, "E0107"),
        ({"coef0": -1e58}, "E0302"),
        ({"degree": 2.5}, "E0107"),
        ({"kernel": "poly", "degree": 1000}, "E0302"),
        ({"kernel": "precomputed"}, "E0302"),
        ({"kernel": print}, "E0302"),
        ({"_sparse": True}, "E0302"),
        ({"decision_function_shape": None}, "E0107"),
        ({"break_ties": True, "decision_function_shape": "ovo"}, "E0107"),
        ({"break_ties": None}, "E0107"),
        ({"n_features_in_": 5}, "E0107"),
        ({"_impl": "nu_svr"}, "E0301"),
        ({"predict": print}, "E0301"),
    ],
    ids=range(38),
)
def test_every_rule(attributes, code):
    assert code_of(changed(SVC, **attributes)) == code


def test_a_linear_machine_has_no_gamma():
    """Features of 1e-30 make gamma="scale" 6e58: nothing that a linear kernel knows, and too much for the others."""
    x, y = IRIS[0] * 1e-30, IRIS[1]
    model = svm.SVC(kernel="linear").fit(x, y)
    assert (mcugen.compile(model, check_answers=False).predict(x) == model.predict(x)).all()
    with pytest.raises(McugenError, match=r"E0302.*6\.42e\+58(.|\n)*scale the features"):
        read(svm.SVC().fit(x, y))


def test_what_is_asked_has_to_be_there():
    assert code_of(svm.SVC().fit(*IRIS), "proba") == "E0304"
    assert code_of(svm.SVR().fit(*DIABETES), "label") == "E0304"
    assert code_of(svm.SVC()) == "E0106"
    assert code_of(svm.SVC().fit(sparse.csr_matrix(IRIS[0]), IRIS[1])) == "E0302"


def test_files():
    for model in (SVC, svm.OneClassSVM().fit(IRIS[0]), svm.NuSVR().fit(*DIABETES)):
        assert str(read(skops.io.dumps(model)).module) == str(read(model).module)
