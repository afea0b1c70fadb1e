"""Histogram gradient boosting on categories: every float goes where scikit-learn's encoder and trees send it."""

import copy

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from mcugen.diagnostics import McugenError
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import line_splits, read_estimator, reference_of
from mcugen.ir import DType


def op_of(model, dtype=DType.F32):
    (node,) = read_estimator(model, "m", None, input=dtype).predict.nodes
    return node.op


def rows_around(numbers, features, count, seed):
    """Rows of categories, their neighbours in float32, what lies between and beyond, and nothing at all."""
    rng = np.random.default_rng(seed)
    near = np.array(numbers, np.float32)
    pool = np.concatenate(
        [
            near,
            near,
            np.nextafter(near, np.float32(-np.inf)),
            np.nextafter(near, np.float32(np.inf)),
            near + np.float32(0.5),
            np.array([-1.0, -0.0, 254, 255, 256, 300, 1e9, -1e9, np.nan, -np.nan], np.float32),
        ]
    )
    return rng.choice(pool, (count, features))


def fitted(numbers, seed, missing, cls=HistGradientBoostingRegressor):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.standard_normal(300), rng.choice(numbers, 300), rng.choice(numbers, 300)])
    if missing:
        x[rng.random(x.shape) < 0.1] = np.nan
    effect = {number: rng.standard_normal() * 3 for number in numbers}
    y = np.nan_to_num(x[:, 0]) + np.array([effect.get(a, 1) + effect.get(b, -1) for a, b in x[:, 1:]])
    options = {"max_iter": 3, "max_leaf_nodes": 8, "min_samples_leaf": 2, "random_state": 0}
    target = y if cls is HistGradientBoostingRegressor else (y > np.median(y)).astype(int)
    return cls(categorical_features=[1, 2], **options).fit(x, target)


NUMBERS = {
    "codes": list(range(7)),
    "two": [0, 1],
    "negative": [-3, -1, 0, 4],
    "halves": [-0.5, 0.25, 2.5],
    "tenths": [0.1, 0.2, 0.3],  # which no float32 is: all go where missing values go
    "neighbours": [1.0, float(np.nextafter(np.float32(1), np.float32(2))), 2.0],
    "large": [1e6, 1e7, 2.0**24 + 2],
}


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_goes_where_it_must(name, missing):
    model = fitted(NUMBERS[name], 0, missing)
    rows = rows_around(NUMBERS[name], 3, 3000, 1)
    np.testing.assert_allclose(op_of(model).scores(rows)[:, 0], model.predict(rows.astype(np.float64)), rtol=1e-12)
    assert np.array_equal(reference_of(model).numbers("value", rows), model.predict(rows.astype(np.float64)))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(-40, 300), min_size=2, max_size=12, unique=True), st.booleans())
def test_any_categories(seed, numbers, missing):
    model = fitted([float(n) for n in numbers], seed, missing, HistGradientBoostingClassifier)
    rows = rows_around(numbers, 3, 1000, seed)
    expected = model.decision_function(rows.astype(np.float64))
    np.testing.assert_allclose(op_of(model).scores(rows)[:, 0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [DType.U8, DType.I16])
def test_rows_of_integers_need_fewer_splits(dtype):
    model = fitted(NUMBERS["codes"], 0, False)
    rows = np.random.default_rng(0).integers(0, 9, (500, 3))
    op = op_of(model, dtype)
    np.testing.assert_allclose(op.scores(rows)[:, 0], model.predict(rows.astype(np.float64)), rtol=1e-12)
    assert len(op.trees.feature) < len(op_of(model).trees.feature)


def test_skops_files_say_the_same():
    model = fitted(NUMBERS["codes"], 0, True)
    loaded = read_model(skops.io.dumps(model))
    rows = rows_around(NUMBERS["codes"], 3, 500, 0)
    assert np.array_equal(op_of(loaded.estimator).scores(rows), op_of(model).scores(rows))


def test_what_the_encoder_refuses_is_not_compared():
    reference = reference_of(fitted(NUMBERS["codes"], 0, False))
    rows = np.array([[np.inf, 0, 0], [0, np.inf, 0], [np.nan, np.nan, np.nan]], np.float32)
    assert reference.accepts(rows).tolist() == [True, False, True]


def test_texts_are_no_numbers():
    model = fitted(NUMBERS["two"], 0, False)
    encoder = model._preprocessor.transformers_[0][1]
    encoder.categories_[0] = np.array(["a", "b"], object)
    with pytest.raises(McugenError, match="E0302"):
        read_estimator(model, "m")


@pytest.mark.parametrize("edit", range(6))
def test_edited_encoders(edit):
    model = copy.deepcopy(fitted(NUMBERS["codes"], 0, False))
    encoder = model._preprocessor.transformers_[0][1]
    nodes = [stage[0].nodes for stage in model._predictors]
    asking = next(some for some in nodes if some["is_categorical"].any())
    node = int(np.flatnonzero(asking["is_categorical"])[0])
    if edit == 0:
        encoder.handle_unknown = "error"
    elif edit == 1:
        encoder.categories_[0] = encoder.categories_[0][::-1]
    elif edit == 2:
        model._preprocessor.transformers_ = []
    elif edit == 3:
        model.is_categorical_ = np.array([True, True, False])
    elif edit == 4:
        asking["bitset_idx"][node] = 2**32 - 1
    else:
        asking["feature_idx"][node] = 2
    with pytest.raises(McugenError, match="E0107"):
        read_estimator(model, "m")


def test_copies_without_end_are_refused(monkeypatch):
    model = fitted(NUMBERS["codes"], 0, False)
    monkeypatch.setattr(line_splits, "MOST_NODES", 60)
    with pytest.raises(McugenError, match="E0303"):
        read_estimator(model, "m")


@pytest.mark.parametrize("missing", [False, True])
def test_rows_that_pass_a_split_pass_one_of_its_sides(missing):
    """Its copies have all of them together, for the cost model: it is not said to be quicker than it is."""
    trees = op_of(fitted(NUMBERS["codes"], 0, missing)).trees
    split = trees.feature >= 0
    below = trees.visits[trees.left[split]] + trees.visits[trees.right[split]]
    np.testing.assert_allclose(below, trees.visits[split], rtol=1e-9)
    assert (trees.visits[trees.roots] == 1).all()
