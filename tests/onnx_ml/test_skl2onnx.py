"""Every estimator that skl2onnx exports and scikit-learn's front-end takes, as an ONNX graph: the C's outputs equal onnxruntime's
on the same file, for all rows of the data.

The estimators are those of tests/models/test_second_opinion.py. onnxruntime works in float32. What that leaves open is found by
asking it again with every number of a row moved by 2^-23 of itself, up or down: numbers may be off by 1e-5 (absolute below 1,
else relative) and by OPEN times what they moved then. Labels are compared where the best two numbers of a row, or the only one
and 0, are apart by more than that; `pytest -s` shows of how many rows they are not. REFUSED names what mcugen does not read,
and with which words: today nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from ml_node import TARGETS
from one_library import library_of
from sklearn.base import clone, is_classifier
from sklearn.multiclass import OneVsOneClassifier
from sklearn.svm import LinearSVC

from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.frontends import read
from mcugen.memory.plan import plan
from mcugen.passes import run
from mcugen.targets.driver import Unit
from mcugen.targets.host import STRICT

pytest.importorskip("skl2onnx")
pytest.importorskip("onnxruntime")
sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from test_second_opinion import CLASSIFIERS, OTHERS, REGRESSORS, rows_of

TOLERANCE = 1e-5
OPEN = 16
FEW = 0.99  # of the rows: near ties may differ, not many do
REFUSED: dict[str, str] = {}
pytestmark = pytest.mark.filterwarnings("ignore")


@dataclass(frozen=True, eq=False)
class Export:
    """An estimator's graph, and the C of it."""

    name: str
    model: onnx.ModelProto
    unit: Unit


def exported(model: Any, x: Any) -> onnx.ModelProto:
    import skl2onnx

    last = model.steps[-1][1] if hasattr(model, "steps") else model
    plain = is_classifier(last) and not isinstance(last, OneVsOneClassifier | LinearSVC)
    options = {id(last): {"zipmap": False}} if plain else None
    try:
        return skl2onnx.to_onnx(model, x[:1], options=options, target_opset={"": 17, "ai.onnx.ml": 3})
    except NameError:  # of a transformer that is a classifier by its class alone
        return skl2onnx.to_onnx(model, x[:1], target_opset={"": 17, "ai.onnx.ml": 3})


def exports(data: str, x: Any, y: Any) -> Iterator[Export]:
    models = REGRESSORS | OTHERS if data == "diabetes" else CLASSIFIERS
    for i, (name, model) in enumerate(models.items()):
        graph = exported(clone(model).fit(x.astype(np.float64), y), x)
        shapes = {graph.graph.input[0].name: (1, x.shape[1])}
        if name in REFUSED:
            with pytest.raises(McugenError, match=REFUSED[name]):
                read(graph, name=f"m{i}", shapes=shapes)
            continue
        source = read(graph, name=f"m{i}", shapes=shapes)
        module = run(source.module, TARGETS[0])
        yield Export(name, graph, Unit(module, emit(module, plan(module, TARGETS[0]), TARGETS[0])))


class Runtime:
    """onnxruntime's answers, each (rows, numbers)."""

    def __init__(self, model: onnx.ModelProto) -> None:
        import onnxruntime

        asked = onnxruntime.SessionOptions()
        asked.intra_op_num_threads = 1
        asked.log_severity_level = 4
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), asked, providers=providers)

    def answers(self, x: Any) -> list[Any]:
        found = self.session.run(None, {self.session.get_inputs()[0].name: x})
        plain = [[[*row.values()] for row in one] if isinstance(one, list) else one for one in found]
        return [np.asarray(one).reshape(len(x), -1) for one in plain]

    def moved(self, x: Any) -> list[Any]:
        """By how much each answer moves where the rows move by next to nothing, and no less than half of the rows' do."""
        rng, here = np.random.default_rng(0), self.answers(x)
        others = [self.answers(x * (1 + rng.choice([-1, 1], x.shape) * 2.0**-23).astype(np.float32)) for _ in range(4)]
        each = [np.max([np.abs(other[k] - one) for other in others], axis=0) for k, one in enumerate(here)]
        return [np.maximum(one, np.median(one, axis=0)) for one in each]


@pytest.mark.long
@pytest.mark.parametrize("data", ["iris", "diabetes"])
def test_the_c_of_an_export_agrees_with_onnxruntime(data: str) -> None:
    x, y = rows_of(data)
    every = [*exports(data, x, y)]
    library = library_of([one.unit for one in every], (*STRICT, "-O0"))
    for i, one in enumerate(every):
        asked, what = Runtime(one.model), f"{one.name} on {data}"
        ours = [found.reshape(len(x), -1) for found in library.run([x[:, np.newaxis]], i)]
        theirs, moved = asked.answers(x), asked.moved(x)
        assert [a.shape for a in ours] == [b.shape for b in theirs], what
        clear = np.ones(len(x), np.bool_)
        for found, wanted, move in zip(ours, theirs, moved, strict=True):
            if wanted.dtype.kind == "f":
                allowed = TOLERANCE * np.maximum(np.abs(wanted), 1) + OPEN * move
                off = np.abs(found - wanted.astype(np.float64))
                assert (off <= allowed).all(), f"{what}: {(off - allowed).max():.2g} too far apart"
                clear &= apart(wanted, "k-means" in one.name) > allowed.max(axis=1)
        if not clear.all() and theirs[0].dtype.kind != "f":
            print(
                f"{what}: {(~clear).sum()} of {len(x)} rows are near ties, labels of {(ours[0] != theirs[0]).sum()} differ"
            )
        for found, wanted in zip(ours, theirs, strict=True):
            if wanted.dtype.kind != "f":
                assert (found == wanted)[clear].all(), what
                assert (found == wanted).mean() > FEW, what


def apart(numbers: Any, least: bool) -> Any:
    """By how much the best number of a row (the largest, or the least) is better than the next; the only one than 0."""
    if numbers.shape[1] == 1:
        return np.abs(numbers[:, 0])
    ordered = np.sort(numbers.astype(np.float64) * (-1 if least else 1), axis=1)
    return ordered[:, -1] - ordered[:, -2]
