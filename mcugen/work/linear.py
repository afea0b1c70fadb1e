"""What a linear op's C is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcugen.boards import Target
from mcugen.fixed import Fixed, sizes_of
from mcugen.op import Work
from mcugen.wide import MOST_DOWN, Wide
from mcugen.work import (
    MOST_ROWS,
    SELDOM,
    SMALL,
    Rows,
    joined,
    known_rows,
    loading,
    locals_,
    options,
    unrolled,
    width_of,
)

if TYPE_CHECKING:
    from mcugen.ops.linear import Linear

SAME = 88.0  # from here on a power of e is more than a float holds, or less


def work(op: Linear, target: Target) -> Work:
    """Its sums, in one or two widths, and what is made of them."""
    rows = known_rows(op.sizes, op.probe(MOST_ROWS, np.random.default_rng(0))[0])
    twice = op.form in ("guarded", "floats")
    parts = [_sums(op, op.fixed, target, rows, _open(op, rows), " again" if twice else "")]
    if op.first:
        parts.append(_sums(op, op.first, target, rows, 1.0, ""))
    if op.form == "floats":
        parts.append(_floats(op))
    return joined(*parts, _tail(op, rows, twice))


def _open(op: Linear, rows: Rows) -> float:
    """The part of the expected rows that what is worked out first leaves open."""
    if op.form == "floats":
        return 0.0
    if op.first is None:
        return 1.0
    q, _ = op.first.load(rows)
    sums = q @ op.first.weights.T
    doubt = op.render()["doubt"]
    if op.rows == 1:
        return float((np.abs(sums[:, 0]) <= doubt).mean())
    best = np.sort(sums, axis=1)
    return float((best[:, -1] - best[:, -2] <= doubt + np.abs(q).sum(axis=1)).mean())


def _sums(op: Linear, f: Fixed, target: Target, rows: Rows, share: float, again: str) -> Work:
    """The sums of products; `share` is the part of rows for which they are worked out."""
    if isinstance(f, Wide):
        return _wide(op, f, target, rows, share, again)
    columns, alone = f.weights.shape[1], op.rows == 1
    kind = f"{f.width} {'one' if alone else 'several'}{again}"
    plain = kind.removesuffix(again)  # the deepest stack is that of the exact sums, which few rows need
    load = loading(f, rows)
    loader = f"{width_of(f)} {'one' if alone else 'several'}"
    runs = load.parts(loader) | {
        f"call {plain}": 1.0,
        f"products {plain}": load.loads + f.bias if alone else op.rows * columns,
        f"rows {plain}": float(op.rows),
    }
    array = 0.0 if alone else (4 if f.width == 32 else 2) * columns
    sums = Work(
        f.nbytes,
        {f"sums {kind}": 1.0} | options(f, loader + again) | ({} if alone else unrolled(columns, target, kind)),
        {name: share * value for name, value in runs.items()},
        {f"sums {plain}": float(f is op.fixed), f"arrays {plain}": float(array)} | ({SELDOM: 1.0} if again else {}),
    )
    return joined(
        sums,
        locals_(array + 8 * op.classes * (op.output not in ("label", "transform")), f"{kind} {_tail_of(op)}", target),
    )


def _wide(op: Linear, f: Wide, target: Target, rows: Rows, share: float, again: str) -> Work:
    """The sums of floats and weights of 62 bits: every product is shifted down by what its feature is below the top."""
    sizes = sizes_of(rows)
    exponents = np.where(sizes > 1, sizes + (f.lifts if len(f.lifts) else 0), f.begin)
    down = exponents.max(axis=1, keepdims=True) - exponents
    counts = (sizes > 1) & (down <= MOST_DOWN)
    loads = float(counts.sum(axis=1).mean())
    runs = {
        "call wide": 1.0,
        "tops wide": float(f.features),
        "lifted wide": float(f.features * (1 + op.rows)) * (len(f.lifts) > 0),
        "products wide": loads * op.rows,
        "skips wide": (f.features - loads) * op.rows,
        "shifts wide": float(np.where(counts, down, 0).sum(axis=1).mean()) * op.rows,
        "intercepts wide": float(f.bias * op.rows),
        "left wide": float(op.parted * op.rows),
    }
    code = {
        f"sums wide{again}": 1.0,
        f"lifts wide of {f.lift_bits}": float(len(f.lifts) > 0),
        "intercepts wide": float(f.bias),
        "left wide": float(op.parted),
        "many features wide": float(f.features >= SMALL),
    }
    stack = {"sums wide": 1.0, "left wide": float(op.parted)} | ({SELDOM: 1.0} if again else {})
    sums = Work(f.nbytes, code, {name: share * value for name, value in runs.items()}, stack)
    array = 8 * op.classes * (op.output not in ("label", "transform"))
    return joined(sums, locals_(array, f"wide {_tail_of(op)}", target))


def _floats(op: Linear) -> Work:
    """The sums of floats."""
    kind = "one" if op.rows == 1 else "at once" if op.rows <= 16 else "several"
    size = op.weights.shape[1]
    return Work(
        4 * (op.weights.size + op.rows),
        {f"floats {kind}": 1.0, f"floats {kind} rows": float(op.rows), f"floats {kind} of few": float(size < 8)},
        {
            f"floats {kind}": 1.0,
            f"float products {kind}": float(op.weights.size),
            f"floats {kind} features": float(size),
        },
        {},
    )


def _tail_of(op: Linear) -> str:
    return f"{op.output} {_link(op)}" if op.output == "proba" or op.votes else op.output


def _link(op: Linear) -> str:
    """The link by the name that its costs have: `rest` is `ovr` with another constant."""
    return "ovr" if op.link == "rest" else op.link


def _powers(op: Linear, rows: Rows) -> float:
    """Of how many numbers the power of e is neither 0 nor infinity: the others are known at once."""
    scores = rows.astype(np.float64) @ op.weights.T + op.bias
    scores = scores.max(axis=1, keepdims=True) - scores if op.link == "softmax" else scores
    return 0.0 if op.link == "clip" else float((np.abs(scores) < SAME).sum(axis=1).mean())


def _tail(op: Linear, rows: Rows, twice: bool) -> Work:
    """What is made of the sums."""
    width, count = ("wide" if op.width >= 32 else "narrow"), ("one" if op.rows == 1 else "several")
    kind = f"{_tail_of(op)} {width} {count}{' ' + op.form if twice else ''}"
    runs = {f"tail {kind}": 1.0}
    if op.rows > 1:
        runs[f"rows {kind}"] = float(op.rows)
    if op.output == "proba":
        runs[f"powers {_link(op)} {width}"] = _powers(op, rows)
    if op.votes:
        runs[f"classes {kind}"] = float(op.classes)
    kept = op.output == "proba" and _link(op) in ("softmax", "ovr") and op.rows > 1
    array = (8 if op.width >= 32 else 4) * op.rows if kept else op.classes if op.votes else 0
    array += 8 * op.classes if op.added else 0
    code = {f"tail {kind}": 1.0, f"many rows {count}": float(op.rows >= SMALL)}
    return Work(0, code, runs, {f"tail {kind.removesuffix(' ' + op.form)}": 1.0, "kept": float(array)})
