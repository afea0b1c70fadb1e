"""Fits the cost of ops other than trees to measured models: `python -m benchmarks.cost_ops [--arch NAME] [--op NAME] [--judge]`.

Compiles the models of benchmarks/cost_cases.py in every number format and form of an op, and the ops of
benchmarks/cost_rows.py, links many into one program, takes
the flash from its symbols and cycles (or instructions) and stack from the architecture's simulator, and fits weights that
are not negative, by least squares on relative errors. Every figure is first judged in five folds: the models of a fold by
weights fitted to the other four. Then mcugen/costs/<arch>.json gets the weights that all models give. `--judge` measures the
weights as they are, and writes nothing; `--cache DIR` keeps what was measured.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from benchmarks.cost_cases import FAR, MODELS, Model
from benchmarks.cost_layers import LAYERS
from benchmarks.cost_model import BOARDS, on_xtensa
from benchmarks.cost_model import measured as linked
from benchmarks.cost_rows import OPS
from benchmarks.weights import least_squares
from mcugen import cost
from mcugen.boards import Board, Numeric, Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.frontends import read
from mcugen.ir import DType, GraphBuilder, Module, Storage, TensorType
from mcugen.memory.plan import plan
from mcugen.op import Work
from mcugen.passes import PIPELINE
from mcugen.passes import run as run_passes
from mcugen.passes.dead_code import dead_code
from mcugen.passes.pack_tables import pack_tables
from mcugen.passes.select import select
from mcugen.targets.driver import Unit
from mcugen.work import SELDOM

FORMATS: tuple[Numeric, ...] = ("float32", "int16", "int8")
TOGETHER = {"avr": 6, "xtensa": 1}  # models in a program
ROWS = {"avr": 30}
SLOW = 30_000  # multiply-accumulates that take an AVR too long
FOLDS = 5
FLOORS = {"code": 300.0, "runs": 100.0, "stack": 1e9}  # errors below count absolute, above relative
MEASURED = {"code": "flash", "runs": "cycles", "stack": "stack"}


@dataclass(frozen=True)
class Case:
    """A model in one format and form: the number of its model, its C, its rows, and what its op says of itself."""

    model: int
    what: str
    op: Any
    unit: Unit
    rows: Any
    work: Work
    tables: int  # bytes of constants


@dataclass(frozen=True)
class Sample:
    """A measured case: bytes of flash, mean cycles or instructions, bytes of stack, and of flash those of the functions that
    it would share with others.
    """

    case: Case
    flash: float
    cycles: float
    stack: float
    shared: Mapping[str, float]

    def known(self, figure: str) -> float:
        """What the weights of a figure have to add up to."""
        apart = self.case.tables + sum(self.shared.values()) if figure == "code" else 0
        return float(getattr(self, MEASURED[figure])) - apart


def cases(op: str, board: Board) -> Iterator[Case]:
    """All models of an op, in every format and form; rows are known for every other."""
    for number, model in enumerate(MODELS[op]()):
        for output in model[3]:
            for numeric in FORMATS[:1] if model[0].endswith(FAR) else FORMATS:
                target = Target(board, "auto", numeric, rows=model[2] if number % 2 else None)
                try:
                    yield from _forms(op, number, model, output, target)
                except McugenError as problem:
                    print(f"left out: {model[0]} {output}: {problem.diagnostics[0].message}", file=sys.stderr)


def _forms(op: str, number: int, model: Model, output: str, target: Target) -> Iterator[Case]:
    what, estimator, rows, _ = model
    module = read(estimator, name="m", output=output).module
    module = run_passes(module, target, pipeline=tuple(p for p in PIPELINE if p is not select))
    (node, *others) = module.predict.nodes
    if others or node.op.name != op or not (node.op.weighted or target.numeric == FORMATS[0]):
        return
    known = "" if target.rows is None else " known"
    for form in node.op.forms(target):
        decided = replace(module.predict, nodes=(replace(node, op=node.op.with_form(form, target)),))
        said = f"{what} {output} {form.name}{known}"
        yield _case(number, said, replace(module, functions=(decided,)), [rows], target)


def made(op: str, board: Board) -> Iterator[Case]:
    """All hand-made ops of a name."""
    for number, (one, inputs, *more) in enumerate({**OPS, **LAYERS}[op]()):
        builder = GraphBuilder("predict")
        given = [builder.input(f"x{i}", TensorType(x.shape[1:], DType.of(x.dtype))) for i, x in enumerate(inputs)]
        given += [builder.const(f"t{i}", table) for i, table in enumerate(more[0] if more else ())]
        types = one.infer(*(builder.type_of(x) for x in given))
        names = [
            "label" if t.dtype is DType.I32 else "proba" if len(types) > 1 else "value" if not t.shape else "transform"
            for t in types
        ]
        for name in builder.add(one, *given, names=names):
            builder.output(name, tuple(range(100)) if name == "label" else None)
        module = dead_code(pack_tables(Module("m", (builder.build(),)), Target(board)), Target(board))
        if board.arch != "avr" or _maccs(module) < SLOW:
            yield _case(number, f"{number} {module.predict.nodes[-1].op.describe()}", module, inputs, Target(board))


def _maccs(module: Module) -> int:
    graph = module.predict
    return sum(node.op.macc(*graph.types(node.inputs)) for node in graph.nodes)


def _case(number: int, what: str, module: Module, rows: list[Any], target: Target) -> Case:
    named = replace(module, name=f"m{zlib.crc32(what.encode()):08x}")
    (node,) = named.predict.nodes
    work = node.op.work(target, *named.predict.types(node.inputs))
    assert work is not None
    unit = Unit(named, emit(named, plan(named, target), target))
    few = np.random.default_rng(0).permutation(len(rows[0]))[: ROWS.get(target.board.arch, 60)]
    chosen = [x[few].astype(np.float32) if x.dtype.kind == "f" else x[few] for x in rows]
    constants = sum(value.type.nbytes for value in named.predict.of(Storage.CONST))
    # The C library's part that an op counts among its tables is no symbol of the model's.
    tables = constants if op_is_layer(node.op.name) else work.tables
    return Case(number, what, node.op, unit, chosen, work, tables)


def op_is_layer(name: str) -> bool:
    """Whether an op's constants are inputs of it."""
    return name in LAYERS


def samples(op: str, board: Board, cache: Path | None) -> Iterator[Sample]:
    """All cases, measured, but those that the cache has."""
    waiting: list[Case] = []
    for case in made(op, board) if op in OPS or op in LAYERS else cases(op, board):
        file = _kept(case, board, cache)
        if file and file.is_file():
            yield Sample(case, *json.loads(file.read_text()))
            continue
        waiting.append(case)
        if len(waiting) == TOGETHER.get(board.arch, 12):
            yield from _measured(waiting, board, cache)
            waiting = []
    yield from _measured(waiting, board, cache)


def _measured(together: Sequence[Case], board: Board, cache: Path | None) -> Iterator[Sample]:
    """Cases in one program."""
    measure: Any = on_xtensa if board.arch == "xtensa" else linked
    for found in measure(together, board) if together else ():
        shared = {name: found.functions.get(name, 0) for name in found.case.work.shared}
        if file := _kept(found.case, board, cache):
            file.write_text(json.dumps([found.flash, found.cycles, found.stack, shared]))
        yield Sample(found.case, found.flash, found.cycles, found.stack, shared)


def _kept(case: Case, board: Board, cache: Path | None) -> Path | None:
    """Where the cache has what was measured: by the C, the rows and the board."""
    text = "".join(case.unit.files.values()).encode()
    key = hashlib.sha256(text + b"".join(x.tobytes() for x in case.rows) + board.name.encode()).hexdigest()[:24]
    return cache / f"{key}.json" if cache else None


def fit(found: Sequence[Sample], figure: str) -> dict[str, float]:
    """The weights of a figure, none of them negative."""
    known = np.array([s.known(figure) for s in found])
    size = np.array([getattr(s, MEASURED[figure]) for s in found])
    rows = [getattr(s.case.work, figure) for s in found]
    return least_squares(
        rows, known, 1 / np.maximum(size, FLOORS[figure]), solve=lambda a, b: nnls(a, b, maxiter=100 * a.shape[1])[0]
    )


def judge(op: str, figure: str, judged: Sequence[tuple[Sample, Mapping[str, float]]], details: int) -> None:
    """Print how far the estimates of samples, each with the weights that it is judged by, are off."""
    off = []
    for s, weights in judged:
        guess = sum(weights.get(name, 0.0) * count for name, count in getattr(s.case.work, figure).items())
        off.append(guess - s.known(figure))
    size = np.array([getattr(s, MEASURED[figure]) for s, _ in judged])
    part = 100 * np.abs(off) / np.maximum(size, 1)
    limit = {"code": 10, "runs": 15}.get(figure)
    beyond = float((part > limit).mean() if limit else (np.abs(off) > 16).mean())
    print(
        f"{op:12} {MEASURED[figure]:6} {len(off):4} models: mean {part.mean():5.1f} %, worst {part.max():6.1f} %, "
        f"beyond {f'{limit} %' if limit else '16 B'}: {100 * beyond:4.1f} %"
    )
    for i in np.argsort(-part)[:details]:
        print(f"    {part[i]:6.1f} % {off[i]:+9.0f} of {size[i]:9.0f}: {judged[i][0].case.what}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=BOARDS, default="avr")
    parser.add_argument("--op", choices=[*MODELS, *OPS, *LAYERS], action="append", help="by default all")
    parser.add_argument("--judge", action="store_true", help="judge the weights as they are; nothing is written")
    parser.add_argument("--cache", type=Path, help="a folder that keeps what was measured")
    parser.add_argument("--details", type=int, default=0, help="how many of the worst models are named")
    asked = parser.parse_args()
    board = replace(load_board(BOARDS[asked.arch]), copied=False)
    if asked.arch == "cortex-m3":  # QEMU's has more
        board = replace(board, flash=1 << 20, ram=1 << 17)
    if asked.cache:
        asked.cache.mkdir(parents=True, exist_ok=True)
    for op in asked.op or [*MODELS, *OPS, *LAYERS]:
        found = [*samples(op, board, asked.cache)]
        reached = [s for s in found if SELDOM not in s.case.work.stack]
        weights = {f: _figure(op, f, reached if f == "stack" else found, board, asked) for f in cost.FIGURES}
        if not asked.judge:
            _write(op, {figure: w for figure, w in weights.items() if w}, asked.arch)


def _figure(
    op: str, figure: str, found: Sequence[Sample], board: Board, asked: argparse.Namespace
) -> Mapping[str, float]:
    """The weights of a figure, judged."""
    if board.arch == "xtensa" and figure == "runs":
        return {}
    if asked.judge:
        weights = cost.weights(board.arch).get(op, {}).get(figure, {})
        judge(op, figure, [(s, weights) for s in found], asked.details)
        return weights
    folds = [fit([s for s in found if s.case.model % FOLDS != fold], figure) for fold in range(FOLDS)]
    judge(op, figure, [(s, folds[s.case.model % FOLDS]) for s in found], asked.details)
    return {**fit(found, figure), **(_shared(found) if figure == "code" else {})}


def _shared(found: Sequence[Sample]) -> dict[str, float]:
    """The mean sizes of functions that several nodes may share."""
    names = sorted({name for s in found for name in s.shared})
    return {name: round(float(np.mean([s.shared[name] for s in found if name in s.shared])), 3) for name in names}


def _write(op: str, weights: Mapping[str, Mapping[str, float]], arch: str) -> None:
    file = cost.FOLDER / f"{arch}.json"
    known = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps(known | {op: weights}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
