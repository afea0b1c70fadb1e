"""What the ops on integers (mcugen/fixed.py) do with a row, as named counts for the cost model (mcugen/cost.py)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.fixed import Fixed, Integers, sizes_of
from mcugen.ir import Array
from mcugen.op import Work

Rows = npt.NDArray[np.float32]
SELDOM = "seldom reached"  # of a stack that few rows reach: what is measured says little of it
GONE = 31  # bits that a float of 24 digits can be shifted down by, at most
MOST_ROWS = 200
REACHED = 48  # bytes; 63, but other things are in between
SMALL = 256  # what a byte counts


@dataclass(frozen=True)
class Loading:
    """What bringing an expected row to integers takes: features that are looked at for the top, features that are brought
    down, by so many bits together, and features that are too far down.
    """

    tops: float
    loads: float
    skips: float
    shifts: float

    more: tuple[str, ...]

    def parts(self, kind: str) -> dict[str, float]:
        """As named counts: of features, with what each takes more where exponents are lifted, and of bits."""
        each = {f"{name} {kind}": getattr(self, name) for name in ("tops", "loads", "skips")}
        each |= {f"{name} {more} {kind}": getattr(self, name) for name in ("tops", "loads") for more in self.more}
        return {name: value for name, value in each.items() if value} | {f"shifts {kind}": self.shifts}


def loading(f: Fixed, rows: Rows) -> Loading:
    """For rows like these, (n, features)."""
    sizes = sizes_of(rows)
    exponents = np.maximum(sizes, 0 if f.zeros_vanish else 1) + (f.lifts if len(f.lifts) else 0)
    tops = np.maximum(exponents.max(axis=1), f.begin)
    again = exponents.max(axis=1) > f.begin if f.top is not None else np.ones(len(rows), bool)
    down = tops[:, np.newaxis] - exponents
    gone = down > (f.x_bits if f.x_bits < 24 else GONE)
    twice = 1 + (again if f.top is not None else 0 * again)[:, np.newaxis]
    return Loading(
        float(f.features) if f.top is None else 0.0,
        float((twice * ~gone).sum(axis=1).mean()),
        float((twice * gone).sum(axis=1).mean()),
        0.0 if f.by_hand else float((np.where(gone, 0, down) * twice).sum(axis=1).mean()),
        ("wide",) * (not f.plain)
        + ("lifted",) * (len(f.lifts) > 0)
        + ("bit by bit",) * (f.width < 32 and not f.by_hand),
    )


def known_rows(sizes: Integers | None, made: Array) -> Rows:
    """Rows of the exponents that are known, (n, features); without these the ones that are made up."""
    if sizes is None or not len(sizes):
        return made.astype(np.float32)
    some = sizes[:: max(1, len(sizes) // MOST_ROWS)]
    parts = np.random.default_rng(0).uniform(-1, 1, some.shape)
    parts = np.where(np.abs(parts) < 0.5, parts + np.copysign(0.5, parts), parts)
    return np.where(some == 0, 0, np.ldexp(parts, some - 126)).astype(np.float32)


def options(f: Fixed, kind: str) -> dict[str, float]:
    """What the code that brings rows to integers depends on."""
    said = {
        f"lifts of {f.lift_bits}": bool(len(f.lifts)),
        "tried first": f.top is not None,
        "wide exponents": not f.plain,
        "zeros told apart": not f.zeros_vanish,
        "bit by bit": f.width < 32 and not f.by_hand,
        "digits cut": f.x_bits < 15 and f.width < 32,
        "intercepts": f.bias,
        "many features": f.features >= SMALL,
    }
    return {f"{name} {kind}": 1.0 for name, so in said.items() if so}


def unrolls(target: Target) -> bool:
    """Whether loops work out several steps at once."""
    return target.optimize != "size" and target.board.long_product


def unrolled(columns: int, target: Target, kind: str) -> dict[str, float]:
    """What the code of a sum of products depends on where four are worked out at once."""
    if not unrolls(target) or columns < 8:
        return {}
    return {f"four at once {kind}": 1.0, f"products left over {kind}": float(columns % 4)}


def joined(*parts: Work) -> Work:
    """All of it."""
    code, runs, stack = (
        sum((Counter(getattr(part, figure)) for part in parts), Counter()) for figure in ("code", "runs", "stack")
    )
    tables, far = sum(part.tables for part in parts), sum(part.far for part in parts)
    return Work(tables, code, runs, stack, far=far)


def locals_(size: float, kind: str, target: Target) -> Work:
    """Where arrays of so many bytes on the stack are more than an AVR's instructions reach from the frame's beginning."""
    far = float(target.board.arch == "avr" and size > REACHED)
    return Work(0, {f"far locals {kind}": far}, {f"far locals {kind}": far}, {})


def width_of(f: Fixed) -> str:
    """What the integers of a row and its sums are: rows of both narrow formats have 16 bits."""
    return "wide" if f.width == 32 else "narrow"
