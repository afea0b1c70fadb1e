"""The command line: what it says, its exit codes, its JSON, and that nothing ends in a traceback or half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

import mcugen as mcugen_package
from mcugen.cli import cli
from mcugen.diagnostics import Diagnostic, McugenError
from mcugen.targets import host

Golden = Callable[[str, str], None]
HEAVY = ("numpy", "scipy", "sklearn", "onnx", "skops", "jinja2", "networkx", "rich", "platformio", "serial", "elftools")
RELU = '<ir_version: 8, opset_import: ["" : 17]> small (float[1,4] x) => (float[1,4] y) { y = Relu(x) }'


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models and data: iris as a tree, a layer of a network, digits as forests, and the rows of iris."""
    import joblib
    import onnx.parser
    import skops.io
    from sklearn.datasets import load_diabetes, load_digits, load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.gaussian_process import GaussianProcessClassifier
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    folder = tmp_path_factory.mktemp("models")
    rows, labels = load_iris(return_X_y=True)
    tree = DecisionTreeClassifier(random_state=0).fit(rows, labels)
    skops.io.dump(tree, folder / "iris.skops")
    joblib.dump(tree, folder / "iris.joblib")
    skops.io.dump(DecisionTreeClassifier(), folder / "unfitted.skops")
    skops.io.dump(GaussianProcessClassifier().fit(rows, labels), folder / "gaussian.skops")
    skops.io.dump(RandomForestClassifier(60, random_state=0).fit(*load_digits(return_X_y=True)), folder / "large.skops")
    regressor = DecisionTreeRegressor(max_depth=3, random_state=0).fit(*load_diabetes(return_X_y=True))
    skops.io.dump(regressor, folder / "sugar.skops")
    (folder / "cut.skops").write_bytes((folder / "iris.skops").read_bytes()[:-200])
    onnx.save(onnx.parser.parse_model(RELU), folder / "relu.onnx")
    (folder / "text.skops").write_text("not a model\n")
    np.save(folder / "iris.npy", rows)
    np.savetxt(folder / "labelled.csv", np.c_[rows, labels], delimiter=",")
    return folder


@pytest.fixture
def here(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the models beside it as `../m/`."""
    (tmp_path / "m").symlink_to(models)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path / "here"


def mcugen(*args: str, exit: int = 0) -> Result:
    """Run a command in this process; no traceback whatever it does."""
    result = CliRunner().invoke(cli, args)
    assert result.exit_code == exit, f"{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs find this mcugen from whatever folder they are started in."""
    monkeypatch.setenv("PYTHONPATH", str(Path(mcugen_package.__file__).parent.parent))


def program(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "mcugen", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **env}, check=False)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# --- help


COMMANDS = [*cli.commands]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command: str, golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = mcugen(command, "--help").stdout
    assert f"Example: mcugen {command}" in " ".join(said.split())
    golden(f"help/{command}.txt", said)


def test_help_of_all(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = mcugen("--help").stdout
    assert "..." not in said.split("Commands:")[1].split("Exit codes")[0]  # every line is whole
    golden("help/mcugen.txt", said)


def test_what_help_does_not_import() -> None:
    asked = [["--help"], ["--version"], *([command, "--help"] for command in COMMANDS)]
    script = f"""
import sys
from mcugen.cli import cli
for args in {asked!r}:
    try:
        cli.main(args)
    except SystemExit as end:
        assert end.code == 0, args
heavy = {HEAVY!r}
print([m for m in sys.modules if m in heavy], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "[]\n"


def test_every_option_is_explained() -> None:
    for command in cli.commands.values():
        assert all(p.help for p in command.params if isinstance(p, click.Option)), command.name


# --- what the commands do


def test_compile_says_what_it_did(here: Path) -> None:
    said = mcugen("compile", "../m/iris.skops", "--board", "uno", "--data", "../m/iris.npy").stdout
    assert "read ../m/iris.skops: tree_ensemble" in said
    assert "4 features, 3 classes" in said
    assert "chosen" in said
    assert "of 32,256 B; the framework takes" in said
    assert "threshold rows on the host, 0 disagreements" in said
    assert "proven: 150 rows of ../m/iris.npy on the host, 0 disagreements" in said
    assert "wrote iris/src/iris.c" in said
    assert "sample" in Path("iris/examples/Iris/Iris.ino").read_text()
    again = mcugen("compile", "../m/iris.skops", "--board", "uno", "--data", "../m/iris.npy").stdout
    assert "unchanged: 15 of 15 files" in again
    assert "wrote" not in again


@pytest.mark.parametrize(
    ("as_", "file"),
    [
        ("platformio", "platformio.ini"),
        ("header", "petal.h"),
        ("c", "petal.c"),
        ("zip", "petal.zip"),
        ("arduino", "src/petal.h"),
    ],
)
def test_compile_as(here: Path, as_: str, file: str) -> None:
    mcugen("compile", "../m/iris.skops", "-b", "uno", "-o", "out/deep", "--as", as_, "--name", "petal", "--no-check")
    assert file in names(here / "out/deep")
    if as_ == "zip":
        assert "petal/src/petal.c" in zipfile.ZipFile("out/deep/petal.zip").namelist()


def test_compile_json(here: Path) -> None:
    result = mcugen("compile", "../m/iris.skops", "-b", "uno", "--output", "proba", "--json")
    found = json.loads(result.stdout)
    assert found["schema"] == 1
    assert found["report"]["board"] == "uno"
    assert found["proven"] is True
    assert found["proofs"][0]["on"] == "host"
    assert found["folder"] == "iris"
    assert found["files"]["changed"] == [n for n in names(here / "iris") if not n.startswith(".")]
    assert "wrote iris/src/iris.c" in result.stderr


def test_dump_ir(here: Path) -> None:
    said = mcugen("compile", "../m/iris.skops", "-b", "uno", "--dump-ir").stdout
    assert "; after select\nmodule iris" in said
    assert "return %label" in said


def test_a_pickle_with_the_flag(here: Path) -> None:
    assert "proven" in mcugen("verify", "../m/iris.joblib", "-b", "uno", "--allow-pickle").stdout


def test_a_regressor(here: Path) -> None:
    assert "a number" in mcugen("compile", "../m/sugar.skops", "-b", "mega2560").stdout


def test_fit_json(here: Path) -> None:
    found = json.loads(mcugen("fit", "../m/large.skops", "--json").stdout)
    verdicts = {row["board"]: row for row in found["boards"]}
    assert "host" not in verdicts
    assert not verdicts["uno"]["fits"]
    assert verdicts["feather_nrf52840"]["fits"]
    assert verdicts["feather_nrf52840"]["report"]["flash"]["source"] == "estimated"


def test_fit_that_fits_nowhere(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mcugen import fit
    from mcugen.boards import load_board

    monkeypatch.setattr(fit, "all_boards", lambda: (load_board("uno"),))
    said = mcugen("fit", "../m/large.skops", exit=3).stdout
    assert "uno" in said
    assert "no: flash" in said
    found = json.loads(mcugen("fit", "../m/large.skops", "--json", exit=3).stdout)
    assert [row["problems"] for row in found["boards"]] == [[found["boards"][0]["problems"][0]]]


def test_report_writes_a_page(here: Path) -> None:
    assert "wrote iris.html" in mcugen("report", "../m/iris.skops", "-b", "uno", "--html", "iris.html").stdout
    assert Path("iris.html").read_text().startswith("<!doctype html>")


def test_verify_json(here: Path) -> None:
    found = json.loads(mcugen("verify", "../m/iris.skops", "-b", "uno", "-d", "../m/iris.npy", "--json").stdout)
    assert found["proofs"][0]["rows"] == 150
    assert found["proofs"][0]["source"] == "rows of ../m/iris.npy"


def test_boards() -> None:
    found = json.loads(mcugen("boards", "--json").stdout)
    uno = next(board for board in found["boards"] if board["name"] == "uno")
    assert uno["platformio"]["board"] == "uno"
    assert uno["flash_free"] == uno["flash"] - uno["framework_flash"]
    assert "atmega328p" in mcugen("boards").stdout


@pytest.mark.parametrize("code", ["E0501", "e0501", "501", "[E0501]"])
def test_explain(code: str) -> None:
    assert mcugen("explain", code).stdout.startswith("E0501: not enough RAM\n")


def test_explain_others() -> None:
    assert "did you mean E0501?" in mcugen("explain", "EO501", exit=2).stderr
    assert "E0801  the C and the model disagree" in mcugen("explain").stdout
    assert json.loads(mcugen("explain", "E0501", "--json").stdout)["exit_code"] == 3


def test_ops() -> None:
    assert "tree_ensemble" in mcugen("ops").stdout
    assert "relu" in [op["name"] for op in json.loads(mcugen("ops", "--json").stdout)["ops"]]


# --- bad input: a located diagnostic, the right exit code, nothing written


BAD: list[tuple[str, int, list[str], str]] = [
    ("E0101", 1, ["compile", "none.skops", "-b", "uno"], "--> none.skops"),
    ("E0101", 1, ["fit", "."], "is a folder"),
    ("E0102", 1, ["compile", "../m/text.skops", "-b", "uno"], "--> ../m/text.skops"),
    ("E0102", 1, ["fit", "../m/iris.npy"], "skops.io.dump"),
    ("E0103", 1, ["compile", "../m/iris.joblib", "-b", "uno"], "--allow-pickle"),
    ("E0104", 1, ["report", "../m/cut.skops", "-b", "uno"], "--> ../m/cut.skops"),
    ("E0106", 1, ["verify", "../m/unfitted.skops", "-b", "uno"], "--> ../m/unfitted.skops"),
    ("E0301", 1, ["compile", "../m/gaussian.skops", "-b", "uno"], "GaussianProcessClassifier"),
    ("E0304", 1, ["compile", "../m/sugar.skops", "-b", "uno", "--output", "proba"], "--> ../m/sugar.skops"),
    ("E0101", 1, ["verify", "../m/iris.skops", "-b", "uno", "-d", "none.npy"], "--> none.npy"),
    ("E0101", 1, ["verify", "../m/iris.skops", "-b", "uno", "-d", "../m/irys.npy"], "did you mean '../m/iris.npy'?"),
    ("E0109", 1, ["verify", "../m/iris.skops", "-b", "uno", "-d", "../m/iris.skops"], "a skops model, not rows"),
    ("E0110", 1, ["compile", "../m/iris.skops", "-b", "uno", "-d", "../m/labelled.csv"], "have 5 columns; the model"),
    ("E0401", 1, ["compile", "../m/iris.skops", "-b", "unno"], "did you mean 'uno'?"),
    ("E0401", 1, ["monitor", "-b", "mega"], "mega2560"),
    ("E0402", 1, ["compile", "../m/iris.skops", "-b", "own.toml"], "own.toml"),
    ("E0502", 3, ["compile", "../m/large.skops", "-b", "uno"], "--> ../m/large.skops"),
    ("E0502", 3, ["report", "../m/large.skops", "-b", "uno"], "30,"),
    ("E0111", 1, ["compile", "../m/iris.skops", "-b", "uno", "--name", "while"], "while_model"),
    ("E0111", 1, ["compile", "../m/iris.skops", "-b", "uno", "--name", "größe"], "groesse"),
    ("E0604", 1, ["compile", "../m/iris.skops", "-b", "uno", "-o", "own.toml"], "own.toml"),
    ("E0604", 1, ["report", "../m/iris.skops", "-b", "uno", "--html", "none/x.html"], "none/x.html"),
    ("E0603", 1, ["report", "../m/iris.skops", "-b", "uno", "--html", "own.toml"], "--> own.toml"),
    ("E0901", 5, ["build", "../m/iris.skops", "-b", "host"], "Host"),
    ("E0901", 5, ["verify", "../m/iris.skops", "-b", "esp32dev", "--on", "simulator"], "ESP32"),
    ("E0703", 5, ["flash", "../m/iris.skops", "-b", "uno", "-p", "/dev/none"], "/dev/none"),
]


@pytest.mark.parametrize(("code", "exit", "args", "says"), BAD, ids=[f"{b[0]}-{' '.join(b[2])}" for b in BAD])
def test_bad_input(here: Path, code: str, exit: int, args: list[str], says: str) -> None:
    Path("own.toml").write_text('title = "mine"\n')
    result = mcugen(*args, exit=exit)
    assert f"error[{code}]" in result.stderr
    assert says in result.stderr
    assert "= help: " in result.stderr
    assert names(here) == ["own.toml"]


@pytest.mark.parametrize(("code", "exit", "args", "says"), BAD[:1] + BAD[11:12] + BAD[16:17])
def test_bad_input_as_json(here: Path, code: str, exit: int, args: list[str], says: str) -> None:
    result = mcugen(*args, "--json", exit=exit)
    found = json.loads(result.stdout)
    assert found["schema"] == 1
    assert [d["code"] for d in found["error"]] == [code]
    assert {*found["error"][0]} == {"code", "message", "where", "notes", "help"}
    assert f"error[{code}]" in result.stderr


def test_data_that_may_not_be_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(self: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(os, "access", lambda *_, **__: False)  # what click asks, also as root
    monkeypatch.setattr("mcugen.datafile._opened", locked)
    result = mcugen("verify", "../m/iris.skops", "-b", "uno", "-d", "../m/iris.npy", exit=1)
    assert "error[E0101]: the data file cannot be read: Permission denied" in result.stderr


def test_the_users_files_are_left_alone(here: Path) -> None:
    Path("iris/src").mkdir(parents=True)
    Path("iris/src/iris.c").write_text("mine")
    result = mcugen("compile", "../m/iris.skops", "-b", "uno", exit=1)
    assert "error[E0603]: mcugen did not write src/iris.c\n  --> iris" in result.stderr
    assert names(here) == ["iris/src/iris.c"]


def test_a_board_without_ram(here: Path) -> None:
    uno = (Path(__file__).parent.parent / "boards/uno.toml").read_text()
    Path("tiny.toml").write_text(uno.replace("ram = 2_048", "ram = 320"))
    result = mcugen("compile", "../m/iris.skops", "-b", "tiny.toml", exit=3)
    assert "error[E0501]" in result.stderr
    assert names(here) == ["tiny.toml"]


MESSAGES = [b[2] for b in BAD if b[0] in ("E0103", "E0106", "E0110", "E0111")]


def test_messages(here: Path, golden: Golden) -> None:
    said = [f"$ mcugen {' '.join(args)}\n{mcugen(*args, exit=1).stderr}" for args in MESSAGES]
    golden("messages.txt", "\n".join(said))


def test_usage(here: Path) -> None:
    assert "did you mean 'compile'?" in mcugen("compil", exit=2).stderr
    assert "Missing option '--board'" in mcugen("compile", "x", exit=2).stderr
    result = mcugen("fit", "--json", exit=2)
    assert json.loads(result.stdout)["error"][0]["code"] == "usage"
    mcugen("compile", "x", "-b", "uno", "--as", "pdf", exit=2)


def test_disagreement(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mcugen.frontends.sklearn.tree_reference import TreeReference

    right = TreeReference.labels
    monkeypatch.setattr(TreeReference, "labels", lambda self, rows: (right(self, rows) + 1) % 3)
    result = mcugen("compile", "../m/iris.skops", "-b", "uno", "-d", "../m/iris.npy", "--json", exit=4)
    found = json.loads(result.stdout)
    assert found["error"][0]["code"] == "E0801"
    assert found["proofs"][1]["wrong"] == 150
    assert len(found["proofs"][1]["worst"]) == 5
    assert "NOT proven" in result.stderr
    assert names(here) == []


# --- what is missing


def test_without_a_compiler(here: Path) -> None:
    """Neither on PATH nor from ziglang, which may be installed beside the tests."""
    code = "import sys; sys.modules['ziglang'] = None; from mcugen.cli import main; main()"

    def program(*args: str) -> subprocess.CompletedProcess[str]:
        command, env = [sys.executable, "-c", code, *args], {**os.environ, "PATH": "", "CC": ""}
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, check=False)

    done = program("compile", "../m/iris.skops", "-b", "uno")
    assert done.returncode == 0, done.stderr
    assert "not proven: no C compiler found" in done.stdout
    assert "iris/src/iris.c" in names(here)
    done = program("verify", "../m/iris.skops", "-b", "uno")
    assert done.returncode == 5
    assert "error[E0601]" in done.stderr


def test_without_platformio(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mcugen.targets import sketch

    def missing(*_: object) -> None:
        raise McugenError([Diagnostic("E0605", "PlatformIO is not installed", "install it")])

    monkeypatch.setattr(sketch, "choose_platform", missing)
    assert "E0605" in mcugen("build", "../m/iris.skops", "-b", "uno", exit=5).stderr
    assert names(here) == []


def test_no_check(here: Path) -> None:
    found = json.loads(mcugen("compile", "../m/iris.skops", "-b", "uno", "--no-check", "--json").stdout)
    assert found["proven"] is False


# --- how a process ends


def broken(*_: object, **__: object) -> Any:
    raise ZeroDivisionError("a [red]bug[/red]")


def test_a_bug_is_no_traceback(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcugen.fit.fit", broken)
    assert "error[E7001]: ZeroDivisionError: a [red]bug[/red]" in mcugen("fit", "../m/iris.skops", exit=70).stderr
    for args in (["fit", "../m/iris.skops", "--debug"], ["--debug", "fit", "../m/iris.skops"]):
        shown = CliRunner().invoke(cli, args)
        assert shown.exit_code == 70
        assert "Traceback" in shown.stderr


def test_ctrl_c_is_quiet(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mcugen.fit.fit", interrupted)
    result = mcugen("fit", "../m/iris.skops", exit=130)
    assert result.stdout + result.stderr == ""
    result = mcugen("fit", "../m/iris.skops", "--json", exit=130)
    assert json.loads(result.stdout)["error"][0]["code"] == "interrupted"
    assert result.stderr == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a POSIX shell's pipes")
def test_pipes(here: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "mcugen", "boards"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's full device")
def test_a_full_disk_behind_stdout(here: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "mcugen", "boards"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "error[E0604]" in done.stderr
    assert "Traceback" not in done.stderr


# The model is a network: importing skops takes each of these processes seconds.
NO_OUTPUT = [  # what goes where, the exit code, whether standard error says E0604
    ("boards", ">/dev/full", 1, True),
    ("boards", ">&-", 1, True),
    ("boards", ">/dev/full 2>&1", 1, False),
    ("boards", ">&- 2>&-", 1, False),
    ("boards", "2>&-", 0, False),
    ("--help", ">&-", 1, True),
    ("compile ../m/relu.onnx -b uno --json", ">/dev/full", 1, True),
    ("compile ../m/relu.onnx -b uno --json", ">&-", 1, True),
    ("verify ../m/relu.onnx -b uno --json", ">&-", 1, True),
    ("verify ../m/relu.onnx -b uno --json", "2>&-", 0, False),
    ("fit none.skops --json", ">/dev/full", 1, False),
    ("fit none.skops --json", ">&-", 1, False),
    ("fit none.skops", "2>/dev/full", 1, False),
    ("fit none.skops", "2>&-", 1, False),
    ("fit --json", ">/dev/full", 2, False),
]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's full device")
@pytest.mark.parametrize(("args", "where", "exit", "says"), NO_OUTPUT, ids=[f"{a} {w}" for a, w, *_ in NO_OUTPUT])
def test_an_output_that_takes_nothing(here: Path, args: str, where: str, exit: int, says: bool) -> None:
    command = ["sh", "-c", f'"$0" -m mcugen {args} {where}', sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == exit, done.stderr
    assert done.stderr.count("error[E0604]") == says
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_terminal_that_knows_few_characters(here: Path) -> None:
    done = program("fit", "\u0175/none.skops", PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert done.returncode == 1
    assert "--> \\u0175/none.skops" in done.stderr


def test_names_with_brackets_are_no_markup(here: Path) -> None:
    (here / "[bold]").symlink_to("../m")
    assert "read [bold]/iris.skops" in mcugen("compile", "[bold]/iris.skops", "-b", "uno", "-o", "[red]o").stdout


def test_ports(here: Path) -> None:
    from mcugen.targets.serial import Port, choose_port

    one, two = Port("/dev/ttyACM0", "Uno"), Port("/dev/ttyUSB0", "Nano")
    assert choose_port(None, [one]) == "/dev/ttyACM0"
    assert choose_port("COM3", []) == "COM3"
    for found, says in (([], "no board was found"), ([one, two], "/dev/ttyUSB0: Nano")):
        with pytest.raises(McugenError, match=says) as caught:
            choose_port(None, found)
        assert caught.value.exit_code == 5


def test_the_host_is_asked_once() -> None:
    assert host.find_compiler() is host.find_compiler()
