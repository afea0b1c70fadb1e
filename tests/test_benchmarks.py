"""The benchmark of the classical models on its smallest cells: figures for mcugen, empty cells with a reason for the rest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import learning, networks, trainers  # noqa: E402
from benchmarks.classical.results import Result, keep, read  # noqa: E402
from benchmarks.classical.tables import METRICS, compared, ratios, table  # noqa: E402
from benchmarks.gss import GssGreedy  # noqa: E402


def of(tool: str, cycles: float, **other: object) -> Result:
    """A tree on iris on AVR."""
    known = {"input": "float", "core": "avr", "unit": "cycles", "flags": "-Os", "model": "tree", "data": "iris"}
    return Result(**{**known, "family": "decision tree", "form": "", "tool": tool, "cycles": cycles, **other})  # type: ignore[arg-type]


def run(start: list[str], folder: Path, *options: str) -> tuple[str, list[Result]]:
    """What the benchmark prints, and what it keeps."""
    kept = folder / "classical.csv"
    command = [sys.executable, *start, "--quick", "--csv", str(kept), "--cache", str(folder / "cache"), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, read(kept)


@pytest.mark.long
def test_quick(tmp_path: Path, require: Callable[..., None]) -> None:
    require("avr-gcc", "simavr")
    text, results = run(["-m", "benchmarks.classical"], tmp_path)
    ours = [r for r in results if r.ours]
    assert {(r.model, r.tool) for r in ours} == {
        (model, f"mcugen {form}") for model in ("tree", "forest10") for form in ("speed", "size")
    }
    assert all(r.exact and r.rows == 45 and r.ram == 0 and r.cycles > 0 and r.flash > 0 for r in ours)
    assert all(r.reason or r.cycles > 0 for r in results if not r.ours)  # as many peers as are installed
    for one in ours:
        assert f"{one.flash:,} B" in text


@pytest.mark.long
def test_the_folder_runs_too(tmp_path: Path, require: Callable[..., None]) -> None:
    require("avr-gcc", "simavr")
    _, results = run(["benchmarks/classical"], tmp_path, "--model", "tree", "--peer", "none")
    assert {(r.model, r.tool) for r in results} == {("tree", "mcugen speed"), ("tree", "mcugen size")}


def test_ratio_is_to_the_best_exact_peer() -> None:
    results = [
        of("mcugen speed", 50),
        of("mcugen size", 500),
        of("one", 200),
        of("another", 100),
        of("wrong", 10, wrong=1),
        of("silent", 0, reason="no such model"),
    ]
    (found,) = ratios(results, METRICS[0])
    assert (found.ours.tool, found.peer.tool, found.ratio) == ("mcugen speed", "another", 0.5)
    lines = [*compared(results, METRICS[0])]
    assert any("decision tree" in line and line.endswith("target 1/3.50: MISSED") for line in lines)


def test_a_part_that_was_measured_again_replaces_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "kept.csv"
    keep(file, [of("mcugen speed", 50, form="table"), of("one", 200), of("one", 1, data="wine")])
    keep(file, [of("mcugen speed", 40, form="branches"), of("one", 100)])
    assert [(r.tool, r.data, r.cycles, r.form) for r in read(file)] == [
        ("mcugen speed", "iris", 40, "branches"),
        ("one", "iris", 100, ""),
        ("one", "wine", 1, ""),
    ]


def test_table_has_reasons_but_not_what_a_tool_does_not_know() -> None:
    results = [
        of("mcugen speed", 50, rows=45, of=45),
        of("one", 0, reason="no such model"),
        of("two", 0, reason="too big"),
    ]
    text = "\n".join(table(results, "avr"))
    assert "too big" in text
    assert "no such model" not in text


def test_a_network_is_counted_and_kept(tmp_path: Path, require: Callable[..., None]) -> None:
    """Instructions, modelled cycles and sizes of a small graph, and the same from the file that is kept."""
    require("arm-none-eabi-gcc", "qemu-system-arm", "python:onnx", "python:onnxruntime")
    rng = np.random.default_rng(0)
    table = numpy_helper.from_array(rng.standard_normal((8, 12)).astype(np.float32), "w")
    given, made = (helper.make_tensor_value_info(n, TensorProto.FLOAT, (1, s)) for n, s in (("x", 12), ("y", 8)))
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
    graph = helper.make_graph([node], "small", [given], [made], [table])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "net.onnx"
    )
    found = networks.measured(tmp_path / "net.onnx", "cortex-m4f", "-O2")
    assert found.macc == 96
    assert 96 < found.instructions < 2_000
    assert found.instructions < found.modelled_cycles < 5 * found.instructions
    assert found.flash > 4 * 96
    networks.keep(tmp_path / "kept.csv", [found])
    assert networks.kept(tmp_path / "kept.csv") == [found]
    assert f"{found.modelled_cycles / 1e6:.3f}" in networks.table([found])


def test_trainers_are_held_against_their_targets(tmp_path: Path) -> None:
    first = next(trainers.parity(1))
    assert 0 < first.found < 1e-5 == first.target
    assert not first.missed
    for found, at_most, missed in ((1.1, True, True), (0.9, True, False), (0.9, False, True), (1.1, False, False)):
        assert learning.Figure("drift", "iris", "train++", "what", found, 1.0, at_most).missed == missed
    trainers.keep([first], tmp_path / "kept.csv")
    assert "iris,train++" in (tmp_path / "kept.csv").read_text()
    rows = learning.imbalanced("class by class", 0)
    sizes = np.bincount(rows.y)
    assert round(sizes.max() / 27) == sizes.min()
    assert (np.diff(rows.y) != 0).sum() == 9


def test_gss_greedy_makes_room_for_what_is_unlike_all_others() -> None:
    random = np.random.RandomState(0)
    memory = GssGreedy(6, lambda x: np.zeros(3), random)
    for _ in range(6):
        memory.take(np.ones(2), np.array([1.0, 0.1 * random.rand()]), 0)
    for _ in range(20):
        memory.take(np.ones(2), np.array([1.0, 0]), 0)  # like all others
    assert memory.labels == [0] * 6
    for _ in range(5):
        memory.take(-np.ones(2), np.array([1.0, 0]), 2)
    assert 0 < memory.labels.count(2) < 6
    assert len(memory.rows) == 6
    drawn = [memory.draw(weighted=True) for _ in range(300)]
    assert 0.4 < np.mean([y == 2 for _, y in drawn]) < 0.6
    assert all(x[0] == (1 if y == 0 else -1) for x, y in drawn)
