"""IR text in, IR text out: maps in front of trees vanish into thresholds; and the thresholds are exact, by brute force."""

from __future__ import annotations

import warnings
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mcugen.boards import Target, load_board
from mcugen.compile import compile
from mcugen.frontends.sklearn import read_estimator
from mcugen.ir import DType, Module
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.trees import preorder
from mcugen.passes import run
from mcugen.passes.dead_code import dead_code
from mcugen.passes.fold_scaling import fold_scaling, largest_left

UNO = Target(load_board("uno"))
X, Y = load_iris(return_X_y=True)
GAPS = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
MARKED = np.nan_to_num(GAPS, nan=-1.0)
MAX = np.finfo(np.float32).max


def tree() -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=3, random_state=0)


def read(model: Any, input: DType = DType.F32) -> Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_estimator(model, "m", input=input)


def folded(module: Module) -> Module:
    return run(module, UNO, pipeline=(fold_scaling, dead_code))


def text(module: Module) -> str:
    return "\n" + str(module)


def test_a_scaler_vanishes() -> None:
    module = read(make_pipeline(StandardScaler(), tree()).fit(X, Y))
    assert text(module) == dedent("""
        module m

        predict:
          input %x : 4:f32
          %affine0 = affine(%x) {features=4} : 4:f32
          %label = tree_ensemble(%affine0) {trees=1 nodes=9 output=label} : i32
          return %label
    """)
    assert text(folded(module)) == dedent("""
        module m

        predict:
          input %x : 4:f32
          %label = tree_ensemble(%x) {trees=1 nodes=9 output=label} : i32
          return %label
    """)


def test_a_column_transformer_vanishes() -> None:
    parts = make_column_transformer(
        (StandardScaler(), [3, 2]), (make_pipeline(SimpleImputer(), MinMaxScaler()), [0]), remainder="passthrough"
    )
    module = read(make_pipeline(parts, SelectKBest(k=3), tree()).fit(X, Y))
    assert [n.op.name for n in module.nodes] == [
        "gather", "affine", "gather", "impute", "affine", "gather", "concat", "gather", "tree_ensemble",
    ]  # fmt: skip
    assert [n.op.name for n in folded(module).nodes] == ["tree_ensemble"]


def test_integer_rows_reach_the_trees() -> None:
    module = read(make_pipeline(StandardScaler(), tree()).fit(X, Y), DType.U8)
    assert [n.op.name for n in module.nodes] == ["cast", "affine", "tree_ensemble"]
    (node,) = folded(module).nodes
    assert isinstance(node.op, TreeEnsemble)
    assert node.op.x is DType.U8


def test_a_number_that_means_missing_is_marked_for_the_trees() -> None:
    """The marker stays; what is filled in, the scaler and the indicators vanish."""
    steps = SimpleImputer(missing_values=-1, add_indicator=True), StandardScaler()
    module = read(make_pipeline(*steps, tree()).fit(MARKED, Y))
    assert text(folded(module)) == dedent("""
        module m

        predict:
          input %x : 4:f32
          %impute0 = impute(%x) {features=4 missing=-1} : 4:f32
          %label = tree_ensemble(%impute0) {trees=1 nodes=9 output=label} : i32
          return %label
    """)


@pytest.mark.parametrize(("mixing", "op"), [(Normalizer(), "normalize"), (PolynomialFeatures(2), "polynomial")])
def test_what_mixes_features_stays_and_the_scaler_behind_it_vanishes(mixing: Any, op: str) -> None:
    module = read(make_pipeline(StandardScaler(), mixing, MinMaxScaler(), tree()).fit(X, Y))
    assert [n.op.name for n in folded(module).nodes] == ["affine", op, "tree_ensemble"]


def test_trees_alone_stay_as_they_are() -> None:
    module = read(tree().fit(X, Y))
    assert folded(module).predict.nodes[0].op is module.predict.nodes[0].op


def test_columns_of_two_values_are_put_together_before_the_maps() -> None:
    parts = make_column_transformer((SimpleImputer(missing_values=-1), [0, 1]), remainder=StandardScaler())
    module = folded(read(make_pipeline(parts, RandomForestClassifier(3, random_state=0)).fit(MARKED, Y)))
    assert [n.op.name for n in module.nodes] == ["gather", "impute", "gather", "gather", "concat", "tree_ensemble"]


# ---- exactness ------------------------------------------------------------------------------------------------------

PIPELINES = {
    "standard": lambda: (StandardScaler(),),
    "min-max": lambda: (MinMaxScaler((-3, 7)),),
    "clipped": lambda: (MinMaxScaler((0.2, 0.6), clip=True),),
    "max-abs": lambda: (MaxAbsScaler(),),
    "robust": lambda: (RobustScaler(),),
    "binarizer": lambda: (Binarizer(threshold=1.55),),
    "imputer": lambda: (SimpleImputer(strategy="median"),),
    "indicators": lambda: (SimpleImputer(add_indicator=True), RobustScaler()),
    "constant": lambda: (SimpleImputer(strategy="constant", fill_value=3.1), StandardScaler()),
    "chain": lambda: (StandardScaler(), MinMaxScaler(), RobustScaler(), Binarizer(threshold=0.1)),
}


def neighbours(op: TreeEnsemble, rows: Any, missing: bool, steps: int = 3) -> Any:
    """Rows of numbers at, below and above the thresholds: the float32 next to each and those a few further."""
    trees = op.trees
    rng = np.random.default_rng(1)
    columns = []
    for feature in range(trees.n_features):
        found = trees.threshold[(trees.feature == feature) & np.isfinite(trees.threshold)]
        near = found.view(np.int32).astype(np.int64)[:, None] + np.arange(-steps, steps + 1)
        some = [near.astype(np.int32).view(np.float32).ravel(), rows[:5, feature], [np.nan] * missing]
        columns.append(np.concatenate(some))
    count = 4 * max(map(len, columns))
    return np.array([rng.choice(values, count) for values in columns], np.float32).T


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30, 3.7e-5])
@pytest.mark.parametrize("make", PIPELINES.values(), ids=PIPELINES)
def test_trees_decide_as_scikit_learn_does_around_every_threshold(make: Any, scale: float) -> None:
    steps = make()
    gaps = isinstance(steps[0], SimpleImputer)
    rows = ((GAPS if gaps else X) * scale).astype(np.float32).astype(np.float64)
    forest = RandomForestClassifier(4, random_state=0)
    model = make_pipeline(*steps, forest).fit(rows, Y)
    module = folded(read(model))
    (node,) = module.nodes
    assert isinstance(node.op, TreeEnsemble)
    asked = neighbours(node.op, rows, gaps)
    assert len(asked) >= 20
    found = node.op.scores(asked).argmax(axis=1)
    np.testing.assert_array_equal(model.classes_[found], model.predict(asked.astype(np.float64)))


@given(
    st.floats(-1e30, 1e30),
    st.floats(1e-30, 1e30),
    st.floats(-1e3, 1e3, width=32),
)
def test_the_largest_float_that_goes_left(mean: float, scale: float, limit: float) -> None:
    """It goes left, and the next float does not; all may go left, and none."""

    def f(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return (x - mean) / scale

    (found,), (none,) = largest_left(f, np.array([limit], np.float32))

    def left(x: np.float32) -> bool:
        with np.errstate(all="ignore"):
            return bool(np.float32(f(np.float64(x))) <= np.float32(limit))

    if none:
        assert not left(-MAX)
    elif np.isinf(found):
        assert left(MAX)
    else:
        assert left(found)
        assert not left(np.nextafter(found, np.float32(np.inf)))


def test_splits_that_decide_nothing_any_more_are_left_out() -> None:
    """A threshold beyond what the maps can give; the tree that is left gives the same answers."""
    steps = SimpleImputer(), MinMaxScaler(clip=True)
    module = read(make_pipeline(*steps, DecisionTreeRegressor(max_depth=4, random_state=0)).fit(GAPS, Y))
    op = module.predict.nodes[-1].op
    assert isinstance(op, TreeEnsemble)
    root = int(op.trees.roots[0])
    for threshold, side in ((5.0, op.trees.left), (-5.0, op.trees.right)):
        op.trees.threshold[root] = threshold
        after = folded(module).predict.nodes[-1].op
        assert isinstance(after, TreeEnsemble)
        assert len(after.trees.feature) == len([*preorder(op.trees, int(side[root]))])
        scaled = make_pipeline(*steps).fit(GAPS).transform(GAPS.astype(np.float32).astype(np.float64))
        np.testing.assert_array_equal(after.scores(GAPS.astype(np.float32)), op.scores(scaled.astype(np.float32)))


def test_a_tree_without_a_split_needs_no_scaler() -> None:
    model = make_pipeline(StandardScaler(), DecisionTreeRegressor()).fit(X, np.ones(len(X)))
    assert [n.op.name for n in folded(read(model)).nodes] == ["tree_ensemble"]


@pytest.mark.parametrize("behind", [(), (StandardScaler(),)])
def test_rows_on_the_thresholds_of_projections_go_left(behind: tuple[Any, ...]) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    x = x.astype(np.float32)
    model = make_pipeline(PCA(5), *behind, HistGradientBoostingClassifier(max_iter=8)).fit(x.astype(np.float64), y)
    compiled = compile(model, "mega2560", output="proba", check_fit=False, check_answers=False)
    np.testing.assert_allclose(compiled.predict_proba(x), model.predict_proba(x.astype(np.float64)), atol=1e-5)


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7, -1.0])
def test_numbers_on_a_threshold_behind_scalers_are_what_scikit_learn_says(threshold: float) -> None:
    x = np.random.default_rng(0).integers(0, 11, (300, 3)).astype(np.float32)
    x[:2] = [[0, 0, 0], [10, 10, 10]]
    steps = MinMaxScaler(), SelectKBest(k=2), Binarizer(threshold=threshold)
    model = make_pipeline(*steps).fit(x.astype(np.float64), x[:, 0] + x[:, 2] > 9)
    compiled = compile(model, "mega2560")
    assert [node.op.name for node in compiled.module.nodes] == ["gather", "binarize"]
    np.testing.assert_array_equal(compiled.transform(x), model.transform(x.astype(np.float64)))
