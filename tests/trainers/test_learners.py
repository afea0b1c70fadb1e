"""Learners besides passive-aggressive ones, means of weights, and options that cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mcugen
from mcugen import McugenError
from mcugen.cli import cli

ASKED: list[dict[str, Any]] = [
    {"learner": "arow"},
    {"learner": "opt-sgd"},
    {"learner": "opt-sgd", "momentum": 0.9, "batch": 8, "l2": 1e-4, "averaged": False},
    {"learner": "train++", "averaged": True, "numeric": "int16"},
]


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_one_pass_over_breast_cancer(asked: dict[str, Any]) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    x, held, y, wanted = train_test_split(x.astype(np.float32), y, test_size=0.3, stratify=y, random_state=0)
    trainer = mcugen.trainer(n_features=30, classes=2, **asked).partial_fit(x, y)
    assert trainer.score(held, wanted) > 0.91
    assert trainer.prove() > 0


def test_the_mean_of_weights_predicts() -> None:
    x, y = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32), np.arange(50) % 2
    plain, mean = (mcugen.trainer(n_features=3, averaged=on, scaler="none", C=1) for on in (False, True))
    passed = []
    for row in range(50):
        plain.partial_fit(x[row : row + 1], y[row : row + 1])
        passed.append(plain.host.values["weights"].copy())
    mean.partial_fit(x, y)
    np.testing.assert_array_equal(mean.host.values["weights"], plain.host.values["weights"])
    np.testing.assert_allclose(mean.host.values["mean_weights"], np.mean(passed, axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(mean.predict(x), mean.to_sklearn().predict(x))
    assert (mean.predict(x) != plain.predict(x)).any()


@pytest.mark.parametrize(
    "asked", [{"learner": "opt-sgd"}, {"learner": "train++", "averaged": True, "numeric": "int16"}]
)
def test_the_mean_begins_where_scikit_learn_ended(asked: dict[str, Any]) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), SGDClassifier(random_state=0)).fit(x, y)
    trainer = mcugen.trainer(start=model, **asked)
    assert np.mean(trainer.predict(x) == model.predict(x)) > 0.99


@pytest.mark.parametrize(
    ("asked", "numeric"),
    [
        ("arow --r 2", "float32"),
        ("opt-sgd --eta 0.2 --l2 0.01 --momentum 0.5 --batch 4", "float32"),
        ("opt-ovo --decoder ddag --classes 3 --averaged", "int16"),
        ("opt-ovo --classes 3 --droppable", "int16"),
        ("opt-ovo --base sgd --classes 3 --eta 0.2 --l2 0.01 --momentum 0.5 --batch 4", "float32"),
    ],
)
def test_the_command_line(asked: str, numeric: str, tmp_path: Path) -> None:
    words = [
        "trainer",
        *asked.split(),
        "--features",
        "3",
        "--board",
        "mega2560",
        "--json",
        "-o",
        str(tmp_path / "made"),
    ]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["learner"], found["numeric"], found["proven"]) == (asked.split()[0], numeric, True)


@pytest.mark.parametrize(
    "asked",
    [
        {"learner": "arow", "numeric": "int16"},
        {"learner": "opt-sgd", "numeric": "int8"},
        {"learner": "train++", "numeric": "int8", "averaged": True},
        {"learner": "train++", "averaged": "no"},
        {"learner": "arow", "r": 0},
        {"learner": "arow", "C": 1},
        {"learner": "opt-sgd", "eta": -1},
        {"learner": "opt-sgd", "eta": float("nan")},
        {"learner": "opt-sgd", "l2": "much"},
        {"learner": "opt-sgd", "l2": 100},
        {"learner": "opt-sgd", "momentum": 1},
        {"learner": "opt-sgd", "batch": 0},
        {"learner": "opt-sgd", "batch": 2.5},
        {"learner": "opt-ovo", "base": "sgd", "numeric": "int16"},
        {"learner": "opt-ovo", "base": "sgd", "C": 0.1},
        {"learner": "opt-ovo", "base": "sgd", "rule": "pa"},
        {"learner": "opt-ovo", "base": "sgd", "eta": 0},
        {"learner": "opt-ovo", "base": "sdg"},
        {"learner": "opt-ovo", "base": ["sgd"]},
        {"learner": "opt-ovo", "eta": 0.2},
        {"learner": "opt-ovo", "batch": np.array([2, 3])},
        {"learner": "opt-ovo", "C": 0},
        {"learner": "train++", "base": "sgd"},
        {"learner": "opt-ovo", "droppable": True, "decoder": "soft"},
        {"learner": "opt-ovo", "droppable": "yes"},
        {"learner": "multiclass-pa", "droppable": True},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(McugenError) as caught:
        mcugen.trainer(n_features=3, **asked)
    (found,) = caught.value.diagnostics
    assert found.code == "E0112"
    assert found.help
