"""AdaBoost, bagging and isolation forests: scikit-learn's answers, and what is refused."""

import copy

import numpy as np
import pytest
import skops.io
from sklearn import datasets
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier

from mcugen.diagnostics import Loc, McugenError
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import read_estimator, reference_of

LOC = Loc("model.skops")
DATA = {
    "iris": datasets.load_iris(return_X_y=True),
    "breast_cancer": datasets.load_breast_cancer(return_X_y=True),
    "diabetes": datasets.load_diabetes(return_X_y=True),
}
CLASSIFIERS = {
    "ada": lambda: AdaBoostClassifier(n_estimators=8, random_state=0),
    "ada_deep": lambda: AdaBoostClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=5, random_state=0),
    "ada_extra": lambda: AdaBoostClassifier(ExtraTreeClassifier(max_depth=2), n_estimators=9, random_state=0),
    "bagging": lambda: BaggingClassifier(n_estimators=5, random_state=0),
    "bagging_some": lambda: BaggingClassifier(
        DecisionTreeClassifier(max_depth=2), n_estimators=5, max_features=0.5, bootstrap_features=True, random_state=0
    ),
    "bagging_few": lambda: BaggingClassifier(n_estimators=7, max_samples=8, bootstrap=False, random_state=0),
}
REGRESSORS = {
    "ada": lambda: AdaBoostRegressor(n_estimators=9, random_state=0),
    "ada_square": lambda: AdaBoostRegressor(n_estimators=4, loss="square", random_state=0),
    "ada_one": lambda: AdaBoostRegressor(DecisionTreeRegressor(max_depth=4), n_estimators=1, random_state=0),
    "bagging": lambda: BaggingRegressor(n_estimators=5, random_state=0),
    "bagging_some": lambda: BaggingRegressor(n_estimators=4, max_features=0.3, random_state=0),
}
FORESTS = {
    "isolation": lambda: IsolationForest(n_estimators=9, random_state=0),
    "isolation_some": lambda: IsolationForest(n_estimators=9, max_features=0.5, random_state=0),
    "isolation_tenth": lambda: IsolationForest(n_estimators=9, contamination=0.1, max_samples=50, random_state=0),
}


def op_of(model, output=None):
    (node,) = read_estimator(model, "m", output, LOC).predict.nodes
    return node.op


def code_of(model, output=None):
    with pytest.raises(McugenError) as caught:
        read_estimator(model, "m", output, LOC)
    assert all(d.help and d.loc.file == LOC.file for d in caught.value.diagnostics)
    return caught.value.diagnostics[0].code


def moved(x):
    """The rows as float32, and each again with some numbers of other rows."""
    rng = np.random.default_rng(0)
    rows = np.repeat(x.astype(np.float32), 3, axis=0)
    return np.where(rng.random(rows.shape) < 0.3, rng.permutation(rows), rows)


@pytest.mark.parametrize("data", ["iris", "breast_cancer"])
@pytest.mark.parametrize("make", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_classifiers(make, data):
    x, y = DATA[data]
    model, rows = make().fit(x, y), moved(x)
    op = op_of(model, "proba")
    scores, combine = op.scores(rows), op.trees.combine
    np.testing.assert_allclose(combine.probabilities(scores), model.predict_proba(rows), rtol=0, atol=1e-12)
    clear = ~reference_of(model).near_ties(rows)
    assert clear.mean() > 0.5
    assert (model.classes_[combine.classes(scores)] == model.predict(rows))[clear].all()
    if hasattr(model, "estimator_weights_"):
        expected = model.decision_function(rows)
        np.testing.assert_allclose(scores.reshape(expected.shape), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", REGRESSORS.values(), ids=REGRESSORS)
def test_regressors(make):
    x, y = DATA["diabetes"]
    model, rows = make().fit(x, y), moved(x)
    np.testing.assert_allclose(op_of(model).scores(rows)[:, 0], model.predict(rows), rtol=1e-12)


@pytest.mark.parametrize("make", FORESTS.values(), ids=FORESTS)
def test_isolation_forests(make):
    x, _ = DATA["breast_cancer"]
    model, rows = make().fit(x), moved(x)
    rows[::7, 3], rows[1::7, 5] = np.nan, np.inf  # which isolation forests take
    op = op_of(model, "decision")
    scores, combine = op.scores(rows), op.trees.combine
    expected = model.decision_function(rows)
    np.testing.assert_allclose(combine.decisions(scores)[:, 0], expected, rtol=0, atol=1e-12)
    clear = np.abs(expected) > 1e-9
    labels = np.array(read_estimator(model, "m").predict.values["label"].labels)
    assert labels.tolist() == [-1, 1]
    assert (labels[combine.classes(scores)] == model.predict(rows))[clear].all()
    assert len(set(model.predict(rows))) == 2


def test_equal_voices_are_halves_exactly():
    """Of two trees with the same weight the median is the lower one, whatever rounds."""
    x, y = DATA["diabetes"]
    model = AdaBoostRegressor(n_estimators=6, random_state=0).fit(x, y)
    model.estimator_weights_[:] = 0.1
    rows = moved(x)
    reference = reference_of(model)
    off = np.abs(op_of(model).scores(rows)[:, 0] - reference.numbers("value", rows))
    assert (off <= reference.rounding(rows) + 1e-12).all()
    assert (reference.rounding(rows) > 0).any()


def test_one_class_is_all_there_is():
    x, _ = DATA["iris"]
    op = op_of(AdaBoostClassifier().fit(x, np.ones(150, int)))
    assert (op.trees.combine.classes(op.scores(x)) == 0).all()
    assert code_of(AdaBoostClassifier().fit(x, np.ones(150, int)), "decision") == "E0304"


@pytest.mark.parametrize("make", [*CLASSIFIERS.values(), *REGRESSORS.values(), *FORESTS.values()])
def test_skops_files_say_the_same(make):
    x, y = DATA["diabetes" if "Regressor" in type(make()).__name__ else "iris"]
    model = make().fit(x, y)
    loaded = read_model(skops.io.dumps(model))
    assert np.array_equal(op_of(loaded.estimator).scores(moved(x)), op_of(model).scores(moved(x)))
    output = reference_of(model)._head.outputs[-1]  # the one of numbers
    direct = {"value": "predict", "proba": "predict_proba", "decision": "decision_function"}[output]
    expected = reference_of(loaded.estimator).numbers(output, x)
    rows = x.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(expected, getattr(model, direct)(rows).reshape(expected.shape), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cls", [AdaBoostClassifier, AdaBoostRegressor, BaggingClassifier, IsolationForest])
def test_unfitted(cls):
    assert code_of(cls()) == "E0106"


@pytest.mark.parametrize(
    "model",
    [
        AdaBoostClassifier(LogisticRegression(max_iter=9999), n_estimators=2),
        AdaBoostRegressor(LinearRegression(), n_estimators=2),
        BaggingClassifier(RandomForestClassifier(2), n_estimators=2),
        BaggingRegressor(LinearRegression(), n_estimators=2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_other_members_are_named(model):
    x, y = DATA["iris"]
    with pytest.raises(McugenError) as caught:
        read_estimator(model.fit(x, y), "m")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0301"
    assert type(model.estimator).__name__ in diagnostic.message
    assert "DecisionTree" in diagnostic.help


def test_no_output_of_other_members_is_advised():
    """`use --output label` would be refused as well."""
    model = BaggingClassifier(LogisticRegression(max_iter=9999), n_estimators=2).fit(*DATA["iris"])
    with pytest.raises(McugenError, match=r"E0301.*LogisticRegression"):
        read_estimator(model, "m", "decision")


def test_samme_r_is_refused():
    model = AdaBoostClassifier(n_estimators=2).fit(*DATA["iris"])
    model.algorithm = "SAMME.R"
    assert code_of(model) == "E0302"


def test_rows_that_isolate_nothing():
    assert code_of(IsolationForest(n_estimators=2, max_samples=1).fit(DATA["iris"][0])) == "E0302"


ADA = AdaBoostClassifier(n_estimators=3, random_state=0).fit(*DATA["iris"])
MEDIAN = AdaBoostRegressor(n_estimators=3, random_state=0).fit(*DATA["iris"])
BAG = BaggingClassifier(n_estimators=3, random_state=0).fit(*DATA["iris"])
ISOLATION = IsolationForest(n_estimators=3, random_state=0).fit(DATA["iris"][0])
EDITS = {
    "weights of nan": (ADA, "estimator_weights_", np.full(3, np.nan)),
    "no weights": (ADA, "estimator_weights_", np.zeros(3)),
    "negative weights": (ADA, "estimator_weights_", np.array([1.0, -1, 1])),
    "weights too few": (ADA, "estimator_weights_", np.ones(2)),
    "weights as a list": (ADA, "estimator_weights_", [1.0, 1.0, 1.0]),
    "endless weights": (ADA, "estimator_weights_", np.full(3, 1.7e308)),
    "medians without weights": (MEDIAN, "estimator_weights_", np.zeros(3)),
    "no trees": (ADA, "estimators_", []),
    "other classes": (ADA, "classes_", np.array([0, 1, 3])),
    "a count of classes": (ADA, "n_classes_", 2),
    "other features": (ADA, "n_features_in_", 5),
    "columns outside": (BAG, "estimators_features_", [np.array([0, 1, 2, 4])] * 3),
    "columns too few": (BAG, "estimators_features_", [np.arange(4)] * 2),
    "negative columns": (BAG, "estimators_features_", [np.array([0, 1, 2, -1])] * 3),
    "columns as a mask": (BAG, "estimators_features_", [np.ones(4, bool)] * 3),
    "another count of trees": (BAG, "n_estimators", 2),
    "an offset of nan": (ISOLATION, "offset_", np.nan),
    "an offset above 0": (ISOLATION, "offset_", 0.5),
    "paths of other lengths": (ISOLATION, "_decision_path_lengths", tuple([np.ones(2)] * 3)),
    "no paths": (ISOLATION, "_average_path_length_per_tree", ()),
    "no samples": (ISOLATION, "_max_samples", 0),
    "more features than there are": (ISOLATION, "_max_features", 9),
}


@pytest.mark.parametrize("name", EDITS)
def test_edited_models(name):
    model, attribute, value = EDITS[name]
    broken = copy.deepcopy(model)
    setattr(broken, attribute, value)
    assert code_of(broken) == "E0107"


@pytest.mark.parametrize("model", [ADA, MEDIAN, BAG, ISOLATION], ids=lambda model: type(model).__name__)
def test_edited_members(model):
    for edit in range(3):
        broken = copy.deepcopy(model)
        member = broken.estimators_[1]
        if edit == 0:
            member.n_features_in_ = 3
        elif edit == 1:
            del member.tree_
        else:
            member.predict = lambda rows: rows
        assert code_of(broken) == "E0107"


@pytest.mark.parametrize("make", [CLASSIFIERS["ada"], CLASSIFIERS["bagging"], REGRESSORS["bagging"]])
def test_members_that_are_nothing(make):
    model = make().fit(*DATA["iris"])
    model.estimators_ = [None] * model.n_estimators
    with pytest.raises(McugenError, match=r"of builtins\.NoneType is not supported"):
        read_estimator(model, "m", None, LOC)
