"""Golden vectors: which rows they are, and that the generated tests pass as they are and fail where the C is wrong."""

from __future__ import annotations

import re
import subprocess
from configparser import ConfigParser
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tools import require

import mcugen
from mcugen.cli import cli
from mcugen.compile import Compiled
from mcugen.data import boards_dir
from mcugen.diagnostics import McugenError
from mcugen.folder import write
from mcugen.ir import DType, GraphBuilder, Module, TensorType
from mcugen.ops.relu import Relu
from mcugen.vectors import BYTES, FEWEST, MOST, Vectors, choose, run_on_host
from mcugen.vectors import require as require_right

X, Y = load_iris(return_X_y=True)
TEXTS = np.array(["setosa", "größe", "virginica"])[Y]
FORMS = {"arduino": "src", "platformio": "lib/iris/src", "c": "."}
KINDS = {
    "label_int": (DecisionTreeClassifier(random_state=0), X, Y, "label"),
    "label_text": (RandomForestClassifier(9, random_state=0), X, TEXTS, "label"),
    "proba_tree": (DecisionTreeClassifier(max_depth=2, random_state=0), X, TEXTS, "proba"),
    "proba_forest": (RandomForestClassifier(9, max_depth=3, random_state=0), X, Y - 7, "proba"),
    "value_tree": (DecisionTreeRegressor(max_depth=4, random_state=0), X, X[:, 2] ** 3 - 60, "value"),
    "value_forest": (RandomForestRegressor(9, random_state=0), X, X[:, 2] ** 3 - 60, "value"),
}


@cache
def compiled(kind: str, board: str = "uno", optimize: Any = "auto") -> Compiled:
    model, rows, answers, output = KINDS[kind]
    return mcugen.compile(model.fit(rows, answers), board, name="iris", output=output, optimize=optimize)


def vectors(of: Compiled, rows: Any = None) -> Vectors:
    found = choose(of.module, of.source.reference, rows)
    assert found is not None
    return found


def make(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    require("make", "cc")
    command = ["make", "-C", str(folder / "test"), *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def passes(folder: Path, count: int, *args: str) -> None:
    done = make(folder, *args)
    assert done.returncode == 0, done.stdout + done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("vector ")]
    assert said == [f"vector {i}: ok" for i in range(count)]
    assert f"{count} vectors, 0 wrong\n" in done.stdout


# --- the generated tests


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_make_in_every_layout(tmp_path: Path, kind: str, form: Any) -> None:
    compiled(kind).write(tmp_path, form, rows=X)
    passes(tmp_path, len(vectors(compiled(kind), X)))


def test_make_in_the_zip(tmp_path: Path) -> None:
    require("unzip")
    compiled("proba_forest").write(tmp_path, "zip")
    subprocess.run(["unzip", "-q", tmp_path / "iris.zip", "-d", tmp_path], check=True)
    passes(tmp_path / "iris", len(vectors(compiled("proba_forest"))))


@pytest.mark.parametrize(  # with and without PROGMEM
    ("kind", "board"),
    [*((kind, "uno") for kind in KINDS), *((kind, "feather_nrf52840") for kind in [*KINDS][::2])],
)
def test_under_sanitizers_and_as_cpp(tmp_path: Path, kind: str, board: str) -> None:
    require("g++")
    of = compiled(kind, board)
    of.write(tmp_path, "c")
    passes(tmp_path, len(vectors(of)), "sanitize")
    passes(tmp_path, len(vectors(of)), "CC=g++ -x c++", "STD=c++11")
    make(tmp_path, "clean")
    assert sorted(p.name for p in (tmp_path / "test").iterdir()) == sorted(
        path.removeprefix("test/") for path in of.layout("c") if path.startswith("test/")
    )


def spoilt(of: Compiled, folder: Path, *changes: tuple[str, str]) -> subprocess.CompletedProcess[str]:
    """`make test` of a library whose C was changed."""
    write(folder, of.layout("c"))
    text = (folder / "iris.c").read_text()
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement, text, count=1)
        assert count == 1
    (folder / "iris.c").write_text(text)
    return make(folder)


DECLARED = r"(?m)^((?:int|float) iris_predict\w*\(.*\))\n\{"
FAULTS = {  # what the public function gives instead: no larger a fault than must be found
    "label_int": "int iris_predict(const float x[4]) { return right(x) ? right(x) : 1; }",
    "label_text": "int iris_predict(const float x[4]) { return right(x) == 2 ? 1 : right(x); }",
    "proba_tree": "int iris_predict_proba(const float x[4], float p[3]) { int i = right(x, p); p[2] += 2e-6f; return i; }",
    "proba_forest": "int iris_predict_proba(const float x[4], float p[3]) { int i = right(x, p); p[0] = NAN; return i; }",
    "value_tree": "float iris_predict(const float x[4]) { return right(x) * 1.000003f; }",
    "value_forest": "float iris_predict(const float x[4]) { return right(x) != right(x) + 1.0f ? NAN : 0.0f; }",
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_in_the_c_fails(tmp_path: Path, kind: str) -> None:
    of = compiled(kind)
    parameters = re.search(DECLARED, of.files["src/iris.c"])
    assert parameters is not None
    static = re.sub(r"iris_predict\w*", "right", parameters[1])
    done = spoilt(of, tmp_path, (DECLARED, f"static {static}\n{{"), (r"\Z", f"#include <math.h>\n{FAULTS[kind]}\n"))
    assert done.returncode != 0
    assert "error:" not in done.stderr
    wrong = re.search(r"(?m)^(\d+) vectors, (\d+) wrong$", done.stdout)
    assert wrong is not None
    assert int(wrong[1]) == len(vectors(of))
    assert int(wrong[2]) == len(re.findall(r"(?m)^vector \d+: WRONG: .*, expected", done.stdout)) > 0


def test_a_threshold_that_is_one_bit_off_fails(tmp_path: Path) -> None:
    of = compiled("label_int", "uno", "speed")
    thresholds = re.findall(r"0x([0-9a-f]{8})ul", of.files["src/iris.c"])
    assert len(thresholds) > 5
    found = 0
    for i, bits in enumerate(thresholds):
        other = f"0x{int(bits, 16) - 1:08x}ul"
        found += "WRONG" in spoilt(of, tmp_path / str(i), (f"0x{bits}ul", other)).stdout
    assert found > len(thresholds) // 2  # 64 rows are for a handful of thresholds; the proof of `verify` tries all


def test_a_wrong_vector_is_e0801() -> None:
    of = compiled("label_int")
    done = run_on_host(of)
    assert done is not None
    assert (done.vectors, done.wrong, done.said) == (len(vectors(of)), 0, ())

    class Other:
        """The model, but for one class."""

        def __getattr__(self, name: str) -> Any:
            return getattr(of.source.reference, name)

        def labels(self, rows: Any) -> Any:
            return np.maximum(of.source.reference.labels(rows), 1)

    done = run_on_host(replace(of, source=replace(of.source, reference=Other())))
    assert done is not None
    assert 0 < done.wrong < done.vectors
    assert len(done.said) == done.wrong
    with pytest.raises(McugenError, match="golden vectors differ") as caught:
        require_right(done, of.source.loc)
    assert caught.value.exit_code == 4


def test_a_crash_is_e0702() -> None:
    of = replace(compiled("label_int"))
    crash = of.files["src/iris.c"].replace("    const int label", "    __builtin_trap();\n    const int label")
    assert crash != of.files["src/iris.c"]
    of.__dict__["files"] = {**of.files, "src/iris.c": crash}
    with pytest.raises(McugenError, match="E0702"):
        run_on_host(of)


def test_verify_says_how_they_went(tmp_path: Path) -> None:
    import skops.io

    skops.io.dump(KINDS["label_text"][0].fit(X, TEXTS), tmp_path / "iris.skops")
    result = CliRunner().invoke(cli, ["verify", str(tmp_path / "iris.skops"), "-b", "uno"])
    assert result.exit_code == 0
    assert re.search(r"(?m)^unit tests: \d+ golden vectors on the host, 0 wrong$", result.stdout)


# --- which rows


def test_the_same_arguments_give_the_same_vectors() -> None:
    for kind in KINDS:
        assert compiled(kind).layout("c", rows=X) == compiled(kind).layout("c", rows=X)


def test_few_and_many() -> None:
    """At most 64 rows and 2 KiB; four rows whatever they take."""
    for kind in KINDS:
        assert FEWEST <= len(vectors(compiled(kind), X)) <= MOST
    digits, labels = load_digits(return_X_y=True)
    of = mcugen.compile(DecisionTreeClassifier(random_state=0).fit(digits, labels), "mega2560", name="digits")
    found = vectors(of, digits)
    assert found.rows.nbytes <= BYTES
    assert len(set(found.classes.tolist())) == len(found)  # ten classes, seven rows: no class comes twice
    wide = np.random.default_rng(0).normal(size=(50, 900))
    of = mcugen.compile(DecisionTreeClassifier(random_state=0).fit(wide, wide[:, 0] > 0), "mega2560", name="wide")
    assert len(vectors(of, wide)) == FEWEST


def test_rows_of_the_user_and_hard_ones() -> None:
    found = vectors(compiled("label_int"), X).rows
    own = (found[:, None, :] == X.astype(np.float32)[None]).all(axis=2).any(axis=1)
    assert own.sum() >= len(found) // 3
    assert np.isnan(found).any()
    assert np.isinf(found).any()
    bits = np.ascontiguousarray(found).view(np.uint32)
    assert len(np.unique(bits, axis=0)) == len(found)


def test_expected_answers_are_the_models() -> None:
    model, _, _, _ = KINDS["proba_forest"]
    compiled("proba_forest")
    found = vectors(compiled("proba_forest"), X)
    finite = np.isfinite(found.rows).all(axis=1)
    assert finite.sum() > 10
    assert np.array_equal(found.answers[finite], model.predict_proba(found.rows[finite]).astype(np.float32))
    assert np.array_equal(model.classes_[found.classes[finite]], model.predict(found.rows[finite]))


def test_near_ties_are_left_out() -> None:
    model = RandomForestClassifier(2, max_depth=1, random_state=0).fit(X, Y)
    of = mcugen.compile(model, name="ties")
    found = vectors(of, X)
    assert not of.source.reference.near_ties(found.rows).any()


def test_what_the_models_own_sum_may_round_is_allowed_where_there_is_nothing_else(tmp_path: Path) -> None:
    """Leaves of 1e16 that cancel in every row: the mean is rounding and nothing else."""
    rows = np.arange(8.0)[:, None]
    model = ExtraTreesRegressor(3, random_state=0).fit(rows, np.zeros(8))
    for tree, value in zip(model.estimators_, (1e16, 0.3, -1e16), strict=True):
        tree.tree_.value[:] = value
    of = mcugen.compile(model, name="iris", check_answers=False)
    found = vectors(of)
    assert found.rounding > 0
    of.write(tmp_path, "c")
    passes(tmp_path, len(found))
    assert vectors(compiled("value_forest")).rounding == 0


def test_values_that_rounding_blurs_are_left_out() -> None:
    rows, targets = load_diabetes(return_X_y=True)
    of = mcugen.compile(RandomForestRegressor(5, max_depth=4, random_state=0).fit(rows, targets - 150), name="sugar")
    found = vectors(of, rows)
    assert (of.source.reference.rounding(found.rows) <= 1e-7 * np.abs(found.answers)).all()


@pytest.mark.parametrize(
    ("model", "targets"),
    [
        (DecisionTreeClassifier(), np.zeros(8, int)),
        (RandomForestClassifier(3, random_state=0), np.zeros(8, int)),
        (DecisionTreeRegressor(), np.zeros(8)),
        (DecisionTreeRegressor(), np.repeat([1.0, 1e-40], 4)),
        (DecisionTreeRegressor(), np.full(8, 3e38)),
        (RandomForestRegressor(3, random_state=0), np.repeat([-1.0, 0.0], 4)),
        (DecisionTreeClassifier(), np.arange(8) * 10**12),
    ],
)
def test_models_of_one_answer_and_of_extreme_ones(tmp_path: Path, model: Any, targets: Any) -> None:
    of = mcugen.compile(model.fit(np.arange(16.0).reshape(8, 2), targets), name="iris")
    of.write(tmp_path, "c")
    passes(tmp_path, len(vectors(of)))


def ini(board: str | Path) -> ConfigParser:
    read = ConfigParser(interpolation=None)
    of = mcugen.compile(KINDS["label_int"][0].fit(X, Y), board, name="iris", check_fit=False)
    read.read_string(str(of.layout("platformio")["platformio.ini"]))
    return read


def test_environments_of_the_tests() -> None:
    found = ini("uno")
    assert found.sections() == ["platformio", "env", "env:uno", "env:uno_simulated", "env:native"]
    assert found["platformio"]["default_envs"] == "uno"
    assert found["env"]["test_framework"] == "custom"
    command = ["mcugen", "simulate", "--board", "uno", "${platformio.build_dir}/${this.__env__}/firmware.elf"]
    assert found["env:uno_simulated"]["test_testing_command"].split() == command
    assert "env:esp32dev_simulated" not in ini("esp32dev")  # there is no simulator


def test_no_simulator_for_a_board_that_only_its_user_knows(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text((boards_dir() / "uno.toml").read_text())
    assert ini(own).sections() == ["platformio", "env", "env:mine", "env:native"]


def test_no_tests_where_there_is_nothing_to_test() -> None:
    builder = GraphBuilder("predict")
    (y,) = builder.add(Relu(), builder.input("x", TensorType((4,), DType.F32)))
    builder.output(y)
    assert choose(Module("net", (builder.build(),)), compiled("value_tree").source.reference) is None
    assert not [path for path in compiled("value_tree").layout("header") if "test" in path]


def test_what_checks_the_arena_of_a_network_is_no_test() -> None:
    nodes = [helper.make_node("Neg", ["x"], ["t"]), helper.make_node("Softmax", ["t"], ["y"])]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4)) for name in "xy")
    model = helper.make_model(
        helper.make_graph(nodes, "g", [x], [y]), opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )
    net = mcugen.compile(model.SerializeToString(), "host", name="net", check_answers=False)
    assert [path for path in net.layout("c") if path.startswith("test/")] == ["test/net_check.h"]
    assert run_on_host(net) is None


def test_rows_of_another_shape() -> None:
    with pytest.raises(McugenError, match="3 columns"):
        compiled("label_int").layout("c", rows=X[:, :3])
