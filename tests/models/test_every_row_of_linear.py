"""Every row of scikit-learn's data sets through every linear model in every number format, the C on this computer.

float32: no label differs from scikit-learn's but on rows whose two best scores are within 1e-6, and numbers are within 1e-5.
int16 and int8, on scaled features: numbers are within the bound that the two roundings have, and int16's within 1 % of their
range.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from one_library import library_of
from sklearn import cluster, discriminant_analysis, linear_model, naive_bayes, neighbors, svm
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

from mcugen.boards import Target, load_board
from mcugen.compile import Compiled, lower
from mcugen.frontends import read
from mcugen.frontends.sklearn.head import Head
from mcugen.ir import Storage
from mcugen.ops.linear import Linear
from mcugen.targets.host import HostLibrary
from mcugen.verify import Terms, prove

CLASSIFIED = {"iris": load_iris, "wine": load_wine, "breast_cancer": load_breast_cancer, "digits": load_digits}
SCORED = (
    linear_model.LogisticRegression(max_iter=200),
    linear_model.RidgeClassifier(),
    linear_model.SGDClassifier(random_state=0),
    linear_model.SGDClassifier(loss="log_loss", random_state=0),
    linear_model.SGDClassifier(loss="modified_huber", random_state=0),
    linear_model.Perceptron(random_state=0),
    svm.LinearSVC(random_state=0),
    discriminant_analysis.LinearDiscriminantAnalysis(),
)
CLASSIFIERS = (
    *SCORED,
    naive_bayes.MultinomialNB(),
    naive_bayes.ComplementNB(),
    naive_bayes.BernoulliNB(binarize=1.0),
    neighbors.NearestCentroid(),
    neighbors.NearestCentroid(shrink_threshold=0.2, priors="empirical"),
    cluster.KMeans(5, random_state=0, n_init=1),
    cluster.MiniBatchKMeans(3, random_state=0, n_init=1),
)
REGRESSORS = (
    linear_model.LinearRegression(),
    linear_model.Ridge(),
    linear_model.Lasso(0.1),
    linear_model.ElasticNet(0.01),
    linear_model.Lars(),
    linear_model.HuberRegressor(),
    linear_model.QuantileRegressor(alpha=0.01),
    linear_model.BayesianRidge(),
    linear_model.ARDRegression(),
    linear_model.SGDRegressor(random_state=0),
    linear_model.TheilSenRegressor(random_state=0),
    linear_model.OrthogonalMatchingPursuit(),
    svm.LinearSVR(random_state=0),
)
pytestmark = pytest.mark.filterwarnings("ignore")


def head_of(model: Any) -> Head:
    from mcugen.frontends.sklearn import head_of

    return head_of(model, read(model).loc)


def lowered(models: list[Any], x: np.ndarray, numeric: Any) -> list[Compiled]:
    """Every output of every model, with the rows shown to half of them."""
    target = Target(load_board("mega2560"), numeric=numeric)
    found: list[Compiled] = []
    for model in models:
        for output in head_of(model).outputs:
            source = read(model, name=f"m{len(found)}", output=output)
            found.append(lower(source, replace(target, rows=x if len(found) % 2 else None)))
    return found


def proven(found: list[Compiled], x: np.ndarray, terms: Terms) -> tuple[HostLibrary, list[Any]]:
    """The C of all of them, and what is proven of each."""
    library = library_of([one.unit for one in found])
    return library, [
        prove(
            one.module,
            one.source.reference,
            x,
            lambda rows, i=i: library.run(rows, i),
            on="host",
            source="rows",
            terms=terms,
        )
        for i, one in enumerate(found)
    ]


def fitted(models: Any, x: np.ndarray, y: np.ndarray) -> list[Any]:
    return [copy.deepcopy(model).fit(x.astype(np.float64), y) for model in models]


def rows_of(data: str, scaled: bool) -> tuple[np.ndarray, np.ndarray]:
    x, y = (load_diabetes if data == "diabetes" else CLASSIFIED[data])(return_X_y=True)
    spread = x.std(axis=0)
    return (x / np.where(spread, spread, 1) if scaled else x).astype(np.float32), y


@pytest.mark.parametrize(
    ("data", "scaled"),
    [
        *((data, False) for data in [*CLASSIFIED, "diabetes"]),
        ("iris", True),
        ("breast_cancer", True),
        ("diabetes", True),
    ],
)
def test_float32(data: str, scaled: bool) -> None:
    x, y = rows_of(data, scaled)
    found = lowered(fitted(REGRESSORS if data == "diabetes" else CLASSIFIERS, x, y), x, "float32")
    assert len(found) >= 13
    for one, proof in zip(found, proven(found, x, Terms())[1], strict=True):
        what = f"{one.source.reference._model}: {proof} {proof.worst}"  # type: ignore[attr-defined]
        assert proof.wrong == 0, what
        assert proof.rows + proof.near_ties == len(x), what
        assert proof.near_ties <= 1 or "Bernoulli" in what, what  # which has as many scores as patterns


@pytest.mark.parametrize("numeric", ["int16", "int8"])
@pytest.mark.parametrize("data", ["iris", "breast_cancer", "digits", "diabetes"])
def test_smaller_formats(data: str, numeric: Any) -> None:
    x, y = rows_of(data, scaled=True)
    x = x - np.float32(x.mean(axis=0))
    found = lowered(fitted(REGRESSORS if data == "diabetes" else SCORED, x, y), x, numeric)
    library, proofs = proven(found, x, Terms(numeric))
    for i, (one, proof) in enumerate(zip(found, proofs, strict=True)):
        what = f"{one.source.reference._model}: {proof} {proof.worst}"  # type: ignore[attr-defined]
        (node,) = [node for node in one.module.nodes if isinstance(node.op, Linear)]
        names = [value.name for value in one.module.predict.of(Storage.OUTPUT)]
        if names[-1] in ("value", "decision", "transform"):
            bound = node.op.fixed.bound(x)  # type: ignore[attr-defined]
            wanted = one.source.reference.numbers(names[-1], x).reshape(bound.shape)  # type: ignore[arg-type]
            assert (np.abs(library.run([x], i)[-1].reshape(bound.shape) - wanted) <= bound * 1.001 + 1e-6).all(), what
        if numeric == "int16" and not ("modified_huber" in what and names[-1] == "proba"):  # whose sum may be next to 0
            assert all(off.part <= 0.01 for off in proof.off), what
            assert proof.relabelled <= len(x) * 0.002, what
