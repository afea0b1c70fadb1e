"""What a Python caller gives to a compiled model, checked: rows, inputs, a sample, a folder, a form of output."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, did_you_mean, error
from mcugen.frontends import Source
from mcugen.ir import Array, DType, Module, Storage
from mcugen.project import As
from mcugen.verify import accepted_rows, checked_rows

Input = Literal["float32", "uint8", "int16"]
Calibration = Literal["minmax", "entropy", "percentile"]
_ELEMENTS: dict[str, DType] = {"float32": DType.F32, "uint8": DType.U8, "int16": DType.I16}
_NUMBERS = "biufO"  # kinds of NumPy's types; objects are numbers where each of them is


def rows_of(given: object, module: Module) -> Array:
    """Rows as float32 (n, features); E0110 for another shape or for what is not numbers."""
    features = module.features
    found = _numbers(given, np.float32)
    if found.ndim > 2 and prod(found.shape[1:]) == features:  # of tensors, as the model takes them
        found = found.reshape(len(found), features)
    if found.ndim == 1:
        help = f"give a 2-D array of shape (rows, {features}): `x.reshape(-1, {features})`"
        raise error("E0110", f"the data are one row of {len(found)} numbers", help=help)
    return checked_rows(found, module)


def given_rows(given: object, source: Source) -> Array:
    """Rows as float32 (n, features) that the model takes: as they are, or read from a file; E01xx for what is none."""
    if not isinstance(given, str | os.PathLike):
        return accepted_rows(rows_of(given, source.module), source.reference)
    from mcugen.datafile import read_rows

    loc = Loc(os.fsencode(given).decode("utf-8", "replace"))
    rows = read_rows(given, source.module.features)
    return accepted_rows(checked_rows(rows, source.module, loc), source.reference, loc)


def name_of(given: object) -> str:
    """What rows are called that are given: `rows of train.npy`, `rows`."""
    return f"rows of {Path(os.fsdecode(given)).name}" if isinstance(given, str | os.PathLike) else "rows"


def inputs_of(given: object, module: Module) -> list[Array]:
    """The rows of every input of the graph, each (rows, *its own); E0110 for another count, shape or length."""
    wanted = module.predict.of(Storage.INPUT)
    shapes = ", ".join(_shape(("rows", *v.type.shape)) for v in wanted)
    help = f"give a list with one array for every input, of shape {shapes}"
    if isinstance(given, str | bytes) or not isinstance(given, Sequence | np.ndarray):
        raise error("E0110", f"the inputs are of type {type(given).__name__}, not a list of arrays", help=help)
    if len(given) != len(wanted):
        raise error("E0110", f"the model has {_count(len(wanted), 'input')}; {len(given)} were given", help=help)
    found = [_numbers(one, v.type.dtype.numpy) for one, v in zip(given, wanted, strict=True)]
    for one, value in zip(found, wanted, strict=True):
        if one.ndim == 0 or prod(one.shape[1:]) != value.type.size:
            text = f"input {value.name} has the shape {_shape(one.shape)}"
            if one.shape == value.type.shape and one.ndim == 1:
                text = f"input {value.name} is one row of {_count(len(one), 'number')}"
            raise error("E0110", text, help=help)
    if len({len(one) for one in found}) > 1:
        raise error("E0110", f"the inputs have {', '.join(str(len(one)) for one in found)} rows", help=help)
    return found


def sample_of(given: object) -> list[float] | None:
    """A sample row as numbers; E0110 for anything else. Its length is checked where the sketch is made."""
    if given is None:
        return None
    help = "give one row of the model's input as a list of numbers"
    try:
        cells = [*cast("Iterable[Any]", given)]
        if isinstance(given, str | bytes) or any(isinstance(cell, str | bytes) for cell in cells):
            raise error("E0110", "the sample is text, not numbers", help=help)
        return [float(cell) for cell in cells]
    except (TypeError, ValueError, OverflowError) as problem:
        raise error("E0110", f"the sample is no row of numbers: {problem}", help=help) from problem


def form_of(given: object) -> As:
    """One of the forms that the output has; E0112 for anything else."""
    known = get_args(As)
    if given not in known:
        help = f"{did_you_mean(str(given), known)}it is one of {', '.join(known)}"
        raise error("E0112", f"as_ is {given!r}", help=help)
    return cast("As", given)


def element_of(given: object) -> DType:
    """The element type of a row; E0112 for what is none."""
    if not isinstance(given, str) or given not in _ELEMENTS:
        help = f"{did_you_mean(str(given), _ELEMENTS)}it is one of {', '.join(_ELEMENTS)}"
        raise error("E0112", f"input is {given!r}", help=help)
    return _ELEMENTS[given]


def calibration_of(given: object) -> Calibration:
    """One of the ways to find ranges; E0112 for anything else."""
    known = get_args(Calibration)
    if not isinstance(given, str) or given not in known:
        help = f"{did_you_mean(str(given), known)}it is one of {', '.join(known)}"
        raise error("E0112", f"calibration is {given!r}", help=help)
    return cast("Calibration", given)


def part_of(given: object) -> float:
    """A part of rows, from 0 to 1; E0112 for anything else."""
    if isinstance(given, int | float | np.number) and 0 <= given <= 1:
        return float(given)
    raise error("E0112", f"max_disagreement is {given!r}", help="give a part of the rows, from 0 (none) to 1 (all)")


def folder_of(given: object) -> Path:
    """A folder to write; E0604 for what cannot be a path."""
    try:
        path = Path(os.fsdecode(cast("str | os.PathLike[str]", given)))
    except TypeError as problem:
        raise error("E0604", f"{given!r} is no folder", help="give the folder's path") from problem
    if "\0" in str(path):
        raise error("E0604", f"{str(path)!r} is no folder: it has a NUL in it", help="give another folder")
    return path


def _numbers(given: object, dtype: npt.DTypeLike) -> Array:
    """An array of numbers: as it is, or as `dtype` where it holds objects."""
    help = "give an array of numbers, one row per sample"
    try:
        found = np.asarray(given)
        kind = found.dtype.kind
        if kind not in _NUMBERS:
            raise error("E0110", f"the data are not numbers but {found.dtype}", help=help)
        with np.errstate(over="ignore"):
            return found.astype(dtype) if kind == "O" else found
    except (TypeError, ValueError, OverflowError) as problem:
        raise error("E0110", f"the data are not numbers: {problem}", help=help) from problem


def _shape(axes: Iterable[object]) -> str:
    text = ", ".join(map(str, axes))
    return f"({text})"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
