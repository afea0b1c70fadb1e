"""The node tests of the installed onnx package: each is right at its own tolerances, or refused with a diagnostic.

They run twice: with tensors as inputs (but for a node's parameters, which are constants, taken from the test's data), and with
every input but the first as a constant. `pytest -s` prints the table by operator.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from backend import answers, library_of, unit_of
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

from mcugen.diagnostics import McugenError
from mcugen.ir import Array
from mcugen.targets.driver import Unit

LIST = Path(__file__).resolve().parents[3] / "shared" / "nodetests-818.txt"
TOGETHER = 60  # models in a library
PASSING = 0.97  # of the list
LEAST = 785  # that pass of all single nodes of the package
PARAMETERS = {  # inputs that say how a node works, by operator
    "ConstantOfShape": [0], "ConvInteger": [2, 3], "CumProd": [1], "CumSum": [1], "DequantizeLinear": [1, 2], "Dropout": [1, 2],
    "Expand": [1], "GRU": [4], "LSTM": [4], "MatMulInteger": [2, 3], "OneHot": [1], "Pad": [1, 2, 3],
    "QLinearConv": [1, 2, 4, 5, 6, 7], "QLinearMatMul": [1, 2, 4, 5, 6, 7], "QuantizeLinear": [1, 2], "RNN": [4],
    "Range": [0, 1, 2], "Reshape": [1], "Resize": [1, 2, 3], "Slice": [1, 2, 3, 4], "Split": [1], "Squeeze": [1], "Tile": [1],
    "TopK": [1], "Trilu": [1], "Unsqueeze": [1], "Upsample": [1],
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Case:
    """A node test: its operator, its model with constants frozen, what it is given and what it should answer."""

    name: str
    op: str
    model: onnx.ModelProto
    inputs: list[Array]
    wanted: list[Array]
    rtol: float
    atol: float


def cases(freeze: bool) -> Iterator[Case]:
    """The tests of the list where it is there, else those of a single node with tensors of numbers."""
    listed = {line.split()[0] for line in LIST.read_text().splitlines() if line.strip()} if LIST.is_file() else None
    for one in collected():
        if (one.name in listed) if listed else _plain(one):
            yield _case(one, freeze)


@cache
def collected() -> Sequence[Any]:
    """All node tests of the package, which computes their answers anew each time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return collect_testcases(None)


def _plain(one: object) -> bool:
    graph = one.model.graph
    names = [v.type.WhichOneof("value") for v in (*graph.input, *graph.output)]
    return len(graph.node) == 1 and set(names) == {"tensor_type"} and graph.node[0].domain in ("", "ai.onnx.ml")


def _case(one: object, freeze: bool) -> Case:
    model = onnx.ModelProto()
    model.CopyFrom(one.model)
    node, graph = model.graph.node[0], model.graph
    given, wanted = ([_array(v) for v in side] for side in one.data_sets[0])
    data = dict(zip([v.name for v in graph.input], given, strict=False))
    reduces = [1] if node.op_type.startswith("Reduce") else []
    places = {*PARAMETERS.get(node.op_type, reduces), *(range(1, len(node.input)) if freeze else ())}
    frozen = {node.input[i] for i in places if i < len(node.input) and node.input[i] in data}
    kept = [v for v in graph.input if v.name not in frozen]
    graph.initializer.extend(numpy_helper.from_array(data[name], name) for name in sorted(frozen))
    del graph.input[:]
    graph.input.extend(kept)
    for value in kept:
        _fix_shape(value, data[value.name].shape)
    return Case(one.name, node.op_type, model, [data[v.name] for v in kept], wanted, one.rtol, one.atol)


def _array(value: object) -> Array:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def _fix_shape(value: onnx.ValueInfoProto, shape: tuple[int, ...]) -> None:
    dims = value.type.tensor_type.shape.dim
    del dims[:]
    for size in shape:
        dims.add().dim_value = size


known: dict[bytes, str] = {}  # the outcome of each model, by its bytes: of one input it is the same in both runs


def outcomes(every: list[Case]) -> Mapping[str, str]:
    """Of every test `passes`, `refused: ...` or `WRONG: ...`."""
    keys = {one.name: one.name.encode() + one.model.SerializeToString(deterministic=True) for one in every}
    new = outcomes_of_new([one for one in every if keys[one.name] not in known])
    known.update({keys[name]: outcome for name, outcome in new.items()})
    return {one.name: known[keys[one.name]] for one in every}


def outcomes_of_new(every: list[Case]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    ready: list[tuple[Case, Unit]] = []
    for one in every:
        try:
            ready.append((one, unit_of(one.model, f"m{len(ready)}")))
        except McugenError as problem:
            found[one.name] = f"refused: {problem.diagnostics[0].message}"
    for start in range(0, len(ready), TOGETHER):
        batch = ready[start : start + TOGETHER]
        library = library_of([unit for _, unit in batch])
        found |= {one.name: _judged(one, answers(library, one.inputs, i)) for i, (one, _) in enumerate(batch)}
    return found


def _judged(one: Case, found: list[Array]) -> str:
    for got, wanted in zip(found, one.wanted, strict=True):
        if (got.shape, got.dtype) != (wanted.shape, wanted.dtype):
            return f"WRONG: {got.dtype}{got.shape} for {wanted.dtype}{wanted.shape}"
        if not np.allclose(got, wanted, rtol=one.rtol, atol=one.atol, equal_nan=True):
            return f"WRONG: off by {np.max(np.abs(got.astype(np.float64) - wanted.astype(np.float64))):g}"
    return "passes"


def table(every: list[Case], found: Mapping[str, str]) -> str:
    """How many tests of each operator pass, and why others do not."""
    by_op: dict[str, Counter[str]] = defaultdict(Counter)
    for one in every:
        by_op[one.op][found[one.name].partition(":")[0]] += 1
    lines = [f"{op:<28}{dict(counts)}" for op, counts in sorted(by_op.items())]
    return "\n".join([*lines, *(f"{name}: {text}" for name, text in found.items() if text != "passes")])


@pytest.mark.parametrize("freeze", [False, True], ids=["tensors as inputs", "weights as constants"])
def test_every_node_test_is_right_or_refused(freeze: bool) -> None:
    every = [*cases(freeze)]
    found = outcomes(every)
    print(table(every, found))
    assert not [f"{name}: {text}" for name, text in found.items() if text.startswith("WRONG")]
    passing = [*found.values()].count("passes")
    print(f"{passing} of {len(every)} pass")
    if LIST.is_file():
        assert len(every) == 818
        assert passing >= PASSING * len(every)
    else:
        assert passing >= LEAST
