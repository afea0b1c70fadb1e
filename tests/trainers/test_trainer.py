"""mcugen.trainer: scikit-learn's answers, scikit-learn's shapes, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

import mcugen
from mcugen import McugenError


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer, load_digits])
@pytest.mark.parametrize(("rule", "c"), [("pa", 1e30), ("pa1", 0.1), ("pa2", 0.1), ("pa2", 5.0)])
def test_one_pass_is_scikit_learns(load: Any, rule: str, c: float) -> None:
    """Weights within 1e-5 of SGDClassifier's with learning_rate pa1 or pa2, where steps are as small as rows are large."""
    x, y = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = StandardScaler().fit_transform(x)[order].astype(np.float32), y[order]
    classes = int(y.max()) + 1
    trainer = mcugen.trainer("train++", n_features=x.shape[1], classes=classes, scaler="none", C=c, rule=rule)
    trainer.partial_fit(x, y)
    rate = "pa1" if rule == "pa" else rule
    for row, one in enumerate([1] if classes == 2 else range(classes)):
        model = SGDClassifier(
            loss="hinge", penalty=None, learning_rate=rate, eta0=c, max_iter=1, shuffle=False, tol=None
        )
        model.fit(x.astype(np.float64), y == one)
        size = max(1.0, np.abs(model.coef_).max())
        np.testing.assert_allclose(trainer.coef_[row], model.coef_[0], atol=1e-5 * size)
        np.testing.assert_allclose(trainer.intercept_[row], model.intercept_[0], atol=1e-5 * size)


def test_what_learn_returns_is_what_predict_said() -> None:
    x, y = load_digits(return_X_y=True)
    trainer = mcugen.trainer("opt-ovo", n_features=64, classes=10, numeric="int16", input="uint8")
    for at in range(0, 300, 7):
        before = trainer.predict(x[at : at + 7])
        assert trainer.learn(x[at : at + 1], y[at : at + 1])[0] == before[0]
    assert trainer.score(x[:300], y[:300]) > 0.5
    trainer.reset()
    assert not trainer.host.values["weights"].any()


def test_labels_are_the_users() -> None:
    x, y = load_iris(return_X_y=True)
    names = np.array(["a", "b", "c"])[y]
    trainer = mcugen.trainer(n_features=4, classes=["a", "b", "c"]).partial_fit(x, names)
    assert set(trainer.predict(x)) <= {"a", "b", "c"}
    assert trainer.score(x, names) > 0.6
    assert trainer.classes_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    "asked",
    [
        {"n_features": 0},
        {"n_features": 2.5},
        {"n_features": 10_001},
        {"classes": 1},
        {"classes": 255},
        {"classes": "ab"},
        {"classes": ["x", "x"]},
        {"classes": 10**9},
        {"classes": [[1, 2], [3, 4]]},
        {"learner": "trainpp"},
        {"numeric": "int4"},
        {"scaler": "minmax"},
        {"input": "float64"},
        {"watch": "me"},
        {"C": 0},
        {"C": -1.0},
        {"C": float("nan")},
        {"C": True},
        {"C": 10**400},
        {"C": "much"},
        {"rule": "pa3"},
        {"decoder": "vote"},
        {"learner": "opt-ovo", "decoder": "shout"},
        {"learner": "opt-ovo", "classes": 4, "pairs": ((0, 1),)},
        {"learner": "opt-ovo", "classes": 3, "pairs": ((1, 0), (1, 2))},
        {"learner": "opt-ovo", "classes": 3, "pairs": [[0, 1], [1, 2]]},
        {"learner": "opt-ovo", "classes": 3, "pairs": ((0, "b"),)},
        {"learner": "arow", "r": 1e300},
        {"learner": "opt-sgd", "eta": 1e300},
        {"learner": "opt-sgd", "momentum": 1},
        {"scaler": "frozen"},
        {"pending": -1},
        {"samples": 10**6},
        {"samples": 3, "policy": "lru"},
        {"replays": 0},
        {"seed": 0},
        {"scaler": "none", "numeric": "int16", "input": "uint8"},
    ],
)
def test_options_that_cannot_be(asked: dict[str, Any]) -> None:
    with pytest.raises(McugenError) as caught:
        mcugen.trainer(**{"n_features": 4, **asked})
    found = caught.value.diagnostics[0]
    assert found.code == "E0112"
    assert found.help


def test_numbers_of_numpy_are_numbers() -> None:
    trainer = mcugen.trainer(n_features=np.int64(4), C=np.float32(0.5), averaged=np.bool_(True))
    assert trainer.wanted.learner == mcugen.trainer(n_features=4, C=0.5, averaged=True).wanted.learner


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"name": "int"}, "E0111"),
        ({"name": "../x"}, "E0111"),
        ({"classes": ["a", 1]}, "E0302"),
        ({"classes": [None, 1]}, "E0302"),
    ],
)
def test_names_and_labels_that_c_cannot_have(asked: dict[str, Any], code: str) -> None:
    with pytest.raises(McugenError) as caught:
        mcugen.trainer(n_features=4, **asked)
    assert caught.value.diagnostics[0].code == code


def test_nothing_is_learnt_of_rows_of_which_one_cannot_be() -> None:
    trainer = mcugen.trainer(n_features=2, classes=["a", "b"])
    before = trainer.state
    for x, y in (
        ([[1, 2], [3, np.nan], [5, 6]], ["a", "b", "a"]),
        ([[1, 2], [3, 4]], ["a", None]),
        ([[1, 2], [3, 4]], ["a", ["b"]]),
    ):
        with pytest.raises(McugenError) as caught:
            trainer.learn(x, y)
        assert caught.value.diagnostics[0].code == "E0110"
        assert trainer.state == before
    for y in (["a"], ["a", "b", "a"], [], None):
        with pytest.raises(McugenError) as caught:
            trainer.score([[1, 2], [3, 4]], y)
        assert caught.value.diagnostics[0].code == "E0110"


@pytest.mark.parametrize("policy", ["cbrs", "ring"])
def test_a_state_that_cannot_be_is_refused(policy: str) -> None:
    """The memory of a damaged one would be read and written beyond its end, and `ring` would look for its oldest sample for ever."""
    trainer = mcugen.trainer(n_features=2, samples=4, policy=policy, numeric="int16", input="int8")
    trainer.partial_fit(np.arange(18).reshape(9, 2), [0, 1, 0, 0, 1, 0, 1, 0, 1])
    whole = trainer.state
    trainer.state = whole
    slots = trainer.memory.places["slots"].offset
    for state in (
        b"",
        whole[:-1],
        whole[:slots] + bytes([9]) + whole[slots + 1 :],
        bytes(len(whole)),
        bytes([255]) * len(whole),
    ):
        with pytest.raises(McugenError) as caught:
            trainer.state = state
        assert caught.value.diagnostics[0].code == "E0110"
    assert trainer.state == whole
    floats = mcugen.trainer(n_features=2)
    with pytest.raises(McugenError, match="damaged"):
        floats.state = np.full(len(floats.state) // 4, np.nan, np.float32).tobytes()


def test_rows_that_cannot_be() -> None:
    trainer = mcugen.trainer(n_features=2)
    before = trainer.state
    for x, y in (
        ([[1, np.nan]], [0]),
        ([[1, np.inf]], [0]),
        ([[1, 2e15]], [0]),
        ([[1, 2, 3]], [0]),
        ([1, 2], [0]),
        ([[1, 2]], [2]),
        ([[1, 2]], [-1]),
        ([[1, 2]], [0, 1]),
        ([["a", "b"]], [0]),
    ):
        with pytest.raises(McugenError) as caught:
            trainer.partial_fit(x, y)
        assert caught.value.diagnostics[0].code == "E0110"
    assert trainer.state == before
    whole = mcugen.trainer(n_features=2, input="uint8", numeric="int16")
    for x in ([[1.5, 2]], [[-1, 2]], [[256, 2]], [[np.nan, 2]]):
        with pytest.raises(McugenError) as caught:
            whole.predict(x)
        assert caught.value.diagnostics[0].code == "E0110"


def test_extremes_stay_finite() -> None:
    rng = np.random.default_rng(1)
    for asked in ({"C": 1e-6}, {"C": 1e30}, {"rule": "pa", "scaler": "none"}):
        for numeric in ("float32", "int16", "int8"):
            trainer = mcugen.trainer(n_features=1, numeric=numeric, **asked)
            rows = np.where(rng.random((300, 1)) < 0.5, 1e15, rng.normal(size=(300, 1)) * 1e-12).astype(np.float32)
            trainer.partial_fit(rows, rng.integers(0, 2, 300))
            assert all(np.isfinite(value.astype(float)).all() for value in trainer.host.values.values())
    wide = mcugen.trainer("multiclass-pa", n_features=2000, classes=3, numeric="int16", input="int8", C=1e3)
    wide.partial_fit(rng.integers(-128, 128, (60, 2000)), rng.integers(0, 3, 60))
    constant = mcugen.trainer(n_features=3).partial_fit(np.full((50, 3), 7.0), np.tile([0, 1], 25))
    assert np.isfinite(constant.coef_).all()


def test_a_board_that_is_too_small_says_what_would_do() -> None:
    with pytest.raises(McugenError) as caught:
        mcugen.trainer("opt-ovo", n_features=64, classes=10, numeric="int16", input="uint8", board="uno")
    (found,) = caught.value.diagnostics
    assert (found.code, caught.value.exit_code) == ("E0501", 3)
    assert "`multiclass-pa --numeric int8`" in found.help
    assert "of its 45 pairs" in found.help
    with pytest.raises(McugenError) as caught:  # rows of floats are too much for anything
        mcugen.trainer("opt-ovo", n_features=64, classes=10, board="uno")
    assert "`multiclass-pa --numeric int8 --input int8`" in caught.value.diagnostics[0].help
    assert "`multiclass-pa --numeric int16 --input int8 --scaler none`" in caught.value.diagnostics[0].help
    mcugen.trainer("multiclass-pa", n_features=64, classes=10, numeric="int8", input="uint8", board="uno")
    mcugen.trainer(
        "multiclass-pa", n_features=64, classes=10, numeric="int16", input="int8", scaler="none", board="uno"
    )


def test_the_c_is_proven_against_its_meaning_and_a_fault_is_found() -> None:
    trainer = mcugen.trainer(n_features=5, classes=3, numeric="int16", samples=4)
    x, y = load_iris(return_X_y=True)
    before = trainer.partial_fit(np.c_[x, x[:, 0]], y).state
    assert trainer.prove() == 40
    assert trainer.state == before
    vars(trainer)["files"] = {path: text.replace("+ 128) >> 8", "+ 96) >> 8") for path, text in trainer.files.items()}
    del vars(trainer)["host"]
    with pytest.raises(McugenError, match="after 40 rows"):
        trainer.prove()
