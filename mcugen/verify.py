"""The C against the model: rows, both answers, and every row in which they differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from mcugen.compared import PART, Compared, compared_classes, compared_numbers, least_sizes
from mcugen.diagnostics import Loc, McugenError, error
from mcugen.frontends import Output, Reference
from mcugen.ir import Array, DType, Module, Storage, Value

SEED = 0
ENOUGH = 0.1  # of the user's rows: a proof that compares no more of them says nothing of rows in use
MOST_VALUES = 50_000_000  # of made rows: 200 MB
FEWEST = 8  # made rows of a large network
MACC_BUDGET = 300_000_000  # multiply-accumulates of its made rows
WHOLE = 1 << 20  # of integers that a row of float32 holds exactly
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
class Terms:
    """What a comparison is judged by.

    numeric  the smaller number format that the C's answers have; empty where they are exact
    allowed  the part of the rows that may differ
    judged   whether it decides: beside the user's rows, those that were made are only shown
    enough   more than this part of the rows has to be compared; None where other rows see to that
    least    numbers below are compared as if they were as large: what the model's are on the user's rows, beside those that were made
    """

    numeric: str = ""
    allowed: float = 0.0
    judged: bool = True
    enough: float | None = ENOUGH
    least: float = 0.0


@dataclass(frozen=True)
class Off:
    """How far the numbers of an output are off at most, and the range that the model's have over the rows."""

    output: str
    largest: float
    range: float

    @property
    def part(self) -> float:
        """The largest error as part of the range."""
        return self.largest / self.range

    def __str__(self) -> str:
        return f"{self.output} at most {self.largest:.3g} off ({100 * self.part:.2g} % of its range {self.range:.3g})"


@dataclass(frozen=True)
class Proof:
    """The outcome of a comparison.

    Not compared is what the model's own rounding decides: the label of a near tie, and a number that rounding may move by more
    than 1 % of its output's range. Where the C answers all of those as the model does, they are no less proven than the others.

    rows       compared, near ties left out
    near_ties  rows whose two best classes differ by no more than the model's own sums may round, counted and not compared
    wrong      rows that differ; `worst` shows up to five of them. In a smaller number format those whose label differs, and
               those with a number that is off by more than 1 % of its output's range
    largest    the largest difference of numbers (absolute where the model's are below 1, else relative; in a smaller number
               format part of the output's range), 0.0 for labels
    refused    rows that the model itself does not answer: not compared either
    relabelled rows whose label differs
    off        the largest error of every output that is numbers
    blurred    rows with a number that the model's own rounding decides
    forgiven   rows on which the C differs where rounding decides
    note       what else the comparison has shown
    blind      the output of which too little was compared, and not all of the rest agrees; empty where there is none
    """

    on: Where
    source: str
    rows: int
    near_ties: int
    wrong: int
    largest: float
    worst: tuple[Row, ...]
    refused: int = 0
    relabelled: int = 0
    off: tuple[Off, ...] = ()
    terms: Terms = Terms()
    blurred: int = 0
    forgiven: int = 0
    blind: str = ""
    note: str = ""

    @property
    def proven(self) -> bool:
        """Whether enough was compared, and all agrees."""
        return not self.blind and self.wrong == 0

    @property
    def holds(self) -> bool:
        """Whether no more rows differ than may, or nothing is to be judged."""
        # a quotient, not a product: 0.285 of 200 rows must allow 57
        return not self.terms.judged or self.wrong == 0 or self.wrong / max(self.rows, 1) <= self.terms.allowed

    def __str__(self) -> str:
        wrong = f"{self.wrong:,} disagreement{'' if self.wrong == 1 else 's'}"
        ties = (
            f", {self.near_ties:,} near tie{'' if self.near_ties == 1 else 's'} not compared" if self.near_ties else ""
        )
        ties += f", {self.blurred:,} with numbers that rounding decides" if self.blurred else ""
        ties += f" ({self.forgiven:,} answered otherwise)" if self.forgiven else ""
        refused = f", {self.refused:,} that the model refuses" if self.refused else ""
        numeric = f" with {self.terms.numeric}" if self.terms.numeric else ""
        off = "".join(f"; {one}" for one in self.off) if numeric else ""
        note = f"; {self.note}" if self.note else ""
        return f"{self.rows:,} {self.source} on the {self.on}, {wrong}{numeric}{ties}{refused}{off}{note}"


def probe(module: Module, limit: int) -> Array:
    """Rows (n, features) for a module without data, made by the ops that take the row, each from its own constants; the same
    at every call.
    """
    rng = np.random.default_rng(SEED)
    limit = max(1, min(limit, MOST_VALUES // module.features))
    inputs = module.predict.of(Storage.INPUT)
    if len(inputs) > 1:
        count = min(limit, _affordable(module))
        return np.concatenate([_any(v, count, rng).astype(np.float64) for v in inputs], axis=1)
    (x,) = inputs
    names = {x.name}  # and under other shapes
    names |= {n.name for n in module.predict.nodes if n.op.view and n.inputs[0] in names}
    takers = [(node, name) for node in module.predict.nodes for name in node.inputs if name in names]
    each = max(1, limit // max(1, len(takers)))
    made = [(node.op.probe(each, rng), node.inputs.index(name)) for node, name in takers]
    rows = [held(inputs[place], x.type.dtype) for inputs, place in made if inputs]
    if rows:
        return np.concatenate(rows)[:limit]
    return _any(x, min(limit, _affordable(module)), rng)


def _any(value: Value, count: int, rng: np.random.Generator) -> Array:
    """Rows for an input of which nothing is known, (count, its elements)."""
    shape, limits = (count, value.type.size), value.type.dtype.limits
    if value.type.dtype is DType.BOOL:
        return rng.integers(0, 2, shape)
    if limits is None:
        return rng.standard_normal(shape)
    return rng.integers(max(limits[0], -WHOLE), min(limits[1], WHOLE), shape, endpoint=True)


def _affordable(module: Module) -> int:
    """Rows of which the model's own answers come in seconds."""
    graph = module.predict
    macc = sum(node.op.macc(*graph.types(node.inputs)) for node in graph.nodes)
    return max(FEWEST, min(256, MACC_BUDGET // max(macc, 1)))


def held(rows: Array, dtype: DType) -> Array:
    """Rows as a type of input holds them: integers are the nearest, and never missing."""
    if dtype.limits is None or rows.dtype.kind != "f":
        return rows
    return np.asarray(np.clip(np.rint(rows[np.isfinite(rows).all(axis=1)]), *dtype.limits))


def made_text(module: Module) -> str:
    """What rows that `probe` made are called."""
    return "threshold rows" if any(node.op.name == "tree_ensemble" for node in module.nodes) else "made rows"


def checked_rows(rows: Array, module: Module, loc: Loc = Loc()) -> Array:
    """Rows as float32 (n, features); E0110 for another shape, or for what is not numbers that the model's input holds."""
    features = module.features
    try:
        with np.errstate(over="ignore"):
            data = np.asarray(rows).astype(np.float32)
    except (TypeError, ValueError) as problem:
        help = "give an array of numbers, one row per sample"
        raise error("E0110", f"the data are not numbers: {problem}", help=help, loc=loc) from problem
    if data.ndim != 2 or data.shape[1] != features:
        raise other_shape(data.shape, features, f"give an array of shape (rows, {features})", loc)
    at = 0
    for value in module.predict.of(Storage.INPUT):
        _check_whole(data[:, at : at + value.type.size], value.type.dtype, loc)
        at += value.type.size
    return data


def _check_whole(rows: npt.NDArray[np.float32], dtype: DType, loc: Loc) -> None:
    """E0110 for rows that an integer input does not hold."""
    if dtype.limits is None:
        return
    least, largest = dtype.limits
    off = ~((rows >= least) & (rows <= largest) & (rows == np.rint(rows)))
    if off.any():
        row, column = np.argwhere(off)[0]
        text = f"row {row}, column {column} is {rows[row, column]:g}{_and_more(off)}"
        help = f"with `--input {dtype.c.removesuffix('_t')}` rows are whole numbers from {least} to {largest}"
        raise error("E0110", text, help=help, loc=loc)


def _and_more(off: npt.NDArray[np.bool_]) -> str:
    others = int(off.any(axis=1).sum()) - 1
    return f", and {others:,} more row{'' if others == 1 else 's'} {'is' if others == 1 else 'are'} like it" * bool(
        others
    )


def accepted_rows(rows: Array, reference: Reference, loc: Loc = Loc()) -> Array:
    """The rows themselves; E0110 where there are none, or the model refuses one, as most do with missing values."""
    if not len(rows):
        raise error("E0110", "the data have no row", help="give one row at least", loc=loc)
    refused = ~reference.accepts(rows)
    if not refused.any():
        return rows
    first = int(np.flatnonzero(refused)[0])
    odd = np.flatnonzero(~np.isfinite(rows[first]))
    place = f", column {odd[0]} is {rows[first, odd[0]]:g}" if len(odd) else ""
    text = f"the model itself refuses row {first}{place}{_and_more(refused[:, None])}"
    help = "leave such rows out; or compile a pipeline that fills in what is missing, with a SimpleImputer first"
    raise error("E0110", text, help=help, loc=loc)


def other_shape(shape: tuple[int, ...], features: int, help: str, loc: Loc = Loc()) -> McugenError:
    """E0110 for data that are no rows of the model's features."""
    if len(shape) == 2:
        text = f"the data have {shape[1]} columns; the model takes {features} features"
    else:
        shown = "x".join(map(str, shape)) or "a single number"
        text = f"the data are {shown}; the model takes rows of {features} features"
    return error("E0110", text, help=help, loc=loc)


def prove(
    module: Module,
    reference: Reference,
    rows: Array,
    run: Run,
    *,
    on: Where,
    source: str,
    terms: Terms = Terms(),
) -> Proof:
    """Run the C on the rows (n, features) and compare it with the model's own answers."""
    with np.errstate(over="ignore"):
        x = np.ascontiguousarray(rows, np.float32)
    found = _found(module, reference, x, run, terms)
    errors = np.zeros(len(x))
    for one in found.outputs:
        errors = np.where(found.used(one), np.fmax(errors, one.errors), errors)
    numbers = np.flatnonzero(found.wrong)
    order = numbers[np.argsort(-errors[numbers], kind="stable")][:5]
    shown = next((one for one in found.outputs if one.wrong[found.wrong].any()), found.outputs[0])
    worst = tuple(Row(int(i), *shown.show(int(i)), float(errors[i])) for i in order)
    tensors = [one for one in found.outputs if not one.is_class]
    largest = max((float(one.errors[found.accepted].max(initial=0.0)) for one in tensors), default=0.0)
    return Proof(
        on,
        source,
        rows=int((found.accepted & ~found.ties).sum()),
        near_ties=int(found.ties.sum()),
        wrong=len(numbers),
        largest=largest,
        worst=worst,
        refused=int((~found.accepted).sum()),
        relabelled=sum(int((one.wrong & found.used(one)).sum()) for one in found.outputs if one.is_class),
        off=tuple(Off(one.name, float(one.off[found.accepted].max(initial=0.0)), one.range) for one in tensors),
        terms=terms,
        blurred=max((int((one.excused & found.accepted).sum()) for one in tensors), default=0),
        forgiven=int(np.any([found.forgiven(one) for one in found.outputs], axis=0).sum()),
        blind=next((one.name for one in found.outputs if found.is_blind(one, terms.enough)), ""),
        note=getattr(reference, "note", ""),
    )


def agreeing(
    module: Module, reference: Reference, rows: Array, run: Run, terms: Terms = Terms()
) -> npt.NDArray[np.bool_]:
    """Which rows (n, features) the C answers as the model does, (rows,)."""
    return ~_found(module, reference, rows, run, terms).wrong


def require(proof: Proof, loc: Loc) -> None:
    """E0801 where an exact C differs in a row, E0802 where one of a smaller number format differs in more than may, E0803 where
    too little was compared to say so.
    """
    if not proof.holds:
        raise disagreement(proof, loc)
    if proof.blind:
        raise _nothing_compared(proof, loc)


def _nothing_compared(proof: Proof, loc: Loc) -> McugenError:
    answered = proof.rows + proof.near_ties
    if not answered:
        text = f"the model itself answers none of {proof.refused:,} {proof.source}: nothing could be compared"
        return error("E0803", text, loc=loc, help="give rows like those in use with --data")
    numbers = proof.blind != "label"
    count, what = (
        (proof.blurred, "have numbers that rounding decides") if numbers else (proof.near_ties, "are near ties")
    )
    message = (
        f"{count:,} of {answered:,} {proof.source} {what}, and the C answers {proof.forgiven:,} otherwise: "
        f"too little was compared on the {proof.on}"
    )
    why = (
        f"the model's own float64 sums, or its float32 rows, leave more than {PART:.0%} of the output's range open"
        if numbers
        else "the two best scores of such a row differ by no more than what is lost in their own sums"
    )
    notes = [why, "large terms of opposite sign cancel in them, or the model hardly tells these rows apart"]
    help = "scale the features (a StandardScaler before the model)"
    ways = f"give rows like those in use with --data, or {help}" if proof.terms.enough == 0 else help
    return error("E0803", message, loc=loc, notes=notes, help=ways)


def disagreement(proof: Proof, loc: Loc) -> McugenError:
    """The diagnostic of a proof that failed."""
    notes = [f"row {row.number}: the model says {row.expected}, the C {row.found}" for row in proof.worst]
    if proof.terms.numeric:
        return _too_many(proof, loc, notes)
    help = (
        "do not use this C: scale the features, a StandardScaler first in the pipeline, so that no sums or products of large "
        "numbers cancel; if they are scaled, please report the model that led to it"
    )
    return error(
        "E0801", f"{proof.wrong:,} of {proof.rows:,} rows differ on the {proof.on}", loc=loc, notes=notes, help=help
    )


def _too_many(proof: Proof, loc: Loc, notes: Sequence[str]) -> McugenError:
    part, numeric = proof.wrong / max(proof.rows, 1), proof.terms.numeric
    ways = ["change their label"] * (proof.relabelled > 0)
    ways += ["are off by more than 1 % of the output's range"] * (proof.relabelled < proof.wrong)
    off = "".join(f"; largest error {one.part:.2g} of {one.output}'s range {one.range:.3g}" for one in proof.off)
    message = (
        f"{proof.wrong:,} of {proof.rows:,} rows {' or '.join(ways)} with --numeric {numeric} ({100 * part:.2g} %){off}"
    )
    larger = "int16 or float32" if numeric == "int8" else "float32"
    # rounded up to three digits, so that what is said here is enough
    enough = f"{math.ceil(part * 1000) / 1000:g}"
    return error(
        "E0802",
        message,
        loc=loc,
        notes=notes,
        help=f"use --numeric {larger}, or allow it with --max-disagreement {enough}",
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """Every output, and the rows that are not compared: refused by the model, or near ties where a class is asked for."""

    outputs: tuple[Compared, ...]
    accepted: npt.NDArray[np.bool_]
    ties: npt.NDArray[np.bool_]

    def used(self, one: Compared) -> npt.NDArray[np.bool_]:
        """The rows that an output is compared on."""
        return self.accepted & ~self.ties if one.is_class else self.accepted

    def forgiven(self, one: Compared) -> npt.NDArray[np.bool_]:
        """The rows in which an output differs where rounding decides."""
        return self.accepted & one.excused & one.differs

    def is_blind(self, one: Compared, enough: float | None) -> bool:
        """Whether no more than a part of an output's rows is compared, and not all of the others agree."""
        answered, excused = int(self.accepted.sum()), int((self.accepted & one.excused).sum())
        if enough is None or answered - excused > enough * answered:
            return False
        return not answered or bool(self.forgiven(one).any())

    @property
    def wrong(self) -> npt.NDArray[np.bool_]:
        """Rows that differ in any output."""
        return np.asarray(np.any([one.wrong & self.used(one) for one in self.outputs], axis=0))


def _found(module: Module, reference: Reference, rows: Array, run: Run, terms: Terms) -> _Found:
    with np.errstate(over="ignore"):
        x = np.ascontiguousarray(rows, np.float32)
    outputs = module.predict.of(Storage.OUTPUT)
    given = run(module.split(x))
    accepted = reference.accepts(x)
    classes = any(v.tables for v in outputs)
    ties = reference.near_ties(x) & accepted if classes else np.zeros(len(x), np.bool_)
    compared = (_compared(v, reference, x, f, (accepted, ties), terms) for v, f in zip(outputs, given, strict=True))
    return _Found(tuple(compared), accepted, ties)


def _compared(
    value: Value,
    reference: Reference,
    x: Array,
    found: Array,
    known: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]],
    terms: Terms,
) -> Compared:
    accepted, ties = known
    if value.tables:
        return compared_classes(value.tables, reference.labels(x), found, ties)
    what = cast("Output", value.name)
    expected = reference.numbers(what, x)
    if terms.numeric:
        return compared_numbers(what, expected, found, accepted, np.zeros(len(x)), PART)
    rounding = reference.rounding(x)
    noise = (np.abs(expected.reshape(len(x), -1)) <= rounding.reshape(len(x), -1))[accepted].all(axis=0)
    least = least_sizes(what, reference, expected)
    least = np.where(
        noise if len(least) > 1 else noise.all(), 1.0, least
    )  # what only rounding left has no size of its own
    least = np.maximum(least, terms.least)
    return compared_numbers(what, expected, found, accepted, rounding, reference.tolerance, least)
