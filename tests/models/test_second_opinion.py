"""A second opinion: skl2onnx turns the same models into graphs, and onnxruntime's answers are held against the C's.

Both were written apart from each other and from scikit-learn's methods. Labels must be equal where scikit-learn's two best scores
differ by more than 1e-6, numbers within 1e-5, absolute below 1, else relative. onnxruntime works in float32: the models for
which that, or skl2onnx, is not scikit-learn's answer are named in APART, and of these the C may be no farther off than
scikit-learn itself is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from one_library import library_of
from sklearn import (
    calibration,
    cluster,
    cross_decomposition,
    decomposition,
    discriminant_analysis,
    ensemble,
    feature_selection,
    gaussian_process,
    impute,
    linear_model,
    mixture,
    model_selection,
    multiclass,
    multioutput,
    naive_bayes,
    neighbors,
    neural_network,
    preprocessing,
    random_projection,
    svm,
    tree,
)
from sklearn.base import clone, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.pipeline import make_pipeline, make_union

from mcugen.boards import Target, load_board
from mcugen.compile import Compiled, compile, lower
from mcugen.diagnostics import Loc
from mcugen.frontends import read
from mcugen.frontends.sklearn import head_of, supported
from mcugen.frontends.sklearn.reference import close
from mcugen.ir import Storage
from mcugen.targets.host import compile_for_host

skl2onnx = pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

TOLERANCE = 1e-5
DATA = {"iris": load_iris, "wine": load_wine, "breast_cancer": load_breast_cancer, "diabetes": load_diabetes}
DIGITS = 700  # rows: enough for covariances of each of ten classes
SEED = {"random_state": 0}
VOTERS = [
    ("logistic", linear_model.LogisticRegression(max_iter=200)),
    ("bayes", naive_bayes.GaussianNB()),
    ("tree", tree.DecisionTreeClassifier(**SEED)),
]
BINS = preprocessing.KBinsDiscretizer(4, encode="ordinal", strategy="uniform")
CLASSIFIERS: dict[str, Any] = {
    "logistic regression": linear_model.LogisticRegression(max_iter=200),
    "ridge": linear_model.RidgeClassifier(),
    "SGD": linear_model.SGDClassifier(**SEED),
    "SGD, logistic": linear_model.SGDClassifier(loss="log_loss", **SEED),
    "SGD, huber": linear_model.SGDClassifier(loss="modified_huber", **SEED),
    "perceptron": linear_model.Perceptron(**SEED),
    "linear SVC": svm.LinearSVC(**SEED),
    "LDA": discriminant_analysis.LinearDiscriminantAnalysis(),
    "QDA": discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.1),
    "Gaussian Bayes": naive_bayes.GaussianNB(),
    "Bernoulli Bayes": naive_bayes.BernoulliNB(),
    "multinomial Bayes": make_pipeline(preprocessing.MinMaxScaler(clip=True), naive_bayes.MultinomialNB()),
    "complement Bayes": make_pipeline(preprocessing.MinMaxScaler(clip=True), naive_bayes.ComplementNB()),
    "neighbours": neighbors.KNeighborsClassifier(3),
    "neighbours, weighted": neighbors.KNeighborsClassifier(5, weights="distance", metric="manhattan"),
    "SVC": svm.SVC(),
    "SVC, linear": svm.SVC(kernel="linear"),
    "SVC, polynomial": svm.SVC(kernel="poly", degree=2),
    "SVC, sigmoid": svm.SVC(kernel="sigmoid", gamma=0.01),
    "NuSVC": svm.NuSVC(nu=0.1),
    "perceptrons, relu": neural_network.MLPClassifier((10,), max_iter=40, **SEED),
    "perceptrons, tanh": neural_network.MLPClassifier((8, 6), activation="tanh", max_iter=40, **SEED),
    "perceptrons, logistic": neural_network.MLPClassifier((8,), activation="logistic", max_iter=40, **SEED),
    "tree": tree.DecisionTreeClassifier(**SEED),
    "extra tree": tree.ExtraTreeClassifier(**SEED),
    "forest": ensemble.RandomForestClassifier(10, **SEED),
    "extra trees": ensemble.ExtraTreesClassifier(5, **SEED),
    "boosting": ensemble.GradientBoostingClassifier(n_estimators=4, **SEED),
    "AdaBoost": ensemble.AdaBoostClassifier(n_estimators=10, **SEED),
    "bagging": ensemble.BaggingClassifier(tree.DecisionTreeClassifier(max_depth=4), n_estimators=5, **SEED),
    "PCA": make_pipeline(decomposition.PCA(3), linear_model.LogisticRegression(max_iter=200)),
    "selected": make_pipeline(feature_selection.SelectKBest(k=3), tree.DecisionTreeClassifier(**SEED)),
    "normalised": make_pipeline(preprocessing.Normalizer(), linear_model.LogisticRegression(max_iter=200)),
    "binarised": make_pipeline(preprocessing.Binarizer(), naive_bayes.BernoulliNB()),
    "one against the rest": multiclass.OneVsRestClassifier(linear_model.LogisticRegression(max_iter=200)),
    "one against one": multiclass.OneVsOneClassifier(svm.LinearSVC(**SEED)),
    "logistic regression, cross-validated": linear_model.LogisticRegressionCV(Cs=2, cv=2, max_iter=20),
    "ridge, cross-validated": linear_model.RidgeClassifierCV(),
    "passive-aggressive": linear_model.PassiveAggressiveClassifier(**SEED),
    "best part": feature_selection.SelectPercentile(percentile=50),
    "no false ones": feature_selection.SelectFpr(),
    "few false ones": feature_selection.SelectFdr(),
    "hardly a false one": feature_selection.SelectFwe(),
    "any of these": feature_selection.GenericUnivariateSelect(param=40),
    "chosen by a model": feature_selection.SelectFromModel(tree.DecisionTreeClassifier(**SEED)),
    "chosen one by one": feature_selection.RFE(tree.DecisionTreeClassifier(**SEED), n_features_to_select=3, step=0.3),
    "chosen and judged": feature_selection.RFECV(tree.DecisionTreeClassifier(**SEED), step=0.4, cv=2),
    "vote": ensemble.VotingClassifier(VOTERS, flatten_transform=False),
    "mean of votes": ensemble.VotingClassifier(VOTERS, voting="soft", flatten_transform=False),
    "calibrated": calibration.CalibratedClassifierCV(svm.LinearSVC(**SEED), cv=2),
    "searched": model_selection.GridSearchCV(linear_model.LogisticRegression(max_iter=100), {"C": [0.1, 1]}, cv=2),
    "stack": ensemble.StackingClassifier(VOTERS, cv=2),
    "categorical Bayes": make_pipeline(BINS, naive_bayes.CategoricalNB()),
    "projected for neighbours": neighbors.NeighborhoodComponentsAnalysis(2, max_iter=10, **SEED),
}
OF_TWO_CLASSES: dict[str, Any] = {
    "tuned threshold": model_selection.TunedThresholdClassifierCV(linear_model.LogisticRegression(), cv=2),
    "means by bin": make_pipeline(BINS, preprocessing.TargetEncoder(**SEED), linear_model.LogisticRegression()),
}
REGRESSORS: dict[str, Any] = {
    "least squares": linear_model.LinearRegression(),
    "ridge": linear_model.Ridge(),
    "ridge, cross-validated": linear_model.RidgeCV(),
    "lasso": linear_model.Lasso(0.1),
    "lasso, cross-validated": linear_model.LassoCV(cv=3),
    "elastic net": linear_model.ElasticNet(0.1),
    "elastic net, cross-validated": linear_model.ElasticNetCV(cv=3),
    "Lars": linear_model.Lars(),
    "Lars, cross-validated": linear_model.LarsCV(cv=3),
    "lasso by Lars": linear_model.LassoLars(0.1),
    "lasso by Lars, cross-validated": linear_model.LassoLarsCV(cv=3),
    "lasso by Lars and a criterion": linear_model.LassoLarsIC(),
    "Huber": linear_model.HuberRegressor(),
    "Bayesian ridge": linear_model.BayesianRidge(),
    "ARD": linear_model.ARDRegression(),
    "SGD": linear_model.SGDRegressor(**SEED),
    "Theil-Sen": linear_model.TheilSenRegressor(max_subpopulation=500, **SEED),
    "matching pursuit": linear_model.OrthogonalMatchingPursuit(),
    "matching pursuit, cross-validated": linear_model.OrthogonalMatchingPursuitCV(cv=3),
    "passive-aggressive": linear_model.PassiveAggressiveRegressor(**SEED),
    "quantile": linear_model.QuantileRegressor(alpha=0.01),
    "linear SVR": svm.LinearSVR(**SEED),
    "SVR": svm.SVR(C=100),
    "SVR, linear": svm.SVR(kernel="linear"),
    "SVR, polynomial": svm.SVR(kernel="poly"),
    "NuSVR": svm.NuSVR(C=100),
    "neighbours": neighbors.KNeighborsRegressor(3),
    "neighbours, weighted": neighbors.KNeighborsRegressor(4, weights="distance"),
    "perceptrons": neural_network.MLPRegressor(hidden_layer_sizes=(10,), max_iter=40, **SEED),
    "tree": tree.DecisionTreeRegressor(max_depth=6, **SEED),
    "extra tree": tree.ExtraTreeRegressor(max_depth=6, **SEED),
    "forest": ensemble.RandomForestRegressor(5, max_depth=6, **SEED),
    "extra trees": ensemble.ExtraTreesRegressor(5, max_depth=6, **SEED),
    "boosting": ensemble.GradientBoostingRegressor(n_estimators=10, **SEED),
    "AdaBoost": ensemble.AdaBoostRegressor(n_estimators=5, **SEED),
    "bagging": ensemble.BaggingRegressor(n_estimators=4, **SEED),
    "mean": ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", tree.DecisionTreeRegressor(max_depth=4))]),
    "stack": ensemble.StackingRegressor(
        [("a", linear_model.Ridge()), ("b", tree.DecisionTreeRegressor(max_depth=4))], cv=2
    ),
    "Poisson": linear_model.PoissonRegressor(),
    "gamma": linear_model.GammaRegressor(),
    "Tweedie": linear_model.TweedieRegressor(power=1.5),
    "RANSAC": linear_model.RANSACRegressor(**SEED),
    "Gaussian process": gaussian_process.GaussianProcessRegressor(
        RBF(3.0) + WhiteKernel(), optimizer=None, normalize_y=True
    ),
    "partial least squares": cross_decomposition.PLSRegression(2),
}
SEVERAL: dict[str, Any] = {  # values at once
    "several lassos": linear_model.MultiTaskLasso(0.1),
    "several nets": linear_model.MultiTaskElasticNet(0.1),
    "several lassos, cross-validated": linear_model.MultiTaskLassoCV(cv=3),
    "several nets, cross-validated": linear_model.MultiTaskElasticNetCV(cv=3),
    "a model for each": multioutput.MultiOutputRegressor(linear_model.Ridge()),
    "partial least squares": cross_decomposition.PLSRegression(2),
}
OF_SEVERAL_LABELS = multioutput.MultiOutputClassifier(linear_model.LogisticRegression(max_iter=200))
OTHERS: dict[str, Any] = {
    "k-means": cluster.KMeans(4, n_init=1, **SEED),
    "k-means, in batches": cluster.MiniBatchKMeans(3, n_init=1, **SEED),
    "standard scaler": preprocessing.StandardScaler(),
    "range scaler": preprocessing.MinMaxScaler(),
    "size scaler": preprocessing.MaxAbsScaler(),
    "robust scaler": preprocessing.RobustScaler(),
    "normalizer": preprocessing.Normalizer(),
    "binarizer": preprocessing.Binarizer(threshold=0.3),
    "polynomials": preprocessing.PolynomialFeatures(2),
    "PCA alone": decomposition.PCA(3),
    "variance": feature_selection.VarianceThreshold(0.1),
    "imputer": impute.SimpleImputer(),
    "columns": ColumnTransformer([("a", preprocessing.StandardScaler(), [0, 1]), ("b", "passthrough", [2])]),
    "isolation forest": ensemble.IsolationForest(n_estimators=10, **SEED),
    "one class": svm.OneClassSVM(nu=0.2),
    "union": make_union(preprocessing.StandardScaler(), decomposition.PCA(2)),
    "nothing": preprocessing.FunctionTransformer(),
    "mixture": mixture.GaussianMixture(2, **SEED),
    "random projection": random_projection.GaussianRandomProjection(3, **SEED),
    "PCA in batches": decomposition.IncrementalPCA(2),
    "truncated SVD": decomposition.TruncatedSVD(2, **SEED),
    "bins": preprocessing.KBinsDiscretizer(3, encode="onehot-dense", strategy="uniform"),
    "one hot": make_pipeline(BINS, preprocessing.OneHotEncoder(sparse_output=False)),
    "ordinal": make_pipeline(BINS, preprocessing.OrdinalEncoder()),
    "mixture with a prior": mixture.BayesianGaussianMixture(n_components=2, **SEED),
    "kernel PCA": decomposition.KernelPCA(2, kernel="rbf", gamma=0.1),
    "outlier factor": neighbors.LocalOutlierFactor(5, novelty=True),
    "one class by SGD": linear_model.SGDOneClassSVM(**SEED),
    "powers": preprocessing.PowerTransformer(),
    "quantiles": preprocessing.QuantileTransformer(n_quantiles=20),
    "leaves": ensemble.RandomTreesEmbedding(3, max_depth=2, sparse_output=False, **SEED),
}
APART = {
    "SGD": "decisions of hundreds whose parts are larger still, summed in float32",
    "SGD, logistic": "the same",
    "SGD, huber": "the same; and where every class has the probability 0, skl2onnx takes another first one",
    "perceptron": "the same",
    "passive-aggressive": "the same",
    "SVC, linear": "sums over support vectors, in float32",
    "SVC, polynomial": "the same",
    "one class": "the same",
    "SVR": "the same",
    "SVR, polynomial": "the same",
    "NuSVR": "the same",
    "multinomial Bayes": "log probabilities of hundreds, summed in float32",
    "complement Bayes": "the same",
    "Bernoulli Bayes": "the same",
    "Gaussian Bayes": "the same, of thousands where a feature hardly changes",
    "QDA": "the same",
    "LDA": "the softmax of two classes is taken of one score where scikit-learn has a sigmoid",
    "neighbours, weighted": "a row that is a training point weighs 1e10 there, and is not the only one that counts",
    "k-means": "a distance is the root of a difference of squares, in float32",
    "k-means, in batches": "the same",
    "RANSAC": "weights of thousands that cancel, in float32",
    "powers": "powers less one, in float32",
    "bins": "edges are rounded to float32, so that a row of the training may lie on the other side",
    **dict.fromkeys(("categorical Bayes", "means by bin", "one hot", "ordinal"), "the same, of the bins in front"),
}
LABELS_ALONE = {"one against one": "skl2onnx gives scores by class, which are no decisions of scikit-learn's"}
NOT_CONVERTED = {  # supported here, with a converter in skl2onnx, but not in this test
    "HistGradientBoostingClassifier": "skl2onnx writes attributes that onnx refuses",
    "HistGradientBoostingRegressor": "the same",
    "Pipeline": "several are",
}
pytestmark = pytest.mark.filterwarnings("ignore")


class Case(NamedTuple):
    """A fitted model, what it is asked, and its C."""

    name: str
    model: Any
    output: str
    compiled: Compiled


def cases(data: str, x: Any, y: Any) -> Iterator[Case]:
    models = REGRESSORS if data == "diabetes" else CLASSIFIERS
    models = models | ({} if data == "digits" else OTHERS)  # which know of no classes, of which digits have more
    if data == "breast_cancer":
        models |= OF_TWO_CLASSES
    target = Target(load_board("host"), numeric="float32")
    for i, (name, model) in enumerate(models.items()):
        fitted = clone(model).fit(x.astype(np.float64), y)
        output = next(o for o in ("proba", "decision", "value", "transform", "label") if o in outputs_of(fitted))
        yield Case(name, fitted, output, lower(read(fitted, name=f"m{i}", output=output), target))


def outputs_of(model: Any) -> tuple[str, ...]:
    return head_of(model, Loc(), several=True).outputs


def rows_of(data: str) -> tuple[Any, Any]:
    if data == "digits":
        x, y = (a[:DIGITS] for a in load_digits(return_X_y=True))
        x = x[:, x.std(axis=0) > 0]
    else:
        x, y = DATA[data](return_X_y=True)
    return preprocessing.StandardScaler().fit_transform(x).astype(np.float32), y


def opinion(case: Case, x: Any) -> list[Any]:
    """onnxruntime's answers: the labels, where there are any, and the numbers."""
    last = case.model.steps[-1][1] if hasattr(case.model, "steps") else case.model
    options: dict[str, Any] = {}
    if is_classifier(last) and case.output != "transform" and not isinstance(last, multiclass.OneVsOneClassifier):
        options |= {} if isinstance(last, svm.LinearSVC) else {"zipmap": False}
        options |= {"raw_scores": True} if case.output == "decision" else {}
    made = skl2onnx.to_onnx(case.model, x[:1], options={id(last): options}, target_opset={"": 17, "ai.onnx.ml": 3})
    asked = onnxruntime.SessionOptions()
    asked.intra_op_num_threads = 1
    asked.log_severity_level = 3
    session = onnxruntime.InferenceSession(made.SerializeToString(), asked, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})  # type: ignore[no-any-return]


@pytest.mark.long
@pytest.mark.parametrize("data", ["breast_cancer", "digits", "diabetes"])
def test_onnxruntime_agrees(data: str) -> None:
    x, y = rows_of(data)
    found = [*cases(data, x, y)]
    library = library_of([case.compiled.unit for case in found], ("-std=c99", "-O0"))
    for i, case in enumerate(found):
        ours, theirs = library.run([x], i), opinion(case, x)
        what = f"{case.name} on {data}"
        labels = case.compiled.module.predict.of(Storage.OUTPUT)[0].labels
        if labels is not None:
            compare_labels(case, x, np.array(labels)[ours[0]], np.ravel(theirs[0]), what)
        if case.output != "label" and case.name not in LABELS_ALONE:
            compare_numbers(case, x, ours[-1], theirs[-1], what)


def compare_labels(case: Case, x: Any, ours: Any, theirs: Any, what: str) -> None:
    own, asked = case.model.predict(x.astype(np.float64)), case.compiled.source.reference
    clear = ~close(asked.scores(x)) if hasattr(asked, "scores") else ~asked.near_ties(x)
    assert clear.mean() > 0.8, what
    if case.name in APART:
        clear &= own == theirs
    assert (ours == theirs)[clear].all(), what


def compare_numbers(case: Case, x: Any, ours: Any, theirs: Any, what: str) -> None:
    own = case.compiled.source.reference.numbers(case.output, x).reshape(len(x), -1)  # type: ignore[arg-type]
    ours, theirs = (np.asarray(a, np.float64).reshape(len(x), -1) for a in (ours, theirs))
    theirs = theirs[:, 1:] if theirs.shape[1] == 2 and own.shape[1] == 1 else theirs  # -s beside s
    assert ours.shape == theirs.shape, what
    size = np.maximum(np.abs(own), 1)
    apart, allowed = np.abs(ours - theirs) / size, np.full(own.shape, TOLERANCE)
    if case.name in APART:
        allowed += np.abs(own - theirs) / size
    assert (apart <= allowed).all(), f"{what}: {apart.max():.2g} apart"


def test_onnxruntime_agrees_on_several_values() -> None:
    x, y = rows_of("diabetes")
    several = np.column_stack([y, x[:, 0]])
    target = Target(load_board("host"), numeric="float32")
    for name, model in SEVERAL.items():
        fitted = clone(model).fit(x.astype(np.float64), several)
        case = Case(name, fitted, "value", lower(read(fitted, name="m", output="value"), target))
        (ours,) = compile_for_host([case.compiled.unit], ("-std=c99", "-O0")).run([x])
        compare_numbers(case, x, ours, opinion(case, x)[0], name)


def test_onnxruntime_agrees_on_several_labels() -> None:
    x, y = rows_of("iris")
    several = np.column_stack([y, x[:, 0] > 0])
    fitted = clone(OF_SEVERAL_LABELS).fit(x.astype(np.float64), several)
    compiled = compile(fitted, board="host")
    np.testing.assert_array_equal(compiled.predict(x), opinion(Case("labels", fitted, "label", compiled), x)[0])


def test_every_converter_is_asked() -> None:
    """What is supported here and converted there is among the models."""
    from skl2onnx._supported_operators import sklearn_operator_name_map

    models = [one for kind in (CLASSIFIERS, OF_TWO_CLASSES, REGRESSORS, SEVERAL, OTHERS) for one in kind.values()]
    asked = {
        type(step).__name__
        for model in [*models, OF_SEVERAL_LABELS]
        for _, step in getattr(model, "steps", [("", model)])
    }
    converted = {kind.__name__ for kind in sklearn_operator_name_map}
    assert sorted((converted & set(supported())) - asked - set(NOT_CONVERTED)) == []


def test_probabilities_of_bayes_with_the_usual_smoothing():
    x, y = load_digits(return_X_y=True)
    x = x.astype(np.float32)
    model = naive_bayes.GaussianNB().fit(x[:1000], y[:1000])
    found = compile(model, board="host", output="proba").predict_proba(x)
    np.testing.assert_allclose(found, model.predict_proba(x.astype(np.float64)), atol=TOLERANCE)
