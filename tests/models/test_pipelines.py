"""Pipelines, column transformers and votes on whole data sets: the C gives scikit-learn's answers to every row.

Labels are equal but for near ties (two best scores within 1e-6 of each other, or a leaf that hangs on the rounding of a PCA),
numbers within 1e-5. Every model takes 0 bytes of static RAM. Compiled in batches, as one library.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from one_library import library_of
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, VotingClassifier, VotingRegressor
from sklearn.feature_selection import (
    RFE,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
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
from mcugen.compile import lower
from mcugen.frontends import Source, read
from mcugen.verify import probe, prove

warnings.filterwarnings("ignore", category=UserWarning)
DATA = {"iris": load_iris, "breast_cancer": load_breast_cancer, "digits": load_digits}
MEGA = Target(load_board("mega2560"), numeric="float32")
SCALERS = (StandardScaler(), MinMaxScaler(), MinMaxScaler((-1, 2), clip=True), MaxAbsScaler(), RobustScaler())


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(4, max_depth=6, random_state=0)


def logistic() -> LogisticRegression:
    return LogisticRegression(max_iter=300)


def members() -> list[tuple[str, Any]]:
    return [
        ("tree", DecisionTreeClassifier(max_depth=4, random_state=0)),
        ("forest", forest()),
        ("line", make_pipeline(StandardScaler(), logistic())),
    ]


def columns(width: int) -> ColumnTransformer:
    half = width // 2
    return make_column_transformer(
        (StandardScaler(), list(range(half))), (make_pipeline(SimpleImputer(), MinMaxScaler()), slice(half, half + 1)),
        remainder="passthrough",
    )  # fmt: skip


SELECTORS = (
    SelectKBest(k=3), SelectPercentile(percentile=40), SelectFpr(), SelectFdr(), SelectFwe(),
    GenericUnivariateSelect(mode="k_best", param=2), VarianceThreshold(0.1), SelectFromModel(forest()),
    RFE(DecisionTreeClassifier(random_state=0), n_features_to_select=2),
)  # fmt: skip


def classifiers(width: int) -> list[tuple[Any, str]]:
    """Models and their outputs."""
    found: list[tuple[Any, str]] = []
    for scaler in SCALERS:
        found += [(make_pipeline(scaler, forest()), "label"), (make_pipeline(scaler, logistic()), "proba")]
    for mixing in (Normalizer("l1"), Normalizer(), Normalizer("max"), PCA(3), PCA(2, whiten=True)):
        found += [(make_pipeline(mixing, forest()), "proba")]
        found += [(make_pipeline(StandardScaler(), mixing, logistic()), "label")]
    for model in (forest(), logistic()):
        found.append((make_pipeline(Binarizer(threshold=1.6), model), "proba"))
    if width <= 30:
        found.append((make_pipeline(StandardScaler(), PolynomialFeatures(2), PCA(5), logistic()), "decision"))
        found.append((make_pipeline(PolynomialFeatures(2, interaction_only=True), forest()), "label"))
    for selector in SELECTORS:
        found.append((make_pipeline(selector, forest()), "label"))
    found += [
        (make_pipeline(columns(width), model), output)
        for model, output in ((forest(), "proba"), (logistic(), "decision"))
    ]
    found.append((make_pipeline("passthrough", StandardScaler(), GradientBoostingClassifier(n_estimators=3)), "label"))
    for vote in (VotingClassifier(members()), VotingClassifier(members(), weights=[1, 2.5, 1.75])):
        found.append((vote, "label"))
    found += [(VotingClassifier(members(), voting="soft", weights=[1, 2, 3]), output) for output in ("label", "proba")]
    for inner in (
        logistic(),
        make_pipeline(RobustScaler(), logistic()),
        DecisionTreeClassifier(max_depth=3, random_state=0),
    ):
        found += [
            (OneVsRestClassifier(inner), "label"),
            (OneVsRestClassifier(inner), "proba"),
            (OneVsOneClassifier(inner), "decision"),
        ]
    if width <= 30:  # in digits most of them are 1; far from all classes they are no floats
        found += [(OneVsRestClassifier(GaussianNB()), output) for output in ("label", "proba")]
    return found


def prove_all(models: Sequence[tuple[Any, str]], x: Any, y: Any, probes: int = 300) -> None:
    sources: list[Source] = []
    for i, (model, output) in enumerate(models):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sources.append(read(clone(model).fit(x, y), name=f"m{i}", output=output))
    made = [lower(source, MEGA) for source in sources]
    library = library_of([one.unit for one in made], ("-std=c99", "-O0"))
    for i, (one, (model, _)) in enumerate(zip(made, models, strict=True)):
        assert one.report.static == 0

        def run(inputs: Any, number: int = i) -> Any:
            return library.run(inputs, number)

        for rows, name in ((x, "rows"), (probe(one.module, probes), "made rows")):
            proof = prove(one.module, sources[i].reference, rows, run, on="host", source=name)
            assert proof.wrong == 0, f"{model}: {proof} {proof.worst}"
            assert name != "rows" or proof.near_ties <= len(x) // 5, f"{model}: {proof}"


@pytest.mark.long
@pytest.mark.parametrize("data", ["iris", "digits"])  # two classes are those of test_two_classes
def test_classifiers_on_every_row(data: str) -> None:
    """Of digits, which are more, wider and of ten classes, every third one, labels and probabilities among them."""
    x, y = DATA[data](return_X_y=True)
    prove_all(classifiers(x.shape[1])[:: 3 if data == "digits" else 1], x, y)


@pytest.mark.long
def test_two_classes() -> None:
    x, y = load_iris(return_X_y=True)
    prove_all(classifiers(4), x, np.where(y > 0, "yes", "no"))


def test_regressors_on_every_row() -> None:
    x, y = load_diabetes(return_X_y=True)
    tree = DecisionTreeRegressor(max_depth=5, random_state=0)
    found = [make_pipeline(scaler, tree) for scaler in SCALERS] + [
        make_pipeline(PCA(4), tree),
        make_pipeline(Normalizer(), tree),
    ]
    found.append(VotingRegressor([("a", tree), ("b", make_pipeline(StandardScaler(), tree))], weights=[1, 3]))
    prove_all([(one, "value") for one in found], x, y)


@pytest.mark.long
def test_transformers_on_every_row() -> None:
    for load in DATA.values():
        x, y = load(return_X_y=True)
        found = [
            *SCALERS,
            Normalizer("l1"),
            Normalizer(),
            Normalizer("max"),
            Binarizer(threshold=1.3),
            PCA(4),
            PCA(3, whiten=True),
        ]
        found += [*SELECTORS, columns(x.shape[1]), make_pipeline(StandardScaler(), MinMaxScaler(clip=True))]
        found.append(
            SequentialFeatureSelector(DecisionTreeClassifier(max_depth=2), n_features_to_select=1, cv=2)
        ) if x.shape[1] < 14 else None
        found += (
            [
                PolynomialFeatures(2),
                PolynomialFeatures((2, 2), include_bias=False),
                PolynomialFeatures(3, interaction_only=True),
            ]
            if x.shape[1] < 14
            else []
        )
        prove_all([(one, "transform") for one in found], x, y)


@pytest.mark.long
@pytest.mark.parametrize("marker", [np.nan, -1])
def test_missing_values(marker: float) -> None:
    for load in DATA.values() if np.isnan(marker) else (load_iris, load_wine):
        x, y = load(return_X_y=True)
        x = np.where(np.random.default_rng(0).random(x.shape) < 0.1, marker, x)
        found: list[tuple[Any, str]] = []
        for strategy in (
            ("mean", "constant") if load is load_digits else ("mean", "median", "most_frequent", "constant")
        ):
            for indicator in (False, True):
                imputer = SimpleImputer(missing_values=marker, strategy=strategy, add_indicator=indicator)
                found += [(imputer, "transform"), (make_pipeline(imputer, StandardScaler(), forest()), "label")]
                found.append((make_pipeline(imputer, StandardScaler(), logistic()), "proba"))
        prove_all(found, x, y)


STEPS: Mapping[str, Callable[[], Any]] = {
    "standard": StandardScaler,
    "robust": RobustScaler,
    "max-abs": MaxAbsScaler,
    "min-max": MinMaxScaler,
    "clipped": lambda: MinMaxScaler((-2, 5), clip=True),
    "uncentred": lambda: StandardScaler(with_mean=False),
    "unscaled": lambda: StandardScaler(with_std=False),
}


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=3),
    st.lists(st.integers(-28, 28), min_size=4, max_size=4),
    st.lists(st.floats(-50, 50), min_size=4, max_size=4),
)
def test_any_scales(names: list[str], exponents: list[int], shifts: list[float]) -> None:
    """Features from 1e-28 to 1e28, off zero by up to fifty times their spread: no tree decides otherwise, no sum drifts."""
    x, y = load_iris(return_X_y=True)
    rows = ((x - x.mean(axis=0) + shifts) * 10.0 ** np.array(exponents)).astype(np.float32).astype(np.float64)
    steps = [STEPS[name]() for name in names]
    models = [(make_pipeline(*steps, forest()), "proba")]
    # Nearer 0, scikit-learn takes a feature for a constant and leaves its scale; the next scaler then blows up what float64 rounds.
    if min(exponents) > -8 or len(names) == 1:
        models.append((make_pipeline(*steps), "transform"))
    if all(abs(e) < 4 for e in exponents):
        models.append((make_pipeline(*steps, logistic()), "decision"))
    prove_all(models, rows, y, probes=100)
