"""Boosting of three libraries, AdaBoost, bagging and isolation forests on an AVR and a Cortex-M4F: the host's classes, the model's numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
)
from xgboost import XGBClassifier, XGBRegressor

from mcugen.boards import Target, load_board
from mcugen.emit import emit
from mcugen.frontends import Source, read
from mcugen.frontends.sklearn import head_of
from mcugen.memory.plan import plan
from mcugen.op import Cost, Form
from mcugen.targets import elf, toolchain_for
from mcugen.targets.driver import Unit
from mcugen.verify import prove

BOARDS = {"mega2560": ("avr-gcc", "simavr"), "feather_nrf52840": ("arm-none-eabi-gcc", "qemu-system-arm")}
CLASSIFIERS = (
    GradientBoostingClassifier(n_estimators=6, random_state=0),
    HistGradientBoostingClassifier(max_iter=4, random_state=0),
    AdaBoostClassifier(n_estimators=8, random_state=0),
    BaggingClassifier(n_estimators=3, random_state=0),
    IsolationForest(n_estimators=8, random_state=0),
    XGBClassifier(n_estimators=4, max_depth=3),
    LGBMClassifier(n_estimators=4, max_depth=3, verbose=-1),
)
REGRESSORS = (
    GradientBoostingRegressor(n_estimators=6, random_state=0),
    HistGradientBoostingRegressor(max_iter=4, loss="poisson", random_state=0),
    AdaBoostRegressor(n_estimators=5, random_state=0),
    XGBRegressor(n_estimators=4, max_depth=3, objective="count:poisson"),
    LGBMRegressor(n_estimators=4, max_depth=3, verbose=-1),
)


def sources() -> Iterator[tuple[Source, Any]]:
    """Every family with every output, and rows."""
    number = 0
    for models, load in ((CLASSIFIERS, load_iris), (REGRESSORS, load_diabetes)):
        x, y = load(return_X_y=True)
        for model in models:
            fitted = model.fit(x, y)
            source = read(fitted)
            for output in head_of(fitted, source.loc).outputs:
                number += 1
                yield read(fitted, name=f"m{number}", output=output), x[::3].astype(np.float32)


def in_form(source: Source, form: str, target: Target) -> Unit:
    graph = source.module.predict
    (node,) = graph.nodes
    decided = replace(node, op=node.op.with_form(Form(form, Cost()), target))
    name = f"{source.module.name}_{form}"
    module = replace(source.module, name=name, functions=(replace(graph, nodes=(decided,)),))
    return Unit(module, emit(module, plan(module, target), target))


@pytest.mark.long
@pytest.mark.parametrize("board", BOARDS)
def test_cores_give_scikit_learns_answers(board: str, require: Any) -> None:
    require(*BOARDS[board], "python:elftools")
    target = Target(load_board(board))
    forms = ("table", "branches", "branches16") if board == "mega2560" else ("table", "branches")
    cases = [(source, rows, form) for source, rows in sources() for form in forms]
    units = [in_form(source, form, target) for source, _, form in cases]
    runs = toolchain_for(target.board).run_rows(units, [[rows] for _, rows, _ in cases], target.board)
    for (source, rows, form), unit, run in zip(cases, units, runs, strict=True):
        proof = prove(unit.module, source.reference, rows, lambda _, run=run: run.outputs, on="simulator", source=form)
        assert proof.wrong == 0, f"{source.loc} {unit.module.name}: {proof} {proof.worst}"
        assert proof.rows > 0


def test_labels_of_boosting_link_no_floats(require: Any, tmp_path: Any) -> None:
    """Neither comparisons nor sums of floats, and no byte of RAM."""
    require("avr-gcc", "python:elftools")
    target = Target(load_board("mega2560"))
    x, y = load_iris(return_X_y=True)
    source = read(GradientBoostingClassifier(n_estimators=5, random_state=0).fit(x, y), name="m")
    for form in ("table", "branches", "branches16"):
        program = toolchain_for(target.board).link([in_form(source, form, target)], target.board, tmp_path / form)
        names = {symbol.name for symbol in elf.symbols(program)}
        assert not {name for name in names if name.startswith("__") and "sf" in name}
        assert not {"exp", "expf"} & names
