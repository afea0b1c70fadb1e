"""IR text in, IR text out: what stands for a category becomes its rank among the thresholds of boosting behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OrdinalEncoder, StandardScaler, TargetEncoder

import mcugen
from mcugen.boards import Target, load_board
from mcugen.frontends.sklearn import read_estimator
from mcugen.ops.lookup import Lookup
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.passes import run
from mcugen.passes.fold_categories import fold_categories

X, Y = load_iris(return_X_y=True)
X = X.astype(np.float32)


def boosted(*steps: Any) -> Any:
    return make_pipeline(*steps, HistGradientBoostingClassifier(max_iter=5)).fit(X.astype(np.float64), Y)


def ops(model: Any) -> list[Any]:
    """The table and the trees of a model, after the pass."""
    module = run(
        read_estimator(model, "m", "proba"), Target(load_board("uno"), numeric="float32"), pipeline=(fold_categories,)
    )
    return [node.op for node in module.predict.nodes if isinstance(node.op, Lookup | TreeEnsemble)]


def test_a_mean_beside_a_threshold_is_its_rank() -> None:
    model = boosted(TargetEncoder(random_state=0))
    table, trees = ops(model)
    assert all(np.array_equal(one, np.rint(one)) for one in table.values)
    for feature in range(trees.trees.n_features):
        limits = trees.trees.doubles[trees.trees.feature == feature]
        assert sorted(set(limits)) == [i + 0.5 for i in range(len(set(limits)))], "between places of thresholds"
    for scaled in (
        model,
        *(boosted(TargetEncoder(random_state=0), scaler()) for scaler in (StandardScaler, MinMaxScaler)),
    ):
        compiled = mcugen.compile(scaled, board="host", output="proba", data=X)
        np.testing.assert_allclose(compiled.predict_proba(X), scaled.predict_proba(X.astype(np.float64)), atol=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        boosted(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)),  # far from any threshold
        make_pipeline(TargetEncoder(random_state=0), RandomForestClassifier(3, random_state=0)).fit(
            X, Y
        ),  # rounds, too
        boosted(make_column_transformer((TargetEncoder(random_state=0), [0]), remainder="passthrough")),
    ],
    ids=["codes", "forest", "beside numbers"],
)
def test_others_stay_as_they_are_and_right(model: Any) -> None:
    table, _ = ops(model)
    before = next(node.op for node in read_estimator(model, "m", "proba").predict.nodes if isinstance(node.op, Lookup))
    same = all(np.array_equal(a, b) for a, b in zip(table.values, before.values, strict=True))
    assert same or "columntransformer" in dict(model.steps)
    compiled = mcugen.compile(model, board="host", output="proba", data=X)
    np.testing.assert_allclose(compiled.predict_proba(X), model.predict_proba(X.astype(np.float64)), atol=1e-6)
