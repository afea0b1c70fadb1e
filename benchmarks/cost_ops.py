"""Fits the cost of ops other than trees to measured models: `python -m benchmarks.cost_ops [--arch NAME] [--op NAME] [--judge]`.

Compiles the models of benchmarks/cost_cases.py in every number format and form of an op, links many into one program, takes
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
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from benchmarks.cost_cases import MODELS, Model
from benchmarks.cost_model import BOARDS, least_squares, on_xtensa
from benchmarks.cost_model import measured as linked
from mcugen import cost
from mcugen.boards import Board, Numeric, Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.frontends import read
from mcugen.ir import Module, Node
from mcugen.memory.plan import plan
from mcugen.op import Work
from mcugen.passes import PIPELINE
from mcugen.passes import run as run_passes
from mcugen.passes.select import select
from mcugen.targets.driver import Unit

FORMATS: tuple[Numeric, ...] = ("float32", "int16", "int8")
TOGETHER = {"avr": 6, "xtensa": 1}  # models in a program
ROWS = {"avr": 30}
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


@dataclass(frozen=True)
class Sample:
    """A measured case: bytes of flash, mean cycles or instructions, bytes of stack."""

    case: Case
    flash: float
    cycles: float
    stack: float

    def known(self, figure: str) -> float:
        """What the weights of a figure have to add up to."""
        return float(getattr(self, MEASURED[figure])) - (self.case.work.tables if figure == "code" else 0)


def cases(op: str, board: Board) -> Iterator[Case]:
    """All models of an op, in every format and form; rows are known for every other."""
    for number, model in enumerate(MODELS[op]()):
        for output in model[3]:
            for numeric in FORMATS:
                target = Target(board, "auto", numeric, model[2] if number % 2 else None)
                try:
                    yield from _forms(op, number, model, output, target)
                except McugenError as problem:
                    print(f"left out: {model[0]} {output}: {problem.diagnostics[0].message}", file=sys.stderr)


def _forms(op: str, number: int, model: Model, output: str, target: Target) -> Iterator[Case]:
    what, estimator, rows, _ = model
    module = read(estimator, name="m", output=output).module
    module = run_passes(module, target, pipeline=tuple(p for p in PIPELINE if p is not select))
    places = [i for i, node in enumerate(module.predict.nodes) if node.op.name == op]
    if len(module.predict.nodes) != 1 or not places:
        return
    node = module.predict.nodes[0]
    for form in node.op.forms(target) or (None,):
        decided = node.op.with_form(form, target) if form else node.op
        said = (
            f"{what} {output} {target.numeric if form is None else form.name}{'' if target.rows is None else ' known'}"
        )
        yield _case(number, said, module, replace(node, op=decided), rows, target)


def _case(number: int, what: str, module: Module, node: Node, rows: Any, target: Target) -> Case:
    named = replace(module, name=f"m{zlib.crc32(what.encode()):08x}")
    made = replace(named, functions=(replace(module.predict, nodes=(node,)),))
    work = node.op.work(target, *module.predict.types(node.inputs))
    assert work is not None
    unit = Unit(made, emit(made, plan(made, target), target))
    chosen = np.random.default_rng(0).permutation(rows)[: ROWS.get(target.board.arch, 60)].astype(np.float32)
    return Case(number, what, node.op, unit, chosen, work)


def samples(op: str, board: Board, cache: Path | None) -> Iterator[Sample]:
    """All cases, measured: from the cache where they are in it."""
    waiting = cases(op, board)
    while together := [*islice(waiting, TOGETHER.get(board.arch, 12))]:
        keys = [_key(case, board) for case in together]
        kept = [cache / f"{key}.json" if cache else None for key in keys]
        if all(file and file.is_file() for file in kept):
            yield from (
                Sample(case, *json.loads(file.read_text())) for case, file in zip(together, kept, strict=True) if file
            )
            continue
        print(together[-1].what, file=sys.stderr)
        measure: Any = on_xtensa if board.arch == "xtensa" else linked
        for found in measure(together, board):
            file = kept[next(i for i, case in enumerate(together) if case is found.case)]
            if file:
                file.write_text(json.dumps([found.flash, found.cycles, found.stack]))
            yield Sample(found.case, found.flash, found.cycles, found.stack)


def _key(case: Case, board: Board) -> str:
    text = "".join(case.unit.files.values()).encode()
    return hashlib.sha256(text + case.rows.tobytes() + board.name.encode()).hexdigest()[:24]


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
    parser.add_argument("--op", choices=MODELS, action="append", help="by default all")
    parser.add_argument("--judge", action="store_true", help="judge the weights as they are; nothing is written")
    parser.add_argument("--cache", type=Path, help="a folder that keeps what was measured")
    parser.add_argument("--details", type=int, default=0, help="how many of the worst models are named")
    asked = parser.parse_args()
    board = replace(load_board(BOARDS[asked.arch]), copied=False)
    if asked.arch == "cortex-m3":  # QEMU's has more
        board = replace(board, flash=1 << 20)
    if asked.cache:
        asked.cache.mkdir(parents=True, exist_ok=True)
    for op in asked.op or MODELS:
        found = [*samples(op, board, asked.cache)]
        weights = {figure: _figure(op, figure, found, board, asked) for figure in cost.FIGURES}
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
    return fit(found, figure)


def _write(op: str, weights: Mapping[str, Mapping[str, float]], arch: str) -> None:
    file = cost.FOLDER / f"{arch}.json"
    known = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps(known | {op: weights}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    tempfile.tempdir = tempfile.gettempdir()
    main()
