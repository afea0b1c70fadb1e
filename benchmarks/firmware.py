"""Fits what a sketch takes around its model: `python benchmarks/firmware.py [--arch NAME]` writes report/firmware.json.

Builds, through PlatformIO with mcugen's own platforms, an empty sketch and the generated sketches of models of every kind
for a board of each architecture. What an ELF has beside the empty sketch and the model's symbols is the sketch's: its
weights are fitted by least squares to the features of mcugen/report/firmware.py. Five minutes an
architecture. `--boosters` builds models alone whose trees are added up, one minute, and fits what only they have.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
    make_regression,
)
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestCentroid
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, Normalizer, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, SVR, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import mcugen
from mcugen.boards import Board, load_board
from mcugen.compile import Compiled
from mcugen.deploy import build, sample_row
from mcugen.interface import label_function
from mcugen.report.firmware import FILE, Facts, facts_of, label_kind
from mcugen.targets import elf, toolchain_for

BOARDS = {
    "avr": ("uno", "mega2560", "leonardo"),
    "cortex-m0plus": ("metro_m0",),
    "cortex-m3": ("bluepill_f103c8",),
    "cortex-m4f": ("feather_nrf52840",),
    "cortex-m7": ("teensy40",),
    "riscv32": ("esp32c3",),
}
MOST = 27  # models that are built for every board of an architecture; the others are dealt out
EMPTY = "#include <Arduino.h>\n\nvoid setup() {\n  Serial.begin(115200);\n}\n\nvoid loop() {\n}\n"


OF_BOOSTERS = tuple(
    f"sums {kind}" for kind in ("sums ", "weights ", "median ", "exp", "label 32", "proba 32", "decision", "value 32")
)


@dataclass(frozen=True)
class Built:
    """A sketch that was built: its facts, what of its ELF is neither the empty sketch's nor the model's, and its label code."""

    what: str
    facts: Facts
    flash: int
    ram: int
    label: tuple[str, int] | None


def models(only_boosters: bool) -> Iterator[tuple[str, Any, str, bool, Any]]:
    """Fitted models of every kind and label: a name, the model, its output, whether the sketch has a row to try, and what
    its rows are made of.
    """
    if only_boosters:
        yield from ((*one, "float32") for one in boosters())
        return
    yield from ((*one, "float32") for one in trees())
    yield from others()
    yield from by_family()
    yield from ((*one, "uint8") for one in of_bytes())
    yield from ((*one, "float32") for one in boosters())


def others() -> Iterator[tuple[str, Any, str, bool, str]]:
    """Models whose answers are decisions and transformed rows."""
    for number, load in enumerate((load_iris, load_wine, load_breast_cancer)):
        x, y = load(return_X_y=True)
        for output in ("label", "decision", "proba"):
            yield "line", LogisticRegression(max_iter=5000).fit(x, y), output, number == 1, "float32"
        scaled = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
        yield "scaled_line", scaled, "decision", not number, "float32"
        yield "scale", StandardScaler().fit(x), "transform", number == 2, "float32"
        yield "shorts", StandardScaler().fit(x), "transform", not number, "int16"


def by_family() -> Iterator[tuple[str, Any, str, bool, str]]:
    """Models of every family beside trees and lines: each op, with each answer that it gives."""
    cancer = load_breast_cancer(return_X_y=True)
    data = (load_iris(return_X_y=True), (cancer[0][:120, :9], cancer[1][:120]))
    for number, (what, model, outputs) in enumerate(families()):
        x, y = data[number % 2]
        for turn, output in enumerate(outputs):
            rows = np.where(np.random.default_rng(0).random(x.shape) < 0.1, np.nan, x) if what == "marked" else x
            fitted = clone(model).fit(rows, y * 1.7 + x[:, 0] if output == "value" else y)
            yield what, fitted, output, bool((number + turn) % 2), "float32"
    x, y = data[0]
    whole = np.round(20 * x)
    for what, model, output in (
        ("whole_line", LogisticRegression(max_iter=500), "label"),
        ("whole_bayes", GaussianNB(), "proba"),
        ("whole_points", KNeighborsClassifier(3), "label"),
        ("whole_machine", SVC(), "decision"),
    ):
        yield what, model.fit(whole, y), output, False, "int16"


def families() -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Estimators with the outputs that are built."""
    line, scores = LogisticRegression(max_iter=500), ("label", "decision")
    yield "machine", SVC(), scores
    yield "power_machine", SVC(kernel="poly"), scores
    yield "sure_machine", SVC(kernel="sigmoid", probability=True, random_state=0), ("label", "proba")
    yield "machine_value", SVR(), ("value",)
    yield "outliers", OneClassSVM(nu=0.2), scores
    yield "points", KNeighborsClassifier(3), ("label", "proba")
    yield "near_points", KNeighborsClassifier(4, weights="distance"), ("label", "proba")
    yield "points_value", KNeighborsRegressor(3), ("value",)
    yield "network", MLPClassifier((6,), max_iter=20, random_state=0), ("label", "proba")
    yield "curved", MLPClassifier((6,), "tanh", max_iter=20, random_state=0), ("label", "proba")
    yield "s_curved", MLPClassifier((6,), "logistic", max_iter=20, random_state=0), ("label", "proba")
    yield "network_value", MLPRegressor(hidden_layer_sizes=(6,), max_iter=20, random_state=0), ("value",)
    yield "bayes", GaussianNB(), ("label", "proba")
    yield "forms", QuadraticDiscriminantAnalysis(reg_param=0.1), ("label", "proba", "decision")
    yield "counts", MultinomialNB(), ("label", "proba")
    yield "straight", LinearRegression(), ("value",)
    yield "each_line", SGDClassifier(loss="log_loss", random_state=0), ("label", "proba")
    yield "turned", PCA(2), ("transform",)
    yield "centres", KMeans(3, n_init=1, random_state=0), ("label", "transform")
    yield "centroids", NearestCentroid(), scores
    yield "length", make_pipeline(Normalizer(), line), ("label", "proba")
    yield "ones", make_pipeline(Binarizer(threshold=3), BernoulliNB()), ("label", "proba")
    yield "powers", make_pipeline(PolynomialFeatures(2), StandardScaler(), line), ("label", "decision")
    yield "filled", make_pipeline(SimpleImputer(), line), ("label", "proba")
    yield "marked", SimpleImputer(add_indicator=True), ("transform",)
    yield "columns", ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", Normalizer(), [2, 3])]), ("transform",)
    yield "hands", VotingClassifier([("a", line), ("b", GaussianNB())]), ("label",)
    yield "mean", VotingClassifier([("a", line), ("b", GaussianNB())], voting="soft"), ("label", "proba")
    yield "mean_value", VotingRegressor([("a", LinearRegression()), ("b", KNeighborsRegressor(3))]), ("value",)
    yield "rest", OneVsRestClassifier(GaussianNB()), ("label", "proba")
    yield "pairs", OneVsOneClassifier(GaussianNB()), scores


def of_bytes() -> Iterator[tuple[str, Any, str, bool]]:
    """Trees over rows of integers."""
    for number, load in enumerate((load_iris, load_wine, load_digits)):
        x, y = load(return_X_y=True)
        whole = np.round(255 * (x - x.min()) / np.ptp(x))
        yield "bytes", DecisionTreeClassifier(max_depth=4, random_state=0).fit(whole, y), "label", number == 1
        yield "many_bytes", RandomForestClassifier(5, max_depth=4, random_state=0).fit(whole, y), "proba", not number
        yield "byte_value", DecisionTreeRegressor(max_depth=4, random_state=0).fit(whole, y * 1.5), "value", number == 2


def trees() -> Iterator[tuple[str, Any, str, bool]]:
    """Trees of every kind and label."""
    iris, wine, cancer = (load(return_X_y=True) for load in (load_iris, load_wine, load_breast_cancer))
    made = make_classification(300, 48, n_informative=12, n_classes=6, random_state=3)
    small = make_classification(
        300, 5, n_informative=4, n_redundant=0, n_classes=3, n_clusters_per_class=1, random_state=4
    )
    words = np.array(["low", "middle", "very high"])
    for number, (x, y) in enumerate((iris, wine, cancer, made, small)):
        tree = DecisionTreeClassifier(max_depth=4, random_state=0)
        forest = RandomForestClassifier(4 + 3 * number, max_depth=4, random_state=0)
        weighted = ExtraTreesClassifier(
            5, max_depth=4, class_weight={c: 1 + c**0.5 for c in np.unique(y)}, random_state=0
        )
        yield "t", tree.fit(x, y), "label", False
        yield "shares", forest.fit(x, y), "label", bool(number % 2)
        yield "weights", weighted.fit(x, y), ("label", "proba")[number % 2], not number % 2
        yield "probabilities", RandomForestClassifier(6, max_depth=4, random_state=1).fit(x, y), "proba", number == 3
    for name, scale in (("bytes", 7), ("shorts", 300), ("longs", 70_000), ("wides", 7_000_000_000)):
        yield (
            name,
            RandomForestClassifier(5, random_state=0).fit(small[0], small[1] * scale - 1),
            "label",
            name == "longs",
        )
    for output in ("label", "proba"):
        for x, y in (iris, small):
            yield "words", RandomForestClassifier(5, max_depth=4, random_state=0).fit(x, words[y]), output, False
    x, y = load_diabetes(return_X_y=True)
    yield "number", DecisionTreeRegressor(max_depth=5, random_state=0).fit(x, y), "value", False
    yield "numbers", RandomForestRegressor(5, max_depth=4, random_state=0).fit(x, y), "value", True
    x, y = make_regression(300, 20, random_state=3)
    yield "wholes", RandomForestRegressor(9, max_depth=4, random_state=0).fit(x, np.round(y)), "value", False
    spread = np.exp(9 * np.random.default_rng(0).standard_normal(len(x)))
    yield "spread", RandomForestRegressor(3, max_depth=4, random_state=0).fit(x, spread), "value", False


def boosters() -> Iterator[tuple[str, Any, str, bool]]:
    """Trees that are added up, or have weights, and what is made of their scores: nothing, or a power of e."""
    iris, cancer = (load(return_X_y=True) for load in (load_iris, load_breast_cancer))
    x, y = load_diabetes(return_X_y=True)
    for what, model, (rows, classes) in (
        ("two", GradientBoostingClassifier(n_estimators=10, random_state=0), cancer),
        ("three", GradientBoostingClassifier(n_estimators=6, random_state=0), iris),
        ("voices", AdaBoostClassifier(n_estimators=8, random_state=0), iris),
    ):
        for output in ("label", "proba", "decision"):
            yield what, clone(model).fit(rows, classes), output, what == "two"
    yield "steps", GradientBoostingRegressor(n_estimators=10, random_state=0).fit(x, y), "value", False
    yield "middle", AdaBoostRegressor(n_estimators=8, random_state=0).fit(x, y), "value", False
    counts = HistGradientBoostingRegressor(loss="poisson", max_iter=10, max_leaf_nodes=8, random_state=0)
    yield "counts", counts.fit(x, y), "value", True
    strange = IsolationForest(n_estimators=8, max_samples=64, random_state=0).fit(cancer[0])
    yield "strange", strange, "label", False
    yield "strange", strange, "decision", True


def empty(board: Board, folder: Path) -> elf.Usage:
    """What a sketch that only opens Serial takes."""
    iris = load_iris(return_X_y=True)
    compiled = mcugen.compile(DecisionTreeClassifier().fit(*iris), board=board.name, name="empty", check_answers=False)
    compiled.write(folder, "platformio")
    (folder / "src" / "main.cpp").write_text(EMPTY)
    return elf.usage(toolchain_for(board).build(folder, board, "empty").elf)


def built(board: Board, none: elf.Usage, folder: Path, only_boosters: bool) -> Iterator[Built]:
    """Every model's sketch on a board whose empty sketch takes `none`."""
    boards = BOARDS[board.arch]
    for number, (what, model, output, tried, input) in enumerate(models(only_boosters)):
        if number >= MOST and number % len(boards) != boards.index(board.name):
            continue
        asked: dict[str, Any] = {"output": output, "input": input, "check_fit": False, "check_answers": False}
        compiled = mcugen.compile(model, board.name, name=what, **asked)
        row = sample_row(compiled, None) if tried else None
        done = build(compiled, folder, row)
        flash, ram = done.flash - none.flash - done.model_flash, done.ram - none.ram - done.model_ram
        yield Built(what, facts_of(compiled.module, sample=tried), flash, ram, label_code(compiled, done.elf))


def label_code(compiled: Compiled, program: Path) -> tuple[str, int] | None:
    """The kind of a model's function for labels and the bytes of its code; None where it is inlined."""
    labels, name = label_function(compiled.module), f"{compiled.module.name}_label"
    found = [s.size for s in elf.symbols(program) if s.name == name]
    return (label_kind(labels), found[0]) if labels and found else None


def fitted(found: Sequence[Built], figure: str, held: Mapping[str, float]) -> dict[str, float]:
    """The weights of flash or RAM, but for those that are held as they are."""
    names = sorted({name for one in found for name in getattr(one.facts, figure)} - held.keys())
    matrix = np.array([[getattr(one.facts, figure).get(name, 0.0) for name in names] for one in found])
    ridge = 1e-3 * np.eye(len(names))
    whole = np.array([getattr(one, figure) for one in found], float)
    fixed = [sum(held.get(name, 0.0) * n for name, n in getattr(one.facts, figure).items()) for one in found]
    known = whole - fixed
    weights, *_ = np.linalg.lstsq(
        np.concatenate([matrix, ridge]), np.concatenate([known, np.zeros(len(names))]), rcond=None
    )
    off = np.abs(matrix @ weights - known)
    worst = found[int(off.argmax())].what
    print(
        f"  {figure}: {len(found)} sketches of {whole.min():.0f} to {whole.max():.0f} B: mean {off.mean():.1f} B off, worst {off.max():.0f} B ({worst})"
    )
    return {**held, **{name: round(float(w), 2) for name, w in zip(names, weights, strict=True)}}


def weights(arch: str, folder: Path, known: Mapping[str, Any], only_boosters: bool) -> Mapping[str, Any]:
    """All that firmware.json says of an architecture; on AVR the empty sketch is the board's own framework share. Of boosters
    alone, what is known of it with their weights.
    """
    found, none = [], elf.Usage(0, 0)
    for name in BOARDS[arch]:
        board = load_board(name)
        none = empty(board, folder / f"{name}-empty")
        print(f"{arch}, {name}: an empty sketch takes {none.flash:,} B of flash, {none.ram:,} B of RAM")
        found += built(board, none, folder / name, only_boosters)
    if only_boosters:
        return {
            **known,
            **{figure: fitted(found, figure, without_boosters(known[figure])) for figure in ("flash", "ram")},
        }
    codes = {kind: size for one in found if one.label for kind, size in [one.label]}
    return {
        **({} if arch == "avr" else {"empty": {"flash": none.flash, "ram": none.ram}}),
        "flash": fitted(found, "flash", {}),
        "ram": fitted(found, "ram", {}),
        "labels": codes,
    }


def without_boosters(known: Mapping[str, float]) -> dict[str, float]:
    """The weights that models have which are no boosters."""
    return {name: weight for name, weight in known.items() if not name.startswith(OF_BOOSTERS)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=BOARDS, action="append", help="by default all")
    parser.add_argument(
        "--boosters", action="store_true", help="models alone whose trees are added up; the other weights stay"
    )
    os.environ["MCUGEN_PLATFORMIO"] = "system"
    asked = parser.parse_args()
    for arch in asked.arch or BOARDS:
        known = json.loads(FILE.read_text()) if FILE.is_file() else {}
        with tempfile.TemporaryDirectory() as folder:
            made = {arch: weights(arch, Path(folder), known.get(arch, {}), asked.boosters)}
        FILE.write_text(json.dumps(known | made, indent=1, sort_keys=True) + "\n")
        print(f"written: {FILE.name}", flush=True)


if __name__ == "__main__":
    main()
