"""Terms of polynomials as pairs of floats, where sums of them would lose what is promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, SVR, OneClassSVM

from mcugen.boards import Target, load_board
from mcugen.compile import compile
from mcugen.frontends.sklearn import read_estimator
from mcugen.ir import Module
from mcugen.passes import run
from mcugen.passes.dead_code import dead_code
from mcugen.passes.fold_linear import fold_linear
from mcugen.passes.pair_chains import pair_chains
from mcugen.passes.pair_machines import pair_machines
from mcugen.passes.pair_terms import pair_terms

CANCER, CLASSES = load_breast_cancer(return_X_y=True)
FAR, KINDS = load_iris(return_X_y=True)
FAR = (FAR + 1e4).astype(np.float32)
RAW, Y = load_diabetes(return_X_y=True, scaled=False)
TWO, TERMS = PolynomialFeatures(2), PolynomialFeatures(2, include_bias=False)

MODELS: dict[str, tuple[Any, Any, Any, tuple[Any, ...]]] = {
    "raw": (CANCER, CLASSES, "decision", (TWO, LogisticRegression())),
    "far": (FAR, KINDS, "decision", (TWO, LogisticRegression())),
    "far, probabilities": (FAR, KINDS, "proba", (TWO, LogisticRegression())),
    "scaled behind": (FAR, KINDS, "decision", (TERMS, StandardScaler(), LogisticRegression())),
    "scaled in front": (RAW, Y, "value", (StandardScaler(), TWO, LinearRegression())),
    "third degree": (
        RAW,
        Y,
        "value",
        (MinMaxScaler(), PolynomialFeatures(3, interaction_only=True), LinearRegression()),
    ),
    "scaled in front of machines": (RAW, Y, "value", (TWO, StandardScaler(), SVR(gamma=0.01))),
    "picked and scaled": (FAR, KINDS, "decision", (TERMS, MinMaxScaler(), SVC(kernel="rbf"))),
    "two consumers": (
        FAR,
        KINDS,
        "proba",
        (TWO, VotingClassifier([(n, LogisticRegression(C=c)) for n, c in (("a", 1), ("b", 9))], voting="soft")),
    ),
    "projected": (FAR, KINDS * 1.0, "value", (TWO, PCA(3), LinearRegression())),
}
METHODS = {"decision": "decision_function", "proba": "predict_proba", "value": "predict"}


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_numbers_are_scikit_learns(name: str, known: bool) -> None:
    x, y, output, steps = MODELS[name]
    x = x.astype(np.float32)
    model = make_pipeline(*steps).fit(x.astype(np.float64), y)
    compiled = compile(model, "mega2560", output=output, numeric="float32", data=x if known else None, check_fit=False)
    wanted = getattr(model, METHODS[output])(x.astype(np.float64)).reshape(len(x), -1)
    found = compiled.run([x])[-1].reshape(len(x), -1)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def passed(model: Any, x: Any, y: Any, numeric: Any = "float32", rows: Any = None) -> Module:
    module = read_estimator(model.fit(x, y), "m", None)
    target = Target(load_board("uno"), numeric=numeric, rows=rows)
    return run(module, target, pipeline=(pair_terms, pair_chains, pair_machines, fold_linear, dead_code))


def ops(module: Module) -> list[str]:
    return [f"{node.op.name} {node.op.describe()}" for node in module.nodes]


def test_a_scaler_behind_the_terms_becomes_weights() -> None:
    found = ops(passed(make_pipeline(TERMS, StandardScaler(), LogisticRegression()), FAR, KINDS))
    assert [one.split(" rows")[0] for one in found] == ["polynomial features=4 degree=2 pairs", "linear"]


def test_a_scaler_in_front_and_a_pick_give_pairs() -> None:
    picks = make_column_transformer((StandardScaler(), [3, 1]))
    found = ops(passed(make_pipeline(picks, TWO, LinearRegression()), FAR, KINDS * 1.0))
    assert found[:3] == ["gather of=4 columns=3,1", "affine features=2 pairs", "polynomial features=2 degree=2 pairs"]


def test_a_scaler_behind_the_terms_takes_pairs_where_there_are_no_weights() -> None:
    found = ops(passed(make_pipeline(TERMS, StandardScaler(), SVC()), FAR, KINDS))
    assert found[1:3] == [f"gather of=30 columns={','.join(map(str, range(1, 9)))},..", "affine features=14 of pairs"]


def test_rows_that_lose_nothing_need_no_pairs() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    model, y = make_pipeline(TWO, LinearRegression()), x[:, 0] * x[:, 1]
    assert "pairs" in ops(passed(model, x, y))[0]
    assert "pairs" not in ops(passed(model, x, y, rows=x))[0]


@pytest.mark.parametrize("numeric", ["int16", "int8"])
def test_smaller_formats_round_anyway(numeric: Any) -> None:
    model = make_pipeline(TWO, LogisticRegression())
    assert "pairs" not in ops(passed(model, FAR, KINDS, numeric))[0]


@pytest.mark.parametrize(
    "machine", [SVC(gamma=1e3, C=1e8, max_iter=300), SVC(kernel="poly", gamma=1e3, degree=5, max_iter=300)]
)
def test_a_scaler_in_front_of_kernel_values_gives_pairs(machine: Any) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=90)
    x = ((rng.normal(size=(90, 2)) + y[:, np.newaxis]) * 1e6).astype(np.float32)
    model = make_pipeline(StandardScaler(with_std=machine.kernel == "poly"), machine).fit(x.astype(np.float64), y)
    compiled = compile(model, "mega2560", output="decision", numeric="float32", check_fit=False)
    assert [node.op.describe().split()[-1] for node in compiled.module.nodes][:2] == ["pairs", "pairs"]
    wanted = model.decision_function(x.astype(np.float64))
    np.testing.assert_allclose(compiled.run([x])[-1].reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("with_data", [False, True])
def test_a_machine_behind_a_scaler_that_does_not_centre(with_data: bool) -> None:

    x = (30_000 + np.random.default_rng(0).normal(size=(60, 3))).astype(np.float32)
    model = make_pipeline(MaxAbsScaler(), OneClassSVM(gamma=3e8, nu=0.2)).fit(x.astype(np.float64))
    compiled = compile(model, board="nucleo_f446re", data=x if with_data else None, check_fit=False)
    assert "kernel_values" in str(compiled.module)
    exact = x.astype(np.float64)
    clear = np.abs(model.decision_function(exact)) > 1e-6
    assert clear.sum() > 40
    np.testing.assert_array_equal(compiled.predict(x)[clear], model.predict(exact)[clear])


def test_a_machine_behind_a_scaler_that_centres_stays_integers() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    for output in ("label", "decision"):
        model = make_pipeline(StandardScaler(), SVC()).fit(x, y)
        assert "kernel_values" not in str(compile(model, output=output, board="host", check_answers=False).module)


def test_polynomials_that_come_near_nothing_keep_their_scalers_digits() -> None:
    """Values of a thousand between which lie some next to 0, where 1e-5 is less than the scaler rounds; a Gaussian's have none there."""
    x, y = load_diabetes(return_X_y=True)
    for machine, ops in ((SVR(kernel="poly"), ["affine", "kernel_values", "linear"]), (SVR(), ["affine", "svm"])):
        compiled = compile(make_pipeline(StandardScaler(), machine).fit(x, y), board="feather_nrf52840")
        assert [node.op.name for node in compiled.module.predict.nodes] == ops
        assert compiled.proof.wrong == 0
