"""Smaller number formats: which one `auto` takes and why it says so, what E0802 refuses, and what is measured."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from test_vectors import passes

import mcugen
from mcugen.cli import cli
from mcugen.compared import range_of
from mcugen.diagnostics import Loc, McugenError
from mcugen.ir import DType, GraphBuilder, Module, TensorType
from mcugen.numeric import BETWEEN, between
from mcugen.op import Op
from mcugen.report.json import of_proof
from mcugen.report.show import proof_line
from mcugen.targets import host
from mcugen.verify import Proof, Terms, prove, require

X, Y = load_iris(return_X_y=True)
ROWS = 200
INT8 = Terms("int8")


@cache
def digits() -> tuple[Any, Any]:
    rows, labels = load_digits(return_X_y=True)
    return LogisticRegression(max_iter=300).fit(rows, labels), rows


# --- what counts as a disagreement, with a C that is off by what a test says


class Model:
    """A model whose labels are the sign of its one number, which is the row's."""

    tolerance = 1e-5
    relative = False

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def labels(self, rows: Any) -> Any:
        return (rows[:, 0] > 0).astype(np.int64)

    def numbers(self, what: str, rows: Any) -> Any:
        return rows[:, :1].astype(np.float64) * self.scale

    def rounding(self, rows: Any) -> Any:
        return np.zeros(len(rows))

    def near_ties(self, rows: Any) -> Any:
        return np.abs(rows[:, 0]) < 1e-6

    def accepts(self, rows: Any) -> Any:
        return np.isfinite(rows).all(axis=1)


class _Both(Op):
    name = "both"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return TensorType((), DType.I32), TensorType((1,), DType.F32)


def module() -> Module:
    builder = GraphBuilder("predict")
    label, decision = builder.add(_Both(), builder.input("x", TensorType((1,), DType.F32)))
    builder.output(label, labels=("no", "yes"), name="label")
    builder.output(decision, name="decision")
    return Module("m", (builder.build(),))


def proof_of(off: Any, flipped: Any = (), terms: Terms = INT8, scale: float = 1.0, rows: Any = None) -> Proof:
    """The proof of a C whose decisions are `off`, and whose labels are turned over in some rows."""
    x = np.linspace(-1, 1, ROWS)[:, None] if rows is None else rows
    model = Model(scale)

    def run(inputs: Any) -> Any:
        label = model.labels(inputs[0]).astype(np.int32)
        label[list(flipped)] ^= 1
        return [label, (model.numbers("decision", inputs[0]) + np.reshape(off, (-1, 1))).astype(np.float32)]

    return prove(module(), model, x, run, on="host", source="rows", terms=terms)


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_one_percent_of_the_range(scale: float) -> None:
    span = 2 * scale
    assert proof_of(0.0099 * span, scale=scale).wrong == 0
    assert proof_of(0.0101 * span, scale=scale).wrong == ROWS
    assert proof_of(-0.0101 * span, scale=scale).wrong == ROWS
    (off,) = proof_of(0.005 * span, scale=scale).off
    assert (off.output, off.range) == ("decision", pytest.approx(span))
    assert off.part == pytest.approx(0.005, rel=1e-3)


def test_exact_formats_keep_their_tolerance() -> None:
    assert proof_of(2e-5, terms=Terms()).wrong == ROWS
    assert proof_of(0.9e-5, terms=Terms()).wrong == 0
    with pytest.raises(McugenError, match="E0801"):
        require(proof_of(0, [3], Terms()), Loc())


def test_labels_and_numbers_count_once() -> None:
    off = np.zeros(ROWS)
    off[[3, 4]] = 0.5
    found = proof_of(off, [4, 5, 6])
    assert (found.wrong, found.relabelled) == (4, 3)
    with pytest.raises(McugenError) as caught:
        require(found, Loc("m.skops"))
    (said,) = caught.value.diagnostics
    assert said.code == "E0802"
    assert said.message == (
        "4 of 200 rows change their label or are off by more than 1 % of the output's range with --numeric int8 (2 %); "
        "largest error 0.25 of decision's range 2"
    )
    assert said.help == "use --numeric int16 or float32, or allow it with --max-disagreement 0.02"
    assert len(said.notes) == 4
    assert caught.value.exit_code == 4


@given(wrong=st.integers(1, ROWS), rows=st.integers(ROWS, 3000))
@settings(max_examples=60, deadline=None)
def test_what_the_help_says_is_enough(wrong: int, rows: int) -> None:
    x = np.linspace(-1, 1, rows)[:, None]
    x[np.abs(x) < 1e-6] = 0.5
    found = proof_of(np.zeros(rows), range(wrong), rows=x)
    assert found.wrong == wrong
    with pytest.raises(McugenError) as caught:
        require(found, Loc())
    part = float(caught.value.diagnostics[0].help.rpartition(" ")[2])
    require(proof_of(np.zeros(rows), range(wrong), Terms("int8", part), rows=x), Loc())
    assert part <= wrong / rows + 0.0011


def test_the_help_of_int16() -> None:
    with pytest.raises(McugenError, match=r"--numeric int16 \(1 %\).*\n.*\n.*\n.*use --numeric float32, or allow"):
        require(proof_of(0, [5, 6], Terms("int16")), Loc())


def test_what_is_only_shown_fails_nothing() -> None:
    shown = proof_of(0, [5], Terms("int8", judged=False))
    require(shown, Loc())
    assert proof_line(shown).startswith("beside your rows: 200 rows on the host, 1 disagreement with int8; decision at")
    allowed = proof_of(0, [5], Terms("int8", 0.005))
    require(allowed, Loc())
    assert proof_line(allowed).startswith("within --max-disagreement 0.005: 200 rows")
    with pytest.raises(McugenError, match="E0802"):
        require(proof_of(0, [5, 6], Terms("int8", 0.005)), Loc())
    assert proof_line(proof_of(0, [5])).startswith("NOT proven: ")
    assert proof_line(proof_of(0)).startswith("proven: ")


@pytest.mark.parametrize("numbers", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_wrong(numbers: float) -> None:
    found = proof_of(numbers)
    assert found.wrong == ROWS
    said = json.loads(json.dumps(of_proof(found), allow_nan=False))
    assert said["off"] == [{"output": "decision", "largest": None, "range": 2.0, "part": None}]
    assert (said["numeric"], said["max_disagreement"], said["judged"]) == ("int8", 0.0, True)


def test_refused_rows_and_near_ties_are_not_judged() -> None:
    rows = np.array([[np.nan], [0.0], [1.0], [-1.0]])
    found = proof_of([np.nan, 0, 0, 0], [0, 1], rows=rows)
    assert (found.rows, found.refused, found.near_ties, found.wrong) == (2, 1, 1, 0)


def test_ranges() -> None:
    assert range_of(np.array([1.0, 4.0])) == 3
    assert range_of(np.array([-7.0, -7.0])) == 7  # one answer: its size
    assert range_of(np.array([0.0])) == 1
    assert range_of(np.array([np.inf, 2.0, 5.0, np.nan])) == 3
    assert range_of(np.array([])) == 1


# --- what `auto` takes, and why


def test_auto_says_why() -> None:
    model, rows = digits()

    def why(board: str = "mega2560", **asked: Any) -> str:
        return mcugen.compile(model, board, name="digits", check_fit=False, **asked).report.numeric_why

    assert why() == "auto: float32, because without --data nothing shows whether a smaller format changes a label"
    assert why("feather_nrf52840", data=rows) == "auto: float32, because the board has a unit for floats"
    assert why(numeric="int16", data=rows) == "int16: as asked for"
    found = mcugen.compile(model, "mega2560", name="digits", data=rows, check_fit=False)
    assert found.quantised
    assert (
        found.report.numeric_why
        == f"auto: {found.report.numeric} changes no label on 1,797 rows and {BETWEEN:,} between them"
    )
    assert all(proof.proven for proof in found.trials)
    assert mcugen.compile(DecisionTreeClassifier().fit(X, Y), data=X).report.numeric_why == ""


def test_auto_goes_back_to_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    module = import_module("mcugen.compile")  # which mcugen.compile, the function, hides
    model, rows = digits()
    real = module.prove

    def harsh(*args: Any, terms: Terms, **asked: Any) -> Proof:
        found = real(*args, terms=terms, **asked)
        return replace(found, wrong=7 if terms.numeric == "int8" else 2) if terms.numeric else found

    monkeypatch.setattr(module, "prove", harsh)
    found = mcugen.compile(model, "mega2560", name="digits", data=rows[:50], check_fit=False)
    assert not found.quantised
    assert found.report.numeric == "float32"
    said = f"auto: float32; of 50 rows and {BETWEEN:,} between them int8 changes 14 and int16 changes 4"
    assert found.report.numeric_why == said


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = digits()
    for place in ("mcugen.targets.host.find_compiler", "mcugen.numeric.find_compiler"):
        monkeypatch.setattr(place, lambda: None)
    assert host.find_compiler() is None
    found = mcugen.compile(model, "mega2560", name="digits", data=rows, check_fit=False)
    assert found.report.numeric_why == "auto: float32, because there is no C compiler here to try smaller ones with"
    small = mcugen.compile(model, "mega2560", name="digits", numeric="int8", check_fit=False)
    assert not [path for path in small.layout("c") if path.startswith("test/")]


def test_rows_between_integers_are_integers() -> None:
    rows = np.array([[0.0, 255.0], [7.0, 3.0]], np.float32)
    made = between(rows, DType.U8)
    assert np.array_equal(made, np.rint(made))
    assert made.min() >= 0
    assert made.max() <= 255
    assert not np.array_equal(between(rows), np.rint(between(rows)))


# --- a quantised library


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with digits as a logistic regression and its rows."""
    import skops.io

    model, rows = digits()
    skops.io.dump(model, tmp_path / "digits.skops")
    np.save(tmp_path / "train.npy", rows)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str, exit: int = 0) -> Any:
    result = CliRunner().invoke(cli, args)
    assert result.exit_code == exit, f"{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr
    return result


def test_the_reason_is_everywhere(here: Path) -> None:
    why = f"auto: int16 changes no label on 1,797 rows of train.npy and {BETWEEN:,} between them"
    asked = ("digits.skops", "-b", "mega2560", "--data", "train.npy")
    said = run("compile", *asked)
    if "auto: int8" in said.stdout:  # where the smallest format is good enough, it says so
        why = why.replace("int16", "int8")
    assert f"number format {why}" in " ".join(said.stdout.split())
    assert f"| number format | {why} |" in Path("digits/README.md").read_text()
    assert "train.npy" not in Path("digits/src/digits.c").read_text()  # the C is the same whatever the file is called
    found = json.loads(run("report", *asked, "--json", "--html", "x.html").stdout)
    assert found["report"]["numeric_why"] == why
    assert f"Number format {why}." in Path("x.html").read_text()


def test_int8_past_what_is_allowed(here: Path) -> None:
    asked = ("compile", "digits.skops", "-b", "mega2560", "--numeric", "int8", "--output", "proba", "-d", "train.npy")
    result = run(*asked, "--json", exit=4)
    found = json.loads(result.stdout)
    (problem,) = found["error"]
    assert problem["code"] == "E0802"
    assert not Path("digits").exists()
    made, given = found["proofs"]
    assert (made["judged"], given["judged"]) == (False, True)
    assert given["numeric"] == "int8"
    assert given["off"][0]["part"] > 0.01
    assert found["proven"] is False
    part = problem["help"].rpartition(" ")[2]
    said = run(*asked, "--max-disagreement", part).stdout
    assert f"within --max-disagreement {part}: 1,797 rows of train.npy on the host, {given['wrong']:,} dis" in said
    assert "beside your rows: " in said
    assert "proba at most" in said


def test_golden_vectors_are_rows_on_which_the_c_agrees(tmp_path: Path) -> None:
    model, rows = digits()
    for output in ("label", "proba", "decision"):
        asked: dict[str, Any] = {"numeric": "int8", "output": output, "data": rows, "max_disagreement": 1.0}
        of = mcugen.compile(model, "mega2560", name="iris", check_fit=False, **asked)
        of.write(tmp_path / output, "c", rows=rows)
        count = re.search(r"VECTORS (\d+)", (tmp_path / output / "test/test_iris.h").read_text())
        assert count is not None
        passes(tmp_path / output, int(count[1]))
        passes(tmp_path / output, int(count[1]), "sanitize")


@pytest.mark.parametrize("part", [float("nan"), -0.1, 1.1, "0.5", None])
def test_a_part_that_is_none(part: Any) -> None:
    with pytest.raises(McugenError, match="E0112"):
        mcugen.compile(DecisionTreeClassifier().fit(X, Y), max_disagreement=part)


@pytest.mark.parametrize("part", ["nan", "-0.1", "2", "many"])
def test_a_part_that_is_none_on_the_command_line(here: Path, part: str) -> None:
    result = CliRunner().invoke(cli, ["compile", "digits.skops", "-b", "uno", "--max-disagreement", part])
    assert result.exit_code in (1, 2)
    assert not Path("digits").exists()


def test_max_disagreement_is_for_smaller_formats_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from mcugen.frontends.sklearn.tree_reference import TreeReference

    right = TreeReference.labels
    monkeypatch.setattr(TreeReference, "labels", lambda self, rows: (right(self, rows) + 1) % 3)
    with pytest.raises(McugenError, match="E0801"):
        mcugen.compile(DecisionTreeClassifier().fit(X, Y), max_disagreement=1.0)
