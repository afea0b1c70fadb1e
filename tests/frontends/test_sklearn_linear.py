"""Linear models, discriminant analysis, discrete naive Bayes, nearest centroids and k-means: scikit-learn's answers, or a
diagnostic."""

import copy
import warnings
from dataclasses import replace

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn import cluster, datasets, discriminant_analysis, linear_model, naive_bayes, neighbors, svm

from mcugen.compile import compile
from mcugen.diagnostics import Loc, McugenError
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import (
    centroids,
    discriminant,
    head_of,
    linear_models,
    naive_bayes_discrete,
    read_estimator,
    reference_of,
)
from mcugen.ops.linear import Linear
from mcugen.verify import prove

FAMILIES = (linear_models, discriminant, naive_bayes_discrete, centroids)
HOMES = (linear_model, svm, discriminant_analysis, naive_bayes, cluster, neighbors)
LOC = Loc("model.skops")
IRIS = datasets.load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore")


def named(name):
    return next(getattr(home, name) for home in HOMES if hasattr(home, name))


CLASSES = [named(name) for family in FAMILIES for name in family.SUPPORTED if name not in linear_models.TASKS]
VARIANTS = [
    linear_model.LogisticRegression(C=100, max_iter=300),
    linear_model.LogisticRegression(fit_intercept=False),
    linear_model.RidgeClassifier(fit_intercept=False),
    linear_model.SGDClassifier(loss="log_loss", random_state=0),
    linear_model.SGDClassifier(loss="modified_huber", random_state=0),
    linear_model.SGDClassifier(loss="squared_error", average=True, random_state=0),
    linear_model.Ridge(fit_intercept=False),
    svm.LinearSVC(multi_class="crammer_singer"),
    svm.LinearSVC(fit_intercept=False),
    discriminant_analysis.LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto"),
    discriminant_analysis.LinearDiscriminantAnalysis(n_components=1),
    discriminant_analysis.LinearDiscriminantAnalysis(solver="lsqr"),
    naive_bayes.ComplementNB(norm=True),
    naive_bayes.BernoulliNB(binarize=2.5),
    neighbors.NearestCentroid(shrink_threshold=0.3),
    neighbors.NearestCentroid(priors="empirical"),
    cluster.KMeans(2, random_state=0),
]


def made(cls):
    """An estimator that fits the same way every time, and soon."""
    options = {"random_state": 0, "Cs": 2, "cv": 2}
    return cls(**{name: value for name, value in options.items() if name in cls().get_params()})


def decided(module, numeric="float32"):
    """The module with its linear ops in this format."""

    def op(node):
        return replace(node.op, form=numeric) if isinstance(node.op, Linear) else node.op

    return module.map(lambda graph: replace(graph, nodes=tuple(replace(node, op=op(node)) for node in graph.nodes)))


def evaluated(module, rows):
    """The outputs (n, ...) of a module for rows, in NumPy."""
    graph = module.predict
    if [type(node.op) for node in graph.nodes] == [Linear]:
        node = graph.nodes[0]
        values = dict(zip(node.outputs, node.op.answers(np.asarray(rows, np.float32)), strict=True))
        return [values[name] for name in outputs_of(module)]
    found = []
    for row in rows:
        values = {graph.inputs[0].name: row} if hasattr(graph, "inputs") else {"x": row}
        for node in graph.nodes:
            values |= dict(zip(node.outputs, node.op.evaluate(*(values[n] for n in node.inputs)), strict=True))
        found.append([values[name] for name in outputs_of(module)])
    return [np.array(one) for one in zip(*found, strict=True)]


def outputs_of(module):
    from mcugen.ir import Storage

    return [value.name for value in module.predict.of(Storage.OUTPUT)]


def checked(model, rows, numeric="float32"):
    """Every output of a fitted model against scikit-learn on float32 rows: (proof, module) each."""
    rows = np.asarray(rows, np.float32)
    for output in head_of(model, LOC, several=True).outputs:
        module = decided(read_estimator(model, "m", output, LOC), numeric)
        proof = prove(
            module, reference_of(model), rows, lambda given, m=module: evaluated(m, given[0]), on="host", source="rows"
        )
        yield proof, module


@pytest.mark.parametrize("two", [False, True], ids=["all", "two"])
@pytest.mark.parametrize("model", [*map(made, CLASSES), *VARIANTS], ids=lambda m: str(m)[:50])
def test_scikit_learns_answers(model, two):
    x, y = datasets.load_wine(return_X_y=True)
    x = (x / x.std(axis=0)).astype(np.float32)
    model = copy.deepcopy(model).fit(x, y == 1 if two else y)
    for proof, module in checked(model, x):
        assert proof.wrong == 0, (module, proof.worst)
        assert proof.rows + proof.near_ties == len(x)
        assert proof.near_ties < 5
        assert proof.largest < 5e-6


def test_labels_are_the_users():
    x, y = IRIS
    for model in (linear_model.RidgeClassifier(), naive_bayes.MultinomialNB(), neighbors.NearestCentroid()):
        model.fit(x, np.array(["rose", "iris", "lily"])[y])
        assert read_estimator(model, "m").predict.values["label"].labels == ("iris", "lily", "rose")
    model = linear_model.LogisticRegression().fit(x, np.array([-7, 2**40, 2**62])[y])
    assert read_estimator(model, "m").predict.values["label"].labels == (-7, 2**40, 2**62)
    assert read_estimator(cluster.KMeans(4).fit(x), "m").predict.values["label"].labels == (0, 1, 2, 3)


def test_three_hundred_classes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 8)).astype(np.float32)
    y = np.arange(900) % 300
    for model in (
        linear_model.RidgeClassifier(),
        discriminant_analysis.LinearDiscriminantAnalysis(),
        neighbors.NearestCentroid(),
    ):
        for proof, _ in checked(model.fit(x, y), x[:60]):
            assert proof.wrong == 0


def test_sparse_coefficients():
    x, y = IRIS
    model = linear_model.SGDClassifier(random_state=0).fit(x, y)
    wanted = read_estimator(model, "m").predict.nodes[0].op.weights
    assert np.array_equal(read_estimator(model.sparsify(), "m").predict.nodes[0].op.weights, wanted)
    model.coef_.indices[0] = 7
    assert code_of(model) == "E0107"


def test_ridge_classifier_of_several_labels():
    x, y = IRIS
    model = linear_model.RidgeClassifier().fit(x, np.eye(3, dtype=int)[y])
    assert read_estimator(model, "m").predict.values["label"].tables == ((0, 1),) * 3
    assert code_of(model, "decision") == "E0304"
    model._label_binarizer.y_type_ = "multilabel-sequences"
    assert code_of(model) == "E0107"


@pytest.mark.parametrize("name", ["LinearRegression", "Lars", *linear_models.TASKS])
def test_several_outputs(name):
    x, y = IRIS
    model = made(named(name)).fit(x, np.column_stack([y, x[:, 0]]))
    for proof, _ in checked(read_model(skops.io.dumps(model)).estimator, x):
        assert proof.wrong == 0
        assert proof.rows == len(x)


def test_one_column_of_targets_is_one_output():
    x, y = datasets.load_diabetes(return_X_y=True)
    for model in (linear_model.LinearRegression(), linear_model.Ridge()):
        for proof, _ in checked(model.fit(x, y[:, None]), x):
            assert proof.wrong == 0


@pytest.mark.parametrize("cls", CLASSES)
def test_skops_files(cls):
    model = made(cls).fit(*IRIS)
    model.feature_names_in_ = np.array(["a", "b", "c", "d"], object)  # as fitting on a DataFrame does
    loaded = read_model(skops.io.dumps(model)).estimator
    assert str(read_estimator(loaded, "m")) == str(read_estimator(model, "m"))


def test_a_skops_file_with_sparse_coefficients():
    model = linear_model.LogisticRegression().fit(*IRIS).sparsify()
    loaded = read_model(skops.io.dumps(model)).estimator
    assert str(read_estimator(loaded, "m")) == str(read_estimator(model, "m"))


def code_of(model, output=None):
    with pytest.raises(McugenError) as caught:
        read_estimator(model, "m", output, LOC)
    assert all(d.help and d.loc.file == LOC.file for d in caught.value.diagnostics)
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize("cls", CLASSES)
def test_unfitted(cls):
    assert code_of(cls()) == "E0106"


class Changed(linear_model.Ridge):
    def predict(self, X):  # noqa: N803
        return -super().predict(X)


def test_a_class_that_answers_otherwise():
    assert code_of(Changed().fit(*IRIS)) == "E0301"


def edited(model, **values):
    model = copy.deepcopy(model)
    for name, value in values.items():
        if value is DELETED:
            delattr(model, name)
        else:
            setattr(model, name, value)
    return model


DELETED = object()
LOGISTIC = linear_model.LogisticRegression().fit(*IRIS)
RIDGE = linear_model.RidgeClassifier().fit(*IRIS)
LDA = discriminant_analysis.LinearDiscriminantAnalysis().fit(*IRIS)
COUNTS = naive_bayes.MultinomialNB().fit(*IRIS)
YESNO = naive_bayes.BernoulliNB(binarize=2.0).fit(*IRIS)
NEAREST = neighbors.NearestCentroid().fit(*IRIS)
KMEANS = cluster.KMeans(3).fit(IRIS[0])
DAMAGED = [
    (LOGISTIC, {"coef_": None}, "E0107"),
    (LOGISTIC, {"coef_": LOGISTIC.coef_[:2]}, "E0107"),
    (LOGISTIC, {"coef_": LOGISTIC.coef_[:, :3]}, "E0107"),
    (LOGISTIC, {"coef_": LOGISTIC.coef_.astype(str)}, "E0107"),
    (LOGISTIC, {"coef_": LOGISTIC.coef_ * 1j}, "E0107"),
    (LOGISTIC, {"coef_": LOGISTIC.coef_ * np.nan}, "E0107"),
    (LOGISTIC, {"coef_": LOGISTIC.coef_ * np.inf}, "E0107"),
    (LOGISTIC, {"coef_": LOGISTIC.coef_ * 1e300}, "E0303"),
    (LOGISTIC, {"coef_": sparse.csr_matrix(LOGISTIC.coef_ * np.nan)}, "E0107"),
    (LOGISTIC, {"intercept_": np.zeros(4)}, "E0107"),
    (LOGISTIC, {"intercept_": np.full(3, np.inf)}, "E0107"),
    (LOGISTIC, {"intercept_": np.full(3, -1e39)}, "E0303"),
    (LOGISTIC, {"intercept_": "no"}, "E0107"),
    (LOGISTIC, {"classes_": np.array([0, 1])}, "E0107"),
    (LOGISTIC, {"classes_": np.array([0, 1, 1])}, "E0107"),
    (LOGISTIC, {"classes_": np.array([0])}, "E0107"),
    (LOGISTIC, {"n_features_in_": 5}, "E0107"),
    (LOGISTIC, {"n_features_in_": DELETED}, "E0107"),
    (RIDGE, {"_label_binarizer": None}, "E0107"),
    (RIDGE, {"_label_binarizer": LDA}, "E0107"),
    (LDA, {"coef_": LDA.coef_.T}, "E0107"),
    (LDA, {"scalings_": LDA.scalings_[:3]}, "E0107"),
    (LDA, {"xbar_": np.full(4, np.nan)}, "E0107"),
    (LDA, {"_max_components": -1}, "E0107"),
    (COUNTS, {"feature_log_prob_": COUNTS.feature_log_prob_[:2]}, "E0107"),
    (COUNTS, {"feature_log_prob_": COUNTS.feature_log_prob_ * np.nan}, "E0107"),
    (COUNTS, {"feature_log_prob_": COUNTS.feature_log_prob_ * np.inf}, "E0302"),
    (COUNTS, {"class_log_prior_": np.array([-np.inf, 0, 0])}, "E0302"),
    (COUNTS, {"class_log_prior_": DELETED}, "E0107"),
    (YESNO, {"binarize": "no"}, "E0107"),
    (YESNO, {"binarize": np.nan}, "E0107"),
    (YESNO, {"binarize": True}, "E0107"),
    (YESNO, {"feature_log_prob_": np.zeros((3, 4))}, "E0302"),
    (YESNO, {"feature_log_prob_": np.ones((3, 4))}, "E0302"),
    (NEAREST, {"metric": "manhattan"}, "E0302"),
    (NEAREST, {"metric": np.array(["euclidean", "euclidean"])}, "E0302"),
    (NEAREST, {"centroids_": NEAREST.centroids_[:2]}, "E0107"),
    (NEAREST, {"class_prior_": np.array([1.0, 0, 0])}, "E0302"),
    (NEAREST, {"within_class_std_dev_": -np.ones(4)}, "E0107"),
    (discriminant_analysis.LinearDiscriminantAnalysis().fit(*IRIS), {"solver": np.array([1, 2])}, "E0107"),
    (linear_model.SGDClassifier().fit(*IRIS), {"loss": np.array([1, 2])}, "E0107"),
    (linear_model.SGDClassifier().fit(*IRIS), {"loss": None}, "E0107"),
    (KMEANS, {"cluster_centers_": None}, "E0107"),
    (KMEANS, {"cluster_centers_": KMEANS.cluster_centers_.astype(int)}, "E0107"),
    (KMEANS, {"cluster_centers_": KMEANS.cluster_centers_ * np.nan}, "E0107"),
    (KMEANS, {"n_features_in_": 3}, "E0107"),
    (KMEANS, {"_n_threads": 10**9}, "E0107"),
]


@pytest.mark.parametrize(("model", "values", "code"), DAMAGED, ids=range(len(DAMAGED)))
def test_hand_edited_models(model, values, code):
    damaged = edited(model, **values)
    outputs = ("transform",) if {"scalings_", "xbar_", "_max_components"} & values.keys() else (None,)
    for output in outputs:
        assert code_of(damaged, output) == code


def test_nothing_smoothed_and_always_there():
    x = np.array([[1, 0], [1, 1], [0, 1], [1, 1]])
    model = naive_bayes.BernoulliNB(alpha=0, force_alpha=True).fit(x, [0, 0, 1, 1])
    assert code_of(model) == "E0302"
    assert code_of(naive_bayes.MultinomialNB().fit(x, [1, 1, 1, 1])) == "E0302"
    assert code_of(naive_bayes.MultinomialNB(), None) == "E0106"


def test_yes_and_no_without_a_threshold():
    x, y = IRIS
    model = naive_bayes.BernoulliNB(binarize=None)
    for proof, module in checked(model.fit(x > 3, y), x > 3):
        assert proof.wrong == 0
        assert [node.op.name for node in module.nodes] == ["linear"]
    assert code_of(model.fit(x, y)) == "E0302"  # scikit-learn's own answers to that are NaN


def test_a_single_cluster_is_a_transformer():
    model = cluster.KMeans(1).fit(IRIS[0])
    assert head_of(model, LOC).outputs == ("transform",)
    for proof, _ in checked(model, IRIS[0]):
        assert proof.wrong == 0


def test_clusters_that_were_not_counted_beforehand_and_neighbours_own_projection():
    x, y = IRIS
    few = cluster.AffinityPropagation(preference=-50, random_state=0)
    for model in (cluster.MeanShift(), few, neighbors.NeighborhoodComponentsAnalysis(2, max_iter=5, random_state=0)):
        for proof, _ in checked(model.fit(x, y), x):
            assert (proof.wrong, proof.rows + proof.near_ties) == (0, len(x))
    assert code_of(cluster.MeanShift(bandwidth=100).fit(x)) == "E0302"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert code_of(cluster.AffinityPropagation(max_iter=1, random_state=0).fit(x)) == "E0302"


def wrong(model, x):
    """Proofs in which scikit-learn's answers are others, but those beyond a float's range; none for a diagnostic."""
    try:
        return [proof for proof, _ in checked(model, x) if proof.wrong and all(one.range < 3e38 for one in proof.off)]
    except McugenError as problem:
        return [] if problem.diagnostics[0].code == "E0303" else [problem]


def fitted(cls, x, y):
    """The model, or None where scikit-learn itself fails on such data, or finds not even two clusters in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = made(cls).fit(x.astype(np.float64), y)
        except (ValueError, TypeError, np.linalg.LinAlgError, OverflowError, IndexError):
            return None
    return None if len(getattr(model, "cluster_centers_", "ab")) < 2 else model


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e6, 1e30])
@pytest.mark.parametrize("cls", CLASSES)
def test_features_of_any_scale(cls, scale):
    x, y = IRIS
    x = np.asarray(x * scale, np.float32)
    model = fitted(cls, x, y)
    assert model is None or not wrong(model, x)


@st.composite
def small_models(draw):
    """A model of a family, fitted to few random rows whose features have scales of their own."""
    cls = draw(st.sampled_from(CLASSES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    features, classes = draw(st.integers(1, 8)), draw(st.integers(2, 5))
    scales = 10.0 ** rng.uniform(-1, 1, features) ** draw(st.sampled_from([1, 5]))
    x = np.abs(rng.normal(size=(60, features))) * scales + draw(st.sampled_from([0, 0, 10])) * scales
    x[:, 0] = np.where(draw(st.booleans()), 1.0, x[:, 0])  # constant
    y = np.r_[np.arange(classes), rng.integers(0, classes, 60 - classes)]
    return cls, np.asarray(x, np.float32), y


@settings(deadline=None, max_examples=120)
@given(small_models())
def test_random_small_models(drawn):
    cls, x, y = drawn
    model = fitted(cls, x, y)
    assert model is None or not wrong(model, x)


WINE = datasets.load_wine(return_X_y=True)
CANCER = datasets.load_breast_cancer(return_X_y=True)


@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "seen"])
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-6])
def test_intercepts_do_not_cost_tiny_features_their_digits(scale, seen):
    """Of intercepts 0, -1, -1, 0, -1 the ones hide what decides between the zeros if all have one unit."""
    x, y = datasets.make_classification(400, 8, n_informative=6, n_classes=5, random_state=0)
    x = (x * scale).astype(np.float32)
    model = linear_model.Perceptron(random_state=0).fit(x, y)
    assert 1 < len(set(model.intercept_)) < 5
    for proof in exact(model, x, seen):
        assert proof.proven
        assert not proof.near_ties


@pytest.mark.parametrize("scale", [1e-27, 1e-12, 1e-8])
def test_beside_equal_intercepts_rows_too_small_for_doubles_do_not_count(scale):
    """scikit-learn's sums are equal then, and the first class is the answer."""
    rng = np.random.default_rng(2)
    x = (rng.standard_normal((150, 4)) * scale).astype(np.float32)
    model = linear_model.Perceptron(random_state=0).fit(x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0))
    rows = (rng.standard_normal((400, 4)) * scale).astype(np.float32)
    found = compile(model, board="uno", numeric="float32", check_fit=False).predict(rows)
    np.testing.assert_array_equal(found, model.predict(rows.astype(np.float64)))


@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "seen"])
@pytest.mark.parametrize("cls", [linear_model.Perceptron, linear_model.SGDClassifier])
@pytest.mark.parametrize("data", [WINE, CANCER], ids=["wine", "breast_cancer"])
def test_parts_that_cancel(data, cls, seen):
    """Of raw features the parts of a sum are up to a million times larger than the sum."""
    x = data[0].astype(np.float32)
    for proof in exact(cls(random_state=0).fit(x, data[1]), x, seen):
        assert proof.proven
        assert not proof.near_ties


@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "seen"])
def test_features_far_from_zero(seen):
    rng = np.random.default_rng(0)
    x = (IRIS[0] + [0, 1e4, 0, 0]).astype(np.float32)
    counts = rng.poisson(1e4 * (1 + 0.01 * rng.random((3, 20)))[IRIS[1]]).astype(np.float32)
    for model, rows in (
        (discriminant_analysis.LinearDiscriminantAnalysis(), x),
        (naive_bayes.MultinomialNB(), counts),
    ):
        for proof in exact(model.fit(rows, IRIS[1]), rows, seen):
            assert proof.proven


def exact(model, rows, seen):
    """The proof of every output; `seen` tells the op its rows."""
    for output in head_of(model, LOC).outputs:
        if output == "transform":
            continue
        module = read_estimator(model, "m", output, LOC)
        (node,) = module.predict.nodes
        op = replace(node.op.seen(rows) if seen else node.op, form="float32")
        yield prove(module, reference_of(model), rows, lambda x, op=op: op.answers(x[0]), on="host", source="rows")


@pytest.mark.parametrize("least", [-100, -705, -711, -800])
def test_sigmoids_next_to_nothing(least):
    """scikit-learn's are 0 below -709.78, and classes are then equally likely."""
    model = copy.copy(linear_model.SGDClassifier(loss="log_loss", random_state=0).fit(*IRIS))
    model.coef_ = model.coef_ / 50
    scores = model.decision_function(IRIS[0])
    model.intercept_ = model.intercept_ + least - scores.max()
    proofs = dict(zip(head_of(model, LOC).outputs, exact(model, IRIS[0], False), strict=True))
    assert proofs["proba"].proven
