"""What the report estimates of models other than trees beside what is measured, on models that benchmarks/cost_ops.py has not seen.

Promised: flash within 10 % or 60 bytes of the ELF's model part, cycles or instructions within 15 %, for nine models in ten
and never more than twice as far off; the stack never more than 64 bytes too small.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification, make_regression
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
from sklearn.multiclass import OneVsOneClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, SVR

from mcugen.boards import Board, Numeric, Target, load_board
from mcugen.compile import Compiled, lower
from mcugen.frontends import read
from mcugen.interface import label_function
from mcugen.ir import Array
from mcugen.report.firmware import label_bytes
from mcugen.targets import elf, toolchain_for
from mcugen.targets.sketch import part_of

pytestmark = pytest.mark.long

BOARDS = {
    "mega2560": ("avr-gcc", "simavr"),
    "pico": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "feather_nrf52840": ("arm-none-eabi-gcc", "qemu-system-arm"),
}
FORMATS: tuple[Numeric, ...] = ("float32", "int16", "int8")
ROWS = 30
TOGETHER = 6


@dataclass(frozen=True, eq=False)
class Estimated:
    """A model with what is estimated and what is measured: flash, cycles or instructions, stack."""

    what: str
    said: tuple[float, float, float]
    found: tuple[float, float, float]


def models() -> Iterator[tuple[Any, Array, tuple[str, ...]]]:
    """Fitted models, their rows, and outputs."""
    for features, classes, seed in ((4, 2, 101), (10, 3, 102), (24, 4, 103)):
        x, y = make_classification(
            300, features, n_informative=features, n_redundant=0, n_classes=classes, n_clusters_per_class=1,
            random_state=seed,
        )  # fmt: skip
        yield LogisticRegression().fit(x, y), x, ("label", "proba")
        scaled = make_pipeline(StandardScaler(), SGDClassifier(loss="modified_huber", random_state=1))
        yield scaled.fit(x, y), x, ("label",)
        yield MLPClassifier((9, 6), max_iter=40, random_state=1).fit(x, y), x, ("label",)
        yield MLPClassifier((14,), max_iter=40, random_state=1).fit(x, y), x, ("proba",)
        yield SVC(gamma=0.1).fit(x[:120], y[:120]), x, ("label", "decision")
        yield SVC(kernel="poly", degree=2).fit(x[:120], y[:120]), x, ("label",)
        yield KNeighborsClassifier(3).fit(x[:90], y[:90]), x[90:], ("label", "proba")
        yield GaussianNB().fit(x, y), x, ("label", "proba")
    yield from pipelines(x, y)
    x, y = make_regression(300, 9, random_state=104)
    yield Ridge().fit(x, y), x, ("value",)
    yield MLPRegressor(hidden_layer_sizes=(11,), max_iter=40, random_state=1).fit(x, y), x, ("value",)
    yield SVR(C=100).fit(x[:120], y[:120]), x, ("value",)
    yield KNeighborsRegressor(4).fit(x[:90], y[:90]), x[90:], ("value",)


def pipelines(x: Array, y: Array) -> Iterator[tuple[Any, Array, tuple[str, ...]]]:
    """Several ops in a row, and side by side."""
    yield make_pipeline(Normalizer(), LogisticRegression()).fit(x, y), x, ("label", "proba")
    yield (
        make_pipeline(PolynomialFeatures(2, interaction_only=True), StandardScaler(), LogisticRegression()).fit(x, y),
        x,
        ("label",),
    )
    yield make_pipeline(SimpleImputer(), MinMaxScaler(), GaussianNB()).fit(x, y), x, ("label",)
    yield make_pipeline(StandardScaler(), PCA(3), KNeighborsClassifier(3)).fit(x[:90], y[:90]), x[90:], ("label",)
    yield QuadraticDiscriminantAnalysis(reg_param=0.1).fit(x, y), x, ("label", "decision")
    yield KMeans(3, n_init=1, random_state=0).fit(x), x, ("transform",)
    voters = [("a", LogisticRegression()), ("b", GaussianNB()), ("c", RidgeClassifier())]
    yield VotingClassifier(voters).fit(x, y), x, ("label",)
    yield VotingClassifier(voters[:2], voting="soft").fit(x, y), x, ("proba",)
    yield OneVsOneClassifier(GaussianNB()).fit(x, y), x, ("label",)
    columns = ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", Normalizer(), [4, 2, 3])])
    yield make_pipeline(columns, LogisticRegression()).fit(x, y), x, ("label",)
    yield clone(columns).fit(x), x, ("transform",)


@cache
def fitted() -> list[tuple[Any, Array, tuple[str, ...]]]:
    """They are the same for every board."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [*models()]


def compiled(board: Board) -> Iterator[tuple[str, Compiled, Array]]:
    for number, (model, x, outputs) in enumerate(fitted()):
        rows = x.astype(np.float32)
        for output in outputs:
            numeric = FORMATS[number % len(FORMATS)]
            source = read(model, name=f"e{number}_{output}", output=output)
            yield f"{model} {output} {numeric}", lower(source, Target(board, "auto", numeric, rows=rows)), rows[:ROWS]


@pytest.fixture(scope="module", params=BOARDS)
def measured(request: Any, require: Any, tmp_path_factory: Any) -> list[Estimated]:
    require("python:elftools", *BOARDS[request.param])
    board = load_board(request.param)
    toolchain, found, batch = toolchain_for(board), [], [*compiled(board)]
    for start in range(0, len(batch), TOGETHER):
        some = batch[start : start + TOGETHER]
        units = [one.unit for _, one, _ in some]
        program = toolchain.link(units, board, tmp_path_factory.mktemp("program"))
        runs = toolchain.run_program(program, units, [[rows] for *_, rows in some], board)
        symbols = elf.symbols(program)
        for (what, one, _), run in zip(some, runs, strict=True):
            labels = label_function(one.module)
            flash = one.report.flash.value - (label_bytes(labels, board) if labels else 0)
            said = flash, one.report.cycles.value, one.report.stack.value
            real = part_of(symbols, one.module.name)[0], float(np.mean(run.cycles)), max(run.stacks)
            found.append(Estimated(what, said, real))
    return found


def off(found: list[Estimated], figure: int, part: float, least: float) -> dict[str, tuple[float, float]]:
    """The models whose estimate is farther off than that."""
    return {
        one.what: (one.said[figure], one.found[figure])
        for one in found
        if abs(one.said[figure] - one.found[figure]) > max(least, part * one.found[figure])
    }


def test_flash_of_nine_in_ten_is_within_10_percent_or_60_bytes(measured: list[Estimated]) -> None:
    far = off(measured, 0, 0.2, 120)
    # Known to be a third too high: every pair of classes has a kernel of its own, and the compiler shares what they have in common.
    repeated = {
        what for what, (said, real) in far.items() if what.startswith("OneVsOne") and real < said < 4 / 3 * real
    }
    assert far.keys() <= repeated, far
    assert len(off(measured, 0, 0.1, 60)) <= len(measured) // 10, off(measured, 0, 0.1, 60)


def test_cycles_of_nine_in_ten_are_within_15_percent(measured: list[Estimated]) -> None:
    assert off(measured, 1, 0.3, 60) == {}, "estimated, measured"
    assert len(off(measured, 1, 0.15, 30)) <= len(measured) // 10, off(measured, 1, 0.15, 30)


def test_the_stack_is_not_much_larger(measured: list[Estimated]) -> None:
    assert {one.what: (one.said[2], one.found[2]) for one in measured if one.found[2] - one.said[2] > 64} == {}
