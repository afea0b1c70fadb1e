"""Opt-OVO: its decoders, the pairs that are left out, and what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest

import mcugen
from mcugen import McugenError, Trainer
from mcugen.interface import learning_of
from mcugen.ir import Array
from mcugen.trainers.opt_ovo import OptOVO
from mcugen.trainers.pairs import Tables, bayes

PAIRS = ((0, 1), (0, 2), (2, 3), (1, 3))
EVERY = [*combinations(range(4), 2)]


@cache
def data() -> tuple[Array, Array]:
    """Four classes on a line: pairs of neighbours tell everything."""
    rng = np.random.default_rng(1)
    classes = rng.integers(0, 4, 200)
    return rng.normal(size=(200, 3)) + np.array([5.0, 2, 0]) * classes[:, None], np.array(["a", "b", "c", "d"])[classes]


@cache
def fitted(**options: Any) -> Trainer:
    trainer = mcugen.trainer("opt-ovo", n_features=3, classes=["a", "b", "c", "d"], **options)
    for _ in range(3):
        trainer.partial_fit(*data())
    return trainer


def opt_ovo(trainer: Trainer) -> OptOVO:
    assert isinstance(trainer.wanted.learner, OptOVO)
    return trainer.wanted.learner


@pytest.mark.parametrize(("how", "numeric"), [("greedy", "int8"), ("nearest", "float32")])
def test_a_pruned_trainer_has_what_its_pairs_have_learnt(how: str, numeric: str) -> None:
    trainer = fitted(numeric=numeric)
    before = trainer.state
    pruned = trainer.pruned(*data(), 4, how)
    pairs = opt_ovo(pruned).pairs
    assert len(pairs) == 4
    assert {one for pair in pairs for one in pair} == {0, 1, 2, 3}
    if how == "nearest":
        assert {(0, 1), (1, 2), (2, 3)} < {*pairs}
    rows = [EVERY.index(pair) for pair in pairs]
    for name in ("weights", "bias"):
        np.testing.assert_array_equal(pruned.host.values[name], trainer.host.values[name][rows])
    for name in ("mean", "variance", "count"):
        np.testing.assert_array_equal(pruned.host.values[name], trainer.host.values[name])
    assert pruned.score(*data()) > trainer.score(*data()) - 0.05
    assert trainer.state == before
    pruned.partial_fit(*data()).reset()
    assert pruned.score(*data()) > 0.8  # it begins with what was learnt


@pytest.mark.parametrize("numeric", ["float32", "int16"])
def test_bayes_is_the_papers_decoder_of_the_same_learners(numeric: str) -> None:
    pruned = fitted(numeric=numeric).pruned(*data(), 5, "nearest")
    for trainer in (fitted(numeric=numeric), pruned):
        found = trainer.with_bayes(*data())
        learner, values = opt_ovo(found), found.host.values
        np.testing.assert_array_equal(values["weights"], trainer.host.values["weights"])
        assert found.score(*data()) > 0.8
        z = (data()[0] - values["mean"]) / np.sqrt(values["variance"])
        margins = np.zeros((200, 6))
        unit = 1 if numeric == "float32" else 4096
        margins[:, learner.columns] = (z.clip(-127 / 32, 127 / 32) @ values["weights"].T + values["bias"]) / unit
        assert learner.tables
        wanted = np.array(["a", "b", "c", "d"])[bayes(margins, learner.tables)]
        assert np.mean(found.predict(data()[0]) == wanted) > 0.98  # z of the C is rounded


def test_learners_by_gradient_descent_are_opt_sgd_of_their_own_rows() -> None:
    """Each pair has the weights that opt-sgd of its two classes has, bit for bit: its counts of steps and rows are its own."""
    x, y = data()
    z = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    options: dict[str, Any] = {"eta": 0.3, "l2": 0.05, "momentum": 0.5, "batch": 3}
    every = mcugen.trainer("opt-ovo", n_features=3, classes=["a", "b", "c", "d"], base="sgd", scaler="none", **options)
    found = every.partial_fit(z, y).host.values
    alone = mcugen.trainer("opt-sgd", n_features=3, scaler="none", **options)
    for row, (first, second) in enumerate(EVERY):
        own = np.isin(y, ["abcd"[first], "abcd"[second]])
        alone.reset()
        wanted = alone.partial_fit(z[own], (y[own] == "abcd"[first]).astype(int)).host.values
        for name in ("weights", "bias", "velocity_weights", "velocity_bias", "steps", "in_batch"):
            np.testing.assert_array_equal(found[name][row], wanted[name].squeeze())


def test_learners_by_gradient_descent_are_pruned_decode_and_begin_as_others_do() -> None:
    trainer = fitted(base="sgd", momentum=0.5)
    pruned = trainer.pruned(*data(), 4)
    rows = [EVERY.index(pair) for pair in opt_ovo(pruned).pairs]
    for name in ("weights", "velocity_weights", "velocity_bias", "steps", "in_batch"):
        np.testing.assert_array_equal(pruned.host.values[name], trainer.host.values[name][rows])
    assert pruned.prove()
    assert pruned.score(*data()) > trainer.score(*data()) - 0.05 > 0.8
    assert pruned.with_bayes(*data()).score(*data()) > 0.8
    model = trainer.to_sklearn()
    np.testing.assert_array_equal(model.predict(data()[0]), trainer.predict(data()[0]))
    begun = mcugen.trainer(start=model, base="sgd", averaged=True)
    np.testing.assert_array_equal(begun.predict(data()[0]), trainer.predict(data()[0]))
    assert begun.partial_fit(*data()).score(*data()) > 0.8


@cache
def on_a_line() -> tuple[Array, Array]:
    """Four classes far from each other: neighbours tell everything."""
    rng = np.random.default_rng(1)
    classes = rng.integers(0, 4, 400)
    return rng.normal(size=(400, 3)) + np.array([9.0, 0, 0]) * classes[:, None], np.array([*"abcd"])[classes]


def test_pairs_that_no_decision_needs_are_dropped_until_reset() -> None:
    x, y = on_a_line()
    make: dict[str, Any] = {"n_features": 3, "classes": [*"abcd"], "numeric": "int16", "C": 1}
    trainer = mcugen.trainer("opt-ovo", droppable=True, **make)
    trainer.partial_fit(x[:159], y[:159])
    assert trainer.drop() == 6  # 160 rows of four classes are the least
    trainer.partial_fit(x[159:200], y[159:200]).drop()
    trainer.partial_fit(x[200:], y[200:])
    every, before = trainer.score(x, y), trainer.pairs_
    left = trainer.drop()
    assert 3 <= left < 6
    assert left == trainer.drop() == len(trainer.pairs_) == len(trainer.coef_) <= len(before)
    assert trainer.score(x, y) >= every - 0.01
    bits = opt_ovo(trainer).left(trainer.host.values)
    kept = {name: trainer.host.values[name][~bits].copy() for name in trainer.wanted.learner.asked}
    trainer.partial_fit(x, y)
    for name, value in kept.items():
        np.testing.assert_array_equal(trainer.host.values[name][~bits], value)  # what is dropped learns nothing
    other = mcugen.trainer("opt-ovo", droppable=True, **make)
    other.state = trainer.state
    assert other.pairs_ == trainer.pairs_
    np.testing.assert_array_equal(other.predict(x), trainer.predict(x))
    refused(trainer.to_sklearn, "E0302")
    assert "before" in refused(lambda: trainer.pruned(x, y, 4))
    assert "before" in refused(lambda: trainer.with_bayes(x, y))
    trainer.reset()
    assert len(trainer.pairs_) == 6


def test_what_may_be_dropped_is_pruned_and_decodes_before() -> None:
    x, y = on_a_line()
    trainer = mcugen.trainer("opt-ovo", n_features=3, classes=[*"abcd"], droppable=True).partial_fit(x, y)
    np.testing.assert_array_equal(trainer.to_sklearn().predict(x), trainer.predict(x))
    pruned = trainer.pruned(x, y, 4)
    assert pruned.score(x, y) > 0.9
    assert pruned.partial_fit(x, y).drop() <= 4
    assert trainer.with_bayes(x, y).score(x, y) > 0.9
    assert trainer.prove()


def test_what_has_nothing_to_drop_says_so_and_a_state_without_a_class_is_refused() -> None:
    assert "droppable" in refused(fitted().drop)
    assert "opt-ovo" in refused(lambda: mcugen.trainer(n_features=3).pairs_)
    trainer = mcugen.trainer("opt-ovo", n_features=3, classes=4, droppable=True, numeric="int16", input="int8")
    at, whole = trainer.memory.places["live"].offset, trainer.state
    with pytest.raises(McugenError, match="damaged"):
        trainer.state = whole[:at] + bytes([0b000011]) + whole[at + 1 :]  # 3 has no pair
    trainer.state = whole[:at] + bytes([0b000111]) + whole[at + 1 :]
    assert trainer.pairs_ == ((0, 1), (0, 2), (0, 3))


def test_a_state_of_other_pairs_is_another_state() -> None:
    """A board does not load weights that are of other pairs, however many there are; the decoder may be another."""
    asked = [
        {"pairs": PAIRS},
        {"pairs": ((0, 1), (0, 2), (2, 3), (1, 2))},
        {},
        {"decoder": "ddag"},
        {"decoder": "soft"},
    ]
    made = [mcugen.trainer("opt-ovo", n_features=3, classes=4, **one) for one in asked]  # type: ignore[arg-type]
    schemas = [learning_of(one.module).schema for one in made]
    assert len({*schemas[:3]}) == 3
    assert len({*schemas[2:]}) == 1


def refused(call: Callable[[], object], code: str = "E0112") -> str:
    with pytest.raises(McugenError) as caught:
        call()
    (found,) = caught.value.diagnostics
    assert found.code == code
    return found.help


def asked(**options: Any) -> str:
    return refused(lambda: mcugen.trainer(**{"learner": "opt-ovo", "n_features": 3, "classes": 4} | options))


def test_decoders_without_what_they_need_are_refused() -> None:
    assert "vote" in asked(pairs=PAIRS, decoder="ddag")
    assert "with_bayes" in asked(decoder="bayes")
    tables = Tables(np.zeros(4, np.int16), ((0,), (3,)), (np.zeros((2, 4), np.int16),) * 2)
    assert mcugen.trainer("opt-ovo", n_features=3, classes=4, decoder="bayes", tables=tables)
    assert "with_bayes" in asked(tables=tables)
    assert "with_bayes" in asked(tables=tables, decoder="bayes", classes=3)
    assert "with_bayes" in asked(tables=tables, decoder="bayes", pairs=PAIRS)  # without (1, 2), number 3
    assert "with_bayes" in asked(tables=7, decoder="bayes")


def test_what_cannot_be_pruned_is_refused() -> None:
    trainer = fitted()
    for keep in (2, 7, True, 3.5, "4"):
        assert "from 3 to 6" in refused(lambda k=keep: trainer.pruned(*data(), k))
    assert "greedy" in refused(lambda: trainer.pruned(*data(), 4, "gredy"))
    assert "all pairs" in refused(lambda: trainer.pruned(*data(), 4, "nearest").pruned(*data(), 4))
    assert "vote" in refused(lambda: fitted(decoder="ddag").pruned(*data(), 4))
    other = mcugen.trainer(n_features=3, classes=["a", "b", "c", "d"])
    assert "opt-ovo" in refused(lambda: other.pruned(*data(), 4))
    assert "opt-ovo" in refused(lambda: other.with_bayes(*data()))


def test_a_class_without_rows_is_refused() -> None:
    x, y = (one[data()[1] != "b"] for one in data())
    assert "all classes" in refused(lambda: fitted().pruned(x, y, 4), "E0110")
    assert "all classes" in refused(lambda: fitted().with_bayes(x, y), "E0110")
