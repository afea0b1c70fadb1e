"""What the report says of networks that benchmarks/cost_layers.py has not seen, beside what simulators count and linkers make."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mcugen
from mcugen.boards import Target, load_board
from mcugen.compile import Compiled
from mcugen.fit import judge
from mcugen.frontends import read
from mcugen.ir import Array, Storage
from mcugen.measure import measure_layers
from mcugen.targets import toolchain_for
from mcugen.targets.sketch import model_part

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from small_networks import image, line, model_of, quantised
from test_mlperf_tiny import MODELS

BOARDS = {
    "feather_nrf52840": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "bluepill_f103c8": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "mega2560": ("avr-gcc", "simavr"),
    "metro_m0": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "esp32c3": ("riscv64-unknown-elf-gcc", "qemu-system-riscv32"),
}


def networks(folder: Path) -> list[Any]:
    """An image's and a line's, each in floats and in integers."""
    rng = np.random.default_rng(21)
    models = [model_of(make(rng)) for make in (image, line)]
    return [*models, *(quantised(model, folder / str(i), rng) for i, model in enumerate(models))]


def row_of(compiled: Compiled) -> list[Array]:
    types = [value.type for value in compiled.module.predict.of(Storage.INPUT)]
    rng = np.random.default_rng(22)
    return [np.asarray(rng.normal(size=(1, *t.shape)) * 50).astype(t.dtype.numpy) for t in types]


@pytest.mark.parametrize("name", BOARDS)
def test_flash_within_10_percent_or_few_bytes_and_instructions_within_15_percent(
    name: str, require: Any, tmp_path: Path
) -> None:
    require(*BOARDS[name], "python:elftools", "python:onnxruntime")
    for i in range(2):
        (tmp_path / str(i)).mkdir()
    made = [
        mcugen.compile(net, board=name, name=f"net{i}", check_answers=False, check_fit=False)
        for i, net in enumerate(networks(tmp_path))
    ]
    units, rows = [one.unit for one in made], [row_of(one) for one in made]
    tools, board = toolchain_for(made[0].target.board), made[0].target.board
    program = tools.link(units, board, tmp_path / "program")
    soft = () if board.fpu else made[:2]  # what a product of floats takes depends on the floats
    for one, run in zip(made, tools.run_program(program, units, rows, board), strict=True):
        flash, _ = model_part(program, one.module.name)
        assert one.report.cycles.known, one.module.name
        assert one.report.cycles.value == pytest.approx(
            run.cycles[0], rel=0.2 if any(one is other for other in soft) else 0.15
        ), one.module.name
        assert one.report.flash.value == pytest.approx(flash, rel=0.10, abs=600 if board.arch == "avr" else 400), (
            one.module.name
        )
        assert max(run.stacks) - one.report.stack.value <= 64


def test_layers_are_counted_alone(require: Any, tmp_path: Path) -> None:
    """Together they take what the whole takes, but for calls that the compiler has no need of."""
    require(*BOARDS["feather_nrf52840"], "python:elftools", "python:onnxruntime")
    (tmp_path / "0").mkdir()
    net = quantised(model_of(image(np.random.default_rng(21))), tmp_path / "0", np.random.default_rng(23))
    compiled = mcugen.compile(net, board="feather_nrf52840", name="net", check_answers=False)
    counts = measure_layers(compiled)
    graph = compiled.module.predict
    assert counts.keys() == {node.name for node in graph.nodes if not node.op.view}
    (run,) = toolchain_for(compiled.target.board).run_rows([compiled.unit], [row_of(compiled)], compiled.target.board)
    assert sum(one.cycles for one in counts.values()) == pytest.approx(run.cycles[0], rel=0.05)
    assert all(one.cycles < one.modelled < 2 * one.cycles + 50 for one in counts.values())


def test_keyword_spotting_fits_a_feather() -> None:
    path = MODELS / "kws" / "kws_int8_qdq.onnx"
    if not path.is_file():
        pytest.skip("the networks of MLPerf Tiny are no part of the project")
    found = judge(read(path), Target(load_board("feather_nrf52840")))
    assert found.fits
    assert found.report is not None
    assert found.report.cycles.value == pytest.approx(3_033_814, rel=0.15)  # at -Os, benchmarks/networks.py
