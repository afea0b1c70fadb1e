"""What `mcugen fit` says of whole programs beside what PlatformIO links, for models that nothing was fitted to.

benchmarks/fit.py does the same for other models on eight boards, with the same limits: flash within 5 %, RAM within 3 %
or 32 bytes. firmware.json, which the estimates come from, is written by benchmarks/firmware.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mcugen.boards import Target, all_boards, load_board
from mcugen.compile import lower
from mcugen.deploy import build
from mcugen.fit import judge
from mcugen.frontends import read
from mcugen.ir import DType
from mcugen.report.firmware import FILE, empty_share

pytestmark = pytest.mark.long

Require = Callable[..., None]
TOOLS = {
    "uno": ("avr-gcc", "arduino-core-avr"),
    "nano33iot": ("arm-none-eabi-gcc",),
    "nucleo_f446re": ("arm-none-eabi-gcc",),
    "esp32c3": ("riscv64-unknown-elf-gcc",),
}
ASKED = {
    "nano33iot": slice(0, None, 2),
    "nucleo_f446re": slice(1, None, 2),
}  # Cortex-M: all models between the two of them


def models() -> Iterator[tuple[str, Any, str, DType]]:
    """A name, a fitted model, the output that is asked of it, and what its rows are made of."""
    yield from ((*one, DType.F32) for one in of_floats())
    x, y = make_classification(120, 8, n_informative=5, n_classes=3, random_state=204)
    yield "steps", LogisticRegression(max_iter=500).fit(np.round(20 * x), y), "label", DType.I16


def of_floats() -> Iterator[tuple[str, Any, str]]:
    x, y = make_classification(300, 9, n_informative=6, n_classes=4, random_state=201)
    words = np.array(["still", "walking", "running", "on the stairs"])[y]
    yield "motion", RandomForestClassifier(12, max_depth=4, random_state=3).fit(x, words), "label"
    x, y = make_classification(300, 24, n_informative=9, n_classes=3, random_state=202)
    yield "smell", ExtraTreesClassifier(7, max_depth=5, random_state=3).fit(x, y - 1), "proba"
    x, y = make_regression(250, 6, random_state=203)
    yield "load", RandomForestRegressor(4, max_depth=5, random_state=3).fit(x, y), "value"
    x, y = make_classification(90, 7, n_informative=5, n_classes=3, random_state=205)
    yield "gate", SVC(gamma=0.1).fit(x, y), "decision"
    yield "odds", GaussianNB().fit(x, y), "proba"
    yield "turned", make_pipeline(StandardScaler(), PCA(3)).fit(x), "transform"


@pytest.mark.parametrize("name", TOOLS)
def test_the_firmware_is_as_large_as_said(
    name: str, tmp_path: Path, require: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("platformio", "python:elftools", *TOOLS[name])
    monkeypatch.setenv("MCUGEN_PLATFORMIO", "system")
    target = Target(load_board(name))
    for model, estimator, output, input in [*models()][ASKED.get(name, slice(None))]:
        source = read(estimator, name=model, output=output, input=input)
        report = judge(source, target).report
        assert report is not None
        built = build(lower(source, target), tmp_path)
        flash, ram = report.firmware.flash.value, report.firmware.ram.value
        assert abs(flash - built.flash) <= 0.05 * built.flash, (model, flash, built.flash)
        assert abs(ram - built.ram) <= max(32, 0.03 * built.ram), (model, ram, built.ram)


def test_every_simulated_board_has_its_share() -> None:
    assert {*json.loads(FILE.read_text())} == {board.arch for board in all_boards() if board.simulator}
    for board in all_boards():
        known = empty_share(board, "system").flash is not None
        assert known == bool(board.simulator), board.name
