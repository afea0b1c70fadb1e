"""Functions that never fall vanish into the thresholds of trees: every side is the model's own, by brute force next to thresholds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from xgboost import XGBClassifier

from mcugen.boards import Target, load_board
from mcugen.evaluate import evaluate
from mcugen.frontends.sklearn import read_estimator
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.passes import run
from mcugen.passes.dead_code import dead_code
from mcugen.passes.fold_scaling import fold_scaling

X, Y = load_iris(return_X_y=True)
X = X.astype(np.float32).astype(np.float64)
ROWS = 40
UNO = Target(load_board("uno"))
Chain = Callable[[], tuple[Any, ...]]


def function(name: str) -> FunctionTransformer:
    return FunctionTransformer(getattr(np, name))


def trees() -> XGBClassifier:
    return XGBClassifier(n_estimators=2, max_depth=4, n_jobs=1)


CHAINS: dict[str, Chain] = {
    **{name: lambda name=name: (function(name), trees()) for name in ("log", "sqrt", "tanh", "arccosh", "expm1")},
    "scaler": lambda: (MinMaxScaler((0.5, 2)), function("log"), trees()),
    "scaler behind": lambda: (function("log"), StandardScaler(), trees()),
    "filled in": lambda: (function("log"), SimpleImputer(), trees()),
    "columns": lambda: (make_union(function("log"), function("log1p"), "passthrough"), trees()),
    "float64": lambda: (function("sqrt"), HistGradientBoostingClassifier(max_iter=3)),
}


def numbers_to_ask(op: TreeEnsemble, rng: np.random.Generator) -> Any:
    """Rows of the floats on and next to thresholds, and what is too small for some functions."""
    known = [op.trees.threshold[(op.trees.feature == i) & np.isfinite(op.trees.threshold)] for i in range(4)]
    known = [np.concatenate([one, np.float32([-1.5, -1e-30, 0.3])]) for one in known]
    near = np.stack([rng.choice(one, ROWS) for one in known], axis=1)
    up, down = np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))
    return np.choose(rng.integers(3, size=near.shape), [near, up, down])


def is_answered(model: Any, row: Any) -> bool:
    """Whether scikit-learn answers a row: infinities, as the logarithm of 0, are refused by XGBoost and by scalers."""
    try:
        return bool(np.isfinite(model.predict_proba(row[np.newaxis].astype(np.float64))).all())
    except ValueError:
        return False


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", CHAINS.values(), ids=CHAINS)
def test_functions_vanish_and_every_side_is_the_models(make: Chain) -> None:
    model = make_pipeline(*make()).fit(X + 1, Y)
    module = run(read_estimator(model, "m", output="proba"), UNO, pipeline=(fold_scaling, dead_code))
    assert {node.op.name for node in module.nodes} <= {"impute", "gather", "concat", "tree_ensemble"}
    (op,) = (node.op for node in module.nodes if isinstance(node.op, TreeEnsemble))
    asked = numbers_to_ask(op, np.random.default_rng(0))
    asked = asked[[is_answered(model, row) for row in asked]]
    found = [evaluate(module.predict, {"x": row})["proba"] for row in asked]
    assert len(asked) > ROWS / 4
    np.testing.assert_allclose(found, model.predict_proba(asked.astype(np.float64)), atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_what_is_worked_out_and_then_too_small_stays_a_function() -> None:
    """Ranks say nothing of missing numbers."""
    model = make_pipeline(PCA(3), function("log1p"), HistGradientBoostingClassifier(max_iter=2)).fit(X, Y)
    module = run(read_estimator(model, "m"), UNO, pipeline=(fold_scaling, dead_code))
    assert [node.op.name for node in module.nodes] == ["linear", "elementwise", "tree_ensemble"]
