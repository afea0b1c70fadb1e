"""Boosting, AdaBoost, bagging and isolation forests on every row of scikit-learn's own data sets, and random ones at any scale.

Labels must be equal but for near ties, which are counted; numbers within 1e-5, absolute below 1, else relative.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from lightgbm import LGBMClassifier, LGBMRegressor
from one_library import library_of
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from test_every_row import renamed, unit_in_form
from xgboost import XGBClassifier, XGBRegressor

import mcugen
from mcugen.diagnostics import McugenError
from mcugen.frontends import Source, read
from mcugen.ir import Array
from mcugen.verify import probe, prove

DATA = {
    "iris": load_iris,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
    "diabetes": load_diabetes,
}
FORMS = ("table", "branches", "branches16")


def models(data: str) -> Iterator[Any]:
    if data == "diabetes":
        yield from (GradientBoostingRegressor(n_estimators=n, random_state=0) for n in (1, 20, 100))
        yield from (
            HistGradientBoostingRegressor(max_iter=20, loss=loss, random_state=0)
            for loss in ("squared_error", "poisson", "gamma")
        )
        yield from (AdaBoostRegressor(n_estimators=n, random_state=0) for n in (1, 10, 50))
        yield BaggingRegressor(DecisionTreeRegressor(max_depth=4), random_state=0)
        yield IsolationForest(n_estimators=30, random_state=0)
        yield from (XGBRegressor(n_estimators=n, max_depth=4) for n in (1, 30))
        yield LGBMRegressor(n_estimators=30, verbose=-1)
        return
    yield GradientBoostingClassifier(n_estimators=20, random_state=0)
    yield GradientBoostingClassifier(n_estimators=5, max_depth=5, learning_rate=0.5, random_state=0)
    yield HistGradientBoostingClassifier(max_iter=8, random_state=0)
    yield AdaBoostClassifier(n_estimators=30, random_state=0)
    yield AdaBoostClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=10, random_state=0)
    yield BaggingClassifier(DecisionTreeClassifier(max_depth=4), max_features=0.7, random_state=0)
    yield IsolationForest(n_estimators=20, contamination=0.1, random_state=0)
    yield XGBClassifier(n_estimators=8, max_depth=4)
    yield LGBMClassifier(n_estimators=8, verbose=-1)


def prove_all(sources: list[Source], x: Array, probes: int, forms: tuple[str, ...] = FORMS) -> None:
    made = {source.module.name: probe(source.module, probes) for source in sources}
    cases = [(renamed(source, source.module.name + form), form) for source in sources for form in forms]
    units = [unit_in_form(source, form) for source, form in cases]
    library = library_of(units, ("-std=c99", "-O0"))
    for i, (source, form) in enumerate(cases):

        def run(inputs: Any, model: int = i) -> Any:
            return library.run(inputs, model)

        for rows, name in ((x, "rows"), (made[source.module.name.removesuffix(form)], "threshold rows")):
            proof = prove(units[i].module, source.reference, rows, run, on="host", source=name)
            assert proof.wrong == 0, f"{source.loc} {form}: {proof} {proof.worst}"
            assert proof.rows + proof.near_ties + proof.refused == len(rows)
            assert name != "rows" or proof.rows > 0.9 * len(rows), f"{source.loc}: {proof}"


@pytest.mark.parametrize("data", DATA)
def test_every_row(data: str) -> None:
    x, y = DATA[data](return_X_y=True)
    sources = []
    for model in models(data):
        fitted = model.fit(x, y)
        for output in outputs_of(fitted):
            sources.append(read(fitted, name=f"m{len(sources)}", output=output))
    prove_all(sources, x, 1_000, FORMS if data in ("iris", "diabetes") else FORMS[:1])


def outputs_of(model: Any) -> tuple[str, ...]:
    from mcugen.diagnostics import Loc
    from mcugen.frontends.sklearn import head_of

    return head_of(model, Loc()).outputs


KINDS = {
    "gradient boosting": lambda r: GradientBoostingClassifier(
        n_estimators=int(r.integers(1, 6)), max_depth=int(r.integers(1, 4)), learning_rate=float(r.random() * 2 + 0.01)
    ),
    "its regressor": lambda r: GradientBoostingRegressor(n_estimators=int(r.integers(1, 6)), max_depth=2),
    "histograms": lambda r: HistGradientBoostingClassifier(max_iter=int(r.integers(1, 5)), min_samples_leaf=2),
    "their regressor": lambda r: HistGradientBoostingRegressor(max_iter=int(r.integers(1, 5)), min_samples_leaf=2),
    "AdaBoost": lambda r: AdaBoostClassifier(
        DecisionTreeClassifier(max_depth=int(r.integers(1, 4))), n_estimators=int(r.integers(1, 9))
    ),
    "its median": lambda r: AdaBoostRegressor(n_estimators=int(r.integers(1, 9))),
    "bagging": lambda r: BaggingClassifier(
        n_estimators=int(r.integers(1, 6)), max_features=float(r.choice([0.5, 1.0]))
    ),
    "isolation": lambda r: IsolationForest(n_estimators=int(r.integers(1, 9)), max_samples=20),
}


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.integers(0, 2**31),
    st.integers(2, 5),
    st.integers(-25, 25),
    st.integers(-20, 20),
)
def test_random_models_at_random_scales(kind: str, seed: int, classes: int, x_scale: int, y_scale: int) -> None:
    rng = np.random.default_rng(seed)
    model = KINDS[kind](rng)
    x = (rng.standard_normal((80, 3)) * 10.0**x_scale).astype(np.float32)
    target = rng.standard_normal(80) * 10.0**y_scale
    labels = np.r_[np.arange(classes), rng.integers(0, classes, 80 - classes)]
    model.random_state = seed
    try:
        fitted = model.fit(x, target if hasattr(model, "loss") and "Regressor" in type(model).__name__ else labels)
    except ValueError:  # AdaBoost, whose first tree is no better than chance on labels that are nothing else
        reject()
    outputs = outputs_of(fitted)
    try:
        sources = [read(fitted, name=f"m{i}", output=output) for i, output in enumerate(outputs)]
    except McugenError as problem:
        if problem.diagnostics[0].code != "E0303":  # stages that each outdo the one before are beyond a float soon
            raise
        return
    prove_all_of_any(sources, x)


def prove_all_of_any(sources: list[Source], x: Array) -> None:
    """As prove_all, in one form and without a share of rows that must be clear."""
    units = [unit_in_form(source, "table" if i % 2 else "branches") for i, source in enumerate(sources)]
    library = library_of(units, ("-std=c99", "-O0"))
    for i, source in enumerate(sources):

        def run(inputs: Any, model: int = i) -> Any:
            return library.run(inputs, model)

        for rows in (x, probe(source.module, 600)):
            proof = prove(units[i].module, source.reference, rows, run, on="host", source="rows")
            assert proof.wrong == 0, f"{source.loc}: {proof} {proof.worst}"


@pytest.mark.parametrize("output", ["label", "decision"])
def test_an_isolation_forest_that_splits_nothing_calls_all_inliers(output: str) -> None:
    same = np.full((30, 2), 1e-12)
    for contamination in ("auto", 0.1):
        model = IsolationForest(n_estimators=7, contamination=contamination, random_state=0).fit(same)
        compiled = mcugen.compile(model, "mega2560", output=output)
        assert compiled.proof is not None
        assert compiled.proof.proven
        assert (compiled.predict(same[:3]) == model.predict(same[:3])).all()
