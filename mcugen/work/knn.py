"""What the nearest points' C is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcugen.boards import Target
from mcugen.op import Work
from mcugen.work import joined
from mcugen.work.points import coded, search, some_rows, start, wide_index

if TYPE_CHECKING:
    from mcugen.ops.knn import Knn


def work(op: Knn, target: Target) -> Work:
    """The search, and the votes."""
    p = op.grid
    kind = f"{p.fixed.width} {op.metric}"
    one = "one" if op.neighbours == 1 else "some"
    searched = search(p, op.neighbours)
    rows = op.rows_of(op.points[some_rows(op.points)])
    kept = (
        op.neighbours
        * (p.sum_bits + max(8, 16 * (len(op.points) > 255) if op.output == "value" else op.answer_bits))
        // 8
    )
    points = Work(
        len(op.points) * op.answer_bits // 8,
        {f"search {kind} {one}": 1.0, f"answers of {op.answer_bits}": 1.0} | wide_index(p, target),
        {
            f"points {kind}{coded(p)}": float(len(op.points)),
            f"differences {kind}{coded(p)}": searched.differences,
            f"found {p.sum_bits}": searched.found,
            f"moved {p.sum_bits}": searched.moved,
        },
        {f"search {kind} {one}": 1.0, "arrays": float(kept)},
    )
    return joined(start(p, rows, kind), points, _tail(op, one))


def _tail(op: Knn, one: str) -> Work:
    """What is made of the nearest."""
    roots = f" {op.metric == 'euclidean'} {op.grid.sum_bits}" if op.weighed == "distance" else ""
    kind = f"{op.output} {op.weighed}{roots} {one}{op.answer_bits if op.output == 'value' else ''}"
    counted = op.output != "value" and not (one == "one" and op.output == "label")
    weighed = f"{op.weighed}{roots}"
    runs = {f"tail {op.output} {op.weighed}": 1.0, f"votes {weighed} {op.output == 'value'}": float(op.neighbours)}
    runs |= {f"classes {op.weighed} {op.output}": float(op.classes)} if counted else {}
    array = (
        op.classes * (4 if op.weighed == "distance" else 1)
        if counted and (op.weighed, op.output) != ("distance", "proba")
        else 0
    )
    return Work(0, {f"tail {kind}": 1.0}, runs, {f"tail {kind}": 1.0, "arrays": float(array)})
