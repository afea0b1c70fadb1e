"""What a kernel machine's C is made of."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mcugen.boards import Target
from mcugen.op import Work
from mcugen.ops.svm.machine import rounds
from mcugen.work import Rows, joined, loading, locals_, options, unrolled, unrolls, width_of
from mcugen.work.points import LOOKED_AT, coded, differences, some_rows, start, sums_on_the_way, wide_index

if TYPE_CHECKING:
    from mcugen.ops.svm import Svm

IN_A_ROW = 16  # coefficients of a vector that are added without a loop, where a product is an instruction
LEAST = 1e-7  # a pair's probability does not come nearer to 0 or 1


def work(op: Svm, target: Target) -> Work:
    """Kernel values, the sums of them, and what is made of these; vectors stand for rows."""
    width = op._width
    kind = f"{op.kernel.name} {width}"
    places = some_rows(op.vectors)
    rows = op.vectors[places].astype(np.float32)
    values = _distances(op, rows, kind, target) if op.kernel.name == "rbf" else _products(op, rows, kind, target)
    used = values.runs[f"values {kind}"]
    several = "several" if op.pairs > 1 else "one"
    wide = "wide" if op._wide else "narrow"
    apart = " apart" if unrolls(target) and op.pairs > 1 and op.kernel.name != "poly" else ""
    sums = f"{op.kernel.name == 'poly'} {wide} {several}{apart}"
    others = op.coefficients.shape[1]
    in_a_row = float(others) if apart and others <= IN_A_ROW else 0.0
    looped = " looped" if apart and others > IN_A_ROW else ""
    array = op.pairs * (8 if op._wide else 4)
    added = Work(
        op.coefficients.size * (4 if op._wide else 2) + (4 * op.pairs + 2 * op.classes if op.pairs > 1 else 0),
        {
            f"sums {kind} {several}{apart}": 1.0,
            f"many classes {several}": float(op.pairs > 255),
            f"in a row {wide}": in_a_row,
        },
        {
            f"vectors {sums}": float(len(op.vectors)),
            f"products {sums}{looped}": used * others,
            f"pairs {sums}": float(op.pairs),
        },
        {f"sums {kind} {several}{apart}": 1.0, "arrays": float(array)},
    )
    return joined(values, added, locals_(array, f"{sums} {op.output}", target), _tail(op, rows, f"{wide} {several}"))


def _distances(op: Svm, rows: Rows, kind: str, target: Target) -> Work:
    p = op.grid
    found = np.array([_within(op, int(at)) for at in some_rows(op.vectors)])
    scale = len(op.vectors) / min(len(op.vectors), LOOKED_AT)
    worked, used = found.mean(axis=0) * scale
    worked = worked if target.board.progmem else float(op.vectors.size)  # elsewhere none is given up
    near = f"{op.powers.fine}{' far' if p.far else ''}"
    fours = " in fours" if unrolls(target) and p.fixed.features >= 4 else ""
    runs = {
        f"differences {kind}{' far' if p.far else ''}{fours}{coded(p)}": worked,
        f"values {kind}": used,
    }
    runs |= {f"values of {near}": used}
    code = {f"kernel {kind} {near}{fours}": 1.0} | wide_index(p, target)
    powers = 16 * (4 if op._wide else 2)
    return joined(start(p, rows, kind), Work(powers, code, runs, {f"kernel {kind} {near}{fours}": 1.0}))


def _within(op: Svm, at: int) -> tuple[float, float]:
    """Differences that are worked out for a row like the vector at `at`, and vectors whose value is not 0."""
    p, most = op.grid, (1 << 62) - 1
    limit = min(most, op.powers.limit << min(op.powers.excess, 63) if op.powers.excess < 63 else most)
    sums = sums_on_the_way(p, at)
    enough = np.full(len(sums), limit, np.int64)
    return float(differences(p, sums, enough).sum()), float((sums[:, -1] < limit).sum())


def _products(op: Svm, rows: Rows, kind: str, target: Target) -> Work:
    f = op.products
    columns = f.weights.shape[1]
    degree = f" {op.kernel.degree}" if op.kernel.name == "poly" else ""
    runs = loading(f, rows).parts(width_of(f)) | {
        f"dot products {f.width}": float(f.weights.size),
        f"points {kind}": float(len(op.vectors)),
        f"values {kind}": float(len(op.vectors)),
        f"powers{degree} {kind}": float(len(op.vectors) * max(1, op.kernel.degree - 1)),
    }
    code = (
        {f"kernel {kind}": 1.0, f"degree{degree}": float(bool(degree))}
        | options(f, width_of(f))
        | unrolled(columns, target, str(f.width))
    )
    tables = f.nbytes + (64 if op.kernel.name == "sigmoid" else 0)
    array = columns * (4 if f.width == 32 else 2)
    return Work(tables, code, runs, {f"kernel {kind}": 1.0, "arrays": float(array)})


def _tail(op: Svm, rows: Rows, kind: str) -> Work:
    scaled = " scaled" if op.kernel.name == "poly" else ""
    kind = f"{op.output}{' ties' if op.ties else ''}{' pairs' if op.of_pairs else ''}{' outliers' if not len(op.counts) else ''} {kind}{scaled}"
    numbers = float(op.output != "label" or op.ties) * op.pairs
    runs = {f"tail {kind}": 1.0, f"numbers {op._wide}": numbers}
    if op.pairs > 1:
        summed = float(op.ties or (op.output == "decision" and not op.of_pairs))
        runs |= {"votes": float(op.pairs), "winner": float(op.classes), "sums": summed * op.pairs}
        runs |= {"decides": float(op.output == "decision" and not op.of_pairs) * op.classes}
    runs["sigmoids"] = float(op.output == "proba") * op.pairs
    array = 4 * (op.classes + op.pairs) if op.output == "proba" else op.classes * (5 if op.pairs > 1 else 0)
    tables = 0
    if op.output == "proba":
        tables = 8 * op.pairs
        count = _rounds(op, rows.tobytes())
        runs |= {"rounds": count, "round classes": count * op.classes, "round pairs": count * op.classes**2}
    return Work(tables, {f"tail {kind}": 1.0}, runs, {f"tail {kind}": 1.0, "arrays": float(array)})


@lru_cache(maxsize=64)
def _rounds(op: Svm, rows: bytes) -> float:
    """How many rounds it takes until probabilities suit all pairs."""
    assert op.sigmoids is not None, "the front-end has seen to it"
    score = op.scores(np.frombuffer(rows, np.float32).reshape(-1, op.vectors.shape[1]))
    each = np.clip(1 / (1 + np.exp(np.clip(score * op.sigmoids[0] + op.sigmoids[1], -500, 500))), LEAST, 1 - LEAST)
    return float(np.mean([sum(1 for _ in rounds(one, op.classes)) for one in each]))
