"""The C against the model: rows, both answers, and every row in which they differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, McugenError, error
from mcugen.frontends import Reference
from mcugen.ir import Array, Module, Storage

NEAR_TIE = 1e-12  # a class ahead by less is ahead by the rounding of a float64 sum, not by the model
TOLERANCE = 1e-6  # of probabilities, absolute; of numbers, relative
SEED = 0
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
    near_ties  rows whose two best classes are closer than 1e-12, counted and not compared
    wrong      rows that differ; `worst` shows up to five of them
    largest    the largest difference of probabilities (absolute) or numbers (relative), 0.0 for labels
    """

    on: Where
    source: str
    rows: int
    near_ties: int
    wrong: int
    largest: float
    worst: tuple[Row, ...]

    @property
    def proven(self) -> bool:
        """Whether at least one row was compared and all agree."""
        return self.rows > 0 and self.wrong == 0

    def __str__(self) -> str:
        wrong = f"{self.wrong:,} disagreement{'' if self.wrong == 1 else 's'}"
        ties = (
            f", {self.near_ties:,} near tie{'' if self.near_ties == 1 else 's'} not compared" if self.near_ties else ""
        )
        return f"{self.rows:,} {self.source} on the {self.on}, {wrong}{ties}"


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
    return data


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
    found = run([x])
    wrong, errors, compared, shown = _differences(module, reference, x, found)
    numbers = np.flatnonzero(wrong)
    order = numbers[np.argsort(-errors[numbers], kind="stable")][:5]
    worst = tuple(Row(int(i), *shown(int(i)), float(errors[i])) for i in order)
    largest = float(errors[compared].max(initial=0.0)) if found[-1].dtype.kind == "f" else 0.0
    return Proof(on, source, int(compared.sum()), int((~compared).sum()), len(numbers), largest, worst)


def require(proof: Proof, loc: Loc) -> None:
    """E0801 where a row differs."""
    if proof.wrong:
        raise disagreement(proof, loc)


def disagreement(proof: Proof, loc: Loc) -> McugenError:
    """The diagnostic of a proof that failed."""
    notes = [f"row {row.number}: the model says {row.expected}, the C {row.found}" for row in proof.worst]
    help = "do not use this C; please report the model that led to it"
    return error(
        "E0801", f"{proof.wrong:,} of {proof.rows:,} rows differ on the {proof.on}", loc=loc, notes=notes, help=help
    )


Differences = tuple[
    npt.NDArray[np.bool_], npt.NDArray[np.float64], npt.NDArray[np.bool_], Callable[[int], tuple[str, str]]
]


def _differences(module: Module, reference: Reference, x: Array, found: Sequence[Array]) -> Differences:
    """Per row: whether it is wrong, by how much, whether it was compared, and how to show both answers."""
    if not reference.classifier:
        values = reference.values(x)
        limit = np.maximum(np.abs(values), float(np.finfo(np.float32).tiny))
        off = np.abs(found[0].astype(np.float64) - values)
        errors = np.maximum(off - reference.rounding(x), 0.0) / limit  # NaN stays NaN, and is wrong
        return (
            ~(errors <= TOLERANCE),
            errors,
            np.ones(len(x), np.bool_),
            lambda i: (f"{values[i]:.9g}", f"{found[0][i]:.9g}"),
        )
    labels, compared = reference.labels(x), reference.gaps(x) >= NEAR_TIE
    names = next(v.labels for v in module.predict.of(Storage.OUTPUT) if v.labels is not None)
    wrong, errors = (found[0] != labels) & compared, (found[0] != labels).astype(np.float64)

    def shown(i: int) -> tuple[str, str]:
        index = int(found[0][i])
        return repr(names[int(labels[i])]), repr(names[index]) if 0 <= index < len(names) else f"index {index}"

    if len(found) == 1:
        return wrong, errors, compared, shown
    errors = np.abs(found[1].astype(np.float64) - reference.proba(x)).max(axis=1)
    return wrong | ~(errors <= TOLERANCE), errors, compared, shown
