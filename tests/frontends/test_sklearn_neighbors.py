"""Nearest neighbours: the op's answers are scikit-learn's, the C's are the op's, and whatever is wrong has a diagnostic."""

import copy

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn import datasets, neighbors, preprocessing

import mcugen
from mcugen.diagnostics import Loc, McugenError
from mcugen.frontends import read
from mcugen.frontends.sklearn import read_estimator

IRIS = datasets.load_iris(return_X_y=True)
DIABETES = datasets.load_diabetes(return_X_y=True)
LOC = Loc("model.skops")
CLASSIFIER = neighbors.KNeighborsClassifier().fit(*IRIS)
REGRESSOR = neighbors.KNeighborsRegressor().fit(*DIABETES)
WAYS = [
    {"n_neighbors": 1},
    {"n_neighbors": 4, "weights": "distance"},
    {"algorithm": "brute", "p": 1},
    {"algorithm": "ball_tree", "metric": "chebyshev", "weights": "distance"},
    {"algorithm": "kd_tree", "metric": "l2", "n_neighbors": 90},
    {"metric": "minkowski", "p": np.inf},
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


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("name", ["load_iris", "load_wine"])
def test_every_row_of_classifiers(way, name):
    x, y = getattr(datasets, name)(return_X_y=True)
    model = neighbors.KNeighborsClassifier(**way).fit(x, y)
    compiled = mcugen.compile(model, board="host", output="proba", numeric="float32")
    proof = compiled.verify(x)
    assert proof.proven
    assert proof.near_ties < 0.1 * len(x)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_row_of_regressors(way):
    x, y = DIABETES
    compiled = mcugen.compile(neighbors.KNeighborsRegressor(**way).fit(x, y), board="host", numeric="float32")
    assert compiled.verify(x).proven


def test_scikit_learns_own_answers_are_the_references():
    for model in (CLASSIFIER, neighbors.KNeighborsClassifier(weights="distance").fit(*IRIS)):
        source = read(model, output="proba")
        rows = IRIS[0].astype(np.float32)
        clear = ~source.reference.near_ties(rows)
        assert clear.mean() > 0.9
        assert np.array_equal(source.reference.labels(rows)[clear], model.predict(rows.astype(np.float64))[clear])
        op = source.module.predict.nodes[0].op
        assert np.array_equal(op.answers_to(rows)[0][clear], model.predict(rows.astype(np.float64))[clear])


def test_points_that_are_equally_far_are_near_ties():
    x = np.array([[0.0], [2.0], [2.0], [9.0]])
    source = read(neighbors.KNeighborsClassifier(1).fit(x, [0, 1, 1, 0]))
    rows = np.array([[1.0], [0.9], [2.0], [5.5]], np.float32)  # between; clear; two of one class; both sides of it
    assert source.reference.near_ties(rows).tolist() == [True, False, False, True]
    value = read(neighbors.KNeighborsRegressor(1).fit(x, [0, 1, 1, 0]))
    assert value.reference.rounding(rows).tolist() == [1.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("centre", [0, 1e8, -1e20])
def test_what_lies_far_from_0_loses_nothing(centre):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(80, 3)) * max(1.0, abs(centre) * 1e-3) + centre).astype(np.float32)
    model = neighbors.KNeighborsClassifier(3, algorithm="kd_tree").fit(x, rng.integers(0, 3, 80))
    assert mcugen.compile(model, board="host", numeric="float32").verify(x).proven


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000))
def test_small_models_of_any_scale(seed):
    rng = np.random.default_rng(seed)
    rows, features = int(rng.integers(2, 40)), int(rng.integers(1, 9))
    x = rng.normal(size=(rows, features)) * 10.0 ** rng.uniform(-25, 25) * 10.0 ** rng.uniform(-2, 2, features)
    kind = neighbors.KNeighborsClassifier if seed % 2 else neighbors.KNeighborsRegressor
    options = {
        "n_neighbors": int(rng.integers(1, rows + 1)),
        "weights": ["uniform", "distance"][seed // 2 % 2],
        "p": 1 + seed // 4 % 2,
    }
    y = rng.integers(0, 4, rows) if seed % 2 else rng.normal(size=rows) * 10.0 ** rng.uniform(-6, 9)
    model = kind(**options).fit(x, y)
    mcugen.compile(model, board="host", numeric="float32")  # proves it on rows of its own


@pytest.mark.parametrize("numeric", ["int16", "int8"])
def test_rows_far_outside_have_the_neighbours_of_their_direction(numeric):
    x = preprocessing.scale(IRIS[0])
    model = neighbors.KNeighborsClassifier().fit(x, IRIS[1])
    compiled = mcugen.compile(model, board="host", numeric=numeric, check_answers=False)
    for further in (1e2, 1e5, 1e8):
        rows = (np.random.default_rng(0).normal(size=(300, 4)) * further).astype(np.float32)
        same = compiled.predict(rows) == model.predict(rows.astype(np.float64))
        assert same.mean() > 0.98


def test_three_hundred_classes_and_labels_of_64_bits():
    rng = np.random.default_rng(0)
    y = np.arange(600) % 300 + 2**40
    model = neighbors.KNeighborsClassifier(1).fit(rng.normal(size=(600, 3)), y)
    compiled = mcugen.compile(model, board="host")
    assert np.array_equal(compiled.predict(model._fit_X), y)


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"_fit_X": None}, "E0107"),
        ({"_fit_X": IRIS[0][:, :3]}, "E0107"),
        ({"_fit_X": IRIS[0][:0]}, "E0107"),
        ({"_fit_X": IRIS[0] * np.nan}, "E0107"),
        ({"_fit_X": IRIS[0] * 1e300}, "E0107"),
        ({"_fit_X": IRIS[0].astype(str)}, "E0107"),
        ({"_fit_X": sparse.csr_matrix(IRIS[0])}, "E0302"),
        ({"_fit_X": IRIS[0] * [1e30, 1, 1, 1]}, "E0302"),
        ({"_y": IRIS[1][:9]}, "E0107"),
        ({"_y": IRIS[1] + 1}, "E0107"),
        ({"_y": -IRIS[1]}, "E0107"),
        ({"_y": IRIS[1] * 0.5}, "E0107"),
        ({"classes_": [np.arange(3)]}, "E0107"),
        ({"classes_": np.arange(2)}, "E0107"),
        ({"n_neighbors": 0}, "E0107"),
        ({"n_neighbors": 151}, "E0107"),
        ({"n_neighbors": 5.0}, "E0107"),
        ({"weights": print}, "E0302"),
        ({"effective_metric_": "cosine"}, "E0302"),
        ({"effective_metric_": np.arange(3)}, "E0302"),
        ({"effective_metric_params_": {"w": np.ones(4)}}, "E0302"),
        ({"n_features_in_": 5}, "E0107"),
        ({"_tree": None, "_fit_method": "nonsense"}, None),  # neither is asked
    ],
    ids=range(23),
)
def test_every_rule(attributes, code):
    model = changed(CLASSIFIER, **attributes)
    if code is None:
        assert read(model).reference.labels(IRIS[0][:3].astype(np.float32)).tolist() == [0, 0, 0]
    else:
        assert code_of(model) == code


def test_regressors_have_rules_too():
    assert code_of(changed(REGRESSOR, _y=np.full(442, np.nan))) == "E0107"
    assert code_of(changed(REGRESSOR, _y=np.full((442, 2), np.nan))) == "E0107"
    assert code_of(changed(REGRESSOR, _y=np.zeros((441, 2)))) == "E0107"
    assert code_of(changed(REGRESSOR, _y=np.zeros((442, 2, 2)))) == "E0107"
    assert code_of(REGRESSOR, "proba") == "E0304"
    assert code_of(neighbors.KNeighborsRegressor()) == "E0106"
    assert code_of(neighbors.RadiusNeighborsClassifier().fit(*IRIS)) == "E0301"


def test_files():
    for algorithm in ("auto", "brute"):
        model = neighbors.KNeighborsClassifier(algorithm=algorithm).fit(*IRIS)
        data = skops.io.dumps(model)
        if algorithm == "brute":
            assert str(read(data).module) == str(read(model).module)
        else:
            with pytest.raises(McugenError, match=r"E0105(.|\n)*algorithm=.brute."):
                read(data)
