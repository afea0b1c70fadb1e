"""The C against the model: rows, both answers, and every row in which they differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, McugenError, error
from mcugen.frontends import Output, Reference
from mcugen.ir import Array, DType, Label, Module, Storage, Value

SEED = 0
SMALL = float(np.finfo(np.float32).tiny)  # below, a float has fewer digits
MOST_VALUES = 50_000_000  # of made rows: 200 MB
Where = Literal["host", "simulator", "board"]
Run = Callable[[Sequence[Array]], Sequence[Array]]


@dataclass(frozen=True)
class Row:
    """A row on which the C and the model differ: its number, both answers as text, and how far they are apart."""

    number: int
    expected: str
    found: str
    error: float


@dataclass(frozen=True)
class Proof:
    """The outcome of a comparison.

    rows       compared, near ties left out
    near_ties  rows whose two best classes differ by no more than the model's own sums may round, counted and not compared
    wrong      rows that differ; `worst` shows up to five of them
    largest    the largest difference of numbers (absolute where the model's are below 1, else relative), 0.0 for labels
    refused    rows that the model itself does not answer: not compared either
    """

    on: Where
    source: str
    rows: int
    near_ties: int
    wrong: int
    largest: float
    worst: tuple[Row, ...]
    refused: int = 0

    @property
    def proven(self) -> bool:
        """Whether at least one row was compared and all agree."""
        return self.rows > 0 and self.wrong == 0

    def __str__(self) -> str:
        wrong = f"{self.wrong:,} disagreement{'' if self.wrong == 1 else 's'}"
        ties = (
            f", {self.near_ties:,} near tie{'' if self.near_ties == 1 else 's'} not compared" if self.near_ties else ""
        )
        refused = f", {self.refused:,} that the model refuses" if self.refused else ""
        return f"{self.rows:,} {self.source} on the {self.on}, {wrong}{ties}{refused}"


def probe(module: Module, limit: int) -> Array:
    """Rows (n, features) for a module without data, made by its first op from its own constants; the same at every call."""
    rng = np.random.default_rng(SEED)
    features = module.predict.of(Storage.INPUT)[0].type.size
    limit = max(1, min(limit, MOST_VALUES // features))
    rows = module.predict.nodes[0].op.probe(limit, rng)
    return rows[0] if rows else rng.standard_normal((min(limit, 256), features))


def checked_rows(rows: Array, module: Module) -> Array:
    """Rows as float32 (n, features); E0110 for another shape or for what is not numbers."""
    features = module.predict.of(Storage.INPUT)[0].type.size
    try:
        with np.errstate(over="ignore"):
            data = np.asarray(rows).astype(np.float32)
    except (TypeError, ValueError) as problem:
        help = "give an array of numbers, one row per sample"
        raise error("E0110", f"the data are not numbers: {problem}", help=help) from problem
    if data.ndim != 2 or data.shape[1] != features:
        raise other_shape(data.shape, features, f"give an array of shape (rows, {features})")
    _check_whole(data, module.predict.of(Storage.INPUT)[0].type.dtype)
    return data


def _check_whole(rows: Array, dtype: DType) -> None:
    """E0110 for rows that an integer input does not hold."""
    if dtype is DType.F32:
        return
    limits = np.iinfo(dtype.c.removesuffix("_t"))
    off = ~((rows >= limits.min) & (rows <= limits.max) & (rows == np.rint(rows)))
    if off.any():
        row, column = np.argwhere(off)[0]
        text = f"row {row}, column {column} is {rows[row, column]:g}"
        help = f"with `--input {dtype.c.removesuffix('_t')}` rows are whole numbers from {limits.min} to {limits.max}"
        raise error("E0110", text, help=help)


def other_shape(shape: tuple[int, ...], features: int, help: str, loc: Loc = Loc()) -> McugenError:
    """E0110 for data that are no rows of the model's features."""
    if len(shape) == 2:
        text = f"the data have {shape[1]} columns; the model takes {features} features"
    else:
        shown = "x".join(map(str, shape)) or "a single number"
        text = f"the data are {shown}; the model takes rows of {features} features"
    return error("E0110", text, help=help, loc=loc)


def prove(module: Module, reference: Reference, rows: Array, run: Run, *, on: Where, source: str) -> Proof:
    """Run the C on the rows (n, features) and compare it with the model's own answers."""
    with np.errstate(over="ignore"):
        x = np.ascontiguousarray(rows, np.float32)
    outputs = module.predict.of(Storage.OUTPUT)
    found = run([x.astype(module.predict.of(Storage.INPUT)[0].type.dtype.numpy)])
    accepted = reference.accepts(x)
    classes = any(v.labels is not None for v in outputs)
    ties = reference.near_ties(x) & accepted if classes else np.zeros(len(x), np.bool_)
    compared = [_compared(v, reference, x, f) for v, f in zip(outputs, found, strict=True)]
    wrong = np.zeros(len(x), np.bool_)
    errors = np.zeros(len(x))
    for one in compared:
        use = accepted & ~ties if one.is_class else accepted
        wrong |= one.wrong & use
        errors = np.where(use, np.fmax(errors, one.errors), errors)
    numbers = np.flatnonzero(wrong)
    order = numbers[np.argsort(-errors[numbers], kind="stable")][:5]
    shown = next((one for one in compared if one.wrong[wrong].any()), compared[0])
    worst = tuple(Row(int(i), *shown.show(int(i)), float(errors[i])) for i in order)
    largest = max((float(c.errors[accepted].max(initial=0.0)) for c in compared if not c.is_class), default=0.0)
    rows_compared = int((accepted & ~ties).sum())
    refused = int((~accepted).sum())
    return Proof(on, source, rows_compared, int(ties.sum()), len(numbers), largest, worst, refused)


def require(proof: Proof, loc: Loc, allowed: float = 0.0) -> None:
    """E0801 where more than the allowed part of the rows differs."""
    if proof.wrong > allowed * proof.rows:
        raise disagreement(proof, loc)


def disagreement(proof: Proof, loc: Loc) -> McugenError:
    """The diagnostic of a proof that failed."""
    notes = [f"row {row.number}: the model says {row.expected}, the C {row.found}" for row in proof.worst]
    help = "do not use this C; please report the model that led to it"
    return error(
        "E0801", f"{proof.wrong:,} of {proof.rows:,} rows differ on the {proof.on}", loc=loc, notes=notes, help=help
    )


@dataclass(frozen=True, eq=False)
class _Compared:
    """One output, row by row: whether it is wrong, by how much, and how both answers are shown."""

    is_class: bool
    wrong: npt.NDArray[np.bool_]
    errors: npt.NDArray[np.float64]
    show: Callable[[int], tuple[str, str]]


def _compared(value: Value, reference: Reference, x: Array, found: Array) -> _Compared:
    if value.labels is not None:
        return _classes(value.labels, reference.labels(x), found)
    what = cast("Output", value.name)
    expected = reference.numbers(what, x)
    least = 1.0 if what == "proba" else SMALL if reference.relative else _typical(expected)
    return _numbers(expected, found, reference.rounding(x), reference.tolerance, least)


def _typical(expected: npt.NDArray[np.float64]) -> float:
    """Answers smaller than the model's usual ones are compared in absolute terms, and all at 1 at least so."""
    sizes = np.abs(expected[np.isfinite(expected)])
    return float(min(1.0, max(sizes.max(initial=0.0), SMALL)))


def _classes(names: Sequence[Label], expected: Array, found: Array) -> _Compared:
    def show(i: int) -> tuple[str, str]:
        index = int(found[i])
        return repr(names[int(expected[i])]), repr(names[index]) if 0 <= index < len(names) else f"index {index}"

    wrong = np.asarray(found != expected)
    return _Compared(True, wrong, wrong.astype(np.float64), show)


def _numbers(
    expected: npt.NDArray[np.float64], found: Array, rounding: Array, tolerance: float, least: float
) -> _Compared:
    expected, real = expected.reshape(len(expected), -1), found.astype(np.float64).reshape(len(found), -1)
    size = np.maximum(np.abs(expected), least)
    with np.errstate(all="ignore"):
        off = np.where(
            real == expected, 0.0, np.abs(real - expected)
        )  # infinities are equal, their difference is not 0
        errors = (np.maximum(off - rounding[:, None], 0.0) / size).max(axis=1)  # NaN stays NaN, and is wrong

    def show(i: int) -> tuple[str, str]:
        at = int(np.argmax(np.nan_to_num(off[i], nan=np.inf)))
        return f"{expected[i, at]:.9g}", f"{real[i, at]:.9g}"

    return _Compared(False, ~(errors <= tolerance), errors, show)
