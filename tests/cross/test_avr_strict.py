"""A hundred tree models in a few compiler calls: every one is C99 and C++11 for AVR and for this computer, without a warning.

On this computer both run every row under ASan and UBSan, one row to a block of memory of its own, and must give the same bytes.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sanitized import in_one
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tools import tool

from mcugen.boards import Target, load_board
from mcugen.emit import emit
from mcugen.frontends.sklearn import read_estimator
from mcugen.ir import Array
from mcugen.memory.plan import plan
from mcugen.targets.avr import CODE
from mcugen.targets.driver import Unit, driver_sources, pack_rows, write_driver

WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wdouble-promotion", "-Werror")
C99 = ("-std=c99", "-pedantic", "-Wunsuffixed-float-constants", *WARNINGS)
CPP11 = ("-x", "c++", "-std=c++11", "-pedantic", *WARNINGS)
# Not optimised, as in tests/sanitized.py: the sanitizers find no less.
SANITIZE = ("-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-ffp-contract=off")
NO_LIMIT = "-Wl,--defsym=__TEXT_REGION_LENGTH__=8M"  # all models in one program, whatever the MCU's flash
TARGET = Target(load_board("mega2560"))
ROWS = 120

DATA = (load_iris, load_digits, load_diabetes)
CLASSIFIERS = (
    DecisionTreeClassifier(random_state=0),
    DecisionTreeClassifier(max_depth=3, random_state=0),
    RandomForestClassifier(3, max_depth=5, random_state=0),
    ExtraTreesClassifier(3, max_depth=6, random_state=0),
)
REGRESSORS = (
    DecisionTreeRegressor(max_depth=7, random_state=0),
    RandomForestRegressor(3, max_depth=5, random_state=0),
    ExtraTreesRegressor(3, max_depth=5, random_state=0),
)


@dataclass(frozen=True, eq=False)
class Case:
    """A model's C in one form, and rows for it."""

    unit: Unit
    rows: Array


def units(model: Any, output: str, name: str) -> Iterator[Unit]:
    module = read_estimator(model, name, output)
    (node,) = module.predict.nodes
    for form in node.op.forms(TARGET):
        decided = replace(module.predict, nodes=(replace(node, op=node.op.with_form(form, TARGET)),))
        one = replace(module, name=f"{name}_{form.name}", functions=(decided,))
        yield Unit(one, emit(one, plan(one, TARGET), TARGET))


def fitted(data: Any) -> Iterator[tuple[Any, str, Array]]:
    """Models, their output, and the rows they were trained on: of both signs, and in every second model with holes."""
    x, y = data(return_X_y=True)
    rng = np.random.default_rng(0)
    x = (x - x.mean(axis=0)).astype(np.float32)  # thresholds below zero too
    holes = np.where(rng.random(x.shape) < 0.1, np.float32(np.nan), x)
    models = REGRESSORS if data is load_diabetes else CLASSIFIERS
    # Probabilities come with labels: of the largest models they are enough.
    outputs = {load_diabetes: ("value",), load_digits: ("proba",)}.get(data, ("label", "proba"))
    for i, model in enumerate(models):
        rows = holes if i % 2 and not isinstance(model, ExtraTreesClassifier | ExtraTreesRegressor) else x
        model.fit(rows, y)
        for output in outputs:
            yield model, output, rows


def asked(rows: Array) -> Array:
    """Some of the rows, then rows of any bits: NaN of both signs, infinities, zeros of both signs, the smallest numbers."""
    rng = np.random.default_rng(1)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1e-45, -1e-45, 3.4e38, -3.4e38], np.float32)
    some = rng.permutation(rows)[:ROWS]
    wild = np.where(rng.random(some.shape) < 0.3, rng.choice(special, some.shape), some)
    bits = rng.integers(0, 2**32, some.shape, dtype=np.uint32).view(np.float32)
    return np.concatenate([some, wild, bits]).astype(np.float32)


@pytest.fixture(scope="module")
def batch() -> list[Case]:
    found = []
    for data in DATA:
        for model, output, rows in fitted(data):
            name = f"{data.__name__[5:]}_{len(found)}"
            found += [Case(unit, asked(rows)) for unit in units(model, output, name)]
    assert len(found) >= 50
    return found


def run(command: Sequence[object], **options: Any) -> bytes:
    done = subprocess.run([str(part) for part in command], capture_output=True, timeout=300, check=False, **options)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[:4000]
    return done.stdout


def halves(files: Sequence[Path]) -> list[Sequence[Path]]:
    """As many parts as there are processors, each for one compiler call."""
    count = os.cpu_count() or 1
    return [part for i in range(count) if (part := files[i::count])]


def compile_for_avr(sources: Sequence[Path], command: Sequence[object], folder: Path) -> list[Path]:
    """The objects of the sources, in a folder: a call of the compiler for each processor."""
    folder.mkdir()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda part: run([*command, "-c", *part], cwd=folder), halves(sources)))
    return sorted(folder.glob("*.o"))


# ---- AVR ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("compiler", "language"), [("avr-gcc", C99), ("avr-g++", CPP11)], ids=["C99", "C++11"])
def test_avr_takes_it_without_a_warning_and_links_it(batch, tmp_path, compiler, language):
    """Linked too: jumps out of reach show only there."""
    command = [tool(compiler), f"-mmcu={TARGET.board.mcu}", *CODE]
    units = [case.unit for case in batch]
    driver, *sources = write_driver(tmp_path, units)
    objects = compile_for_avr(sources, [*command, *language], tmp_path / "objects")
    assert len(objects) == len(batch)
    largest = ("-DMCUGEN_IN_BYTES=256", "-DMCUGEN_OUT_BYTES=64")
    ends = [tool("avr-gcc"), *command[1:], "-std=c99", *largest, f"-I{driver_sources()}"]
    run(
        [
            *ends,
            "-Wl,--gc-sections",
            NO_LIMIT,
            driver,
            driver_sources() / "avr.c",
            *objects,
            "-lm",
            "-o",
            tmp_path / "all.elf",
        ]
    )


def test_a_direct_read_of_a_table_does_not_compile(batch, tmp_path):
    """What must be read through flash is no pointer that C would follow: the same mistake shows on every computer."""
    unit = next(case.unit for case in batch if case.unit.module.name.endswith("_table"))
    name = unit.module.name
    (tmp_path / f"{name}.h").write_text(unit.files[f"src/{name}.h"])
    text, source = unit.files[f"src/{name}.c"], tmp_path / "direct.c"
    broken = re.sub(rf"{name}_u8\(at(\+\+)?\)", r"*at\1", text, count=1)
    assert broken != text
    for compiler, flags in (("avr-gcc", (f"-mmcu={TARGET.board.mcu}",)), ("gcc", ())):
        for content, wanted in ((text, True), (broken, False)):
            source.write_text(content)
            done = subprocess.run(
                [tool(compiler), *flags, "-std=c99", "-fsyntax-only", source], capture_output=True, check=False
            )
            assert (done.returncode == 0) == wanted, f"{compiler}: {done.stderr.decode()}"


# ---- this computer --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answers(batch, tmp_path_factory) -> dict[str, bytes]:
    """What the whole batch says to its rows under the sanitizers, compiled as each language."""
    counts = [str(len(case.rows)) for case in batch]
    rows = b"".join(pack_rows(case.unit.module, [case.rows]) for case in batch)
    found = {}
    for language, compiler, flags in (("C99", "gcc", C99), ("C++11", "g++", CPP11)):
        program = build_for_host(batch, [tool(compiler), *flags], tmp_path_factory.mktemp("host"))
        found[language] = run([program, *counts], input=rows)
    return found


def build_for_host(batch: Sequence[Case], command: Sequence[object], folder: Path) -> Path:
    """As one file, of which a compiler takes a fraction of the time; that each stands alone is seen by avr-gcc."""
    driver, *sources = write_driver(folder, [case.unit for case in batch])
    run([*command, *SANITIZE, "-c", in_one(folder, sources), "-o", folder / "every.o"])
    harness = [tool("gcc"), "-std=c99", *SANITIZE, f"-I{driver_sources()}", driver, ROW_BY_ROW]
    run([*harness, folder / "every.o", "-o", folder / "rows", "-lm"])
    return folder / "rows"


ROW_BY_ROW = Path(__file__).parent.parent / "ops" / "run_rows.c"


@pytest.mark.long
def test_host_runs_it_under_the_sanitizers(batch, answers):
    assert len(answers["C99"]) > sum(4 * len(case.rows) for case in batch)


@pytest.mark.long
def test_c_and_cpp_say_the_same(answers):
    assert answers["C99"] == answers["C++11"]


def test_headers_stand_alone(batch, tmp_path):
    """A sketch may include a model's header first, twice, and beside another's, in C and in C++."""
    chosen = [case.unit for case in batch[:: len(batch) // 6]]
    write_driver(tmp_path, chosen)
    for unit, i in [(unit, i) for i, unit in enumerate(chosen)] * 2:
        with (tmp_path / "sketch.c").open("a") as file:
            file.write(f'#include "{i}/{unit.module.name}.h"\n')
    for compiler, flags in (("avr-gcc", C99), ("avr-g++", CPP11)):
        run([tool(compiler), f"-mmcu={TARGET.board.mcu}", *flags, "-fsyntax-only", tmp_path / "sketch.c"])
