"""The wheel, installed alone and used from elsewhere; and the same input giving the same bytes in any process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import mcugen
from mcugen.targets.host import find_compiler

ROOT = Path(__file__).resolve().parent.parent
TRAVELLING = ("templates", "boards", "firmware")

# Prints a hash of every file of every form, and where the package that made them lives.
COMPILE = """
import hashlib, json
import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier
import mcugen
from mcugen.data import data_dir

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 5)).astype(np.float32)
names = np.array(["left", "right", "straight on"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 1)]
models = {
    "turn": (RandomForestClassifier(7, max_depth=4, random_state=0).fit(X, names), "proba"),
    "price": (ExtraTreesRegressor(5, max_depth=5, random_state=0).fit(X, X[:, 2] * 3), "value"),
}
hashes, answers = {}, {}
for name, (model, output) in models.items():
    for board in ("uno", "feather_nrf52840"):
        for optimize in ("size", "speed"):
            compiled = mcugen.compile(model, board, name=name, output=output, optimize=optimize, check_answers=False)
            for form in ("arduino", "platformio", "header", "c", "zip"):
                for path, content in compiled.layout(form, sample=[*map(float, X[0])]).items():
                    data = content if isinstance(content, bytes) else content.encode()
                    hashes[f"{name} {board} {optimize} {form} {path}"] = hashlib.sha256(data).hexdigest()
    if PROVE:
        answers[name] = str(compiled.verify())
compiled.write("library")
print(json.dumps({"package": mcugen.__file__, "data": str(data_dir()), "hashes": hashes, "answers": answers}))
"""


def run(command: list[str], folder: Path, **env: str) -> str:
    """The output of a command in a folder, without this process's own Python settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST", "COV"))}
    done = subprocess.run(
        command, cwd=folder, env={**kept, **env}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{command[0]}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def files_below(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in found}


def leftovers() -> set[str]:
    """What building or using a wheel could leave behind in the checkout."""
    suspects = ("build", "dist", "mcugen.egg-info", "mcugen/_data", "library", "mcugen/library")
    return {name for name in suspects if (ROOT / name).exists()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Iterator[Path]:
    before = leftovers()
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)], folder)
    (made,) = folder.glob("*.whl")
    yield made
    assert leftovers() == before


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The bin folder of an environment that has the wheel, and everything else from the running one. Downloads nothing."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    install = ["install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", str(wheel)]
    run([sys.executable, "-m", "pip", "--python", str(python), *install], folder)
    (site,) = folder.glob("lib/python*/site-packages")
    # A path in a .pth comes after the environment's own folder, and the .pth files in it (of an editable install) are not read.
    others = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (site / "dependencies.pth").write_text("\n".join(others) + "\n")
    return folder / "bin"


def test_everything_travels_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for name in TRAVELLING:
        missing = {f"mcugen/_data/{name}/{path}" for path in files_below(ROOT / name)} - inside
        assert not missing
    assert {f"mcugen/{path}" for path in files_below(ROOT / "mcugen")} <= inside
    assert any(path.endswith("LICENSE") for path in inside)
    assert not any(path.startswith("tests/") or "__pycache__" in path for path in inside)


def compile_with(python: Path | str, folder: Path, *, prove: bool, **env: str) -> dict[str, dict[str, str]]:
    folder.mkdir()
    return json.loads(run([str(python), "-c", f"PROVE = {prove}\n{COMPILE}"], folder, **env))


def test_compiles_alone_from_a_foreign_folder(installed, tmp_path):
    site = installed.parent.resolve()
    answer = compile_with(installed / "python", tmp_path / "elsewhere", prove=find_compiler() is not None)
    assert Path(answer["package"]).resolve().is_relative_to(site)
    assert Path(answer["data"]).resolve().is_relative_to(site)
    assert all(", 0 disagreements" in proof for proof in answer["answers"].values())
    assert (tmp_path / "elsewhere" / "library" / "library.properties").is_file()


def test_the_wheel_makes_the_checkout_s_bytes(installed, tmp_path):
    from_wheel = compile_with(installed / "python", tmp_path / "wheel", prove=False)
    from_checkout = compile_with(sys.executable, tmp_path / "checkout", prove=False, PYTHONPATH=str(ROOT))
    assert Path(from_checkout["package"]) == ROOT / "mcugen" / "__init__.py"
    assert from_wheel["hashes"] == from_checkout["hashes"]


def test_commands_of_the_wheel(installed, tmp_path):
    assert "compile" in run([str(installed / "mcugen"), "--help"], tmp_path)
    assert mcugen.__version__ in run([str(installed / "mcugen"), "--version"], tmp_path)
    boards = json.loads(run([str(installed / "mcugen"), "boards", "--json"], tmp_path))["boards"]
    assert {board["name"] for board in boards} == {path.stem for path in (ROOT / "boards").glob("*.toml")}


def test_same_input_same_bytes_in_any_process(tmp_path):
    here = {"PYTHONPATH": str(ROOT)}
    one = compile_with(sys.executable, tmp_path / "one", prove=False, **here, PYTHONHASHSEED="1", TZ="UTC")
    other = compile_with(
        sys.executable, tmp_path / "other", prove=False, **here, PYTHONHASHSEED="4242", TZ="Asia/Tokyo", LC_ALL="C"
    )
    assert one["hashes"] == other["hashes"]
    assert len(one["hashes"]) > 50
