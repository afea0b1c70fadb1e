"""Naive Bayes, perceptrons and quadratic discriminants on whole data sets: the C gives scikit-learn's answers to every row.

Labels are equal but for near ties (two best scores within 1e-6 of each other), numbers within 1e-5 and what 30-bit integers
leave off where a model is ill-conditioned (`rounding` of its reference). Every model takes 0 bytes of static RAM. Compiled in
batches, as one library.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from one_library import library_of
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

import mcugen
from mcugen.boards import Target, load_board
from mcugen.compile import lower
from mcugen.frontends import Source, read
from mcugen.ir import Array
from mcugen.verify import Terms, probe, prove

DATA = {"iris": load_iris, "wine": load_wine, "breast_cancer": load_breast_cancer, "digits": load_digits}
MEGA = Target(load_board("mega2560"), numeric="float32")


def prove_all(models: Sequence[tuple[Any, str]], rows: Array, seen: Array | None, probes: int = 500) -> None:
    """The C of each fitted model with an output, on the rows and on rows of its own."""
    sources = [read(model, name=f"m{i}", output=output) for i, (model, output) in enumerate(models)]
    compiled = [lower(source, replace(MEGA, rows=seen)) for source in sources]
    library = library_of([c.unit for c in compiled])
    for i, (source, one) in enumerate(zip(sources, compiled, strict=True)):
        assert one.module.arena == "stack"
        check(source, one.module, library, i, rows, probes)


def check(source: Source, module: Any, library: Any, i: int, rows: Array, probes: int) -> None:
    for name, x in (("rows", rows), ("made", probe(module, probes))):
        proof = prove(module, source.reference, x, lambda r, i=i: library.run(r, i), on="host", source=name)
        # Where regularisation drowns the features all rows are near ties.
        assert proof.wrong == 0, (str(source.module), str(proof), proof.worst)
        assert proof.proven or proof.near_ties, str(proof)


def fitted(model: Any, x: Array, y: Array) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(x, y)


@pytest.mark.parametrize(
    ("data", "dtype", "known"),
    [
        *(("iris", dtype, known) for dtype in (np.float32, np.float64) for known in (False, True)),
        *((data, np.float32, True) for data in DATA if data != "iris"),
        *((data, np.float64, False) for data in DATA if data != "iris"),
    ],
)
def test_every_row(data: str, dtype: Any, known: bool) -> None:
    """`known`: the rows are given to the compiler, as `--data` does."""
    x, y = DATA[data](return_X_y=True)
    scaled = StandardScaler().fit_transform(x)
    models: list[tuple[Any, str]] = []
    for label in (y, (y > 0).astype(int)):
        bayes = fitted(GaussianNB(), scaled.astype(dtype), label)
        network = fitted(MLPClassifier((16,), max_iter=60, random_state=0), scaled.astype(dtype), label)
        discriminant = fitted(QuadraticDiscriminantAnalysis(reg_param=1e-2), scaled.astype(dtype), label)
        models += [(m, o) for m in (bayes, network) for o in ("label", "proba")]
        models += [(discriminant, o) for o in ("label", "proba", "decision")] if data != "digits" else []
    rows = scaled.astype(np.float32)
    prove_all(models, rows, rows if known else None)


@pytest.mark.parametrize("data", DATA)
def test_every_row_as_it_came(data: str) -> None:
    """Features of their own scales, constant ones among them: those of digits are known to 1e-9 of the largest variance."""
    x, y = DATA[data](return_X_y=True)
    models = [(fitted(GaussianNB(), x, y), output) for output in ("label", "proba")]
    if data in ("iris", "wine"):
        models += [(fitted(QuadraticDiscriminantAnalysis(), x, y), output) for output in ("label", "proba", "decision")]
    prove_all(models, x.astype(np.float32), None)


@pytest.mark.parametrize("hidden", [(8,), (12, 6)])
@pytest.mark.parametrize("activation", ["identity", "logistic", "relu", "tanh"])
def test_regression(activation: str, hidden: tuple[int, ...]) -> None:
    x, y = load_diabetes(return_X_y=True)
    rows = StandardScaler().fit_transform(x)
    options = {"hidden_layer_sizes": hidden, "activation": activation, "max_iter": 60, "random_state": 0}
    prove_all([(fitted(MLPRegressor(**options), rows, y), "value")], rows.astype(np.float32), None)


@pytest.mark.parametrize("numeric", ["int16", "int8"])
@pytest.mark.parametrize("data", DATA)
def test_narrow_formats(data: str, numeric: str) -> None:
    """What is lost is measured and said; 16 bits change no label of a network and are within 1 % of the range."""
    x, y = DATA[data](return_X_y=True)
    rows = StandardScaler().fit_transform(x).astype(np.float32)
    for model in (MLPClassifier((16,), max_iter=60, random_state=0), GaussianNB()):
        fit = fitted(model, rows, y)
        compiled = mcugen.compile(
            fit, "mega2560", numeric=numeric, output="proba", data=rows, max_disagreement=1.0, check_fit=False
        )
        proof = compiled.verify(rows)
        assert compiled.quantised
        assert proof.terms == Terms(numeric, 1.0, True)
        if numeric == "int16" and isinstance(model, MLPClassifier):
            assert proof.relabelled == 0
            assert proof.off[0].part < 0.01


SCALES = st.lists(st.integers(-25, 25), min_size=4, max_size=4)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCALES, st.lists(st.floats(-50, 50), min_size=4, max_size=4), st.sampled_from([1e-12, 1e-9, 1e-3]))
def test_any_scales_of_bayes(exponents: list[int], shifts: list[float], smoothing: float) -> None:
    """Features from 1e-25 to 1e25, off zero by up to fifty times their spread."""
    x, y = load_iris(return_X_y=True)
    rows = ((x - x.mean(axis=0) + shifts) * 10.0 ** np.array(exponents)).astype(np.float32)
    with np.errstate(all="ignore"):
        model = fitted(GaussianNB(var_smoothing=smoothing), rows.astype(np.float64), y)
    prove_all([(model, "label"), (model, "proba")], rows, None, probes=100)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCALES, st.integers(0, 99), st.sampled_from([(3,), (5, 4), (2, 3, 2)]), st.booleans())
def test_any_scales_of_networks(exponents: list[int], seed: int, hidden: tuple[int, ...], known: bool) -> None:
    """A first layer for features from 1e-25 to 1e25."""
    x, y = load_iris(return_X_y=True)
    scale = 10.0 ** np.array(exponents)
    model = fitted(MLPClassifier(hidden, max_iter=20, random_state=seed), x, y)
    model.coefs_[0] = model.coefs_[0] / scale[:, None]
    rows = (x * scale).astype(np.float32)
    prove_all([(model, "label"), (model, "proba")], rows, rows if known else None, probes=100)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(-25, 25), st.lists(st.integers(-1, 1), min_size=4, max_size=4), st.sampled_from([0.0, 1e-3, 0.5]))
def test_any_scales_of_discriminants(exponent: int, exponents: list[int], reg: float) -> None:
    """Features from 1e-26 to 1e26, those of one model a hundred times another; what is further apart, its own rank check refuses."""
    x, y = load_iris(return_X_y=True)
    rows = (x * 10.0 ** (np.array(exponents) + exponent)).astype(np.float32)
    model = fitted(QuadraticDiscriminantAnalysis(reg_param=reg, tol=0.0), rows.astype(np.float64), y)
    prove_all([(model, "label"), (model, "proba"), (model, "decision")], rows, None, probes=100)
