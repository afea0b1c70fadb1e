"""What the C of quadratic forms is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcugen.boards import Target
from mcugen.op import Work
from mcugen.quadratic_wide import QuadraticWide
from mcugen.work import MOST_ROWS, joined, known_rows, loading, locals_, options, unrolled

if TYPE_CHECKING:
    from mcugen.ops.quadratic import Quadratic


def work(op: Quadratic, target: Target) -> Work:
    """The row, the sums of products with their squares, and what is made of them."""
    m = op.integers
    if isinstance(m, QuadraticWide):
        return _wide(op, m)
    f = m.fixed
    columns, rows = f.weights.shape[1], len(f.weights)
    made = known_rows(None, op.probe(MOST_ROWS, np.random.default_rng(0))[0])
    near = float((np.abs(f.sums(made)[0]) < m.near).mean())
    kept = 8 * op.classes if op.output != "label" else 0
    tail = op.output + (" of two" if op.output == "decision" and op.classes == 2 else "")
    code = {
        f"tail {tail}": 1.0,
        f"same rows {m.same_rows}": 1.0,
        "never": float(m.never),
        "lifted": float(m.constant_shift > 0),
    }
    runs = {
        "products": float(f.weights.size),
        "squares": float(rows),
        "near squares": near * rows,
        "classes": float(op.classes),
        f"tail {tail}": 1.0,
        f"classes {tail}": float(op.classes),
    }
    stack = {f"tail {tail}": 1.0, "arrays": float(4 * columns + kept)}
    sums = Work(
        m.nbytes, code | options(f, "") | unrolled(columns, target, ""), runs | loading(f, made).parts(""), stack
    )
    return joined(sums, locals_(4 * columns + kept, op.output, target))


def _wide(op: Quadratic, m: QuadraticWide) -> Work:
    """The same in integers of 64 bits."""
    tail = ("numbers" if op.output != "label" else "label") + " 64"
    rows, weights = float(len(m.fixed.weights)), float(m.fixed.weights.size)
    code = {f"tail {tail}": 1.0, "lifts 64": float(len(m.fixed.lifts) > 0), "rows 64": float(not m.same_rows)}
    runs = {f"tail {tail}": 1.0, "products 64": weights, "squares 64": rows, f"classes {tail}": float(op.classes)}
    kept = 16 * op.classes if op.output != "label" else 0
    return Work(m.nbytes, code, runs, {f"tail {tail}": 1.0, "arrays": float(kept)})
