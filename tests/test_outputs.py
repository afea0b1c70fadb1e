"""The outputs `decision` and `transform`, and rows of integers, in all that a user gets: C, README, sketch, unit tests."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from test_project_folder import calling, compile_sketch
from test_vectors import make, passes
from tools import require

import mcugen
from mcugen.compile import Compiled
from mcugen.deploy import row_text, sample_row
from mcugen.diagnostics import McugenError
from mcugen.folder import write
from mcugen.interface import interface_macros
from mcugen.ir import DType
from mcugen.vectors import FEWEST, MOST, Vectors, choose

X, Y = load_iris(return_X_y=True)
DIGITS, NUMBERS = load_digits(return_X_y=True)
TEXTS = np.array(["setosa", "größe", "virginica"])[Y]
SHORTS = np.round(X * 1000 - 3000)  # both signs, beyond a byte
BYTES = DIGITS[:, 10:26]
FIT: dict[str, tuple[Any, Any, Any, str, Literal["float32", "uint8", "int16"]]] = {
    "decision": (LogisticRegression(max_iter=500), X, TEXTS, "decision", "float32"),
    "decision_of_two": (LogisticRegression(), X, Y > 0, "decision", "float32"),
    "transform": (StandardScaler(), X, None, "transform", "float32"),
    "bytes": (DecisionTreeClassifier(max_depth=5, random_state=0), BYTES, NUMBERS, "label", "uint8"),
    "bytes_proba": (RandomForestClassifier(3, max_depth=4, random_state=0), BYTES, NUMBERS, "proba", "uint8"),
    "bytes_transform": (StandardScaler(), BYTES, None, "transform", "uint8"),
    "shorts": (make_pipeline(StandardScaler(), LogisticRegression()), SHORTS, Y, "decision", "int16"),
    "shorts_value": (RandomForestRegressor(3, max_depth=4, random_state=0), SHORTS, X[:, 2] ** 3, "value", "int16"),
}
PROTOTYPES = {
    "decision": "int iris_decision(const float x[4], float decision[3]);",
    "decision_of_two": "int iris_decision(const float x[4], float decision[1]);",
    "transform": "int iris_transform(const float x[4], float transform[4]);",
    "bytes": "int iris_predict(const uint8_t x[16]);",
    "bytes_proba": "int iris_predict_proba(const uint8_t x[16], float proba[10]);",
    "bytes_transform": "int iris_transform(const uint8_t x[16], float transform[16]);",
    "shorts": "int iris_decision(const int16_t x[4], float decision[3]);",
    "shorts_value": "float iris_predict(const int16_t x[4]);",
}
CALLS = {
    "decision": "float d[IRIS_DECISIONS]; /* 3 numbers */\nint i = iris_decision(x, d);\nchar text[",
    "decision_of_two": "float d[IRIS_DECISIONS]; /* 1 number */\nint i = iris_decision(x, d);\nint32_t label",
    "transform": "float y[IRIS_OUTPUTS]; /* 4 numbers */\niris_transform(x, y);\n",
    "bytes": "uint8_t x[IRIS_FEATURES]; /* 16 numbers */\nint i = iris_predict(x);\nint32_t label",
    "shorts": "int16_t x[IRIS_FEATURES]; /* 4 numbers */\nfloat d[IRIS_DECISIONS]; /* 3 numbers */\n",
}


@cache
def compiled(kind: str, board: str = "uno") -> Compiled:
    model, rows, answers, output, input = FIT[kind]
    fitted = model.fit(rows, answers)
    return mcugen.compile(fitted, board, name="iris", output=output, input=input, check_fit=False)


def vectors(kind: str) -> Vectors:
    of = compiled(kind)
    found = choose(of.module, of.source.reference, FIT[kind][1])
    assert found is not None
    return found


# --- what a caller sees


@pytest.mark.parametrize("kind", FIT)
def test_the_header_says_it(kind: str) -> None:
    of = compiled(kind)
    assert PROTOTYPES[kind] in of.files["src/iris.h"]
    for macro, value, _ in interface_macros(of.module):
        assert f"#define {macro} {value}" in of.files["src/iris.h"]
    assert PROTOTYPES[kind].removesuffix(";") in of.layout("header")["iris.h"]


def test_counts_to_size_buffers_with() -> None:
    found = {kind: {m: v for m, v, _ in interface_macros(compiled(kind).module)} for kind in FIT}
    assert found["decision"]["IRIS_DECISIONS"] == 3
    assert found["decision_of_two"] == {"IRIS_FEATURES": 4, "IRIS_CLASSES": 2, "IRIS_DECISIONS": 1}
    assert found["transform"] == {"IRIS_FEATURES": 4, "IRIS_OUTPUTS": 4}
    assert found["bytes_proba"] == {"IRIS_FEATURES": 16, "IRIS_CLASSES": 10}
    keywords = str(compiled("transform").layout()["keywords.txt"])
    assert keywords == "iris_transform\tKEYWORD2\nIRIS_FEATURES\tLITERAL1\nIRIS_OUTPUTS\tLITERAL1\n"


@pytest.mark.parametrize("kind", CALLS)
def test_the_readmes_example_compiles(tmp_path: Path, kind: str) -> None:
    content = compiled(kind).layout("c")
    readme = str(content["README.md"])
    assert CALLS[kind] in readme
    called = re.search(r"```c\n(.*?)```", readme, re.DOTALL)
    assert called is not None
    write(tmp_path, content)
    (tmp_path / "called.c").write_text(calling(called[1]))
    subprocess.run([*require_cc(), "-fsyntax-only", f"-I{tmp_path}", tmp_path / "called.c"], check=True)


def require_cc() -> list[str]:
    require("cc")
    return ["cc"]


def test_what_a_row_may_have() -> None:
    readmes = {kind: " ".join(str(compiled(kind).layout("c")["README.md"]).split()) for kind in FIT}
    assert "whole numbers from 0 to 255." in readmes["bytes"]
    assert "whole numbers from -32768 to 32767." in readmes["shorts"]
    assert "finite: with `NAN` or `INFINITY` in it the answer means nothing." in readmes["decision"]
    assert "the larger it is, the surer of class 1" in readmes["decision_of_two"]


@pytest.mark.parametrize("kind", FIT)
def test_python_sees_what_c_gives(kind: str) -> None:
    of, (model, rows, _, output, _) = compiled(kind), FIT[kind]
    model = of.source.reference
    assert of.verify(rows).proven
    single = rows.astype(np.float32)
    if output == "transform":
        assert np.allclose(of.transform(rows), model.numbers("transform", single), rtol=1e-5, atol=1e-5)
        with pytest.raises(McugenError, match=r"E0304.*predicts nothing"):
            of.predict(rows)
        return
    assert of.predict(rows).shape == (len(rows),)
    if output == "decision":
        found = model.numbers("decision", single)
        assert np.allclose(of.decision_function(rows).reshape(found.shape), found, rtol=1e-5, atol=1e-5)
    with pytest.raises(McugenError, match="E0304"):
        of.transform(rows)


# --- unit tests of the library


@pytest.mark.parametrize("form", ["arduino", "platformio", "c"])
@pytest.mark.parametrize("kind", FIT)
def test_make_in_every_layout(tmp_path: Path, kind: str, form: Any) -> None:
    compiled(kind).write(tmp_path, form, rows=FIT[kind][1])
    passes(tmp_path, len(vectors(kind)))


@pytest.mark.parametrize(
    ("kind", "board"), [*((kind, "uno") for kind in FIT), *((kind, "feather_nrf52840") for kind in [*FIT][::2])]
)
def test_under_sanitizers_and_as_cpp(tmp_path: Path, kind: str, board: str) -> None:
    require("g++")
    compiled(kind, board).write(tmp_path, "c", rows=FIT[kind][1])
    count = len(vectors(kind))
    passes(tmp_path, count, "sanitize")
    passes(tmp_path, count, "CC=g++ -x c++", "STD=c++11")


FAULTS = {  # what the public function gives instead: no larger a fault than must be found
    "decision": "int iris_decision(const float x[4], float d[3]) { int i = right(x, d); d[2] += d[2] / 16384 + 1e-4f; return i; }",
    "decision_of_two": "int iris_decision(const float x[4], float d[1]) { int i = right(x, d); return d[0] > 2 ? 0 : i; }",
    "transform": "int iris_transform(const float x[4], float y[4]) { right(x, y); y[3] = y[3] != 0 ? NAN : y[3]; return 0; }",
    "bytes": "int iris_predict(const uint8_t x[16]) { return right(x) ? right(x) : 1; }",
    "bytes_transform": "int iris_transform(const uint8_t x[16], float y[16]) { right(x, y); y[9] *= 1.00005f; return 0; }",
    "shorts_value": "float iris_predict(const int16_t x[4]) { return right(x) * 1.000003f; }",
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_in_the_c_fails(tmp_path: Path, kind: str) -> None:
    of = compiled(kind)
    write(tmp_path, of.layout("c", rows=FIT[kind][1]))
    declared = PROTOTYPES[kind].removesuffix(";")
    own = f"static {declared.replace(declared.split('(')[0].split()[1], 'right')}"
    text = (tmp_path / "iris.c").read_text()
    assert text.count(f"\n{declared}\n{{") == 1
    (tmp_path / "iris.c").write_text(
        text.replace(f"\n{declared}\n{{", f"\n{own}\n{{") + f"#include <math.h>\n{FAULTS[kind]}\n"
    )
    done = make(tmp_path)
    assert done.returncode != 0
    assert "error:" not in done.stderr
    wrong = re.search(r"(?m)^(\d+) vectors, (\d+) wrong$", done.stdout)
    assert wrong is not None
    assert int(wrong[2]) == len(re.findall(r"(?m)^vector \d+: WRONG: .*, expected", done.stdout)) > 0


@pytest.mark.parametrize("kind", FIT)
def test_vectors(kind: str) -> None:
    found, output, input = vectors(kind), FIT[kind][3], FIT[kind][4]
    assert FEWEST <= len(found) <= MOST
    assert (found.classes is None) == (output in ("transform", "value"))
    assert (found.answers is None) == (output == "label")
    bits = np.ascontiguousarray(found.rows).view(np.uint32)
    assert len(np.unique(bits, axis=0)) == len(found)
    if input != "float32":
        limits = DType.of(input).limits
        assert limits is not None
        assert ((found.rows >= limits[0]) & (found.rows <= limits[1]) & (found.rows == np.rint(found.rows))).all()
    own = (found.rows[:, None, :] == FIT[kind][1].astype(np.float32)[None]).all(axis=2).any(axis=1)
    assert own.sum() >= len(found) // 3
    assert found.tolerance <= 1e-5


def test_transformed_rows_are_spread() -> None:
    """Rows that become the same one are one answer, and come once before they come twice."""
    found = vectors("transform")
    assert found.answers is not None
    assert len(np.unique(found.answers, axis=0)) == len(found)
    assert np.ptp(found.answers[:, 0]) > 3


# --- the sketch


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("kind", FIT)
def test_the_sketch_compiles_for_an_uno(tmp_path: Path, kind: str, sampled: bool) -> None:
    require("avr-g++", "arduino-core-avr")
    of = compiled(kind)
    write(tmp_path, of.layout("arduino", sample_row(of, FIT[kind][1]) if sampled else None))
    compile_sketch(tmp_path / "examples/Iris/Iris.ino", tmp_path / "src")


def test_a_sample_of_integers() -> None:
    of = compiled("bytes")
    sketch = str(of.layout("arduino", [0, 255, *range(14)])["examples/Iris/Iris.ino"])
    assert "static const uint8_t sample_row[IRIS_FEATURES] PROGMEM = {\n    0, 255, 0, 1, 2" in sketch
    for wrong in (256, -1, 0.5, float("nan"), float("inf")):
        with pytest.raises(McugenError, match=r"E0110.*\n.*whole numbers from 0 to 255"):
            of.layout("arduino", [wrong] * 16)


def test_rows_as_text() -> None:
    assert row_text(np.array([[0.0, 255.0]]), DType.U8) == b"0,255\n"
    assert row_text(np.array([[0.0, -3.0]]), DType.I16) == b"0,-3\n"
    assert row_text(np.array([[0.1, np.nan]])) == b"0.1,nan\n"


# --- rows that are none


@pytest.mark.parametrize(
    ("kind", "cell", "says"),
    [
        ("bytes", 0.5, "row 2, column 1 is 0.5"),
        ("bytes", -1, "row 2, column 1 is -1"),
        ("bytes", 256, "row 2, column 1 is 256"),
        ("bytes", np.nan, "row 2, column 1 is nan"),
        ("bytes", np.inf, "row 2, column 1 is inf"),
        ("shorts", 32768, "row 2, column 1 is 32768"),
        ("decision", np.nan, "the model itself refuses row 2, column 1 is nan"),
        ("decision", -np.inf, "the model itself refuses row 2, column 1 is -inf"),
        ("decision", 1e300, "the model itself refuses row 2, column 1 is inf"),
    ],
)
def test_rows_that_the_model_does_not_take(tmp_path: Path, kind: str, cell: float, says: str) -> None:
    model, rows, answers, output, input = FIT[kind]
    fitted = model.fit(rows, answers)
    bad = rows[:5].copy()
    bad[2, 1] = cell
    np.savetxt(tmp_path / "bad.csv", bad, delimiter=",")
    for data in (bad, tmp_path / "bad.csv"):
        with pytest.raises(McugenError, match=says) as caught:
            mcugen.compile(fitted, output=output, input=input, data=data, check_fit=False, check_answers=False)
        assert [d.code for d in caught.value.diagnostics] == ["E0110"]
    with pytest.raises(McugenError, match=says):
        compiled(kind).verify(bad)


def test_how_many_rows_are_wrong() -> None:
    bad = np.where(np.arange(len(X))[:, None] < 3, np.nan, X)
    with pytest.raises(McugenError, match="refuses row 0, column 0 is nan, and 2 more rows are like it"):
        compiled("decision").verify(bad)
    with pytest.raises(McugenError, match=r"row 0, column 0 is 0\.5, and 1 more row is like it"):
        compiled("bytes").verify(np.full((2, 16), 0.5))


def test_trees_take_what_is_missing() -> None:
    of = mcugen.compile(DecisionTreeClassifier().fit(X, Y), data=np.where(X > 5, np.nan, X))
    assert of.rows is not None
    assert np.isnan(of.rows).any()


def test_an_input_type_that_is_none() -> None:
    with pytest.raises(McugenError, match=r"E0112.*\n.*did you mean 'uint8'"):
        mcugen.compile(DecisionTreeClassifier().fit(X, Y), input="int8")  # type: ignore[arg-type]
