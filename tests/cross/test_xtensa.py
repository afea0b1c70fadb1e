"""What can be said of the ESP32's C without a compiler for its core: it compiles for an older Xtensa, and has the right types.

gcc for the lx106 (ESP8266) makes code of it, by another calling convention and without a unit for floats. clang knows the
ESP32 in its front end alone: types, sizes and warnings, no machine code. Both have no C library: firmware/freestanding stands in.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tools import require, tool

import mcugen
from mcugen.boards import Target, all_boards, load_board
from mcugen.data import firmware_dir
from mcugen.deploy import build
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.frontends.sklearn import read_estimator
from mcugen.memory.plan import plan
from mcugen.targets.host import STRICT
from mcugen.targets.xtensa import GCC, QUIET, ZIG, check

TARGET = Target(load_board("esp32dev"))
MODELS: tuple[tuple[Any, Any, tuple[str, ...]], ...] = (
    (load_digits, RandomForestClassifier(5, random_state=0), ("label", "proba")),
    (load_breast_cancer, RandomForestClassifier(4, max_depth=3, random_state=0), ("label", "proba")),
    (load_breast_cancer, DecisionTreeClassifier(max_depth=4, random_state=0), ("label", "proba")),
    (load_diabetes, DecisionTreeRegressor(max_depth=5, random_state=0), ("value",)),
    (load_diabetes, RandomForestRegressor(3, max_depth=5, random_state=0), ("value",)),
    (load_diabetes, ExtraTreesRegressor(3, max_depth=5, random_state=0), ("value",)),
)


def sources() -> Iterator[tuple[str, str]]:
    """File names and texts: every model, with every output, in every form that the ESP32 can have."""
    for number, (data, model, outputs) in enumerate(MODELS):
        fitted = model.fit(*data(return_X_y=True))
        for output in outputs:
            module = read_estimator(fitted, f"m{number}_{output}", output)
            (node,) = module.predict.nodes
            for form in node.op.forms(TARGET):
                decided = replace(module.predict, nodes=(replace(node, op=node.op.with_form(form, TARGET)),))
                one = replace(module, name=f"{module.name}_{form.name}", functions=(decided,))
                yield from ((Path(path).name, text) for path, text in emit(one, plan(one, TARGET), TARGET).items())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("xtensa")
    for name, text in sources():
        (made / name).write_text(text)
    assert len([*made.glob("*.c")]) >= 18
    return made


def compiled(folder: Path, *command: str) -> None:
    own = (*STRICT, "-ffreestanding", "-isystem", firmware_dir() / "freestanding")
    done = subprocess.run([*command, *own], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("m*.c"))


def test_an_older_xtensa_compiles_it(folder):
    gcc = tool(GCC)
    compiled(folder, gcc, "-Os", "-ffp-contract=off", "-fno-fast-math", "-c", *names(folder))
    objects = sorted(folder.glob("m*.o"))
    assert len(objects) == len(names(folder))
    sizes = subprocess.run([tool("xtensa-lx106-elf-size"), *objects], capture_output=True, text=True, check=True)
    rows = [line.split()[:3] for line in sizes.stdout.splitlines()[1:]]
    assert all(int(code) > 100 and data == bss == "0" for code, data, bss in rows)  # nothing of it is in RAM


def test_the_esp32_takes_its_types(folder):
    require("python:ziglang")
    (folder / "all.c").write_text("".join(f'#include "{name}"\n' for name in names(folder)))
    compiled(folder, sys.executable, *ZIG, QUIET, "all.c", "-o", "all.ll")
    made = (folder / "all.ll").read_text()
    assert 'target triple = "xtensa-' in made
    assert all(
        f"define dso_local i32 @m{n}_label_{form}_predict(" in made for n in range(3) for form in ("branches", "table")
    )


def test_the_type_check_finds_what_is_wrong(folder):
    require("python:ziglang")
    (folder / "wrong.c").write_text("#include <stdint.h>\nint8_t f(int x) { return x; }\n")
    with pytest.raises(AssertionError, match="implicit conversion loses integer precision"):
        compiled(folder, sys.executable, *ZIG, QUIET, "wrong.c", "-o", "wrong.ll")


def test_every_xtensa_board_gets_the_same_c():
    boards = [board for board in all_boards() if board.arch == "xtensa"]
    module = read_estimator(MODELS[2][1].fit(*load_breast_cancer(return_X_y=True)), "m", "label")
    made = [emit(module, plan(module, Target(board)), Target(board)) for board in boards]
    bare = [
        {path: text.replace(b.title, "") for path, text in files.items()} for b, files in zip(boards, made, strict=True)
    ]
    assert len(boards) == 3
    assert bare[0] == bare[1] == bare[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(*load_breast_cancer(return_X_y=True))
    mcugen.compile(tree, board="esp32dev", name="tree", check_answers=False).write(tmp_path, "platformio")
    return tmp_path


def test_a_build_without_the_registry_says_what_was_checked_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require(GCC, "python:ziglang")
    monkeypatch.setenv("MCUGEN_PLATFORMIO", "system")
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(*load_breast_cancer(return_X_y=True))
    for board in ("esp32dev", "huzzah32", "esp32s3"):
        with pytest.raises(McugenError, match="E0601") as caught:
            build(mcugen.compile(tree, board=board, name="tree", check_answers=False), tmp_path / board)
        (found,) = caught.value.diagnostics
        assert caught.value.exit_code == 5
        assert found.notes[0].startswith("not built, and nothing of it has run")
        assert all(word in note for word, note in zip(("espressif32@", "lx106", "types"), found.notes[1:], strict=True))
        assert f"board {load_board(board).platformio.board}," in found.notes[1]


def test_the_checks_find_what_is_wrong(project: Path) -> None:
    require(GCC, "python:ziglang")
    board, c = load_board("esp32dev"), project / "lib" / "tree" / "src" / "tree.c"
    assert len(check(project, board, "tree")) == 3
    text = c.read_text()
    c.write_text(text + "\nsigned char narrowed(int x);\nsigned char narrowed(int x)\n{\n    return x;\n}\n")
    with pytest.raises(McugenError, match="E0602"):
        check(project, board, "tree")
    c.write_text(text)
    ini = project / "platformio.ini"
    ini.write_text(ini.read_text().replace("espressif32@", "espressif8266@"))
    with pytest.raises(McugenError, match=r"E0602.*espressif8266"):
        check(project, board, "tree")
