"""Encoders and bins on whole data sets: what scikit-learn gives for the rows as they are, for missing and for unknown ones.

The C takes rows of float32. Categories and edges that are numbers of the training are found nevertheless: labels are the same on
all rows, numbers within 1e-5. Against the reference, which is asked of rows of float32, there are no near ties to leave out.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from one_library import library_of
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import mcugen
from mcugen.boards import Target, load_board
from mcugen.compile import lower
from mcugen.frontends import read
from mcugen.verify import probe, prove

warnings.filterwarnings("ignore", category=UserWarning)
BOARD = Target(load_board("feather_nrf52840"), numeric="float32")
DATA = {
    "iris": load_iris,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
    "diabetes": load_diabetes,
}
BINS = {"strategy": "quantile", "quantile_method": "averaged_inverted_cdf"}
ENCODERS = (
    OneHotEncoder(),
    OneHotEncoder(drop="first", min_frequency=3, handle_unknown="infrequent_if_exist"),
    OneHotEncoder(drop="if_binary", max_categories=4, sparse_output=False),
    OrdinalEncoder(),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-2, min_frequency=4),
    TargetEncoder(),
    TargetEncoder(target_type="continuous"),
    KBinsDiscretizer(4, encode="onehot-dense", **BINS),
    KBinsDiscretizer(7, encode="ordinal", **BINS),
)  # fmt: skip


def tree() -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=6, random_state=0)


def in_front(width: int) -> list[tuple[Any, str]]:
    """Encoders in front of each kind of model, on all columns and on some."""
    half, rest = list(range(width // 2)), list(range(width // 2, width))
    found: list[tuple[Any, str]] = [(make_pipeline(encoder, tree()), "label") for encoder in ENCODERS]
    for encoder in ENCODERS[::2]:
        columns = make_column_transformer((encoder, half), (StandardScaler(), rest))
        found.append((make_pipeline(columns, LogisticRegression(max_iter=100)), "proba"))
    for encoder in ENCODERS[1::2]:
        imputer = SimpleImputer(strategy="most_frequent")
        filled = make_column_transformer((make_pipeline(imputer, encoder), half), remainder="passthrough")
        found.append((make_pipeline(filled, RandomForestClassifier(3, max_depth=8, random_state=0)), "label"))
    found.append((make_pipeline(TargetEncoder(), SVC()), "label"))
    members = [("encoded", make_pipeline(OneHotEncoder(), tree())), ("plain", tree())]
    found.append((VotingClassifier(members), "label"))
    return found


@pytest.mark.long
@pytest.mark.parametrize("name", DATA)
def test_every_row(name: str) -> None:
    x, y = DATA[name](return_X_y=True)
    # Numbers of diabetes are a lattice that was scaled: there even edges are numbers but for what float64 rounds.
    encoders = ENCODERS[3:8] if name == "diabetes" else ENCODERS[2::2] if name == "breast_cancer" else ENCODERS
    prove_all([(one, "transform") for one in encoders], x, np.digitize(y, [100, 200]) if name == "diabetes" else y)


@pytest.mark.long
def test_every_row_of_models() -> None:
    x, y = load_wine(return_X_y=True)
    prove_all(in_front(x.shape[1]), x, y)


def prove_all(models: list[tuple[Any, str]], x: Any, y: Any) -> None:
    """The C gives what scikit-learn gives for the rows as they are, and what the reference gives for made ones."""
    fitted = []
    for model, output in models:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted.append((clone(model).fit(x, y), output))
    sources = [read(model, name=f"m{i}", output=output) for i, (model, output) in enumerate(fitted)]
    made = [lower(source, BOARD) for source in sources]
    library = library_of([one.unit for one in made], ("-std=c99", "-O0"))
    for i, ((model, output), source, one) in enumerate(zip(fitted, sources, made, strict=True)):

        def run(inputs: Any, number: int = i) -> Any:
            return library.run(inputs, number)

        for rows, what in ((x, "rows"), (probe(one.module, 200), "made rows")):
            proof = prove(one.module, source.reference, rows, run, on="host", source=what)
            assert proof.wrong == 0, f"{model}: {proof} {proof.worst}"
        told = run([x.astype(np.float32)])
        if output == "label":
            np.testing.assert_array_equal(np.asarray(model.classes_)[told[0]], model.predict(x), str(model))
        elif output == "transform":
            np.testing.assert_allclose(told[0], dense(model.transform(x)), rtol=1e-6, atol=1e-6, err_msg=str(model))


def dense(numbers: Any) -> Any:
    return numbers.toarray() if hasattr(numbers, "toarray") else numbers


def test_missing_and_unknown_categories() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 5, (200, 3)) * 0.1
    y = rng.integers(0, 3, 200)
    x[rng.random(x.shape) < 0.1] = np.nan
    new = np.r_[x[:20], [[9.0, 0.1, np.nan], [np.nan, 0.15, -1.0]]]
    plain = [
        OneHotEncoder(handle_unknown="ignore"),
        OneHotEncoder(drop="first", handle_unknown="ignore"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=3),
        OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=3, drop="first"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-3, encoded_missing_value=-4, max_categories=3),
        TargetEncoder(),
        TargetEncoder(target_type="continuous"),
    ]  # fmt: skip
    for encoder in plain:
        fitted = encoder.fit(x, y)
        compiled = mcugen.compile(fitted, board="host", data=new)
        np.testing.assert_allclose(
            compiled.transform(new), dense(fitted.transform(new)), rtol=1e-6, err_msg=str(encoder)
        )


def test_what_scikit_learn_refuses_to_encode_is_no_category() -> None:
    """Of `handle_unknown="error"`: all columns 0, and the number -1."""
    x = np.array([[1.0, 5], [2, 6], [3, 5]])
    one_hot, ordinal = (mcugen.compile(m.fit(x), board="host") for m in (OneHotEncoder(), OrdinalEncoder()))
    rows = [[1.0, 7], [np.nan, 6]]
    np.testing.assert_array_equal(one_hot.transform(rows), [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]])
    np.testing.assert_array_equal(ordinal.transform(rows), [[0, -1], [-1, 1]])


def bins_of(model: Any, rows: Any) -> Any:
    return mcugen.compile(model, board="host").transform(rows)


def test_edges_that_are_worked_out() -> None:
    """A decimal lies on the side of an edge that it lies on as float64, though float32 rounds 0.7 down and 0.9 up."""
    x = np.array([[0.0], [0.1], [0.2], [0.3], [0.4], [0.7], [0.8], [0.9]])
    iris = load_iris().data
    rows = np.r_[iris, np.round(np.linspace(0, 8, 81), 1)[:, np.newaxis] * np.ones(4)]
    singles = iris.astype(np.float32).astype(np.float64)
    for given, asked in ((x, x), (iris, rows), (singles, singles)):
        for strategy in ("uniform", "kmeans"):
            model = KBinsDiscretizer(6, encode="ordinal", strategy=strategy, random_state=0).fit(given)
            np.testing.assert_array_equal(bins_of(model, asked), model.transform(asked), strategy)


def test_edges_of_the_training() -> None:
    """A decimal that float32 rounds down lies on its edge; 0.7 is below one that a percentile puts a digit of float64 above it."""
    x = np.array([[0.1], [0.4], [0.7], [1.3], [5.1], [5.1], [6.3]])
    model = KBinsDiscretizer(3, encode="ordinal", strategy="quantile", quantile_method="linear").fit(x)
    for edge in (0.7, np.nextafter(0.7, 1), np.nextafter(0.7, 0)):
        model.bin_edges_[0][1] = edge
        assert model.bin_edges_[0].tolist() == [0.1, edge, 5.1, 6.3]
        np.testing.assert_array_equal(bins_of(model, x), model.transform(x))
    model.quantile_method = (
        "averaged_inverted_cdf"  # which gives numbers of the training: this is one that float32 rounds to 0.7
    )
    for edge, wanted in ((0.7, 1), (np.nextafter(0.7, 1), 1), (np.nextafter(1.5, 2), 0)):  # 1.5 is a float
        model.bin_edges_[0][1] = edge
        assert bins_of(model, [[0.7], [1.5]])[int(edge > 1), 0] == wanted, edge
    model.quantile_method = "linear"
    model.bin_edges_[0][1:3] = np.nextafter(0.7, 0), 0.7
    np.testing.assert_array_equal(bins_of(model, x), model.transform(x))


def test_percentiles_that_are_no_decimals_hold_the_rows_that_they_are() -> None:
    x = load_diabetes().data
    for method in ("linear", "hazen", "averaged_inverted_cdf"):
        model = KBinsDiscretizer(5, encode="ordinal", strategy="quantile", quantile_method=method).fit(x)
        np.testing.assert_array_equal(bins_of(model, x), model.transform(x), method)


@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_numbers_of_the_training_behind_scalers(load: Any) -> None:
    """Bins and quantiles jump at numbers of the training, which float32 rounds in front of the scaler."""
    x = load().data
    for scalers in ([MinMaxScaler((-1, 2))], [SimpleImputer(), RobustScaler(), StandardScaler()]):
        for last in (
            KBinsDiscretizer(4, encode="ordinal", **BINS),
            KBinsDiscretizer(4, encode="ordinal", strategy="uniform"),
            QuantileTransformer(n_quantiles=60),
            QuantileTransformer(n_quantiles=60, output_distribution="normal"),
            make_union(make_pipeline("passthrough", QuantileTransformer(n_quantiles=30)), "passthrough"),
        ):
            model = make_pipeline(*scalers, last).fit(x)
            compiled = mcugen.compile(model, board="host", data=x, numeric="float32")
            np.testing.assert_allclose(compiled.transform(x), model.transform(x), atol=5e-6)


def test_bins_behind_a_scaler_are_bins_of_the_row() -> None:
    x, y = load_wine(return_X_y=True)
    rows = x.astype(np.float32).astype(np.float64)
    gone = np.where(np.random.default_rng(0).random(x.shape) < 0.1, np.nan, rows)
    bins = KBinsDiscretizer(5, encode="ordinal", **BINS)
    for steps, given in (((StandardScaler(),), rows), ((SimpleImputer(strategy="median"), StandardScaler()), gone)):
        model = make_pipeline(*steps, bins).fit(given, y)
        compiled = mcugen.compile(model, board="host", data=given)
        np.testing.assert_allclose(compiled.transform(given), model.transform(given))


def test_encoders_in_all_that_hold_models() -> None:
    """Categories of float64 that float32 rounds are found, however deep the encoder lies."""
    rng = np.random.default_rng(0)
    x = np.c_[rng.choice([0.1, 0.2, 0.3, 0.7], 200), rng.choice([1.1, 2.2, 3.3], 200)]
    y = ((x[:, 0] > 0.15) ^ (x[:, 1] > 2) ^ (rng.random(200) < 0.1)).astype(int)
    model = make_pipeline(OrdinalEncoder(), LogisticRegression())
    holders = [
        CalibratedClassifierCV(model, cv=2),
        FixedThresholdClassifier(model, threshold=0.3),
        GridSearchCV(model, {}, cv=2),
        OneVsOneClassifier(model),
        OneVsRestClassifier(model),
        SelfTrainingClassifier(model),
        StackingClassifier([("encoded", model), ("tree", tree())], final_estimator=tree(), cv=2),
    ]
    deep = [make_pipeline(FunctionTransformer(), one) for one in holders]
    passed_on = TransformedTargetRegressor(
        make_pipeline(OrdinalEncoder(), Ridge()), func=np.sqrt, inverse_func=np.square
    )
    prove_all([(one, "label") for one in (*holders, *deep)] + [(passed_on, "value")], x, y)
