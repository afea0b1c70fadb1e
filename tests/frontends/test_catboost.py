"""CatBoost's models: what it answers to rows on every side of a border; files; and, where it is installed, random models beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_boosters import answers, code_of, mutated, rows_at, without

import mcugen
from mcugen.boards import Target, load_board
from mcugen.compile import lower
from mcugen.diagnostics import Loc
from mcugen.frontends import read
from mcugen.frontends.sklearn import catboost_trees
from mcugen.targets.host import compile_for_host

DATA = (load_iris, load_wine, load_breast_cancer, load_digits)


def splits_in(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict) and "border" in part:
        yield part
    elif isinstance(part, dict | list):
        for one in part.values() if isinstance(part, dict) else part:
            yield from splits_in(one)


def content(loss: str, features: str, names: Sequence[str] = (), **rest: Any) -> dict[str, Any]:
    """A model's JSON; of each feature a letter, what becomes of missing values: i (as it is), f (false), t (true)."""
    kinds = {"i": "AsIs", "f": "AsFalse", "t": "AsTrue"}
    asked = [*splits_in(rest)]
    floats: list[dict[str, Any]] = [
        {
            "feature_index": i,
            "flat_feature_index": i,
            "borders": sorted({one["border"] for one in asked if one["float_feature_index"] == i}),
            "has_nans": kind != "i",
            "nan_value_treatment": kinds[kind],
        }
        for i, kind in enumerate(features)
    ]
    borders = [(i, border) for i, one in enumerate(floats) for border in one["borders"]]
    for one in asked:  # CatBoost goes by this number
        one["split_index"] = borders.index((one["float_feature_index"], one["border"]))
    info: dict[str, Any] = {"params": {"loss_function": {"type": loss, "params": {}}}}
    if names:
        labels = {"class_label_type": "String", "class_names": [*names], "class_to_label": [*range(len(names))]}
        info["class_params"] = {**labels, "classes_count": 0}
    return {"features_info": {"float_features": floats}, "model_info": info, **rest}


def split(feature: int, border: float) -> dict[str, Any]:
    return {"border": border, "float_feature_index": feature, "split_type": "FloatFeature"}


def leaves(*rows: list[float]) -> list[float]:
    return [number for row in rows for number in row]


def inner(feature: int, border: float, left: Any, right: Any) -> dict[str, Any]:
    sides = [one if isinstance(one, dict) else {"value": one, "weight": 1} for one in (left, right)]
    return {"split": split(feature, border), "left": sides[0], "right": sides[1]}


# Two models of iris without its first feature. The answers below are CatBoost 1.2.10's.
OBLIVIOUS = content(
    "MultiClass",
    "iti",
    names=["setosa", "versicolor", "virginica"],
    scale_and_bias=[1, [0, 0, 0]],
    oblivious_trees=[
        {
            "leaf_values": leaves(
                [0.5714, -0.2857, -0.2857, -0.3125, 0.6484, -0.3359, 0, 0, 0, -0.4082, -0.3469, 0.7551],
                [0.6897, -0.3448, -0.3448, 0.5, -0.1875, -0.3125, 0, 0, 0, -0.2353, -0.2353, 0.4706],
            ),
            "leaf_weights": [12, 55, 0, 40, 20, 15, 0, 8],
            "splits": [split(1, 1.5499999523162842), split(2, 1.6500000953674316), split(0, 3.25)],
        },
        {
            "leaf_values": leaves(
                [0.1226, -0.0613, -0.0613, -0.2368, 0.4337, -0.1969, 0.5403, -0.2848, -0.2555, -0.2395],
                [0.4205, -0.181, 0, 0, 0, -0.2742, -0.059, 0.3332, 0.3488, -0.2072, -0.1416, -0.2462, -0.1717, 0.4179],
            ),
            "leaf_weights": [2, 28, 42, 15, 0, 27, 6, 30],
            "splits": [split(2, 0.800000011920929), split(0, 2.950000047683716), split(1, 4.850000381469727)],
        },
    ],
)
GROWN = content(
    "Poisson",
    "ifi",
    scale_and_bias=[0.5, [0.25]],
    trees=[
        inner(
            1,
            4.649999618530273,
            inner(
                0,
                3.049999952316284,
                inner(2, 0.15000000596046448, 0, 0.451),
                inner(1, 4.350000381469727, 0.0426, 0.25),
            ),
            0.8661,
        ),
        inner(
            2,
            0.800000011920929,
            -0.045,
            inner(
                2,
                2.049999952316284,
                inner(1, 6.350000381469727, 0.1141, 0.0803),
                inner(2, 0.550000011920929, 0, 0.1641),
            ),
        ),
    ],
)
NAN, INF = np.nan, np.inf
ROWS = np.array(
    [
        [3.5, 1.4, 0.2],
        [2.8, NAN, 1.3],
        [3.0, 5.1, 1.8],
        [2.7, 4.9, 0.8],
        [NAN, 2.6, 2.6],
        [INF, -INF, 1.65],
        [3.25, 1.55, 0.8],
        [3.3, 1.5, 0.1],
        [2.9, NAN, NAN],
        [2.95, 4.85, 1.65],
    ],
    np.float32,
)
RAW = [
    [1.23, -0.6296, -0.6003],
    [-0.5867, 0.5894, -0.0027],
    [-0.6544, -0.5186, 1.173],
    [-0.3125, 0.6484, -0.3359],
    [-0.645, 0.0868, 0.5582],
    [0.4502, 0.0757, -0.5258],
    [1.1117, -0.5705, -0.5412],
    [1.23, -0.6296, -0.6003],
    [-0.3125, 0.6484, -0.3359],
    [-0.5493, 1.0821, -0.5328],
]
CLASSES = [0, 1, 2, 1, 2, 0, 0, 0, 1, 1]
VALUES = [1.282486, 1.70327, 2.096145, 1.935857, 1.746389, 1.388675, 1.282486, 1.282486, 1.255457, 2.096145]


def of_file(model: Any, output: str) -> list[Any]:
    """What the C of a model's JSON answers to ROWS."""
    made = lower(read(json.dumps(model).encode(), output=output), Target(load_board("mega2560"), numeric="float32"))
    return list(compile_for_host([made.unit], ("-std=c99", "-O0")).run([ROWS]))


def test_files() -> None:
    labels, raw = of_file(OBLIVIOUS, "decision")
    np.testing.assert_allclose(raw, RAW, atol=1e-6)
    assert labels.tolist() == CLASSES
    odds = np.exp(RAW)
    np.testing.assert_allclose(of_file(OBLIVIOUS, "proba")[1], odds / odds.sum(axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(of_file(GROWN, "value")[0], VALUES, atol=1e-6)
    head = catboost_trees.head(catboost_trees.CatboostModel(json.dumps(OBLIVIOUS).encode()), Loc())
    assert head.labels == ("setosa", "versicolor", "virginica")


def test_leaves_that_no_row_reaches_are_left_out() -> None:
    """Two borders of one feature part the line into three, not four."""
    tree = {"leaf_values": [1, 2, 3, 4], "splits": [split(0, 1.0), split(0, 2.0)]}
    model = content("RMSE", "t", scale_and_bias=[1, [0]], oblivious_trees=[tree])
    (one,) = catboost_trees.read(catboost_trees.CatboostModel(json.dumps(model).encode()), Loc()).trees
    assert sorted(one.value[one.is_leaf, 0]) == [1, 2, 4]


def changed(model: dict[str, Any], **parts: Any) -> bytes:
    return json.dumps({**model, **parts}).encode()


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    floats = OBLIVIOUS["features_info"]
    lossy = {**OBLIVIOUS["model_info"], "params": {"loss_function": {"type": "RMSEWithUncertainty"}}}
    several = {**OBLIVIOUS["model_info"], "params": {"loss_function": {"type": "RMSE"}}}
    for data, code, said in (
        (changed(OBLIVIOUS, features_info={**floats, "categorical_features": [{}]}), "E0302", "OrdinalEncoder"),
        (changed(OBLIVIOUS, model_info=lossy), "E0302", "RMSEWithUncertainty"),
        (changed(OBLIVIOUS, model_info=several), "E0302", "one model per target"),
        (changed(OBLIVIOUS, oblivious_trees=[]), "E0302", "iterations"),
        (changed(OBLIVIOUS, scale_and_bias=[1, [0, 0]]), "E0104", "class_names"),
        (changed(GROWN, scale_and_bias=["1", [0]]), "E0104", "scale_and_bias"),
        (changed(GROWN, trees=[inner(7, 1.0, 0, 1)]), "E0104", "feature 7"),
        (b"CBM1 and so on", "E0102", 'format="json"'),
    ):
        found = code_of(data)
        assert found[0] == code, found
        assert said in found[1]
    path = tmp_path / "model.json"
    path.write_text(json.dumps(GROWN))
    said = without("catboost", monkeypatch, path)
    assert "E0606" in said
    assert "pip install catboost" in said


@pytest.mark.parametrize("model", [OBLIVIOUS, GROWN])
def test_damaged_files_are_refused_or_answered(model: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    read_ = [answers(json.dumps(mutated(model, rng)).encode()) for _ in range(60)]
    assert 5 < sum(read_) < 55


@pytest.mark.parametrize("seed", range(12))
def test_random_models_answer_as_catboost_does(seed: int) -> None:
    catboost = pytest.importorskip("catboost", reason="CatBoost is too large for every CI run: pip install catboost")
    rng = np.random.default_rng(seed)
    x, y = DATA[seed % len(DATA)](return_X_y=True)
    x = x.astype(np.float32)
    x[rng.random(x.shape) < rng.choice([0, 0.1])] = np.nan
    options = {
        "iterations": int(rng.integers(1, 8)),
        "depth": int(rng.integers(1, 6)),
        "nan_mode": str(rng.choice(["Min", "Max"])),
        "grow_policy": str(rng.choice(["SymmetricTree", "Depthwise", "Lossguide"])),
        "verbose": 0,
        "allow_writing_files": False,
    }
    if seed % 3 == 0:
        model = catboost.CatBoostRegressor(loss_function=str(rng.choice(["RMSE", "Poisson"])), **options).fit(
            x, y + 0.5
        )
    elif seed % 3 == 1:
        model = catboost.CatBoostClassifier(**options).fit(x, np.array(["a", "b"])[np.minimum(y, 1)])
    else:
        loss = str(rng.choice(["MultiClass", "MultiClassOneVsAll"]))
        model = catboost.CatBoostClassifier(loss_function=loss, **options).fit(x, y % 3)
    boosted = catboost_trees.read(model, Loc())
    rows = np.r_[rows_at(boosted.ensemble(Loc()), rng), x]
    for output in boosted.objective.outputs:
        compiled = mcugen.compile(model, board="host", output=output, data=rows)
        assert (compiled.proof.wrong, compiled.proof.refused) == (0, 0)
        if output == "value":
            np.testing.assert_allclose(compiled.predict(rows), model.predict(rows), rtol=1e-5, atol=1e-6)
        elif output == "proba":
            np.testing.assert_allclose(compiled.predict_proba(rows), model.predict_proba(rows), atol=1e-5)
    with pytest.raises(mcugen.diagnostics.McugenError, match="E0106"):
        read(catboost.CatBoostRegressor())
    assert {"CatBoost", "CatBoostRanker"} <= set(catboost_trees.SUPPORTED)


def test_several_classes_behind_a_scaler() -> None:
    """Its `predict` gives a column where there are more than two."""
    catboost = pytest.importorskip("catboost", reason="CatBoost is too large for every CI run: pip install catboost")
    x, y = load_iris(return_X_y=True)
    inner = catboost.CatBoostClassifier(iterations=3, depth=2, verbose=0, allow_writing_files=False)
    model = make_pipeline(StandardScaler(), inner).fit(x, y)
    compiled = mcugen.compile(model, board="host", data=x)
    np.testing.assert_array_equal(compiled.predict(x), model.predict(x.astype(np.float32).astype(np.float64)).ravel())
