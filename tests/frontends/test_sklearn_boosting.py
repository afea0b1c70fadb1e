"""Gradient boosting, plain and on histograms: scikit-learn's raw predictions, and what is refused."""

import copy

import numpy as np
import pytest
import skops.io
from sklearn import datasets
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression

import mcugen
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
    "plain": lambda: GradientBoostingClassifier(n_estimators=5, random_state=0),
    "zero": lambda: GradientBoostingClassifier(n_estimators=3, init="zero", learning_rate=1.5, random_state=0),
    "stochastic": lambda: GradientBoostingClassifier(n_estimators=4, subsample=0.5, max_features=2, random_state=0),
    "stopped": lambda: GradientBoostingClassifier(n_estimators=9, n_iter_no_change=1, random_state=0),
    "hist": lambda: HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "hist_stopped": lambda: HistGradientBoostingClassifier(max_iter=9, early_stopping=True, random_state=0),
}
REGRESSORS = {
    **{
        loss: lambda loss=loss: GradientBoostingRegressor(n_estimators=5, loss=loss, random_state=0)
        for loss in ("squared_error", "absolute_error", "huber", "quantile")
    },
    **{
        f"hist_{loss}": lambda loss=loss: HistGradientBoostingRegressor(
            max_iter=5, loss=loss, quantile=0.3 if loss == "quantile" else None, random_state=0
        )
        for loss in ("squared_error", "absolute_error", "poisson", "gamma", "quantile")
    },
}


def op_of(model, output=None):
    (node,) = read_estimator(model, "m", output, LOC).predict.nodes
    return node.op


def code_of(model, output=None):
    with pytest.raises(McugenError) as caught:
        read_estimator(model, "m", output, LOC)
    assert all(d.help and d.loc.file == LOC.file for d in caught.value.diagnostics)
    return caught.value.diagnostics[0].code


def hard(x, categories=()):
    """The rows as float32, and each again with a number moved to where trees have thresholds, zeros or nothing."""
    rng = np.random.default_rng(0)
    rows = np.repeat(x.astype(np.float32), 3, axis=0)
    move = rng.random(rows.shape) < 0.3
    return np.where(move, rng.permutation(rows), rows)


@pytest.mark.parametrize("data", ["iris", "breast_cancer"])
@pytest.mark.parametrize("make", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_raw_predictions_are_scikit_learns(make, data):
    x, y = DATA[data]
    model = make().fit(x, y)
    rows = hard(x)
    op, expected = op_of(model, "decision"), model.decision_function(rows)
    scores = op.scores(rows)
    np.testing.assert_allclose(scores.reshape(expected.shape), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(op.trees.combine.probabilities(scores), model.predict_proba(rows), rtol=0, atol=1e-12)
    assert (model.classes_[op.trees.combine.classes(scores)] == model.predict(rows)).all()


@pytest.mark.parametrize("make", REGRESSORS.values(), ids=REGRESSORS)
def test_numbers_are_scikit_learns(make):
    x, y = DATA["diabetes"]
    model = make().fit(x, y)
    rows = hard(x)
    op = op_of(model)
    np.testing.assert_allclose(op.trees.combine.values(op.scores(rows)), model.predict(rows), rtol=1e-12)


def test_exponential_loss_of_two_classes():
    x, y = DATA["breast_cancer"]
    model = GradientBoostingClassifier(n_estimators=4, loss="exponential", random_state=0).fit(x, y)
    op = op_of(model, "proba")
    np.testing.assert_allclose(op.trees.combine.probabilities(op.scores(x)), model.predict_proba(x), rtol=0, atol=1e-12)


def test_a_raw_prediction_of_exactly_0():
    """Plain boosting says the second class, histograms the first."""
    x, y = np.array([[0.0], [1.0]] * 30), np.array([0, 1] * 30)
    for model, index in (
        (GradientBoostingClassifier(n_estimators=1, learning_rate=0.0, init="zero"), 1),
        (HistGradientBoostingClassifier(max_iter=1, min_samples_leaf=50, early_stopping=False), 0),
    ):
        op = op_of(model.fit(x, y))
        scores = op.scores(x)
        assert (scores == 0).all()
        assert (op.trees.combine.classes(scores) == index).all()
        assert (model.predict(x) == index).all()


@pytest.mark.parametrize("make", [*CLASSIFIERS.values(), *REGRESSORS.values()], ids=[*CLASSIFIERS, *REGRESSORS])
def test_skops_files_say_the_same(make):
    x, y = DATA["diabetes" if "Regressor" in type(make()).__name__ else "iris"]
    x = x.astype(np.float32)
    model = make().fit(x, y)
    loaded = read_model(skops.io.dumps(model))
    assert str(read_estimator(loaded.estimator, "m")) == str(read_estimator(model, "m"))
    output = "value" if "Regressor" in type(model).__name__ else "decision"
    expected = reference_of(model).numbers(output, x)
    assert np.array_equal(reference_of(loaded.estimator).numbers(output, x), expected)
    direct = model.predict(x) if output == "value" else model.decision_function(x)
    np.testing.assert_allclose(expected, direct.reshape(expected.shape), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cls", [type(m()) for m in (CLASSIFIERS["plain"], CLASSIFIERS["hist"])])
def test_unfitted(cls):
    assert code_of(cls()) == "E0106"


def test_it_begins_with_a_constant():
    x, y = DATA["breast_cancer"]
    model = GradientBoostingClassifier(n_estimators=2, init=LogisticRegression(max_iter=5000)).fit(x, y)
    with pytest.raises(McugenError, match="LogisticRegression") as caught:
        read_estimator(model, "m")
    assert caught.value.diagnostics[0].code == "E0301"


def put(place, value):
    """An edit of a fitted model: the attribute, or the item of one, becomes the value."""

    def edit(model):
        *way, last = place
        target = model
        for step in way:
            target = getattr(target, step) if isinstance(step, str) else target[step]
        if isinstance(last, str):
            setattr(target, last, value)
        else:
            target[last] = value

    return edit


PLAIN = GradientBoostingClassifier(n_estimators=2, max_depth=2, random_state=0).fit(*DATA["iris"])
HIST = HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=4, random_state=0).fit(*DATA["iris"])
EDITS = {
    "a rate of nan": (PLAIN, put(["learning_rate"], np.nan)),
    "a rate of text": (PLAIN, put(["learning_rate"], "much")),
    "no trees": (PLAIN, put(["estimators_"], np.empty((0, 3), object))),
    "a list of trees": (PLAIN, put(["estimators_"], [1])),
    "a tree that is none": (PLAIN, put(["estimators_", (0, 1)], None)),
    "a tree too few": (PLAIN, put(["estimators_"], PLAIN.estimators_[:, :2])),
    "trees of other features": (PLAIN, put(["n_features_in_"], 3)),
    "two classes": (PLAIN, put(["classes_"], np.array([0, 1]))),
    "a count of classes": (PLAIN, put(["n_classes_"], 2)),
    "a wrong loss": (PLAIN, put(["_loss"], HIST)),
    "shares of nan": (PLAIN, put(["init_", "class_prior_"], np.full(3, np.nan))),
    "shares of two": (PLAIN, put(["init_", "class_prior_"], np.full(2, 0.5))),
    "a baseline of nan": (HIST, put(["_baseline_prediction"], np.full((1, 3), np.nan))),
    "a short baseline": (HIST, put(["_baseline_prediction"], np.zeros((1, 2)))),
    "no stages": (HIST, put(["_predictors"], [])),
    "a short stage": (HIST, put(["_predictors", 0], HIST._predictors[0][:2])),
    "a predictor that is none": (HIST, put(["_predictors", 0, 1], PLAIN)),
    "no nodes": (HIST, put(["_predictors", 0, 1, "nodes"], HIST._predictors[0][0].nodes[:0])),
    "nodes of another type": (HIST, put(["_predictors", 0, 1, "nodes"], np.zeros(3))),
    "sets of another type": (HIST, put(["_predictors", 0, 1, "raw_left_cat_bitsets"], np.zeros((1, 8)))),
    "a loss of numbers": (HIST, put(["_loss"], HistGradientBoostingRegressor(max_iter=1).fit(*DATA["iris"])._loss)),
}


@pytest.mark.parametrize("name", EDITS)
def test_edited_models(name):
    model, edit = EDITS[name]
    broken = copy.deepcopy(model)
    edit(broken)
    assert code_of(broken) == "E0107"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("left", 99),
        ("right", 0),
        ("left", 2**32 - 1),
        ("feature_idx", 4),
        ("feature_idx", -1),
        ("num_threshold", np.nan),
    ],
)
def test_edited_nodes_of_histograms(field, value):
    """scikit-learn's own code follows these without a look."""
    broken = copy.deepcopy(HIST)
    broken._predictors[0][0].nodes[field][0] = value
    assert code_of(broken) == "E0107"
    cyclic = copy.deepcopy(HIST)
    nodes = cyclic._predictors[0][0].nodes
    inner = int(np.flatnonzero(nodes["is_leaf"] == 0)[-1])
    nodes["left"][inner] = inner
    assert code_of(cyclic) == "E0107"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_edited_leaves(value):
    for model in (PLAIN, HIST):
        broken = copy.deepcopy(model)
        if model is PLAIN:
            broken.estimators_[0, 0].tree_.value[:] = value
        else:
            broken._predictors[0][0].nodes["value"][:] = value
        assert code_of(broken) == "E0107"


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
@pytest.mark.parametrize("cls", [GradientBoostingRegressor, HistGradientBoostingRegressor])
def test_targets_of_any_scale(cls, scale):
    """Right, or said to be too small or large for a float."""
    x, y = DATA["diabetes"]
    x = x.astype(np.float32)
    options = {"n_estimators": 4} if cls is GradientBoostingRegressor else {"max_iter": 4}
    model = cls(random_state=0, **options).fit(x, y * scale)
    op = op_of(model)
    leaves = op.encodings.leaves
    np.testing.assert_allclose(added(leaves, op.encodings.trees, x), model.predict(x), rtol=1e-5)
    np.testing.assert_allclose(op.trees.combine.values(op.scores(x)), model.predict(x), rtol=1e-10)
    assert leaves.total in (32, 64)


def test_scores_beyond_a_float():
    broken = copy.deepcopy(PLAIN)
    broken.learning_rate = 1e40
    assert code_of(broken) == "E0303"
    broken.learning_rate = 1e308
    broken.estimators_[0, 0].tree_.value[:] = 1e10
    assert code_of(broken) == "E0107"
    broken = copy.deepcopy(HIST)
    broken._predictors[0][0].nodes["value"][:] = 1e39
    assert code_of(broken) == "E0303"


@pytest.mark.parametrize("scale", [1e-300, 1e-40, 1e-10, 1e10, 1e30])
def test_scores_of_any_scale(scale):
    """The class is what the scores say, however small or large they are."""
    x, y = DATA["iris"]
    model = GradientBoostingClassifier(n_estimators=3, init="zero", learning_rate=scale, random_state=0).fit(x, y)
    for tree in model.estimators_.ravel():
        tree.tree_.value[:] = np.clip(tree.tree_.value, -4, 4)
    try:
        c = mcugen.compile(model, board="host", output="proba")
    except McugenError as problem:
        assert (scale, problem.diagnostics[0].code) == (1e30, "E0303")  # noqa: PT017  # the others must not raise
        return
    assert c.proof.proven
    assert (c.predict(x) == model.predict(x))[~c.source.reference.near_ties(x)].all()


def added(leaves, trees, x):
    """What the C makes of the leaves."""
    nodes = {int(row): leaves.code[node] for node, row in enumerate(trees.leaf) if row >= 0}
    total = np.zeros(len(x), np.int64)
    for first, rows in zip(leaves.first, trees.apply(x), strict=True):
        total += leaves.table[[first + nodes[int(row)] for row in rows]]
    return total * leaves.scale


def test_three_hundred_classes():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((600, 2))
    model = GradientBoostingClassifier(n_estimators=1, max_depth=2, random_state=0).fit(x, np.arange(600) % 300)
    op = op_of(model)
    assert op.trees.n_classes == 300
    assert (model.classes_[op.trees.combine.classes(op.scores(x))] == model.predict(x)).all()
