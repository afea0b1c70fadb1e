"""Whether a kernel machine's scores keep their digits in integers of 32 bits; one whose do not takes pairs of floats, or is refused.

Kernel values that are far larger than the scores they add up to cancel, and what was rounded off them is all that is left.
That depends on the machine, not on a bound: the integers' scores are worked out here for rows like those it was fitted on,
and held against those in float64.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.fixed import Floats
from mcugen.frontends.sklearn.reference import single
from mcugen.ops.svm import Svm
from mcugen.ops.svm.integers import VALUE_BITS
from mcugen.ops.svm.machine import scores
from mcugen.ops.svm.sums import can_be_pairs

KEPT = 1e-4  # of a score: what integers may be off before labels would follow
NUMBERS = 1e-6  # likewise, where the score itself is asked for to 1e-5: rows in use lose more than some that are made
ROUNDED = 2.0**-45  # of the terms of a score: what float64 leaves where they cancel altogether
MOST_ROWS = 256
MOST_WORK = 30_000_000  # products
SEED = 0


def takes_pairs(op: Svm) -> bool:
    """Whether integers of 32 bits lose more than an output may, and pairs of floats have room for the kernel's values."""
    if not can_be_pairs(op):
        return False
    rows, kept = rows_like(op), KEPT
    if op.output != "label":  # numbers beyond the vectors are to be right, too
        rows, kept = np.concatenate([rows, op.probe(len(rows), np.random.default_rng(SEED))[0]]), NUMBERS
    exact, found, sizes = _compared(op, rows)
    return not (np.abs(found - exact) <= kept * sizes).all()


def _compared(op: Svm, rows: npt.NDArray[np.float32]) -> tuple[Floats, Floats, Floats]:
    """The scores (n, pairs) of rows in float64 and in integers, and the sizes that these are compared by."""
    exact, found = op.scores(rows), scores_of_integers(op, rows)
    size = min(1.0, float(np.abs(exact).max()))
    if (np.abs(exact) <= ROUNDED * _terms(op, rows)).all():
        size = 1.0  # rows that are all the same: nothing but float64's own rounding is left
    return exact, found, np.maximum(np.abs(exact), size)


def check_digits(op: Svm, loc: Loc) -> None:
    """E0302 where integers of 32 bits lose what tells classes apart: scores of machines are of the size of 1 at their margins."""
    exact, found, sizes = _compared(op, rows_like(op))
    lost = np.abs(found - exact)
    if (lost <= KEPT * sizes).all():
        return
    worst = np.unravel_index(int(lost.argmax()), lost.shape)
    text = (
        f"its scores cancel: with the {op.kernel.name} kernel and gamma={op.kernel.gamma:.3g}, numbers of 32 bits make "
        f"{found[worst]:.8g} of a score of {exact[worst]:.8g}"
    )
    help = 'scale the features first, as with `make_pipeline(StandardScaler(), SVC())`, or fit with gamma="scale"'
    raise error("E0302", text, help=help, loc=loc.within("support_vectors_"))


def _terms(op: Svm, rows: npt.NDArray[np.float32]) -> Floats:
    """The sizes of what each score (n, pairs) adds up."""
    return scores(np.abs(op.values(rows)), np.abs(op.coefficients), np.abs(op.intercepts), op.counts)


def rows_like(op: Svm) -> npt.NDArray[np.float32]:
    """Support vectors, and rows half-way between two, (rows, features)."""
    count = int(np.clip(MOST_WORK // op.vectors.size, 8, MOST_ROWS))
    rng = np.random.default_rng(SEED)
    first, second = (op.vectors[rng.integers(len(op.vectors), size=(count + 1) // 2)] for _ in range(2))
    return single(np.concatenate([first, (first + second) / 2]))


def scores_of_integers(op: Svm, rows: npt.NDArray[np.float32]) -> Floats:
    """The scores (n, pairs) with vectors, kernel values and coefficients rounded as the widest form has them."""
    wide = replace(op, form="float32")
    integers, bits = wide.weights, VALUE_BITS[True]
    values, exponents = wide.values(rows), np.zeros(1, np.int64)
    if op.kernel.name == "poly":  # has an exponent of its own
        values, exponents = np.frexp(values)
    cut = np.ldexp(np.floor(np.ldexp(values, bits)), exponents - bits)
    coefficients = np.ldexp(integers.integers.astype(np.float64), integers.exponent + bits - integers.drop)
    intercepts = np.ldexp(integers.intercepts.astype(np.float64), integers.exponent + integers.lift + integers.scale)
    return scores(cut, coefficients, intercepts, op.counts)
