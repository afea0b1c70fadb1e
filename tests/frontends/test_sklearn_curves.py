"""Transformers of single features by curves: what is read, from skops files too, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.datasets import load_iris
from sklearn.isotonic import IsotonicRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, QuantileTransformer, SplineTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import read_estimator
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.passes import run

X, Y = load_iris(return_X_y=True)
QUANTILES = QuantileTransformer(n_quantiles=20).fit(X)
ISOTONIC = IsotonicRegression().fit(X[:, 2], X[:, 3])
POWERS = PowerTransformer().fit(X)
SPLINES = SplineTransformer(4).fit(X)
EVERY = {
    "splines": SPLINES,
    "quantiles": QUANTILES,
    "isotonic": ISOTONIC,
    "powers": POWERS,
    "Box and Cox": PowerTransformer("box-cox").fit(X),
}
KNOTS = SPLINES.bsplines_[0].t
ODD_SPLINES: list[dict[str, Any]] = [
    *({"_t": odd} for odd in (None, "x", KNOTS[::-1], KNOTS * np.nan, KNOTS[:-1])),
    *({"_c": odd} for odd in (None, np.eye(6)[::-1], np.eye(5))),
    {"k": 2},
]


def edited(model: Any, **attributes: Any) -> Any:
    changed = copy.copy(model)
    vars(changed).update(attributes)
    return changed


WRONG: list[tuple[Any, str, Any]] = [
    *((QUANTILES, "quantiles_", odd) for odd in (None, "x", QUANTILES.quantiles_[::-1], QUANTILES.quantiles_[:5])),
    *((QUANTILES, "quantiles_", odd) for odd in (QUANTILES.quantiles_ * np.nan, np.zeros((0, 4)), [[1.0]])),
    *((QUANTILES, "references_", odd) for odd in (None, QUANTILES.references_[::-1], np.zeros(20), np.ones(1))),
    *((QUANTILES, "output_distribution", odd) for odd in (None, "gauss", ["normal"])),
    (QUANTILES, "n_features_in_", 3),
    *((ISOTONIC, "X_thresholds_", odd) for odd in (None, "x", ISOTONIC.X_thresholds_[::-1], np.zeros(0), np.ones((2, 2)))),
    *((ISOTONIC, "y_thresholds_", odd) for odd in (None, ISOTONIC.y_thresholds_[1:], ISOTONIC.y_thresholds_ * np.inf)),
    *((ISOTONIC, "out_of_bounds", odd) for odd in (None, "wrap", 3)),
    *((POWERS, "lambdas_", odd) for odd in (None, "x", POWERS.lambdas_ * np.nan, POWERS.lambdas_[:2])),
    *((POWERS, "_scaler", odd) for odd in (None, "x", StandardScaler(), StandardScaler(with_std=False).fit(X), QUANTILES)),
    *((SPLINES, "bsplines_", odd) for odd in (None, [], [None] * 4, SPLINES.bsplines_[:3], [QUANTILES] * 4)),
    *((SPLINES, "bsplines_", [edited(SPLINES.bsplines_[0], **odd)] * 4) for odd in ODD_SPLINES),
    *((SPLINES, "degree", odd) for odd in (None, "x", -1, 2, 4)),
    *((SPLINES, name, odd) for name, odd in (("extrapolation", "x"), ("include_bias", "x"), ("handle_missing", 1))),
    (POWERS, "method", "log"),
    (POWERS, "standardize", "x"),
    *((model, name, 1.0) for model, name in ((QUANTILES, "quantiles_"), (ISOTONIC, "y_thresholds_"), (POWERS, "lambdas_"))),
    (ISOTONIC, "X_min_", 0.0),
    (ISOTONIC, "X_max_", "x"),
]  # fmt: skip
BEYOND = [
    (QuantileTransformer(n_quantiles=2).fit(X * 1e38), "E0303"),
    (IsotonicRegression().fit(X[:, 2] * 1e38, X[:, 3]), "E0303"),
    (PowerTransformer(standardize=False).fit(X * 1e-40), "E0303"),
    (SplineTransformer().fit(X * 1e35), "E0303"),
    (SplineTransformer(extrapolation="error").fit(X), "E0302"),
    (SplineTransformer(degree=0).fit(X), "E0302"),
    (SplineTransformer(degree=1, extrapolation="linear").fit(X), "E0302"),
    (SplineTransformer(degree=11).fit(X), "E0302"),
    (SplineTransformer(extrapolation="periodic").fit(X * 0), "E0302"),
    (SplineTransformer(6, extrapolation="continue", knots="quantile").fit(X // 3), "E0302"),
    (SplineTransformer(6, extrapolation="periodic", knots="quantile", degree=2).fit(X // 2), "E0302"),
    (PowerTransformer().fit(1e6 + 10 * X), "E0302"),
    (IsotonicRegression().fit(np.array([1 + 1e-9, 1 + 2e-9]), [0, 1]), "E0302"),
]


def code_of(model: Any) -> str:
    with pytest.raises(McugenError) as caught:
        read_estimator(model, "m")
    assert caught.value.diagnostics[0].help
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize("name", EVERY)
def test_skops_files(name: str) -> None:
    model = read_model(skops.io.dumps(EVERY[name])).estimator
    assert str(read_estimator(model, "m")) == str(read_estimator(EVERY[name], "m"))


def test_what_is_damaged_or_not_fitted_is_refused() -> None:
    for model, name, odd in WRONG:
        assert code_of(edited(model, **{name: odd})) == "E0107", (name, odd)
    for model in (QuantileTransformer(), PowerTransformer(), SplineTransformer(), IsotonicRegression()):
        assert code_of(model) == "E0106"


def test_what_floats_do_not_hold_is_refused() -> None:
    for model, code in BEYOND:
        assert code_of(model) == code
    many = QuantileTransformer(n_quantiles=9_000).fit(np.random.default_rng(0).normal(size=(9_000, 8)))
    assert code_of(many) == "E0303"


def test_trees_behind_compare_the_row() -> None:
    """Curves that rise vanish into thresholds, scalers in front of them, too."""
    for model in (QUANTILES, make_pipeline(StandardScaler(), QUANTILES), POWERS):
        fitted = make_pipeline(model, DecisionTreeClassifier(max_depth=3, random_state=0)).fit(X, Y)
        module = run(read_estimator(fitted, "m"), Target(load_board("uno")))
        assert [type(node.op) for node in module.predict.nodes] == [TreeEnsemble]
