"""Functions, unions, projections and indicators on whole data sets, in front of every kind of model."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from one_library import library_of
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import FactorAnalysis, FastICA, IncrementalPCA, MiniBatchSparsePCA, SparsePCA, TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.svm import SVC

from mcugen.boards import Target, load_board
from mcugen.compile import lower
from mcugen.frontends import read
from mcugen.functions import UFUNCS
from mcugen.targets.host import compile_for_host
from mcugen.verify import probe, prove

warnings.filterwarnings("ignore")
MEGA = Target(load_board("mega2560"), numeric="float32")
DATA = (load_iris, load_wine, load_breast_cancer, load_digits, load_diabetes)


def projections() -> list[Any]:
    return [
        TruncatedSVD(3, random_state=0),
        IncrementalPCA(3, whiten=True),
        SparsePCA(2, max_iter=5, random_state=0),
        MiniBatchSparsePCA(2, max_iter=5, random_state=0),
        FactorAnalysis(3, random_state=0),
        FastICA(3, random_state=0),
        GaussianRandomProjection(3, random_state=0),
        SparseRandomProjection(3, random_state=0),
    ]


def unions() -> list[Any]:
    return [
        make_union(StandardScaler(), TruncatedSVD(2, random_state=0)),
        FeatureUnion([("a", "passthrough"), ("b", "drop"), ("c", StandardScaler())], transformer_weights={"c": 0.5}),
    ]


def prove_all(models: list[tuple[Any, str]], x: Any, y: Any) -> None:
    """The C gives what the model gives for the rows, which are float32, and for made ones."""
    sources = [read(model.fit(x, y), name=f"m{i}", output=output) for i, (model, output) in enumerate(models)]
    made = [lower(source, MEGA) for source in sources]
    library = library_of([one.unit for one in made], ("-std=c99", "-O0"))
    for i, ((model, _), source, one) in enumerate(zip(models, sources, made, strict=True)):

        def run(inputs: Any, number: int = i) -> Any:
            return library.run(inputs, number)

        for rows, what in ((x, "rows"), (probe(one.module, 200), "made rows")):
            proof = prove(one.module, source.reference, rows, run, on="host", source=what)
            assert proof.wrong == 0, f"{model}: {proof} {proof.worst}"
            assert what != "rows" or (proof.rows + proof.near_ties == len(x) and proof.near_ties < 5), (
                f"{model}: {proof}"
            )


@pytest.mark.long
@pytest.mark.parametrize("load", DATA)
def test_every_row(load: Any) -> None:
    x, y = load(return_X_y=True)
    prove_all([(one, "transform") for one in (*projections(), *unions())], x, y)


@pytest.mark.parametrize("name", UFUNCS)
def test_every_function_is_numpys(name: str) -> None:
    """scikit-learn's numbers on both sides of 0, where there are any: to rows it has none for it gives no answer."""
    rows = np.random.default_rng(0).uniform(-1, 1, (60, 3)).astype(np.float32)
    rows = np.abs(rows) + 1 if name == "arccosh" else rows * 5 if name not in ("arccos", "arcsin", "arctanh") else rows
    model = make_union(FunctionTransformer(getattr(np, name)), FunctionTransformer())
    source = read(model.fit(rows), name="m")
    made = lower(source, MEGA)
    library = compile_for_host([made.unit], ("-std=c99", "-O0"))
    with np.errstate(all="ignore"):
        wanted = np.c_[getattr(np, name)(rows.astype(np.float64)), rows]
    (found,) = library.run([rows])
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.long
def test_every_row_of_models() -> None:
    x, y = load_wine(return_X_y=True)
    half, rest = list(range(6)), list(range(6, 13))
    steps = [*projections(), *unions(), *(FunctionTransformer(one) for one in (np.log1p, np.sqrt, np.square))]
    found: list[tuple[Any, str]] = []
    for i, step in enumerate(steps):
        columns = make_column_transformer((step, half), (StandardScaler(), rest))
        found += [
            (make_pipeline(step, RandomForestClassifier(3, random_state=0)), "label"),
            (make_pipeline(step, StandardScaler(), LogisticRegression()), "proba"),
            (make_pipeline(columns, StandardScaler(), SVC()), "label"),
        ][i % 2 :: 2]
    prove_all(found, x, y)


@pytest.mark.parametrize("marker", [np.nan, -1])
def test_what_is_missing(marker: float) -> None:
    x, y = load_iris(return_X_y=True)
    x = np.where(np.random.default_rng(0).random(x.shape) < 0.1, marker, x)
    x[:, 1] = 3.0
    fill = SimpleImputer(missing_values=marker, strategy="most_frequent")
    only, every = (MissingIndicator(missing_values=marker, features=kind) for kind in ("missing-only", "all"))
    side = make_union(make_pipeline(fill, OneHotEncoder(max_categories=4)), only)
    forest = make_pipeline(side, RandomForestClassifier(5, random_state=0))
    prove_all([(only, "transform"), (every, "transform"), (forest, "label")], x, y)
