"""The C of real tree models on AVR: bit for bit what the host says, scikit-learn's answers, and no byte of RAM or soft float.

Batches: all models of an MCU go through `run_rows` at once, which makes as many programs of them as its flash needs.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from one_library import library_of
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.frontends.sklearn import read_estimator
from mcugen.ir import Array, Module
from mcugen.memory.plan import plan
from mcugen.op import Cost, Form
from mcugen.targets import avr, elf
from mcugen.targets.avr import toolchain
from mcugen.targets.driver import Unit
from mcugen.targets.host import compile_for_host
from mcugen.targets.toolchain import RowsRun

FORMS = {
    "uno": {"branches", "branches16", "branches_ranks", "table", "table_ranks"},
    "mega2560": {"branches", "branches16", "branches_ranks", "table", "table_far", "table_ranks"},
}
BOARDS = tuple(FORMS)
NEAR = 1 << 16  # bytes that near addresses reach
COMPARISONS = ("__lesf2", "__gesf2", "__ltsf2", "__gtsf2", "__eqsf2", "__nesf2", "__cmpsf2", "__unordsf2", "fp_cmp")

SCALING = {"__floatsisf", "__floatunsisf", "__floatdisf", "__floatundisf", "__mulsf3"}  # sums to probabilities, numbers

SPLITS = {"digits": load_digits, "iris": load_iris}
MODELS: dict[str, Any] = {
    "tree": DecisionTreeClassifier(random_state=0),
    "stump": DecisionTreeClassifier(max_depth=1, random_state=0),
    "forest": RandomForestClassifier(5, random_state=0),
    "mixed": ExtraTreesClassifier(7, max_depth=4, random_state=0),  # leaves that are not pure
    "number": DecisionTreeRegressor(max_depth=8, random_state=0),
    "numbers": RandomForestRegressor(5, max_depth=6, random_state=0),
}


@dataclass(frozen=True, eq=False)
class Case:
    """A fitted model in one form for one output, its C, and the rows it is asked."""

    what: str
    model: Any
    output: str
    unit: Unit
    rows: Array


def split(data: str) -> tuple[Array, Array, Array]:
    """Training rows, every ninth test row (for iris: all rows), training labels."""
    x, y = SPLITS[data](return_X_y=True)
    x = x.astype(np.float32)
    if data == "iris":
        return x, x, y
    train, test, labels, _ = train_test_split(x, y, test_size=0.3, stratify=y, random_state=0)
    return train, test[::9], labels


def with_nans(rows: Array) -> Array:
    """All rows, then every third of them twice with a fifth of the values missing: first as NaN, then as NaN with its sign set."""
    some = rows[::3]
    holes = np.random.default_rng(0).random(some.shape) < 0.2
    missing = [some.copy(), some.copy()]
    missing[0].view(np.uint32)[holes] = 0x7FC00000
    missing[1].view(np.uint32)[holes] = 0xFFC00001
    return np.concatenate([rows, *missing])


def in_every_form(model: Any, output: str, name: str, board: str) -> Iterator[tuple[str, Unit]]:
    """The forms there are for the board, each with its C; where there are far addresses, small tables through them too."""
    target = Target(load_board(board))
    module = read_estimator(model, name, output)
    forms = {form.name for form in module.predict.nodes[0].op.forms(target)}
    for form in sorted(forms | ({"table_far"} if target.board.flash > NEAR else set())):
        yield form, in_form(module, form, target)


def in_form(module: Module, form: str, target: Target) -> Unit:
    """The C of a model in this form, chosen or not; the form is added to its name."""
    (node,) = module.predict.nodes
    decided = replace(node, op=node.op.with_form(Form(form, Cost()), target))
    one = replace(module, name=f"{module.name}_{form}", functions=(replace(module.predict, nodes=(decided,)),))
    return Unit(one, emit(one, plan(one, target), target))


def cases(board: str, splits: Iterable[str] = SPLITS) -> Iterator[Case]:
    for data in splits:
        train, test, labels = split(data)
        rows = with_nans(test)
        for kind, unfitted in MODELS.items():
            model = clone(unfitted).fit(train, labels)
            for output in ("value",) if kind.startswith("number") else ("label", "proba"):
                for form, unit in in_every_form(model, output, f"{data}_{kind}_{output}", board):
                    if not is_too_large(unit, board):
                        yield Case(f"{data} {kind} {output} {form}", model, output, unit, rows)


def is_too_large(unit: Unit, board: str) -> bool:
    """Branches of a digits forest are for no ATmega328P: about 40 bytes of flash for each line that branches."""
    splits = unit.files[f"src/{unit.module.name}.c"].count("_SPLIT_")
    return splits * 40 > load_board(board).flash


@pytest.fixture(scope="module", params=BOARDS)
def ran(request, require) -> list[tuple[Case, RowsRun, list[Array]]]:
    """Every case with its run on the board's simulator and the same C's outputs on the host; on the smaller board of iris."""
    require("avr-gcc", "simavr", "python:elftools")
    batch = [*cases(request.param, SPLITS if request.param == "mega2560" else ("iris",))]
    units = [case.unit for case in batch]
    runs = toolchain.run_rows(units, [[case.rows] for case in batch], load_board(request.param))
    host = library_of(units, ("-std=c99", "-O0"))
    return [(case, run, host.run([case.rows], i)) for i, (case, run) in enumerate(zip(batch, runs, strict=True))]


@pytest.mark.long
def test_every_form_is_among_them(ran, request):
    board = request.node.callspec.params["ran"]
    assert {case.what.split()[-1] for case, _, _ in ran} == FORMS[board]
    assert len(ran) >= 40


@pytest.mark.long
def test_avr_gives_the_hosts_bits(ran):
    different = [
        case.what for case, run, host in ran
        if [a.tobytes() for a in run.outputs] != [b.tobytes() for b in host]
    ]  # fmt: skip
    assert different == []


@pytest.mark.long
def test_avr_gives_scikit_learns_answers(ran):
    wrong = {case.what: bad for case, run, _ in ran if (bad := disagreements(case, run.outputs))}
    assert wrong == {}


def disagreements(case: Case, outputs: list[Array]) -> int:
    """Rows that scikit-learn answers otherwise: another label, unless its two best classes are 1e-12 apart; a probability
    more than 1e-6 off; a number more than 1e-6 of itself off."""
    if case.output == "value":
        wanted = case.model.predict(case.rows)
        return int((np.abs(outputs[0] - wanted) > 1e-6 * np.abs(wanted)).sum())
    scores = case.model.predict_proba(case.rows)
    best = np.sort(scores, axis=1)
    clear = best[:, -1] - best[:, -2] >= 1e-12
    wrong = clear & (case.model.classes_[outputs[0]] != case.model.predict(case.rows))
    if case.output == "proba":
        wrong |= (np.abs(outputs[1] - scores) > 1e-6).any(axis=1)
    return int(wrong.sum())


@pytest.mark.long
def test_every_row_is_counted(ran):
    for case, run, _ in ran:
        assert len(run.cycles) == len(run.stacks) == len(case.rows)
        assert min(run.cycles) > 0
        assert 2 <= max(run.stacks) < 256, case.what  # ranks of 64 features among it


# ---- what it costs beside time --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(require, tmp_path_factory) -> tuple[list[Case], Path, Path]:
    """Cases that fit one program for the Mega, that program, and the same one with functions that only answer 0."""
    require("avr-gcc", "python:elftools")
    batch = [*cases("mega2560", ["iris"])]
    folder = tmp_path_factory.mktemp("driver")
    board = load_board("mega2560")
    units = [case.unit for case in batch]
    full = toolchain.link(units, board, folder / "full")
    return batch, full, toolchain.link([answering_zero(unit) for unit in units], board, folder / "empty")


def answering_zero(unit: Unit) -> Unit:
    name, text = unit.module.name, unit.files[f"src/{unit.module.name}.h"]
    (prototype,) = [line for line in text.splitlines() if f" {name}_predict" in line and line.endswith(";")]
    unused = " ".join(f"(void){parameter};" for parameter in re.findall(r"(\w+)\[", prototype))
    body = f'#include "{name}.h"\n{prototype[:-1]}\n{{\n    {unused}\n    return 0;\n}}\n'
    return Unit(unit.module, {**unit.files, f"src/{name}.c": body})


def test_models_take_no_ram(small):
    _, full, empty = small
    taken, base = elf.sections(full), elf.sections(empty)
    assert [taken.get(s, 0) - base.get(s, 0) for s in (".data", ".bss", ".noinit")] == [0, 0, 0]
    assert elf.usage(full).ram == elf.usage(empty).ram
    assert elf.usage(full).flash > elf.usage(empty).flash


def test_trees_compare_without_soft_float(small):
    batch, full, _ = small
    linked = {symbol.name for symbol in elf.symbols(full)}
    assert not linked & set(COMPARISONS)
    for i, case in enumerate(batch):
        name = case.unit.module.name
        found = undefined(full.parent / str(i) / f"{name}.o")
        assert not found & set(COMPARISONS), case.what
        floats = {symbol for symbol in found if "sf" in symbol}  # libgcc's arithmetic of single floats
        assert floats <= (set() if case.output == "label" else SCALING), case.what


def undefined(module: Path) -> set[str]:
    """What an object wants from elsewhere."""
    done = subprocess.run(["avr-nm", "-u", module], capture_output=True, text=True, check=True)
    return {line.split()[-1] for line in done.stdout.splitlines()}


# ---- more than fits -------------------------------------------------------------------------------------------------


def test_more_models_than_fit_one_program(require, tmp_path):
    require("avr-gcc", "simavr", "python:elftools")
    train, test, labels = split("digits")
    model = DecisionTreeClassifier(random_state=0).fit(train, labels)
    units = [unit for k in range(4) for _, unit in in_every_form(model, "label", f"t{k}", "uno")]  # some 55 KB
    with pytest.raises(McugenError, match="E0502") as raised:
        toolchain.link(units, load_board("uno"), tmp_path)
    assert "--optimize size" in raised.value.diagnostics[0].help
    runs = toolchain.run_rows(units, [[test[i : i + 10 + i]] for i in range(len(units))], load_board("uno"))
    for i, run in enumerate(runs):
        assert run.outputs[0].tolist() == model.predict(test[i : i + 10 + i]).tolist()


@pytest.mark.long
def test_tables_beyond_64_kib(require, tmp_path):
    """Through far addresses, on both sides of the border: every bit of the host's, and scikit-learn's answers."""
    require("avr-gcc", "simavr", "python:elftools")
    train, test, labels = split("digits")
    model = RandomForestClassifier(120, random_state=0).fit(train, labels)  # some 75 KB
    target = Target(load_board("mega2560"))
    module = read_estimator(model, "far", "proba")
    assert "table_far" in {form.name for form in module.predict.nodes[0].op.forms(target)}
    unit, rows = in_form(module, "table_far", target), with_nans(test)
    program = toolchain.link([unit], target.board, tmp_path)
    tables = [s for s in elf.symbols(program) if avr.FAR_TABLE.search(s.name)]
    assert len(tables) == 120
    assert sum(s.size for s in tables) > NEAR
    assert min(s.address for s in tables) < NEAR < max(s.address for s in tables)
    (run,) = toolchain.run_program(program, [unit], [[rows]], target.board)
    host = compile_for_host([unit]).run([rows])
    assert [a.tobytes() for a in run.outputs] == [b.tobytes() for b in host]
    assert disagreements(Case("far", model, "proba", unit, rows), run.outputs) == 0
