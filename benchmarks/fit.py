"""What `mcugen fit` says of whole programs beside what is built: `python benchmarks/fit.py [BOARD ...]`, a few minutes.

Models that no weight was fitted to, on eight boards: flash and static RAM of the firmware, estimated and of the ELF that
`mcugen build` makes with mcugen's own PlatformIO platform. Ends with exit code 1 unless flash is within 5 % and RAM within
3 % or 32 bytes for all of them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes, load_digits, make_classification, make_regression
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mcugen.boards import Board, Target, load_board
from mcugen.compile import lower
from mcugen.deploy import build, sample_row
from mcugen.fit import judge
from mcugen.frontends import read
from mcugen.ir import DType
from mcugen.report.firmware import whole

BOARDS = ("uno", "mega2560", "leonardo", "feather_nrf52840", "bluepill_f103c8", "metro_m0", "pico", "esp32c3")
FLASH_PERCENT, RAM_PERCENT, RAM_BYTES = 5.0, 3.0, 32


@dataclass(frozen=True)
class Model:
    """A fitted model, the output that is asked of it, and whether its sketch has a row to try when it starts."""

    name: str
    estimator: Any
    output: str
    tried: bool = False
    input: DType = DType.F32


@dataclass(frozen=True)
class Found:
    """The whole program of a model on a board, bytes: estimated and built."""

    model: str
    board: str
    flash: int
    ram: int
    built_flash: int
    built_ram: int

    @property
    def flash_percent(self) -> float:
        """How far flash is off."""
        return 100 * (self.flash - self.built_flash) / self.built_flash

    @property
    def ram_percent(self) -> float:
        """How far RAM is off."""
        return 100 * (self.ram - self.built_ram) / self.built_ram

    @property
    def holds(self) -> bool:
        """Whether both are as near as promised."""
        ram = abs(self.ram_percent) <= RAM_PERCENT or abs(self.ram - self.built_ram) <= RAM_BYTES
        return abs(self.flash_percent) <= FLASH_PERCENT and ram


def blobs(seed: int, features: int, classes: int) -> tuple[Any, Any]:
    """Made-up rows of `classes` classes, and their classes."""
    informative = max(3, features // 2)
    return make_classification(
        400, features, n_informative=informative, n_redundant=0, n_classes=classes, n_clusters_per_class=1,
        random_state=seed,
    )  # fmt: skip


def models() -> Iterator[Model]:
    """Trees and forests of 1 to 100 trees, 4 to 64 features, every output, labels of every kind."""
    x, y = blobs(101, 4, 3)
    yield Model("leaf", DecisionTreeClassifier(max_depth=6, random_state=7).fit(x, y), "label")
    yield Model("gesture", RandomForestClassifier(3, max_depth=7, random_state=7).fit(x, y * 50 - 20), "proba", True)
    x, y = blobs(102, 7, 2)
    words = np.array(["off", "on and on"])[y]
    yield Model("toggle", RandomForestClassifier(100, max_depth=2, random_state=7).fit(x, words), "label")
    x, y = blobs(103, 16, 4)
    yield Model("sorter", ExtraTreesClassifier(20, max_depth=4, random_state=7).fit(x, y), "proba")
    words = np.array(["north", "east", "south", "west"])[y]
    uneven = DecisionTreeClassifier(max_depth=5, class_weight={w: 1 + i / 3 for i, w in enumerate(np.unique(words))})
    yield Model("compass", uneven.set_params(random_state=7).fit(x, words), "proba", True)
    x, y = blobs(104, 33, 5)
    yield Model(
        "machine_state", RandomForestClassifier(50, max_depth=3, random_state=7).fit(x, y * 10_000_000_000), "label"
    )
    x, y = load_digits(return_X_y=True)
    yield Model("digits", RandomForestClassifier(8, max_leaf_nodes=40, random_state=7).fit(x, y), "label", True)
    x, y = load_diabetes(return_X_y=True, scaled=False)
    yield Model("sugar", DecisionTreeRegressor(max_leaf_nodes=30, random_state=7).fit(x, y), "value", True)
    yield Model("sugars", ExtraTreesRegressor(15, max_leaf_nodes=20, random_state=7).fit(x, y), "value")
    x, y = make_regression(300, 12, random_state=105)
    yield Model("levels", MinMaxScaler().fit(x), "transform", True)
    x, y = blobs(106, 9, 3)
    yield Model("border", LogisticRegression().fit(x, y), "decision")
    whole = np.clip(np.round(x * 20 + 120), 0, 255)
    yield Model("pixels", ExtraTreesClassifier(6, max_depth=5, random_state=7).fit(whole, y), "label", True, DType.U8)
    x, y = make_regression(300, 12, random_state=105)
    yield Model("drift", RandomForestRegressor(7, max_depth=5, random_state=7).fit(x, y), "value")


def others() -> Iterator[Model]:
    """Machines, neighbours, networks, Bayes, and several ops in a row."""
    x, y = blobs(107, 6, 3)
    x, y = x[:80], y[:80]
    yield Model("gate", SVC(gamma=0.2).fit(x, y), "label", True)
    yield Model("gates", SVC(kernel="poly", degree=2).fit(x, y), "decision")
    yield Model("nearest", KNeighborsClassifier(5).fit(x, y), "proba")
    yield Model("neurons", MLPClassifier((10, 5), max_iter=30, random_state=7).fit(x, y), "label", True)
    yield Model("odds", GaussianNB().fit(x, y * 300), "proba")
    yield Model("ellipses", QuadraticDiscriminantAnalysis(reg_param=0.1).fit(x, y), "label", True)
    yield Model(
        "chain", make_pipeline(PolynomialFeatures(2), StandardScaler(), LogisticRegression()).fit(x, y), "proba"
    )
    yield Model("bends", make_pipeline(Normalizer(), SVC()).fit(x, y), "label")
    yield Model(
        "council", VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())]).fit(x, y), "label", True
    )
    yield Model("flat", PCA(2).fit(x), "transform")
    yield Model("slope", SVR(C=10).fit(x, x[:, 0] + y), "value", True)
    whole = np.round(20 * x)
    yield Model("steps", LogisticRegression(max_iter=500).fit(whole, y), "decision", False, DType.I16)


def compared(board: Board, chosen: Sequence[Model], folder: Path) -> Iterator[Found]:
    """Every model's program on a board, estimated and built in `folder`."""
    for model in chosen:
        source = read(model.estimator, name=model.name, output=model.output, input=model.input)
        report = judge(source, Target(board)).report
        assert report is not None
        compiled = lower(source, Target(board))
        row = sample_row(compiled, None) if model.tried else None
        said = report.firmware
        if model.tried:  # `mcugen fit` means the sketch without one
            said = whole(compiled.module, board, report.flash.value, report.static, sample=True)
        done = build(compiled, folder, row)
        yield Found(model.name, board.name, said.flash.value, said.ram.value, done.flash, done.ram)


def main() -> None:
    os.environ["MCUGEN_PLATFORMIO"] = "system"
    boards = sys.argv[1:] or BOARDS
    chosen, every = [*models(), *others()], []
    print(f"{'board':17} {'model':14} {'flash':>7} {'ELF':>7}       {'RAM':>7} {'ELF':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for name in boards:
            for one in compared(load_board(name), chosen, Path(folder, name)):
                every.append(one)
                flash = f"{one.flash:7,} {one.built_flash:7,} {one.flash_percent:+5.1f}%"
                ram = f"{one.ram:7,} {one.built_ram:7,} {one.ram_percent:+5.1f}%"
                print(f"{one.board:17} {one.model:14} {flash} {ram}{'' if one.holds else '  OFF'}", flush=True)
    off = [one for one in every if not one.holds]
    flash, ram = (max(abs(getattr(one, f"{what}_percent")) for one in every) for what in ("flash", "ram"))
    print(f"{len(every)} programs: flash at most {flash:.1f} % off, RAM {ram:.1f} %; {len(off)} beyond the limits")
    sys.exit(1 if off else 0)


if __name__ == "__main__":
    main()
