"""XGBoost's and LightGBM's models: their own answers at, just below and just above every threshold and where values are missing; files."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from click.testing import CliRunner
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mcugen
from mcugen.cli import cli
from mcugen.diagnostics import Loc, McugenError
from mcugen.frontends import read
from mcugen.frontends.sklearn import head_of
from mcugen.ir import Array
from mcugen.ops.tree_ensemble.trees import Trees

DATA = {"iris": load_iris, "wine": load_wine, "breast_cancer": load_breast_cancer}
XGB_NUMBERS = ("reg:squarederror", "count:poisson", "reg:logistic", "reg:gamma", "reg:tweedie", "reg:absoluteerror")
LGB_NUMBERS = ("regression", "poisson", "gamma", "cross_entropy", "huber")


def rows_at(trees: Trees, rng: np.random.Generator, count: int = 400) -> Array:
    """Rows of thresholds, their neighbours, zeros and nearly, categories, parts of them, and nothing."""
    rows = np.zeros((count, trees.n_features), np.float32)
    for f in range(trees.n_features):
        some = np.concatenate([trees.threshold[trees.feature == f], [0, 1e-36, -1e-36, -0.5, 0.5, 2, 7, -1, -2, 1e7]])
        at = some[np.isfinite(some)].astype(np.float32)
        near = [np.nextafter(at, np.float32(end)) for end in (-np.inf, np.inf)]
        rows[:, f] = rng.choice(np.concatenate([at, *near, np.full(len(at) // 2, np.nan)]), count)
    return rows


def stream(seed: int) -> tuple[Array, Array, list[int], np.random.Generator]:
    """Rows, some with missing values, some with zeros, one column of categories or none."""
    rng = np.random.default_rng(seed)
    x, y = DATA[list(DATA)[seed % 3]](return_X_y=True)
    x = x.astype(np.float32)
    for part, value in ((0.1, np.nan), (0.3, 0.0)):
        if rng.random() < 0.5:
            x[rng.random(x.shape) < part] = value
    chosen = [int(rng.integers(x.shape[1]))] if rng.random() < 0.5 else []
    for j in chosen:
        x[:, j] = np.floor(np.nan_to_num(x[:, j]) * 3) % 13
    return x, y, chosen, rng


def of_xgboost(seed: int) -> tuple[Any, np.random.Generator]:
    x, y, categories, rng = stream(seed)
    kinds = ["c" if j in categories else "q" for j in range(x.shape[1])]
    options: dict[str, Any] = {
        "n_estimators": int(rng.integers(1, 8)),
        "max_depth": int(rng.integers(1, 5)),
        "gamma": float(rng.choice([0, 0.5])),
        "num_parallel_tree": int(rng.integers(1, 3)),
        "enable_categorical": True,
        "feature_types": kinds,
        "max_cat_to_onehot": 2,
    }
    if rng.random() < 0.3:
        options |= {"booster": "dart", "rate_drop": 0.3}
    if rng.random() < 0.5:
        objective = str(rng.choice(XGB_NUMBERS))
        return xgboost.XGBRegressor(objective=objective, **options).fit(x, (y + 0.5) / 4), rng
    if rng.random() < 0.2:
        return xgboost.XGBClassifier(objective="binary:hinge", **options).fit(x, np.minimum(y, 1)), rng
    return xgboost.XGBClassifier(**options).fit(x, y), rng


def of_lightgbm(seed: int) -> tuple[Any, np.random.Generator]:
    x, y, categories, rng = stream(seed)
    options: dict[str, Any] = {
        "n_estimators": int(rng.integers(1, 8)),
        "max_depth": int(rng.integers(1, 5)),
        "min_child_samples": 3,
        "zero_as_missing": bool(rng.random() < 0.4),
        "use_missing": bool(rng.random() < 0.7),
        "min_data_per_group": 1,
        "cat_smooth": 1,
        "cat_l2": 0,
        "max_cat_to_onehot": int(rng.integers(1, 5)),
        "verbose": -1,
    }
    if rng.random() < 0.2:
        options |= {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}
    given = {"categorical_feature": categories or "auto"}
    if rng.random() < 0.5:
        objective = str(rng.choice(LGB_NUMBERS))
        return lightgbm.LGBMRegressor(objective=objective, **options).fit(x, (y + 0.5) / 4, **given), rng
    if rng.random() < 0.2 and y.max() > 1:
        options |= {"objective": "multiclassova"}
    return lightgbm.LGBMClassifier(**options).fit(x, np.array(list("abc"))[y], **given), rng


def check_answers(model: Any, rng: np.random.Generator) -> None:
    """What the op says on hard rows beside what the library's own estimator does."""
    for output in head_of(model, Loc()).outputs:
        source = read(model, output=output)
        op = source.module.predict.nodes[0].op
        rows = rows_at(op.trees, rng)
        scores, combine = op.scores(rows), op.trees.combine
        sure = ~source.reference.near_ties(rows)
        if output == "label":
            assert (model.classes_[combine.classes(scores)] == model.predict(rows))[sure].all()
        elif output == "proba":
            np.testing.assert_allclose(combine.probabilities(scores), model.predict_proba(rows), atol=1e-5)
        elif output == "value":
            link = source.module.predict.nodes[1:]
            found = 1 / (1 + np.exp(-scores[:, 0])) if link else combine.values(scores)
            np.testing.assert_allclose(found, model.predict(rows), rtol=1e-5, atol=1e-6)
        else:
            expected = source.reference.numbers("decision", rows)
            np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("fitted", [of_xgboost, of_lightgbm])
def test_hard_rows_are_answered_as_the_library_does(fitted: Any, seed: int) -> None:
    check_answers(*fitted(seed))


def test_a_compile_is_proven_by_the_library() -> None:
    """Behind a scaler, with numbers that are probabilities, with labels that are texts."""
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    for model in (
        make_pipeline(StandardScaler(), xgboost.XGBClassifier(n_estimators=5)).fit(x, y),
        make_pipeline(StandardScaler(), lightgbm.LGBMClassifier(n_estimators=5, verbose=-1)).fit(x, names),
        xgboost.XGBRegressor(objective="reg:logistic", n_estimators=5).fit(x, y / 2),
    ):
        compiled = mcugen.compile(model, board="uno", data=x, check_fit=False)
        assert compiled.proof.wrong == 0
        assert compiled.proof.rows > 140


def test_boosters_rankers_and_random_forests() -> None:
    x, y = load_iris(return_X_y=True)
    groups = np.repeat(np.arange(15), 10)
    models: tuple[Any, ...] = (
        xgboost.XGBRFClassifier(n_estimators=5).fit(x, y),
        xgboost.XGBRFRegressor(n_estimators=5).fit(x, y),
        xgboost.XGBRanker(n_estimators=3).fit(x, y, qid=groups),
        lightgbm.LGBMRanker(n_estimators=3, verbose=-1).fit(x, y, group=[10] * 15),
        xgboost.train({"objective": "multi:softprob", "num_class": 3}, xgboost.DMatrix(x, y), 3),
        lightgbm.train({"objective": "regression", "verbose": -1}, lightgbm.Dataset(x, y), 3),
    )
    assert {type(model).__name__ for model in models} >= {"Booster", "XGBRanker", "LGBMRanker"}
    for model in models:
        compiled = mcugen.compile(model, board="mega2560", data=x)
        assert (compiled.proof.wrong, compiled.proof.rows + compiled.proof.near_ties) == (0, 150)


@pytest.mark.parametrize("output", ["label", "decision"])
def test_raw_logits_are_cut_where_the_wrapper_cuts_them(output: str) -> None:
    """XGBClassifier takes a margin for a probability: above 0.5 it is the second class."""
    x, y = load_breast_cancer(return_X_y=True)
    model = xgboost.XGBClassifier(objective="binary:logitraw", n_estimators=3, max_depth=3).fit(x, y)
    margins = model.predict(x, output_margin=True)
    assert ((margins > 0) & (margins < 0.5)).any()
    for one in (model, model.get_booster(), make_pipeline("passthrough", model)):
        compiled = mcugen.compile(one, board="host", output=output, data=x)
        assert (compiled.proof.wrong, compiled.proof.rows) == (0, len(x))
        assert (compiled.predict(x) == model.predict(x)).all()
    if output == "decision":
        compiled = mcugen.compile(model, board="host", output=output, data=x)
        np.testing.assert_allclose(compiled.decision_function(x).ravel(), margins, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_softmax_has_probabilities_though_the_booster_predicts_indices(classes: int) -> None:
    x, y = load_iris(return_X_y=True)
    y = np.minimum(y, classes - 1)
    booster = xgboost.train({"objective": "multi:softmax", "num_class": classes}, xgboost.DMatrix(x, y), 3)
    likely = xgboost.train({"objective": "multi:softprob", "num_class": classes}, xgboost.DMatrix(x, y), 3)
    compiled = mcugen.compile(booster, board="host", output="proba", data=x)
    assert (compiled.proof.wrong, compiled.proof.rows + compiled.proof.near_ties) == (0, 150)
    np.testing.assert_allclose(compiled.predict_proba(x), likely.predict(xgboost.DMatrix(x)), atol=1e-6)
    if classes > 2:
        wrapper = xgboost.XGBClassifier(objective="multi:softmax", n_estimators=3).fit(x, y)
        found = read(wrapper, output="proba").reference.numbers("proba", x)
        np.testing.assert_allclose(found, wrapper.predict_proba(x), atol=1e-6)


@pytest.mark.parametrize("board", ["uno", "nano33ble"])
def test_bytes_as_features(board: str) -> None:
    x, y = load_iris(return_X_y=True)
    rows = np.round(x * 10).astype(np.uint8)
    for model in (xgboost.XGBClassifier(n_estimators=5), lightgbm.LGBMClassifier(n_estimators=5, verbose=-1)):
        compiled = mcugen.compile(model.fit(rows, y), board=board, input="uint8", data=rows)
        assert (compiled.proof.wrong, compiled.proof.rows) == (0, 150)


# ---- files ----------------------------------------------------------------------------------------------------------


def test_files_say_the_same(tmp_path: Path) -> None:
    x, y = load_iris(return_X_y=True)
    options: dict[str, Any] = {"n_estimators": 40, "early_stopping_rounds": 2, "learning_rate": 0.9}
    best = xgboost.XGBClassifier(**options).fit(x[::2], y[::2], eval_set=[(x[1::2], y[1::2])], verbose=False)
    assert best.best_iteration < best.get_booster().num_boosted_rounds() - 1
    light = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(x, y)
    best.save_model(tmp_path / "wrapper.json")
    best.get_booster().set_attr(scikit_learn=None)
    best.get_booster().save_model(tmp_path / "booster.json")
    light.booster_.save_model(tmp_path / "light.txt")
    expected = {
        "wrapper.json": best.get_booster().predict(xgboost.DMatrix(x), iteration_range=(0, best.best_iteration + 1)),
        "booster.json": best.get_booster().predict(xgboost.DMatrix(x)),
        "light.txt": light.predict_proba(x),
    }
    for name, wanted in expected.items():
        compiled = mcugen.compile(tmp_path / name, board="mega2560", output="proba", data=x)
        assert compiled.proof.wrong == 0
        source = read(tmp_path / name, output="proba")
        np.testing.assert_allclose(source.reference.numbers("proba", x), wanted, atol=1e-6)
    windows = (tmp_path / "light.txt").read_bytes().replace(b"\n", b"\r\n")
    assert str(read(windows).module) == str(read((tmp_path / "light.txt").read_bytes()).module)


def code_of(model: Any) -> tuple[str, str]:
    with pytest.raises(McugenError) as caught:
        read(model)
    assert all(d.help for d in caught.value.diagnostics)
    return caught.value.diagnostics[0].code, str(caught.value)


def test_what_is_refused(tmp_path: Path) -> None:
    x, y = load_iris(return_X_y=True)
    assert code_of(xgboost.XGBClassifier())[0] == code_of(lightgbm.LGBMClassifier())[0] == "E0106"
    linear = xgboost.XGBRegressor(booster="gblinear", n_estimators=2).fit(x, y)
    assert code_of(linear)[0] == "E0302"
    assert code_of(xgboost.XGBRegressor(missing=0.0, n_estimators=2).fit(x, y))[0] == "E0302"
    assert code_of(xgboost.XGBRegressor(n_estimators=2).fit(x, np.stack([y, y], axis=1)))[0] == "E0302"
    assert code_of(lightgbm.LGBMRegressor(linear_tree=True, n_estimators=2, verbose=-1).fit(x, y * 1.0))[0] == "E0302"
    code, text = code_of(lightgbm.LGBMRegressor(objective="mse", reg_sqrt=True, n_estimators=2, verbose=-1).fit(x, y))
    assert (code, "sqrt" in text) == ("E0302", True)
    xgboost.XGBRegressor(n_estimators=2).fit(x, y).save_model(tmp_path / "m.ubj")
    assert 'save_model("model.json")' in code_of(tmp_path / "m.ubj")[1]
    assert code_of(b'{"a": 1}')[0] == "E0102"
    assert code_of(b'{"a": ')[0] == "E0104"
    assert code_of(b"tree\nnothing")[0] == "E0104"
    with pytest.raises(McugenError, match=r"E0304.*this XGBoost model has no output 'proba'"):
        read(xgboost.XGBRegressor(n_estimators=2).fit(x, y), output="proba")


def test_predictions_that_stop_early_are_refused() -> None:
    """Where they do: LightGBM asks all trees of a regressor whatever it is told."""
    x, y = load_breast_cancer(return_X_y=True)
    early: dict[str, Any] = {"pred_early_stop": True, "n_estimators": 2, "verbose": -1}
    model = lightgbm.LGBMClassifier(**early).fit(x, y)
    for one in (model, make_pipeline("passthrough", model), lightgbm.LGBMRanker(**early).fit(x, y, group=[len(x)])):
        code, text = code_of(one)
        assert code == "E0302"
        assert "`model.set_params(pred_early_stop=False)`" in text
    assert read(model.set_params(pred_early_stop=False))
    assert read(lightgbm.LGBMRegressor(**early).fit(x, y))


def test_messages_of_what_was_not_fitted_or_has_nothing_to_tell() -> None:
    x, y = load_iris(return_X_y=True)
    code, text = code_of(xgboost.Booster())
    assert (code, "xgboost.train" in text) == ("E0106", True)
    code, text = code_of(lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(x, y > 9))
    assert (code, "two classes or more" in text) == ("E0302", True)
    options = {"objective": "multi:softprob", "num_class": 3, "multi_strategy": "multi_output_tree"}
    code, text = code_of(xgboost.train(options, xgboost.DMatrix(x, y), 2))
    assert (code, "multi_strategy='one_output_per_tree'" in text) == ("E0302", True)


def test_lightgbm_is_given_nothing_that_ends_its_process(tmp_path: Path) -> None:
    """Texts that LightGBM itself aborts at: refused, or asked about what was checked alone."""
    x, y = load_iris(return_X_y=True)
    text = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(x, y).booster_.model_to_string()
    sizes = next(line for line in text.split("\n") if line.startswith("tree_sizes="))
    for old, new in (
        ("Tree=0\n", "Tree=\n"),
        ("Tree=0\n", "Tree=0 7\n"),
        ("Tree=1\n", "Tree=7\n"),
        (sizes, sizes + " 7"),
        (sizes, "tree_sizes="),
        ("num_class=3\n", "num_class=\n"),
        ("num_class=3\n", "num_class=4\n"),
    ):
        assert text.count(old)
        code, said = code_of(text.replace(old, new, 1).encode())
        assert code == "E0104"
        assert old.partition("=")[0] in said
    odd = text.replace(sizes, sizes.replace("=", "=9")).replace("feature_infos=", "feature_infos=x").encode()
    source = read(odd, output="proba")
    own = lightgbm.Booster(model_str=text).predict(x)
    np.testing.assert_array_equal(source.reference.numbers("proba", x), own)


def without(module: str, monkeypatch: pytest.MonkeyPatch, model: Any) -> str:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(McugenError) as caught:
        mcugen.compile(model, board="uno", check_fit=False)
    monkeypatch.undo()
    return str(caught.value)


def test_without_the_library_there_is_nobody_to_ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    x, y = load_iris(return_X_y=True)
    xgboost.XGBRegressor(n_estimators=2).fit(x, y).save_model(tmp_path / "x.json")
    lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(x, y).booster_.save_model(tmp_path / "l.txt")
    for module, name in (("xgboost", "x.json"), ("lightgbm", "l.txt")):
        said = without(module, monkeypatch, tmp_path / name)
        assert "E0606" in said
        assert "pip install" in said


def mutated(content: Any, rng: np.random.Generator) -> Any:
    """The JSON with something in it changed."""
    changed = copy.deepcopy(content)
    place, steps = changed, 0
    while True:
        key = rng.choice(list(place)) if isinstance(place, dict) else int(rng.integers(len(place)))
        inner, steps = place[key], steps + 1
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.05:
            odd: list[Any] = [None, -1, 2**40, "x", [], {}, 1e300, -0.5, 0, "1E40", True]
            place[key] = odd[int(rng.integers(len(odd)))]
            return changed
        place = inner


def answers(data: bytes) -> bool:
    """Whether a damaged file is read, and then answered by its arrays."""
    try:
        source = read(data)
    except McugenError:
        return False
    op: Any = source.module.predict.nodes[0].op
    op.scores(np.zeros((2, op.trees.n_features), np.float32))
    return True


def test_damaged_files_are_refused_or_answered() -> None:
    x, y, _, _ = stream(4)
    rng = np.random.default_rng(0)
    model = xgboost.XGBClassifier(n_estimators=2, max_depth=3).fit(x, y)
    content = json.loads(model.get_booster().save_raw("json"))
    read_ = [answers(json.dumps(mutated(content, rng)).encode()) for _ in range(100)]
    assert 5 < sum(read_) < 95
    text = lightgbm.LGBMClassifier(n_estimators=2, max_depth=3, verbose=-1).fit(x, y).booster_.model_to_string()
    found = []
    for _ in range(100):
        words = text.split(" ")
        words[int(rng.integers(len(words)))] = str(rng.choice(["-1", "99999999", "nan", "x", "", "1e300", "inf"]))
        found.append(answers(" ".join(words).encode()))
    assert 5 < sum(found) < 95


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = load_iris(return_X_y=True)
    monkeypatch.chdir(tmp_path)
    xgboost.XGBClassifier(n_estimators=3).fit(x, y).save_model("iris.json")
    done = CliRunner().invoke(cli, ["compile", "iris.json", "--board", "uno", "-o", "out"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "src" / "iris.h").is_file()
