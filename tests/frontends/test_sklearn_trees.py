"""Fitted trees and forests become modules whose numbers are scikit-learn's, bit for bit."""

import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn import datasets, ensemble, gaussian_process, tree

from mcugen.diagnostics import Loc, McugenError
from mcugen.frontends.sklearn import families, head, read_estimator, supported, tree_members, trees
from mcugen.frontends.sklearn.tree_reference import TreeReference
from mcugen.ir import DType, Storage, TensorType
from mcugen.ops.tree_ensemble.trees import float32_not_above

CLASSIFIERS = {
    "dt": lambda: tree.DecisionTreeClassifier(random_state=0),
    "dt3": lambda: tree.DecisionTreeClassifier(max_depth=3, random_state=0),
    "extra": lambda: tree.ExtraTreeClassifier(random_state=0),
    "rf": lambda: ensemble.RandomForestClassifier(12, random_state=0),
    "et": lambda: ensemble.ExtraTreesClassifier(7, random_state=0),
}
REGRESSORS = {
    "dt": lambda: tree.DecisionTreeRegressor(random_state=0),
    "dt1": lambda: tree.DecisionTreeRegressor(max_depth=1, random_state=0),
    "extra": lambda: tree.ExtraTreeRegressor(random_state=0),
    "rf": lambda: ensemble.RandomForestRegressor(12, random_state=0),
    "et": lambda: ensemble.ExtraTreesRegressor(7, random_state=0),
}
IRIS = datasets.load_iris(return_X_y=True)
LOC = Loc("model.skops")


def with_gaps(x, share=0.1):
    """The rows in float32 with some values missing, of either sign bit."""
    random = np.random.default_rng(0)
    x = x.astype(np.float32)
    x[random.random(x.shape) < share] = np.nan
    x[random.random(x.shape) < share] = -np.float32(np.nan)
    return x


def op_of(estimator, output=None):
    (node,) = read_estimator(estimator, "m", output, LOC).predict.nodes
    return node.op


def code_of(estimator, output=None):
    with pytest.raises(McugenError) as caught:
        read_estimator(estimator, "m", output, LOC)
    assert all(d.help and d.loc.file == LOC.file for d in caught.value.diagnostics)
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize("gaps_in_fit", [False, True], ids=["complete", "gaps"])
@pytest.mark.parametrize("name", ["load_iris", "load_wine", "load_breast_cancer", "load_digits"])
@pytest.mark.parametrize("make", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_classifiers_give_scikit_learns_probabilities(make, name, gaps_in_fit):
    x, y = getattr(datasets, name)(return_X_y=True)
    rows = with_gaps(x)
    model = make().fit(rows if gaps_in_fit else x, y)
    op = op_of(model, "proba")
    for asked in (x.astype(np.float32), rows):
        expected = model.predict_proba(asked)
        assert np.array_equal(op.scores(asked), expected)
        assert np.array_equal(TreeReference(model).numbers("proba", asked), expected)
        assert np.array_equal(model.classes_[op.scores(asked).argmax(axis=1)], model.predict(asked))
        assert np.array_equal(model.classes_[TreeReference(model).labels(asked)], model.predict(asked))


@pytest.mark.parametrize("gaps_in_fit", [False, True], ids=["complete", "gaps"])
@pytest.mark.parametrize("make", REGRESSORS.values(), ids=REGRESSORS)
def test_regressors_give_scikit_learns_values(make, gaps_in_fit):
    x, y = datasets.load_diabetes(return_X_y=True)
    rows = with_gaps(x)
    model = make().fit(rows if gaps_in_fit else x, y)
    op = op_of(model)
    for asked in (x.astype(np.float32), rows):
        assert np.array_equal(op.scores(asked)[:, 0], model.predict(asked))
        assert np.array_equal(TreeReference(model).numbers("value", asked), model.predict(asked))


@pytest.mark.parametrize("criterion", ["squared_error", "friedman_mse", "absolute_error", "poisson"])
def test_every_regression_criterion(criterion):
    x, y = datasets.load_diabetes(return_X_y=True)
    warnings.simplefilter("ignore")  # each is deprecated in some version
    model = tree.DecisionTreeRegressor(criterion=criterion, max_depth=5, random_state=0).fit(x[:150], y[:150])
    assert np.array_equal(op_of(model).scores(x.astype(np.float32))[:, 0], model.predict(x))


@pytest.mark.parametrize(
    "options",
    [
        {"criterion": "entropy"},
        {"criterion": "log_loss", "max_leaf_nodes": 7},
        {"class_weight": "balanced", "ccp_alpha": 0.01},
        {"class_weight": {0: 1e-9, 1: 1e9, 2: 1.0}},
        {"splitter": "random", "max_features": 1},
    ],
    ids=str,
)
def test_every_way_to_fit_a_classifier(options):
    x, y = IRIS
    weights = np.random.default_rng(0).random(len(y)) ** 30  # down to 1e-60: proportions still sum to 1
    model = tree.DecisionTreeClassifier(random_state=0, **options).fit(x, y, sample_weight=weights)
    assert np.array_equal(op_of(model).scores(x.astype(np.float32)), model.predict_proba(x))


def test_a_split_on_missing_alone_has_an_infinite_threshold():
    x = np.array([[1.0], [np.nan], [3.0], [np.nan]])
    model = tree.DecisionTreeClassifier().fit(x, [0, 1, 0, 1])
    assert model.tree_.threshold[0] == np.inf
    rows = np.array([[np.nan], [np.inf], [-np.inf], [0]], np.float32)
    assert (
        op_of(model).scores(rows).argmax(axis=1).tolist() == TreeReference(model).labels(rows).tolist() == [1, 0, 0, 0]
    )


def test_monotonic_constraints_only_change_the_arrays():
    x, y = datasets.load_breast_cancer(return_X_y=True)
    model = ensemble.RandomForestClassifier(5, monotonic_cst=[1] * 30, random_state=0).fit(x, y)
    assert np.array_equal(op_of(model).scores(x.astype(np.float32)), model.predict_proba(x))


def test_infinities_go_where_the_compiled_tree_sends_them():
    x, y = IRIS
    rows = with_gaps(x)
    rows[::3, 1], rows[1::3, 2] = np.inf, -np.inf
    model = ensemble.RandomForestClassifier(5, random_state=0).fit(x, y)
    reference = TreeReference(model)
    assert np.array_equal(op_of(model).scores(rows), reference.numbers("proba", rows))
    assert np.array_equal(op_of(model).scores(rows).argmax(axis=1), reference.labels(rows))


def test_rows_beyond_float32_count_as_infinite():
    model = tree.DecisionTreeClassifier(random_state=0).fit(*IRIS)
    assert TreeReference(model).labels(np.full((2, 4), 1e300)).tolist() == [2, 2]


def test_near_ties_are_between_the_two_best_classes():
    x, y = IRIS
    reference = TreeReference(ensemble.RandomForestClassifier(4, max_depth=1, random_state=0).fit(x, y))
    best = np.sort(reference.numbers("proba", x), axis=1)
    assert np.array_equal(reference.near_ties(x), best[:, 2] - best[:, 1] < 1e-12)
    one_class = tree.DecisionTreeClassifier().fit(x, np.zeros(150))
    assert not TreeReference(one_class).near_ties(x).any()
    assert not TreeReference(tree.DecisionTreeRegressor().fit(x, y)).near_ties(x).any()


def test_parallel_jobs_do_not_change_the_reference():
    x, y = datasets.load_digits(return_X_y=True)
    model = ensemble.RandomForestClassifier(40, n_jobs=-1, random_state=0).fit(x, y)
    assert np.array_equal(TreeReference(model).numbers("proba", x), op_of(model).scores(x.astype(np.float32)))
    assert model.n_jobs == -1


def test_families_are_found_by_place():
    assert "trees" in [family.__name__.rpartition(".")[2] for family in families()]
    assert {*trees.SUPPORTED} <= {*supported()}


def test_the_module_prints():
    model = tree.DecisionTreeClassifier(max_depth=1).fit(*IRIS)
    assert str(read_estimator(model, "iris", "proba")) == (
        "module iris\n\npredict:\n  input %x : 4:f32\n"
        "  %label, %proba = tree_ensemble(%x) {trees=1 nodes=3 output=proba} : i32, 3:f32\n  return %label, %proba\n"
    )


def test_outputs_their_types_and_the_users_labels():
    x, y = IRIS
    model = tree.DecisionTreeClassifier().fit(x, np.array(["rose", "iris", "lily"])[y])
    graph = read_estimator(model, "m", None, LOC).predict
    assert [(v.name, v.labels) for v in graph.of(Storage.OUTPUT)] == [("label", ("iris", "lily", "rose"))]
    assert graph.nodes[0].loc == Loc("model.skops", "DecisionTreeClassifier")
    graph = read_estimator(model, "m", "proba").predict
    assert [(v.name, v.type, v.labels is None) for v in graph.of(Storage.OUTPUT)] == [
        ("label", TensorType((), DType.I32), False),
        ("proba", TensorType((3,), DType.F32), True),
    ]
    graph = read_estimator(tree.DecisionTreeRegressor().fit(x, y), "m").predict
    assert [v.name for v in graph.of(Storage.OUTPUT)] == ["value"]


@pytest.mark.parametrize(
    "classes",
    [
        [-7, 0, 40_000],
        ["a", "bé", ""],
        [-1.0, 0.0, 2.0],
        [0, 2**62, -(2**63)],
        np.array([1, 2, 250], np.uint8),
        np.array([0, 1, 1024], np.float16),
        np.array(["x", "y", "z"], object),
    ],
    ids=str,
)
def test_labels_are_the_users_as_python_objects(classes):
    x, y = IRIS
    model = ensemble.RandomForestClassifier(3, random_state=0).fit(x, np.asarray(classes)[y])
    labels = read_estimator(model, "m").predict.values["label"].labels
    assert list(labels) == model.classes_.tolist()
    assert {type(label) for label in labels} <= {int, str, float}


def test_bool_labels():
    x, y = IRIS
    model = tree.DecisionTreeClassifier().fit(x, y > 0)
    assert read_estimator(model, "m").predict.values["label"].labels == (False, True)


@pytest.mark.parametrize(
    ("classes", "code"),
    [
        (np.array([b"a", b"b", b"c"]), "E0302"),
        (np.array([1, "b", 2.0], object), "E0302"),
        (np.array([True, 2, 3], object), "E0302"),
        (np.array([None, "b", "c"], object), "E0302"),
        (np.array(["2020-01-01", "2021-01-01", "2022-01-01"], "datetime64[D]"), "E0302"),
        (np.array([0.0, 1.0, np.nan]), "E0302"),
        (np.array([0.0, 1.0, np.inf]), "E0302"),
        (np.array([0, 1, 2**64 - 1], np.uint64), "E0302"),
        (np.array([0, 1, 10**5000], object), "E0302"),
        (np.array(["a", "b\0c", "d"], object), "E0302"),
        (np.array(["a", "b", "\ud800"], object), "E0302"),
        (np.array([1, 2, 2]), "E0107"),
        (np.array([1, 2]), "E0107"),
        (np.array([[1, 2, 3]]), "E0107"),
        (np.array(5), "E0107"),
        ([0, 1, 2], "E0107"),
        ({0: 1}, "E0107"),
        (None, "E0107"),
        ("abc", "E0107"),
    ],
    ids=range(19),
)
def test_other_labels_are_refused(classes, code):
    model = tree.DecisionTreeClassifier().fit(*IRIS)
    model.classes_ = classes
    assert code_of(model) == code


@pytest.mark.parametrize(
    ("model", "output"),
    [
        (tree.DecisionTreeClassifier(), "value"),
        (tree.DecisionTreeRegressor(), "label"),
        (ensemble.RandomForestRegressor(2), "proba"),
        (ensemble.RandomForestClassifier(2), "labels"),
    ],
)
def test_an_output_that_it_has_not(model, output):
    assert code_of(model.fit(*IRIS), output) == "E0304"


@pytest.mark.parametrize("name", trees.SUPPORTED)
def test_unfitted(name):
    assert code_of((getattr(tree, name, None) or getattr(ensemble, name))()) == "E0106"


def test_several_outputs():
    x, y = IRIS
    two = np.column_stack([y, y])
    several = tree.DecisionTreeClassifier(random_state=0).fit(x, two)
    assert read_estimator(several, "m").predict.values["label"].tables == ((0, 1, 2), (0, 1, 2))
    assert code_of(several, "proba") == "E0304"
    several.n_classes_ = [3, 2]
    assert code_of(several) == "E0107"
    several.n_classes_, several.classes_ = [3, 3], [np.arange(3)]
    assert code_of(several) == "E0107"
    forest = ensemble.RandomForestRegressor(2, random_state=0).fit(x, two)
    assert read_estimator(forest, "m").predict.values["value"].type.shape == (2,)
    forest.estimators_[1] = ensemble.RandomForestRegressor(1, random_state=0).fit(x, y).estimators_[0]
    assert code_of(forest) == "E0107"
    forest.n_outputs_ = 3
    assert code_of(forest) == "E0107"


@pytest.mark.parametrize(
    ("limit", "most", "rest"), [("MAX_FEATURES", 4, 3), ("MAX_CLASSES", 3, 2), ("MAX_NODES", 5, 4)]
)
def test_too_large(monkeypatch, limit, most, rest):
    model = tree.DecisionTreeClassifier(max_depth=2, random_state=0).fit(*IRIS)
    where = tree_members if hasattr(tree_members, limit) else head
    monkeypatch.setattr(where, limit, most)
    read_estimator(model, "m")
    monkeypatch.setattr(where, limit, rest)
    assert code_of(model) == "E0303"


@pytest.mark.parametrize("scale", [1e38, 1e60, 1e-40])
def test_regression_values_that_a_float_does_not_hold(scale):
    x, y = IRIS
    model = ensemble.RandomForestRegressor(5, random_state=0).fit(x, (y + 1) * scale)
    assert code_of(model) == "E0303"


@pytest.mark.parametrize(
    ("estimator", "advice"),
    [
        (gaussian_process.GaussianProcessClassifier(), "GaussianProcessRegressor"),
        ({"model": 1}, "entries"),
        (None, "tree or forest"),
        (3.5, "tree or forest"),
        (tree.DecisionTreeClassifier, "DecisionTreeClassifier(...).fit(X, y)"),
        (type("RandomForestClassifer", (), {"__module__": "cuml"})(), "did you mean 'RandomForestClassifier'"),
        (type("DaskXGBClassifier", (), {"__module__": "xgboost.dask"})(), "XGBClassifier"),
    ],
    ids=range(7),
)
def test_what_is_not_supported_names_what_is_near(estimator, advice):
    with pytest.raises(McugenError) as caught:
        read_estimator(estimator, "m", None, LOC)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0301"
    assert advice in diagnostic.help
    cls = estimator if isinstance(estimator, type) else type(estimator)
    assert f"{cls.__module__}.{cls.__name__}" in diagnostic.message


class Named(ensemble.RandomForestClassifier):
    """A subclass that adds nothing to a prediction."""

    def describe(self):
        return "mine"


class Sure(ensemble.RandomForestClassifier):
    """A subclass whose answers differ."""

    def predict_proba(self, X):  # noqa: N803
        return np.eye(3)[super().predict_proba(X).argmax(axis=1)]


class Answering:
    """A mix-in that stands before scikit-learn's class."""

    def predict(self, X):  # noqa: N803
        return np.zeros(len(X))


class Mixed(Answering, tree.DecisionTreeClassifier):
    """Inherits `predict` from the mix-in."""


def test_a_subclass_is_taken_where_its_answers_are_the_same():
    x, y = IRIS
    model = Named(3, random_state=0).fit(x, y)
    assert np.array_equal(op_of(model).scores(x.astype(np.float32)), model.predict_proba(x))
    assert code_of(Sure(3).fit(x, y)) == "E0301"
    assert code_of(Mixed().fit(x, y)) == "E0301"


def test_a_replaced_method_is_refused():
    model = tree.DecisionTreeClassifier().fit(*IRIS)
    model.predict = lambda rows: None
    assert code_of(model) == "E0301"


def test_a_caller_who_raises_on_every_float_event_is_not_disturbed():
    x, y = IRIS
    model = tree.DecisionTreeClassifier().fit(x * 1e-300, y)
    with np.errstate(all="raise"):
        op = op_of(model)
    assert (op.trees.threshold == 0).all()


ANY_DOUBLE = st.floats(allow_nan=False) | st.floats(width=32, allow_nan=False)
FLOAT_MAX = float(np.finfo(np.float32).max)


def around(threshold):
    """The float32 nearest to a threshold, five neighbours on either side, zeros, and the ends."""
    with np.errstate(all="ignore"):
        up = down = np.float32(threshold)
        found = [up, np.float32(0), -np.float32(0), np.float32(np.inf), -np.float32(np.inf)]
        for _ in range(5):
            up, down = np.nextafter(up, np.float32(np.inf)), np.nextafter(down, np.float32(-np.inf))
            found += [up, down]
    return np.array(found, np.float32)


@given(ANY_DOUBLE, st.lists(st.floats(width=32, allow_nan=False), max_size=20))
@example(-0.0, [])
@example(5e-324, [])
@example(-5e-324, [])
@example(2.0**-149, [])
@example(-(2.0**-150), [])
@example(np.nextafter(2.0**-149, 1), [])
@example(FLOAT_MAX, [])
@example(np.nextafter(FLOAT_MAX, np.inf), [])
@example(-FLOAT_MAX, [])
@example(np.nextafter(-FLOAT_MAX, -np.inf), [])
@example(1.7e308, [])
@example(-1.7e308, [])
@example(0.1, [])
@example(1 + 2.0**-24, [])
def test_the_float32_threshold_decides_as_the_double_does(threshold, others):
    with np.errstate(all="ignore"):
        (narrow,) = float32_not_above(np.array([threshold]))
    assert narrow.dtype == np.float32
    assert not (narrow == 0 and np.signbit(narrow))
    x = np.concatenate([around(threshold), np.array(others, np.float32)])
    assert np.array_equal(x <= narrow, x.astype(np.float64) <= threshold)
