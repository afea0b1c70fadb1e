"""Transformers, pipelines, column transformers, votes: fitted ones become modules; odd and hostile ones diagnostics with a place."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import skops.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA, FactorAnalysis, FastICA, IncrementalPCA, TruncatedSVD
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, VotingClassifier, VotingRegressor
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, VarianceThreshold, f_classif
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import mcugen
from mcugen.diagnostics import Diagnostic, Loc, McugenError
from mcugen.frontends import read
from mcugen.frontends.sklearn import read_estimator, reference_of
from mcugen.ir import DType

warnings.filterwarnings("ignore", category=UserWarning)
X, Y = load_iris(return_X_y=True)
LOC = Loc("model.skops")


def tree() -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=2, random_state=0)


def columns(*more: Any, **options: Any) -> ColumnTransformer:
    return ColumnTransformer(
        [("scaled", StandardScaler(), [0, 2]), ("as it is", "passthrough", slice(3, 4)), *more], **options
    )


MODELS: dict[str, Callable[[], Any]] = {
    "standard": StandardScaler,
    "min-max": lambda: MinMaxScaler(clip=True),
    "max-abs": MaxAbsScaler,
    "robust": RobustScaler,
    "normalizer": Normalizer,
    "binarizer": Binarizer,
    "polynomial": PolynomialFeatures,
    "one-hot": lambda: OneHotEncoder(drop="first", min_frequency=3, handle_unknown="infrequent_if_exist"),
    "ordinal": lambda: OrdinalEncoder(max_categories=4),
    "target": TargetEncoder,
    "bins": lambda: KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"),
    "imputer": lambda: SimpleImputer(add_indicator=True),
    "indicator": lambda: MissingIndicator(features="all"),
    "function": lambda: FunctionTransformer(np.log1p),
    "svd": lambda: TruncatedSVD(2, random_state=0),
    "factors": lambda: FactorAnalysis(2, random_state=0),
    "ica": lambda: FastICA(2, random_state=0),
    "increments": lambda: IncrementalPCA(2, whiten=True),
    "projection": lambda: GaussianRandomProjection(2, random_state=0),
    "union": lambda: FeatureUnion([("a", StandardScaler()), ("b", "passthrough"), ("c", "drop")], transformer_weights={"a": 2}),
    "pca": lambda: PCA(2, whiten=True),
    "k best": lambda: SelectKBest(f_classif, k=2),
    "variance": lambda: VarianceThreshold(0.1),
    "from model": lambda: SelectFromModel(RandomForestClassifier(3, random_state=0)),
    "rfe": lambda: RFE(tree(), n_features_to_select=2),
    "columns": lambda: columns(("none", "drop", [1])),
    "pipeline": lambda: make_pipeline(columns(remainder="passthrough"), tree()),
    "hard": lambda: VotingClassifier([("a", tree()), ("b", make_pipeline(StandardScaler(), LogisticRegression()))]),
    "soft": lambda: VotingClassifier([("a", tree()), ("b", LogisticRegression())], voting="soft", weights=[1, 2]),
    "regressors": lambda: VotingRegressor([("a", DecisionTreeRegressor(max_depth=2)), ("b", DecisionTreeRegressor(max_depth=3))]),
    "rest": lambda: OneVsRestClassifier(LogisticRegression()),
    "one": lambda: OneVsOneClassifier(tree()),
}  # fmt: skip


def problems(estimator: Any, output: str | None = None) -> tuple[Diagnostic, ...]:
    with pytest.raises(McugenError) as caught:
        read_estimator(estimator, "m", output, LOC)
    return caught.value.diagnostics


def only(estimator: Any, output: str | None = None) -> tuple[str, str, str]:
    """The code, place and message of the first problem."""
    first = problems(estimator, output)[0]
    return first.code, first.loc.where, first.message


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_skops_file_gives_what_the_estimator_gives(make: Any) -> None:
    model = make().fit(X, Y)
    from_file, from_memory = read(skops.io.dumps(model), name="m"), read(model, name="m")
    assert str(from_file.module) == str(from_memory.module)
    assert from_file.module.arena == "stack"


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_integer_rows_are_cast_once(make: Any) -> None:
    ops = [n.op.name for n in read_estimator(make().fit(X, Y), "m", input=DType.U8).nodes]
    assert ops.count("cast") <= 3  # one for each member of a vote that is no tree


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_what_is_not_fitted_is_said_to_be(make: Any) -> None:
    assert only(make())[0] == "E0106"


JUNK = st.sampled_from(
    [None, "", "drop", -1, 0, 3.5, float("nan"), float("inf"), 10**30, [], [1], {}, np.zeros(4), np.ones(3), np.full(4, np.nan),
     np.full(4, np.inf), np.full((2, 2), 1.0), np.array(["a"] * 4), np.array([None] * 4), object(), StandardScaler(), True, 1e300]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(MODELS)), st.data())
def test_mutated_attributes_are_read_or_refused(name: str, data: Any) -> None:
    """Never an exception of another kind, and a module only where every number in it is finite."""
    model = copy.deepcopy(FITTED[name])
    attribute = data.draw(st.sampled_from(sorted(vars(model))))
    if data.draw(st.booleans()):
        del vars(model)[attribute]
    else:
        vars(model)[attribute] = data.draw(JUNK)
    with contextlib.suppress(McugenError):
        assert read_estimator(model, "m", None, LOC).predict.nodes


RAGGED = [np.zeros(2), np.zeros(3)]
BOOSTED = GradientBoostingClassifier(n_estimators=2, random_state=0).fit(X, Y)


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (FunctionTransformer().fit(X), {"kw_args": np.zeros(4)}),
        (VotingClassifier([("a", BOOSTED), ("b", BOOSTED)]).fit(X, Y), {"weights": RAGGED}),
        (BOOSTED, {"learning_rate": 10**400}),
    ],
)
def test_what_numpy_cannot_compare_is_refused(model: Any, values: dict[str, Any]) -> None:
    model = copy.copy(model)
    vars(model).update(values)
    assert only(model)[0] in ("E0107", "E0302")


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    FITTED = {name: make().fit(X, Y) for name, make in MODELS.items()}


# ---- places and ways out --------------------------------------------------------------------------------------------


def test_a_step_that_is_not_supported_is_named() -> None:
    imputer = ColumnTransformer([("neighbours", KNNImputer(), [0])])
    model = Pipeline([("prep", imputer), ("clf", tree())]).fit(X, Y)
    (problem,) = problems(model)
    assert (problem.code, problem.loc.where) == ("E0301", "Pipeline.prep.ColumnTransformer.neighbours")
    assert "SimpleImputer" in problem.help


def test_a_step_in_the_middle_must_transform() -> None:
    model = make_pipeline(StandardScaler(), tree()).fit(X, Y)
    model.steps.append(("last", tree().fit(X, Y)))
    assert only(model) == (
        "E0302", "Pipeline.decisiontreeclassifier", "the step 'decisiontreeclassifier' is a DecisionTreeClassifier, which transforms nothing",
    )  # fmt: skip


def test_feature_counts_that_differ_between_steps() -> None:
    model = Pipeline([("scale", StandardScaler().fit(X)), ("tree", tree().fit(X[:, :3], Y))])
    assert only(model) == ("E0107", "Pipeline.tree.n_features_in_", "is 3; what comes before it gives 4 features")


def test_a_pipeline_of_nothing() -> None:
    assert only(Pipeline([("a", "passthrough"), ("b", None)]))[0] == "E0302"


def test_passthrough_steps_are_left_out() -> None:
    model = Pipeline([("a", "passthrough"), ("b", StandardScaler()), ("c", None), ("d", "passthrough")]).fit(X)
    assert [n.op.name for n in read_estimator(model, "m").nodes] == ["affine"]


def test_a_selector_that_keeps_nothing() -> None:
    model = SelectKBest(k=2).fit(X, Y)
    model.k = 0
    assert only(model) == ("E0302", "SelectKBest", "this SelectKBest keeps no feature")


def double(x: Any) -> Any:
    return 2 * x


@pytest.mark.parametrize("model", [FunctionTransformer(double), FunctionTransformer(np.log1p, kw_args={"dtype": "f8"}), FunctionTransformer(np.isnan)])  # fmt: skip
def test_a_function_without_a_twin_in_c_says_which_have(model: Any) -> None:
    found = problems(model.fit(X))[0]
    assert found.code == "E0302"
    assert "absolute, arccos" in found.help
    assert "tanh" in found.help


def test_a_union_of_nothing() -> None:
    assert only(FeatureUnion([("a", "drop")]).fit(X))[0] == "E0302"
    assert only(FeatureUnion([("a", "passthrough")]).fit(X))[0] == "E0302"


def test_a_sparse_projection_is_written_out() -> None:
    model = SparseRandomProjection(2, random_state=0).fit(X)
    (node,) = read_estimator(model, "m").nodes
    assert np.array_equal(node.op.weights, model.components_.toarray())
    for attribute, value in (("indices", 9), ("indices", -1), ("indptr", 10**6), ("indptr", -1)):
        edited = copy.deepcopy(model)
        setattr(edited.components_, attribute, np.full_like(getattr(edited.components_, attribute), value))
        assert only(edited)[0] == "E0107"
    model.components_ = np.zeros((2, 3))
    assert only(model)[0] == "E0107"


def test_factors_of_features_without_noise() -> None:
    model = FactorAnalysis(2, random_state=0).fit(X)
    model.noise_variance_ = np.array([1.0, 0, 1, 1])
    assert only(model)[0] == "E0107"


def test_a_function_that_only_python_can_call() -> None:
    model = SelectFromModel(tree(), importance_getter=lambda e: e.feature_importances_).fit(X, Y)
    assert only(model)[0] == "E0302"


@pytest.mark.parametrize(("degree", "code"), [(40, "E0303"), (10**6, "E0303"), (-1, "E0107"), ("two", "E0107")])
def test_degrees_beyond_reason(degree: Any, code: str) -> None:
    model = PolynomialFeatures(2).fit(X)
    model.degree = degree
    assert only(model)[0] == code


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_scales_that_are_none(value: float) -> None:
    model = StandardScaler().fit(X)
    model.scale_ = np.array([1.0, value, 1, 1])
    code, where, _ = only(model)
    assert (code, where) == ("E0107", "StandardScaler.scale_")


@pytest.mark.parametrize("scale", [1e-40, 1e40])
def test_scales_that_no_float_holds(scale: float) -> None:
    model = StandardScaler().fit(X)
    model.scale_ = np.full(4, scale)
    assert only(model)[0] == "E0303"


@pytest.mark.parametrize(("missing", "code"), [("?", "E0302"), (0.1, "E0302"), (None, "E0302"), (np.inf, "E0302")])
def test_what_cannot_be_missing_in_c(missing: Any, code: str) -> None:
    model = SimpleImputer().fit(X)
    model.missing_values = missing
    assert only(model)[0] == code


def test_a_vote_of_members_without_probabilities() -> None:
    model = VotingClassifier([("a", tree()), ("b", LinearSVC())]).fit(X, Y)
    model.voting = "soft"
    (problem,) = problems(model)
    assert problem.code in ("E0301", "E0302")  # where LinearSVC is read, it has no probabilities


def test_an_output_that_a_vote_has_not() -> None:
    assert only(FITTED["hard"], "proba")[0] == "E0304"
    assert only(FITTED["standard"], "label")[0] == "E0304"


@pytest.mark.parametrize("weights", [[0, 0], [1], [np.nan, 1], ["a", "b"], [-1, 2], 3])
def test_weights_that_weigh_nothing(weights: Any) -> None:
    model = copy.deepcopy(FITTED["soft"])
    model.weights = weights
    assert only(model)[0] == "E0107"


def test_several_labels_at_once() -> None:
    model = OneVsRestClassifier(LogisticRegression()).fit(X, np.eye(3, dtype=int)[Y])
    assert only(model)[0] == "E0302"


def test_a_class_that_always_is() -> None:
    """A binary model that saw one class only says a constant; scikit-learn keeps it, and so does the C."""
    model = copy.deepcopy(OneVsRestClassifier(make_pipeline(StandardScaler(), LogisticRegression())).fit(X, Y))
    from sklearn.multiclass import _ConstantPredictor

    model.estimators_[1] = _ConstantPredictor().fit(X, np.array([0]))
    assert "one_vs_rest" in [n.op.name for n in read_estimator(model, "m").nodes]


def test_a_class_that_changes_what_counts() -> None:
    class Odd(StandardScaler):  # type: ignore[misc]
        def transform(self, x: Any, copy: Any = None) -> Any:
            return x

    assert only(Odd().fit(X))[0] == "E0301"


def test_what_was_edited_of_votes_and_polynomials() -> None:
    polynomial = PolynomialFeatures(2).fit(X)
    polynomial._n_out_full = 10**6
    assert only(polynomial)[0] == "E0107"
    vote = VotingClassifier([("a", tree())]).fit(X, Y)
    vote.classes_ = vote.classes_ + 1
    assert only(vote)[0] == "E0107"


def test_a_vote_refuses_rows_of_which_a_member_says_what_no_float_holds() -> None:
    line = LinearRegression().fit(np.eye(4), [4.0, 0, 0, 0])
    line.coef_, line.intercept_ = np.array([2.0, 0, 0, 0]), 0.0
    vote = VotingRegressor([("a", line), ("b", DecisionTreeRegressor())]).fit(X, Y)
    vote.estimators_[0] = line
    rows = np.array([[3e38, 0, 0, 0], [1e38, 0, 0, 0]], np.float32)
    assert reference_of(vote).accepts(rows).tolist() == [False, True]


def test_a_pca_fitted_on_floats_is_compared_in_doubles() -> None:
    model = PCA(2, whiten=True).fit(X.astype(np.float32))
    directions = model.components_ / np.sqrt(model.explained_variance_.astype(np.float64))[:, None]
    rows = (X * 40).round().astype(np.float32)
    found = reference_of(model).numbers("transform", rows)
    assert np.allclose(found, (rows - model.mean_.astype(np.float64)) @ directions.T, rtol=1e-12, atol=1e-12)


def test_variances_that_a_pca_does_not_ask_for() -> None:
    model = PCA(2).fit(X)
    del model.explained_variance_
    assert np.allclose(reference_of(model).numbers("transform", X), model.transform(X.astype(np.float32)), atol=1e-5)


FLAT = np.array([[0.0, 1.0, 3.25], [1.0, 0.0, 3.25], [0.5, -2.0, 3.25], [0.1, 0.3, 3.25], [2.0, 0.7, 3.25]])
LEVEL = np.array([[3e5, 1.0], [3e5, 2.0], [3e5, 3.0], [3e5, 5.0]])


@pytest.mark.parametrize(
    "model",
    [
        PCA(whiten=True).fit(FLAT),
        make_pipeline(PCA(whiten=True), LogisticRegression()).fit(FLAT, [0, 1, 1, 0, 0]),
        make_pipeline(PCA(), VarianceThreshold(), StandardScaler()).fit(np.c_[FLAT, FLAT[:, 0] - FLAT[:, 1]]),
        make_pipeline(Normalizer(), StandardScaler()).fit(LEVEL),
    ],
)
def test_what_scikit_learn_itself_rounds_is_refused_as_a_feature(model):
    with pytest.raises(McugenError, match=r"E0302.*float64"):
        read(model)


def test_a_small_component_is_no_rounding():
    rows = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32) * np.float32([1, 1e-3, 1e-6])
    for model in (PCA(whiten=True), make_pipeline(PCA(), StandardScaler())):
        compiled = mcugen.compile(model.fit(rows.astype(np.float64)), "uno", numeric="float32")
        np.testing.assert_allclose(
            compiled.transform(rows), model.transform(rows.astype(np.float64)), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("everywhere", [False, True])
def test_frames_that_come_out_of_a_transformer_are_asked_for_as_arrays(everywhere: bool) -> None:
    """`set_output(transform="pandas")` at any depth, or for the whole process: rows here have no names to compare."""
    x, y = load_iris(return_X_y=True, as_frame=True)

    def framed(model: Any) -> Any:
        return model if everywhere else model.set_output(transform="pandas")

    def picked() -> Any:
        return framed(ColumnTransformer([("a", StandardScaler(), list(x.columns[:2]))], remainder="passthrough"))

    union = framed(FeatureUnion([("c", picked()), ("s", MinMaxScaler())]))
    with config_context(transform_output="pandas") if everywhere else contextlib.nullcontext():
        for model in (
            picked(),
            make_pipeline(picked(), LogisticRegression()),
            make_pipeline(union, tree()),
            VotingClassifier([("a", make_pipeline(picked(), tree())), ("b", tree())]),
        ):
            compiled = mcugen.compile(model.fit(x, y), "host", data=x.to_numpy())
            assert (compiled.proof.wrong, compiled.proof.rows + compiled.proof.near_ties) == (0, 150)


def test_importances_may_be_of_several_answers() -> None:
    model = make_pipeline(SelectFromModel(Lasso(0.01)), Ridge()).fit(X, np.c_[Y, -Y])
    assert mcugen.compile(model, "host", data=X).proof.wrong == 0


def test_signalling_nans_are_quiet() -> None:
    """0x7F800001 in a row: casts of it to float64 would warn."""
    rows = X.astype(np.float32)
    rows.view(np.uint32)[3, 1] = 0x7F800001
    for model in (tree(), make_pipeline(SimpleImputer(), StandardScaler(), tree()), RandomForestClassifier(3)):
        model.fit(X, Y)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            assert mcugen.compile(model, "host", data=rows).proof.wrong == 0


def test_a_map_of_kernels_that_cancel_has_no_alpha() -> None:
    x = np.random.default_rng(0).uniform(100, 101, (40, 2))
    model = Nystroem(kernel="poly", gamma=1, degree=3, n_components=30, random_state=0).fit(x)
    (problem,) = problems(model)
    assert "cancel" in problem.message
    assert "`n_components`" in problem.help
    assert "alpha" not in problem.help
