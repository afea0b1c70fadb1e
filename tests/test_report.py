"""The report's other faces: JSON, tables, a page; and the verdict over all boards."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from mcugen.boards import Target, board_names, load_board
from mcugen.compile import Compiled, compile
from mcugen.diagnostics import Loc, McugenError
from mcugen.fit import fit, judge
from mcugen.frontends import Source, read
from mcugen.ir import DType, GraphBuilder, Module, TensorType
from mcugen.measure import LayerCount
from mcugen.memory.plan import plan
from mcugen.ops.conv_rows import ConvRows
from mcugen.ops.reshape import Reshape
from mcugen.passes import run
from mcugen.report import report, require_fit
from mcugen.report.firmware import empty_share, sketch_share
from mcugen.report.html import MARK, page, write_page
from mcugen.report.json import as_dict
from mcugen.report.show import budget, counted, report_tables
from mcugen.targets import toolchain_for
from mcugen.targets.toolchain import Build
from mcugen.windows import Window


@pytest.fixture(scope="module")
def forest() -> RandomForestClassifier:
    rng = np.random.default_rng(0)
    return RandomForestClassifier(5, random_state=0).fit(rng.random((200, 4)), rng.integers(0, 3, 200))


@pytest.fixture(scope="module")
def compiled(forest: RandomForestClassifier) -> Compiled:
    return compile(forest, board="uno", name="forest", check_answers=False)


BUILD = Build(Path("firmware.elf"), "system", 9_000, 400, 4_321, 7, "")


def figures(found: Any) -> list[dict[str, Any]]:
    """Every object in JSON that has a value."""
    below = found.values() if isinstance(found, dict) else found if isinstance(found, list) else []
    return [*([found] if isinstance(found, dict) and "value" in found else []), *(f for b in below for f in figures(b))]


def test_json_keys(compiled: Compiled) -> None:
    found = as_dict(compiled.report, compiled.target.board)
    assert {"memory", "flash", "ram", "layers", "stack", "cycles", "fits", "numeric"} <= found.keys()
    assert {
        "arena",
        "arena_on",
        "by_rows",
        "exported_live",
        "live",
        "memories",
        "lower_bound",
        "order_proven",
        "peak",
        "peak_at",
        "source",
    } == found["memory"].keys()
    assert found["layers"][0]["op"] == "tree_ensemble"
    assert found["measured"] is None
    json.dumps(found, allow_nan=False)


def test_every_figure_has_a_source(compiled: Compiled) -> None:
    found = figures(as_dict(compiled.report, compiled.target.board, BUILD))
    assert len(found) > 8
    assert {figure["source"] for figure in found} == {"estimated", "measured"}
    assert {figure["unit"] for figure in found} == {"B", "cycles", "ms"}


def test_estimate_beside_the_elf(compiled: Compiled) -> None:
    text = rendered(budget(compiled.report, compiled.target.board, BUILD))
    assert "4,321 B" in text
    assert f"{compiled.report.flash.value:,} B" in text
    assert "PlatformIO's system platform" in text


def rendered(*tables: Any, width: int = 120) -> str:
    from rich.console import Console

    console = Console(width=width, no_color=True)
    with console.capture() as caught:
        console.print(*tables)
    return caught.get()


def test_tables(compiled: Compiled) -> None:
    text = rendered(*report_tables(compiled.report, compiled.target.board))
    assert "forest on Arduino Uno R3" in text
    assert "forms of label, all exact" in text
    assert "chosen" in text
    assert "MACC" not in text + page(compiled.report, compiled.target.board)  # trees multiply nothing


def test_multiplications_are_shown_where_there_are_any(compiled: Compiled) -> None:
    board = compiled.target.board
    report = replace(compiled.report, layers=(replace(compiled.report.layers[0], macc=1_234),))
    for text in (rendered(*report_tables(report, board)), page(report, board)):
        assert "MACC" in text
        assert "1,234" in text


def test_too_little_flash_says_what_the_op_advises(compiled: Compiled) -> None:
    with pytest.raises(McugenError, match="E0502") as caught:
        require_fit(replace(compiled.report, flash_free=10), compiled.source.loc)
    (help,) = [d.help for d in caught.value.diagnostics]
    assert f"{compiled.module.predict.nodes[0].op.smaller()[0]}; use a board" in help


def test_counted() -> None:
    assert [counted(1, "class"), counted(2_000, "class"), counted(0, "near tie")] == [
        "1 class",
        "2,000 classes",
        "0 near ties",
    ]


# --- layers of a network


def network(board: str) -> Compiled:
    """Two convolutions, behind a reshape that is a view: one in blocks of four pixels, one on single pixels, too."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((6 * 6 * 4,), DType.F32))
    (rows,) = builder.add(Reshape((6, 6, 4)), x, names=("rows",))
    for i, (outs, window) in enumerate(((8, Window(6, 3)), (4, Window(4, 2)))):
        shape = (outs, window.kernel, window.kernel, 4 * (i + 1))
        tables = [builder.const(f"{name}{i}", np.ones(s, np.float32)) for name, s in (("w", shape), ("b", (outs,)))]
        loc = Loc("net.onnx", f"Conv_{i}")
        (rows,) = builder.add(ConvRows(window, window), rows, *tables, names=(f"c{i}",), loc=loc)
    builder.output(rows)
    target = Target(load_board(board))
    module = run(Module("net", (builder.build(),)), target)
    source = Source(module, None, Loc("net.onnx"))  # type: ignore[arg-type]  # nothing asks for the reference
    memory = plan(module, target)
    return Compiled(source, module, memory, target, report(module, memory, target))


def test_layers_have_their_constants_and_share_functions() -> None:
    compiled = network("feather_nrf52840")
    view, first, second = compiled.report.layers
    assert (view.flash, view.cycles.value, view.cycles.known) == (0, 0, True)
    assert (first.node, second.node) == ("Conv_0", "Conv_1")
    assert sum(layer.flash for layer in compiled.report.layers) == compiled.report.flash.value
    assert sum(layer.cycles.value for layer in compiled.report.layers) == compiled.report.cycles.value
    graph, target = compiled.module.predict, compiled.target
    costs = [node.op.cost(target, *graph.types(node.inputs)) for node in graph.nodes[1:]]
    assert costs[0].shared["fblock4"] > 500
    more = sum(size for name, size in costs[1].shared.items() if name not in costs[0].shared)
    assert first.flash == costs[0].flash + sum(costs[0].shared.values()) + 4 * (8 * 36 + 8)
    assert second.flash == costs[1].flash + more + 4 * (4 * 32 + 4)


def test_layers_that_were_counted_are_shown_beside_the_estimate() -> None:
    compiled = network("feather_nrf52840")
    board, counts = compiled.target.board, {"c0": LayerCount(12_345, 23_456)}
    text = rendered(*report_tables(compiled.report, board, counts=counts))
    assert "12,345" in text
    assert "alone: the layer as a program's only one, measured" in text
    assert "Conv_1" in text
    assert "12,345" in page(compiled.report, board, counts=counts)
    layers = as_dict(compiled.report, board, counts=counts)["layers"]
    assert layers[1]["measured"] == {
        "instructions": 12_345,
        "modelled_cycles": 23_456,
        "of": "the layer alone",
        "source": "measured",
    }
    assert layers[1]["node"] == "Conv_0"
    assert layers[2]["measured"] is None


# --- cycles and instructions


def test_the_unit_is_what_the_simulator_counts(forest: RandomForestClassifier) -> None:
    for verdict in fit(read(forest)):
        assert verdict.report
        found = as_dict(verdict.report, verdict.board)
        unit = toolchain_for(verdict.board).unit
        assert found["cycles"]["unit"] == found["layers"][0]["cycles"]["unit"] == unit
        assert found["time"]["assumes"] == ("" if unit == "cycles" else "one instruction a cycle")


def test_instructions_are_said_to_be_taken_as_cycles(forest: RandomForestClassifier) -> None:
    compiled = compile(forest, board="pico", check_answers=False)
    board = compiled.target.board
    for text in (rendered(*report_tables(compiled.report, board)), page(compiled.report, board)):
        assert "instructions" in text
        assert "at 133 MHz and one instruction a cycle" in text
    assert "instructions per call" in compiled.report.facts()


def test_what_nothing_counts_is_unknown(forest: RandomForestClassifier) -> None:
    compiled = compile(forest, board="esp32dev", check_answers=False)
    board = compiled.target.board
    found = as_dict(compiled.report, board)
    assert found["cycles"] == {"value": None, "unit": "cycles", "source": "unknown"}
    assert found["time"]["value"] is None
    assert {form["cycles"] for form in found["layers"][0]["others"]} == {None}
    assert found["firmware"]["flash"]["value"] is None
    for text in (rendered(*report_tables(compiled.report, board)), page(compiled.report, board)):
        assert "unknown" in text
        assert " ms at " not in text


# --- the whole firmware


def test_the_firmware_is_framework_sketch_and_model(compiled: Compiled) -> None:
    report, board = compiled.report, compiled.target.board
    sketch = sketch_share(compiled.module, board.arch)
    assert sketch.flash is not None
    assert board.framework_flash is not None
    assert report.firmware.flash.value == board.framework_flash + sketch.flash + report.flash.value
    assert report.registry == replace(report.firmware, platform="registry")  # AVR's core is the same on both
    limits = as_dict(report, board)["firmware"]
    assert (limits["flash"]["limit"], limits["ram"]["limit"]) == (board.flash, board.ram)


def test_a_row_to_try_takes_four_bytes_a_feature(compiled: Compiled) -> None:
    board = compiled.target.board
    without, with_one = (sketch_share(compiled.module, board.arch, sample=tried) for tried in (False, True))
    assert without.flash is not None
    assert with_one.flash is not None
    assert with_one.flash >= without.flash + 4 * 4
    assert with_one.ram == without.ram


def test_beside_an_unknown_framework_a_model_is_judged_by_our_own(forest: RandomForestClassifier) -> None:
    board = replace(load_board("pico"), framework_flash=None, framework_ram=None, measured="")
    verdict = judge(read(forest), Target(board))
    own = empty_share(board, "system")
    assert verdict.report
    assert own.flash is not None
    assert verdict.report.flash_free == board.flash - own.flash
    assert verdict.fits is None
    assert not verdict.report.registry.flash.known
    assert verdict.report.firmware.flash.known


# --- the page


def test_the_page_stands_alone_and_is_the_same_twice(compiled: Compiled) -> None:
    text = page(compiled.report, compiled.target.board, BUILD)
    assert text == page(compiled.report, compiled.target.board, BUILD)
    assert text.startswith(f"<!doctype html>\n{MARK}\n")
    assert "4,321 B" in text
    assert not any(word in text for word in ("<script", "http:", "https:", "src="))


def test_the_page_escapes(compiled: Compiled) -> None:
    board = replace(compiled.target.board, title="<b>Uno & more</b>")
    assert "&lt;b&gt;Uno &amp; more" in page(compiled.report, board)


def test_the_page_is_written_over_itself_only(compiled: Compiled, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    write_page(file, compiled.report, compiled.target.board)
    write_page(file, compiled.report, compiled.target.board, BUILD)
    assert "4,321 B" in file.read_text()
    assert file.stat().st_mode & 0o600 == 0o600
    file.write_text("mine")
    with pytest.raises(McugenError, match="E0603"):
        write_page(file, compiled.report, compiled.target.board)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["mine"]


# --- fit


def test_fit_judges_every_board(forest: RandomForestClassifier) -> None:
    found = fit(read(forest))
    assert [one.board.name for one in found] == [name for name in board_names() if name != "host"]
    assert all(one.report for one in found)


def test_fit_says_the_same_as_compile(forest: RandomForestClassifier, compiled: Compiled) -> None:
    (verdict,) = fit(read(forest, name="forest"), boards=[load_board("uno")])
    assert verdict.report == compiled.report
    assert verdict.fits


def test_fit_takes_what_compile_takes(forest: RandomForestClassifier) -> None:
    (verdict,) = fit(read(forest), "speed", "int8", boards=[load_board("uno")])
    assert verdict.report
    assert (verdict.report.optimize, verdict.report.numeric) == ("speed", "int8")


def test_a_model_that_no_table_of_the_board_can_hold(
    forest: RandomForestClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mcugen.ops.tree_ensemble import forms

    monkeypatch.setattr(forms, "AVR_OBJECT", -1)
    verdict = judge(read(forest), Target(load_board("uno")))
    assert verdict.report is None
    assert [d.code for d in verdict.problems] == ["E0303"]


def test_where_the_model_fits_but_not_the_sketch_around_it(forest: RandomForestClassifier) -> None:
    source, uno = read(forest, name="forest"), load_board("uno")
    assert judge(source, Target(uno)).report.sketch_fits is True
    assert judge(source, Target(load_board("esp32dev"))).report.sketch_fits is None
    alone = judge(source, Target(uno)).report.flash.value
    found = judge(source, Target(replace(uno, flash=uno.framework_flash + alone + 500)))
    assert found.fits
    assert found.report.sketch_fits is False
    taken = judge(source, Target(uno)).report.registry.ram.value + judge(source, Target(uno)).report.stack.value
    assert judge(source, Target(replace(uno, ram=taken + uno.stack_reserve))).report.sketch_fits is True
    assert judge(source, Target(replace(uno, ram=taken + uno.stack_reserve - 1))).report.sketch_fits is False
