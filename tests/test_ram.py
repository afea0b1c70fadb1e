"""`--ram` from the command to the report: what fits where, what is said where it does not, and when layers go row by row for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper

import mcugen
from mcugen.boards import Target, load_board, parse_board
from mcugen.cli import cli
from mcugen.cli.steps import options_of
from mcugen.compile import Compiled
from mcugen.data import boards_dir
from mcugen.diagnostics import McugenError
from mcugen.fit import fit
from mcugen.frontends import read
from mcugen.ram import rams_of
from mcugen.report.html import page
from mcugen.report.json import as_dict as as_json
from mcugen.report.memory import as_dict, explained, memory_table
from mcugen.report.memory_map import memory_map
from mcugen.report.show import budget
from mcugen.targets.toolchain import Build

BOARD = "feather_nrf52840"


@pytest.fixture(scope="module")
def chain() -> bytes:
    """Convolutions whose tensors have 4,096 floats each."""
    rng = np.random.default_rng(0)
    shapes = {"w0": (16, 3, 3, 3), "w1": (16, 16, 3, 3), "w2": (16, 16, 1, 1)}
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["a", "w1"], ["b"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["b", "w2"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["y"]),
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 16, 16))
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 16, 1, 1))
    tables = [numpy_helper.from_array(rng.standard_normal(s).astype(np.float32), n) for n, s in shapes.items()]
    graph = helper.make_graph(nodes, "g", [given], [made], tables)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def compiled(model: bytes, ram: str | None, **more: object) -> Compiled:
    return mcugen.compile(model, board=BOARD, name="net", ram=ram, check_answers=False, **more)  # type: ignore[arg-type]


def test_whole_tensors_where_all_memories_hold_them(chain: bytes) -> None:
    found = compiled(chain, "fast:8k,slow:64k")
    assert not found.memory.regions(found.module.predict)
    fast, slow = found.memory.arenas
    assert 0 < fast.nbytes <= 8192 < slow.nbytes
    report = found.report
    assert report.static == fast.nbytes  # the other one lies beside the board's RAM
    assert [one["bytes"] for one in report.memory["memories"]] == [fast.nbytes, slow.nbytes]
    np.testing.assert_array_equal(
        found.run([np.ones((1, 1, 3, 16, 16), np.float32)])[0],
        compiled(chain, None).run([np.ones((1, 1, 3, 16, 16), np.float32)])[0],
    )


def test_rows_where_the_memories_do_not_hold_whole_tensors(chain: bytes) -> None:
    """Although the board's RAM would."""
    assert compiled(chain, None).report.memory["by_rows"] == 0
    found = compiled(chain, "fast:8k,slow:16k")
    assert found.memory.regions(found.module.predict)
    assert all(one.missing == 0 for one in found.memory.arenas)


def test_a_memory_that_is_too_small_is_named(chain: bytes) -> None:
    with pytest.raises(McugenError) as refused:
        compiled(chain, "fast:1k,slow:8k", by_rows="never")
    (problem,) = refused.value.diagnostics
    assert problem.code == "E0501"
    found = compiled(chain, "fast:1k,slow:8k", by_rows="never", check_fit=False)
    slow = found.memory.memory("slow")
    assert problem.message == f"needs {slow.nbytes:,} B of slow, {slow.nbytes - 8192:,} B more than its 8,192 B"
    assert "let layers run row by row" in problem.help
    assert f"slow {slow.nbytes:,} B, most of it live at " in problem.notes[0]
    assert found.fits is False


def test_a_board_with_another_memory_is_asked_for_it(chain: bytes) -> None:
    teensy = load_board("teensy40")
    (verdict,) = fit(read(chain), boards=[replace(teensy, ram=90_000)])
    assert [one.code for one in verdict.problems] == ["E0501"]
    assert "`--ram ram:SIZE,ocram:511872`" in verdict.problems[0].help


def test_fit_takes_memories(chain: bytes) -> None:
    uno, feather = fit(read(chain), boards=[load_board("uno"), load_board(BOARD)], ram=Target(load_board(BOARD)).ram)
    assert (uno.fits, feather.fits) == (False, True)
    named = rams_of("ram:64k,slow:64k")
    uno, feather = fit(read(chain), boards=[load_board("uno"), load_board(BOARD)], ram=named)
    assert uno.problems[0].code == "E0403"
    assert feather.report
    assert [one["name"] for one in feather.report.memory["memories"]] == ["ram", "slow"]


def test_the_report_shows_every_memory(chain: bytes) -> None:
    found = compiled(chain, "fast:8k,slow:64k")
    budgeted = budget(found.report, found.target.board)
    assert {"fast", "slow"} <= {str(cell) for cell in budgeted.columns[0].cells}
    certificate = explained(found)
    assert as_dict(certificate)["memories"] == found.report.memory["memories"]
    assert [str(cell) for cell in memory_table(certificate).columns[0].cells][-2:] == [
        "in fast, of 8,192 B",
        "in slow, of 65,536 B",
    ]
    drawn = memory_map(found.module.predict, found.memory)
    assert drawn.count("<svg") == 2
    assert "<h3>fast</h3>" in drawn
    assert "<td>slow</td>" in page(found.report, found.target.board, map=drawn)


def test_a_build_says_what_lies_in_each(chain: bytes) -> None:
    found = compiled(chain, "fast:8k,slow:64k")
    build = Build(Path("net.elf"), "system", 9_000, 400, 4_321, 7, "", {"fast": 12_345, "slow": 54_321})
    assert {"12,345 B", "54,321 B"} <= {
        str(c) for c in budget(found.report, found.target.board, build).columns[2].cells
    }
    assert "54,321 B" in page(found.report, found.target.board, build)
    measured = as_json(found.report, found.target.board, build)["measured"]
    assert {name: one["value"] for name, one in measured["memories"].items()} == build.arenas


def test_a_classical_model_has_nothing_to_place(tmp_path: Path) -> None:
    import skops.io
    from sklearn.tree import DecisionTreeClassifier

    skops.io.dump(DecisionTreeClassifier().fit([[0], [1]], [0, 1]), tmp_path / "m.skops")
    with pytest.raises(McugenError, match="no temporaries in static memory"):
        mcugen.compile(tmp_path / "m.skops", ram="fast:1k")


def test_the_commands(chain: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(chain)

    def run(*words: str, exit: int = 0) -> Result:
        done = CliRunner().invoke(cli, [words[0], str(path), *words[1:]])
        assert done.exit_code == exit, done.output
        return done

    named = ("--board", BOARD, "--ram", "fast:8k,slow:64k")
    explained = run("report", *named, "--explain-memory", "--json").stdout
    assert [one["name"] for one in json.loads(explained)["memory"]["memories"]] == ["fast", "slow"]
    planned = json.loads(run("report", *named, "--plan-as", "int8", "--json").stdout)["memory"]
    assert sum(one["bytes"] for one in planned["memories"]) == planned["arena"]
    run("compile", *named, "-o", str(tmp_path / "made"), "--no-check")
    assert "NET_ARENA_SLOW" in (tmp_path / "made" / "src" / "net.h").read_text()
    assert "error[E0501]" in run("report", "--board", BOARD, "--ram", "fast:1k", exit=3).stderr
    assert "error[E0112]" in run("report", "--board", BOARD, "--ram", "64k", exit=1).stderr
    fits = json.loads(run("fit", "--ram", "fast:8k,slow:64k", "--json").stdout)["boards"]
    assert [one["name"] for one in fits[0]["report"]["memory"]["memories"]] == ["fast", "slow"]
    assert options_of({"model": "m", "board": "b", "ram": "a:1k"}) == "m --board b --ram a:1k"


MEMORY = {"nbytes": "1024", "attribute": '"FAST"', "header": '"fast.h"', "defined": '"HAS_FAST"'}


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("psram", {"nbytes": '"4M"'}, "'nbytes' is '4M'"),
        ("psram", {"nbytes": None}, "key 'nbytes' is missing"),
        ("psram", {"size": "3"}, "unknown key 'size'"),
        ("Fast", {}, "'Fast' is no name for a memory"),
        ("ram", {}, "'ram' is no name for a memory"),
    ],
)
def test_a_boards_memories_are_checked(name: str, change: dict[str, str | None], says: str) -> None:
    keys = "\n".join(f"{key} = {value}" for key, value in {**MEMORY, **change}.items() if value is not None)
    board = (Path(boards_dir()) / "uno.toml").read_text() + f"\n[memories.{name}]\n{keys}\n"
    with pytest.raises(McugenError, match=says) as refused:
        parse_board("mine", board.encode(), "mine.toml")
    assert {one.code for one in refused.value.diagnostics} == {"E0402"}


def test_a_boards_memories_have_their_attribute_in_c(chain: bytes) -> None:
    """Where the framework's macro says that it is that framework, and the C still runs elsewhere."""
    found = mcugen.compile(chain, board="teensy40", name="net", ram="ram:8k,ocram:64k")
    text = found.files["src/net.c"]
    assert "#ifdef ARDUINO_TEENSY40\n#include <avr/pgmspace.h>\n#define NET_ARENA_OCRAM DMAMEM\n" in text
    with pytest.raises(McugenError, match="has 511,872 B of it"):
        mcugen.compile(chain, board="teensy40", ram="ram:8k,ocram:512k")
