"""What naive Bayes' C is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcugen.boards import Target
from mcugen.gaussian_wide import WideGaussian
from mcugen.op import Work
from mcugen.work import Rows, joined, loading, locals_, options, width_of

if TYPE_CHECKING:
    from mcugen.ops.gaussian_nb import GaussianNB

ROWS = 200
SAME = 104.0  # from here on a power of e is less than a float holds


def _powers(op: GaussianNB, rows: Rows) -> float:
    """Of how many classes the power of e is not 0 at once."""
    if op.output != "proba":
        return 0.0
    scores = op.scores(rows)
    return float((scores.max(axis=1, keepdims=True) - scores < SAME).sum(axis=1).mean())


def _tail(op: GaussianNB) -> str:
    """The part of the C that makes numbers; that of a difference is rather less than that of probabilities."""
    return "label" if op.output == "label" else "proba"


def work(op: GaussianNB, target: Target) -> Work:
    """The row, each class's squares, and what is made of them."""
    g = op.fixed
    rng = np.random.default_rng(0)
    classes = rng.integers(len(op.mean), size=ROWS)
    rows = (op.mean[classes] + np.sqrt(op.variance[classes]) * rng.standard_normal((ROWS, op.mean.shape[1]))).astype(
        np.float32
    )
    if isinstance(g, WideGaussian):
        return _wide(op, g, rows)
    f = g.fixed
    centred, kind = len(g.centers) > 0, f"{f.width}{' coarse' if g.coarse else ''}"
    load = loading(f, rows - g.centers if centred else rows)
    odd = float((f.weights & 1).sum()) if g.coarse else 0.0
    row = f.features * ((4 if f.width == 32 else 2) + 4 * centred)
    count = len(op.mean)
    start = Work(
        g.nbytes,
        {
            f"squares {kind}": 1.0,
            f"centred {f.width}": float(centred),
            "never": float(g.never),
            f"constants lifted {f.width}": float(g.constant_shift > 0),
        }
        | options(f, width_of(f)),
        load.parts(width_of(f))
        | {
            f"squares {kind}": float(f.weights.size) - odd,
            f"odd squares {kind}": odd,
            f"classes {kind}": float(count),
            f"call {kind}": 1.0,
            "centred": float(f.features * centred),
        },
        {f"squares {kind}": 1.0, "arrays": float(row), f"centred {f.width}": float(centred)},
    )
    width = "wide" if f.width == 32 else "narrow"
    tail = f"{_tail(op)} {width}"
    kept = (8 if width == "wide" else 4) * count if _tail(op) == "proba" else 0
    end = Work(
        0,
        {f"tail {tail}": 1.0},
        {f"tail {tail}": 1.0, f"each {tail}": float(count), "powers": _powers(op, rows)},
        {f"tail {tail}": 1.0, "kept": float(kept)},
    )
    return joined(start, end, locals_(row + kept, f"{kind} {_tail(op)}", target))


def _wide(op: GaussianNB, g: WideGaussian, rows: Rows) -> Work:
    """The same in integers of 64 bits, all of whose products are as long."""
    classes, columns = g.means.shape
    each = {"columns 64": float(columns), "squares 64": float(g.means.size), f"classes {_tail(op)} 64": float(classes)}
    size = 8 * columns + (16 * classes if _tail(op) == "proba" else 0)
    called = {f"call {_tail(op)} 64": 1.0}
    return Work(g.nbytes, called, each | called | {"powers": _powers(op, rows)}, called | {"arrays": float(size)})
