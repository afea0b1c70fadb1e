"""IR text in, IR text out: scalers, pickers and projections become part of linear weights; other chains become one map."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingRegressor
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from mcugen.boards import Target, load_board
from mcugen.compile import compile
from mcugen.diagnostics import McugenError
from mcugen.frontends.sklearn import read_estimator
from mcugen.ir import Module
from mcugen.ops.linear import Linear
from mcugen.passes import run
from mcugen.passes.dead_code import dead_code
from mcugen.passes.fold_linear import fold_linear, keeps_enough

X, Y = load_wine(return_X_y=True)


def folded(model: Any, numeric: Any = "float32") -> Module:
    module = read_estimator(model.fit(X, Y), "m", "decision" if hasattr(model, "decision_function") else None)
    return run(module, Target(load_board("uno"), numeric=numeric), pipeline=(fold_linear, dead_code))


def names(module: Module) -> list[str]:
    return [node.op.name for node in module.nodes]


def same_decisions(module: Module, model: Any) -> None:
    """What the graph computes in float64 is scikit-learn's, to the last digits of float32."""
    (node,) = [n for n in module.nodes if isinstance(n.op, Linear)]
    assert isinstance(node.op, Linear)
    found = node.op.answers(X.astype(np.float32))[1]
    wanted = model.decision_function(X.astype(np.float32).astype(np.float64))
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6 * np.abs(wanted).max())


def test_a_scaler_becomes_weights() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression())
    module = folded(model)
    assert "\n" + str(module) == dedent("""
        module m

        predict:
          input %x : 13:f32
          %label, %decision = linear(%x) {rows=3 output=decision} : i32, 3:f32
          return %label, %decision
    """)
    same_decisions(module, model)


def test_a_chain_and_a_projection_become_weights() -> None:
    parts = make_column_transformer((StandardScaler(), [3, 4, 5, 6]), remainder=MinMaxScaler())
    for first in (StandardScaler(), make_pipeline(MinMaxScaler(), StandardScaler()), parts):
        for model in (make_pipeline(first, LogisticRegression()), make_pipeline(first, PCA(6), LogisticRegression())):
            module = folded(model)
            assert names(module) == ["linear"]
            same_decisions(module, model)


def test_a_projection_that_is_cheaper_alone_stays() -> None:
    assert names(folded(make_pipeline(StandardScaler(), PCA(1), LogisticRegression()))) == ["linear", "linear"]


def test_few_of_many_features_are_still_picked() -> None:
    model = make_pipeline(StandardScaler(), SelectKBest(k=3), LogisticRegression())
    assert "\n" + str(folded(model)) == dedent("""
        module m

        predict:
          input %x : 13:f32
          %label.columns = gather(%x) {of=13 columns=6,11,12} : 3:f32
          %label, %decision = linear(%label.columns) {rows=3 output=decision} : i32, 3:f32
          return %label, %decision
    """)


def test_a_format_of_few_bits_keeps_the_scaler() -> None:
    """Alcohol is 13 +- 0.8: rows of 16 bits that hold the 13 have four bits less for what matters."""
    assert names(folded(make_pipeline(StandardScaler(), LogisticRegression()), "int16")) == ["affine", "linear"]


@pytest.mark.parametrize("clip", [False, True])
def test_a_limit_is_no_linear_map(clip: bool) -> None:
    module = folded(make_pipeline(MinMaxScaler(clip=clip), LogisticRegression()))
    assert names(module) == (["affine", "linear"] if clip else ["linear"])


def test_columns_that_stay_are_one_pick_and_one_map() -> None:
    parts = make_column_transformer((StandardScaler(), [3, 4]), (MinMaxScaler(), [0]), ("passthrough", [1]))
    module = run(read_estimator(make_pipeline(parts, MinMaxScaler(clip=True)).fit(X), "m"), Target(load_board("uno")))
    assert names(module) == ["gather", "affine"]


def test_far_off_zero_too_much_would_be_lost() -> None:
    weights = np.ones((1, 4))
    assert keeps_enough(weights, np.full(4, 10.0), "float32")
    assert not keeps_enough(weights, np.full(4, 1e4), "float32")
    assert not keeps_enough(weights, np.full(4, 10.0), "int8")


@pytest.mark.parametrize(
    "steps",
    [
        (PCA(whiten=True), MinMaxScaler(), LogisticRegression()),
        (StandardScaler(), PCA(), LogisticRegression()),
        (StandardScaler(), LogisticRegression()),
    ],
    ids=str,
)
def test_numbers_of_features_far_off_are_summed_with_all_digits(steps: Any) -> None:
    """Where the maps would be float32, what cancels in the sums after them would be lost."""
    x = (X + 1e5).astype(np.float32)
    model = make_pipeline(*steps).fit(x.astype(np.float64), Y)
    module = read_estimator(model, "m", "decision")
    found = run(module, Target(load_board("uno"), numeric="float32"), pipeline=(fold_linear, dead_code))
    (node,) = found.nodes
    assert isinstance(node.op, Linear)
    assert node.op.delicate
    (op,) = (node.op.with_form(form, Target(load_board("uno"))) for form in node.op.forms(Target(load_board("uno"))))
    np.testing.assert_allclose(op.answers(x)[1], model.decision_function(x.astype(np.float64)), rtol=1e-6, atol=1e-6)


def test_linear_members_of_a_mean_are_one() -> None:
    """Of a regressor and of one of the opposite next to nothing is left, which floats of both would not show."""
    target = X @ np.arange(13.0) + 1e5
    members = [("a", Ridge()), ("b", make_pipeline(StandardScaler(), Ridge(alpha=0.9))), ("c", DecisionTreeRegressor())]
    vote = VotingRegressor(members, weights=[1, 2, 1]).fit(X, target)
    vote.estimators_[1].steps[1][1].coef_ *= -0.5
    vote.estimators_[1].steps[1][1].intercept_ *= -0.5
    vote.estimators_[2].fit(X, X[:, 0])
    compiled = compile(vote, "mega2560", numeric="float32", check_fit=False)
    assert sorted(names(compiled.module)) == ["average", "linear", "tree_ensemble"]
    assert compiled.verify(X).wrong == 0


def test_members_that_cancel_in_floats_are_refused() -> None:
    target = X[:, 0] * 1e6
    vote = VotingRegressor([("a", Ridge()), ("b", DecisionTreeRegressor())]).fit(X, target)
    vote.estimators_[1].fit(X, -target)
    with pytest.raises(McugenError, match="E0801"):
        compile(vote, "mega2560", numeric="float32", check_fit=False)
