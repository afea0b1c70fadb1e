"""IR text in, IR text out: a scaler in front of a neighbour search vanishes into how rows come to the points."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris, load_wine
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

import mcugen
from mcugen.boards import Target, load_board
from mcugen.frontends.sklearn import read_estimator
from mcugen.passes import run
from mcugen.passes.dead_code import dead_code
from mcugen.passes.fold_points import fold_points

X, Y = load_wine(return_X_y=True)
X = X.astype(np.float32)


def folded(model: Any, numeric: Any = "float32") -> str:
    module = read_estimator(model.fit(X, Y), "m", None)
    return "\n" + str(run(module, Target(load_board("uno"), numeric=numeric), pipeline=(fold_points, dead_code)))


def test_a_scaler_becomes_part_of_the_grid() -> None:
    assert folded(make_pipeline(StandardScaler(), KNeighborsClassifier())) == dedent("""
        module m

        predict:
          input %x : 13:f32
          %label = knn(%x) {points=178 neighbours=5 scaled output=label} : i32
          return %label
    """)


def test_columns_are_picked_first() -> None:
    some = make_column_transformer((MinMaxScaler(), [5, 2, 7]))
    text = folded(make_pipeline(some, KNeighborsClassifier()))
    assert "gather(%x)" in text
    assert "scaled" in text
    assert "affine" not in text


def test_narrow_numbers_and_limits_keep_the_scaler() -> None:
    assert "affine" in folded(make_pipeline(StandardScaler(), KNeighborsClassifier()), "int16")
    assert "affine" in folded(make_pipeline(MinMaxScaler(clip=True), KNeighborsClassifier()))


@pytest.mark.parametrize("scaler", [StandardScaler(), RobustScaler(), MaxAbsScaler()], ids=str)
def test_nearly_equal_distances_keep_their_order(scaler: Any) -> None:
    """Rows next to where the nearest point changes: a scaled row in float32 would have some on the wrong side."""
    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    model = make_pipeline(scaler, KNeighborsClassifier(1)).fit(x, y)
    compiled = mcugen.compile(model, board="host", numeric="float32")
    rng = np.random.default_rng(0)
    first, second = (x[rng.integers(len(x), size=400)].astype(np.float64) for _ in range(2))
    label = model.predict(first)
    first, second, label = (a[label != model.predict(second)] for a in (first, second, label))
    low, high = np.zeros((len(first), 1)), np.ones((len(first), 1))
    for _ in range(40):
        middle = (low + high) / 2
        row = (first + (second - first) * middle).astype(np.float32)
        same = (model.predict(row.astype(np.float64)) == label)[:, None]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    places = (low, high, low - 3e-6, high + 3e-6)
    rows = np.concatenate([first + (second - first) * place for place in places])
    proof = compiled.verify(rows.astype(np.float32))
    assert proof.wrong == 0
    assert proof.rows > 600
