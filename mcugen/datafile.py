"""Data files: rows of a model's input from .npy, .npz or .csv, told apart by content."""

from __future__ import annotations

import csv
import math
import os
import stat
import warnings
import zipfile
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from mcugen.diagnostics import Loc, McugenError, error, nearest_file
from mcugen.ir import Array
from mcugen.verify import other_shape

MAX_BYTES = 2**30  # of the numbers that are held at once
HELP = "give a .npy or .npz file of numbers, or a .csv with one row per sample"
_SEPARATORS = "\t;,"  # in this order: a decimal comma stands in files whose cells are separated by something else


def read_rows(path: str | os.PathLike[str], features: int) -> Array:
    """The rows in a file, (rows, features): float64 from text, else the file's own type; NaN where a cell is missing.

    .npy and .npz (array `X`, or the only one with two axes), or text: cells separated by comma, semicolon, tab or blanks,
    with or without a line of column names; an empty cell or `nan` is a missing value. Objects in .npy are never unpickled.
    Raises E0101 (cannot be read), E0109 (not a data file, or a cell that is not a number), E0110 (other columns).
    """
    file = Path(path)
    loc = Loc(os.fsencode(file).decode("utf-8", "replace"))
    try:
        with _opened(file, loc) as stream:
            return _checked(_content(stream, features, loc), features, loc)
    except OSError as problem:
        raise _unreadable(problem, file, loc) from problem


def read_labelled(path: str | os.PathLike[str], label: str | None = None) -> tuple[Array, list[str]]:
    """The rows of a text with a column of labels: numbers (rows, features) in float64, and each row's label as it is written.

    label  that column's name in the first line, or its number from 1; by default the last one
    Raises E0101 and E0109 as `read_rows`, also where a number is missing, and E0112 where there is no such column.
    """
    file = Path(path)
    loc = Loc(os.fsencode(file).decode("utf-8", "replace"))
    try:
        with _opened(file, loc) as stream:
            return _labelled([*_lines(stream, loc)], label, loc)
    except OSError as problem:
        raise _unreadable(problem, file, loc) from problem


def _labelled(lines: Sequence[tuple[int, list[str]]], label: str | None, loc: Loc) -> tuple[Array, list[str]]:
    first = [cell.strip() for cell in lines[0][1]] if lines else []
    at = _label_column(first, label, loc)
    names = [*first[:at], *first[at + 1 :]]
    body = lines[1:] if _are_names(names) else lines
    if not body or not names:
        help = "give a text with a row a line, its numbers and its label"
        raise error("E0109", "the file has no rows of numbers with a label", help=help, loc=loc)
    rows, labels = [], []
    for line, cells in body:
        if len(cells) != len(first):
            raise _ragged(line, cells, len(first), loc)
        labels.append(cells[at].strip())
        rows.append([*_numbers(line, [*cells[:at], *cells[at + 1 :]], loc)])
        if not all(map(math.isfinite, rows[-1])):
            where = loc.within(f"line {line}")
            raise error("E0109", "a number is missing or not finite", help="leave such rows out", loc=where)
    return np.array(rows), labels


def _label_column(first: Sequence[str], label: str | None, loc: Loc) -> int:
    if label is None:
        return len(first) - 1
    if label in first:
        return first.index(label)
    if label.isascii() and label.isdigit() and 1 <= int(label) <= len(first):
        return int(label) - 1
    help = f"give a name of the first line, or a number from 1 to {len(first)}"
    raise error("E0112", f"there is no column '{label}'", help=help, loc=loc)


def _opened(file: Path, loc: Loc) -> IO[bytes]:
    try:
        mode = file.stat().st_mode  # before opening: a named pipe would block there
    except ValueError as problem:  # a NUL in the path
        raise _unreadable(problem, file, loc) from problem
    if not stat.S_ISREG(mode):
        what = "is a folder" if stat.S_ISDIR(mode) else "is not a regular file"
        raise error("E0101", f"the data file {what}", help=HELP, loc=loc)
    return file.open("rb")


def _unreadable(problem: Exception, file: Path, loc: Loc) -> McugenError:
    if isinstance(problem, FileNotFoundError):
        return error("E0101", "the data file does not exist", help=nearest_file(file), loc=loc)
    reason = getattr(problem, "strerror", None) or str(problem)
    return error("E0101", f"the data file cannot be read: {reason}", help="check the path and its permissions", loc=loc)


def _content(stream: IO[bytes], features: int, loc: Loc) -> Array:
    head = stream.read(4096)
    stream.seek(0)
    if head.startswith(np.lib.format.MAGIC_PREFIX):
        return _npy(stream, os.fstat(stream.fileno()).st_size, loc)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _npz(stream, loc)
    if not head.strip() or b"\0" in head:
        what = f"is not a data file: it begins with {head[:8]!r}" if head.strip() else "is empty"
        raise error("E0109", f"the file {what}", help=HELP, loc=loc)
    return _text(stream, features, loc)


def _checked(rows: Array, features: int, loc: Loc) -> Array:
    """The rows where they have the model's columns, else E0110."""
    if rows.dtype.kind not in "fiub":
        raise error("E0109", f"the file holds {rows.dtype}, not numbers", help=HELP, loc=loc)
    if rows.ndim > 2 and math.prod(rows.shape[1:]) == features:  # of tensors, as the model takes them
        rows = rows.reshape(len(rows), features)
    if rows.ndim != 2:
        help = f"it must be rows x {features}: save `X.reshape(-1, {features})`"
        raise other_shape(rows.shape, features, help, loc)
    if rows.shape[1] != features:
        raise _columns(rows.shape[1], features, loc)
    if not len(rows):
        raise error("E0110", "the file has no rows", help="give at least one row", loc=loc)
    return rows


def _columns(found: int, features: int, loc: Loc, last: str = "") -> McugenError:
    called = f" ('{last}')" if last else ""
    help = f"give exactly the {features} columns the model was trained on, in their order"
    if found == features + 1:
        help = f"if the last column{called} is the label, leave it out: only the {features} features are read"
    return other_shape((1, found), features, help, loc)


def _damaged(problem: object, loc: Loc) -> McugenError:
    text = " ".join(str(problem).split())[:200] or type(problem).__name__
    return error("E0109", f"the data file is damaged: {text}", help="save it again with `numpy.save`", loc=loc)


def _too_large(nbytes: int, loc: Loc) -> McugenError:
    text = f"the data take {nbytes:,} bytes; mcugen reads {MAX_BYTES:,} at most"
    return error("E0109", text, help="give part of the rows", loc=loc)


# --- NumPy's formats


def _npy(stream: Any, size: int, loc: Loc) -> Array:
    """An array from a stream of `size` bytes; its header is checked before memory is taken for what it claims."""
    try:
        shape, dtype = _header(stream)
    except Exception as problem:  # NumPy raises whatever its parser meets
        raise _damaged(problem, loc) from problem
    if dtype.hasobject:
        help = "save an array of numbers: `numpy.save(path, numpy.asarray(X, dtype=float))`"
        raise error("E0109", "the file holds Python objects, which mcugen does not unpickle", help=help, loc=loc)
    claimed = math.prod(shape) * dtype.itemsize
    if claimed > size:
        raise _damaged(f"its header promises {claimed:,} bytes, and it has {size:,}", loc)
    if claimed > MAX_BYTES:
        raise _too_large(claimed, loc)
    try:
        stream.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.lib.format.read_array(stream, allow_pickle=False)
    except Exception as problem:
        raise _damaged(problem, loc) from problem


def _header(stream: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Python's parser has to say about a damaged header
        shape, _, dtype = read(stream)
    if any(n < 0 for n in shape):
        raise ValueError(f"the shape {shape} cannot be")
    return shape, dtype


def _npz(stream: IO[bytes], loc: Loc) -> Array:
    try:
        archive = zipfile.ZipFile(stream)
        members = archive.namelist()
    except Exception as problem:  # zipfile, too, raises whatever a damaged directory leads to
        raise _damaged(problem, loc) from problem
    names = [m.removesuffix(".npy") for m in members if m.endswith(".npy")]
    with archive:
        if "schema.json" in members:
            raise error("E0109", "the file is a skops model, not rows", help=HELP, loc=loc)
        if not names:
            help = f"if it is a spreadsheet, export it as CSV; else {HELP}"
            raise error("E0109", "the file is a zip without NumPy arrays", help=help, loc=loc)
        return _member(archive, "X" if "X" in names else _only_table(archive, names, loc), loc)


def _member(archive: zipfile.ZipFile, name: str, loc: Loc) -> Array:
    here = loc.within(name)
    try:
        info = archive.getinfo(f"{name}.npy")
        opened = archive.open(info)
    except Exception as problem:
        raise _damaged(problem, here) from problem
    with opened as member:
        return _npy(member, info.file_size, here)


def _only_table(archive: zipfile.ZipFile, names: Sequence[str], loc: Loc) -> str:
    """The name of the only array with two axes."""
    tables = [name for name in names if _axes(archive, name, loc) == 2]
    if len(tables) == 1:
        return tables[0]
    found = ", ".join(sorted(names)[:8])
    text = f"the file holds {len(tables)} arrays with two axes and none of the name X"
    help = "save the rows as X: `numpy.savez(path, X=X)`"
    raise error("E0109", text, help=help, loc=loc, notes=[f"its arrays: {found}"])


def _axes(archive: zipfile.ZipFile, name: str, loc: Loc) -> int:
    try:
        with archive.open(f"{name}.npy") as member:
            return len(_header(member)[0])
    except Exception as problem:
        raise _damaged(problem, loc.within(name)) from problem


# --- text


def _text(stream: IO[bytes], features: int, loc: Loc) -> Array:
    """The numbers of a text; the first line with another number of cells, or the first bad cell, is an error."""
    numbers, names = array("d"), False
    for at, (line, cells) in enumerate(_lines(stream, loc)):
        if at == 0:
            names = _are_names(cells)
        if len(cells) != features:
            raise _ragged(line, cells, features, loc) if at else _columns(len(cells), features, loc, _called(cells))
        if at == 0 and names:
            continue
        numbers.extend(_numbers(line, cells, loc))
        if len(numbers) * 8 > MAX_BYTES:
            raise _too_large(len(numbers) * 8, loc)
    return np.array(numbers, np.float64).reshape(-1, features)


def _lines(stream: IO[bytes], loc: Loc) -> Iterator[tuple[int, list[str]]]:
    """The number and the cells of every line that has something in it."""
    texts = _decoded(stream, loc)
    first, skipped = "", 0
    for first in texts:
        if first.strip() and not first.startswith("#"):
            break
        skipped += 1
    separator = next((s for s in _SEPARATORS if s in first), "")
    if not separator:
        yield from _blank_separated(skipped, first, texts)
        return
    yield from _separated(separator, skipped, first, texts, loc)


def _blank_separated(skipped: int, first: str, rest: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    for number, text in enumerate(_chained(first, rest), skipped + 1):
        if text.strip() and not text.startswith("#"):
            yield number, text.split()


def _separated(
    separator: str, skipped: int, first: str, rest: Iterator[str], loc: Loc
) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(_chained(first, rest), delimiter=separator)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as problem:
            where = loc.within(f"line {skipped + reader.line_num}")
            raise error("E0109", f"the line cannot be read: {problem}", help=HELP, loc=where) from problem
        if cells is None:
            return
        empty = len(cells) < 2 and not any(cell.strip() for cell in cells)
        if not empty and not cells[0].startswith("#"):
            yield skipped + reader.line_num, cells


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _decoded(stream: IO[bytes], loc: Loc) -> Iterator[str]:
    for number, line in enumerate(_bounded(stream, loc), 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as problem:
            where = loc.within(f"line {number}")
            text = f"byte {line[problem.start]:#04x} is not UTF-8"
            raise error("E0109", f"the file is not text: {text}", help=HELP, loc=where) from problem


def _bounded(stream: IO[bytes], loc: Loc) -> Iterator[bytes]:
    """The lines; a file without line ends is not held in memory to find that out."""
    number = 0
    while line := stream.readline(_LINE + 1):
        number += 1
        if len(line) > _LINE:
            where = loc.within(f"line {number}")
            raise error("E0109", f"the line is longer than {_LINE:,} bytes", help=HELP, loc=where)
        yield line


_LINE = 2**24  # bytes: 65,535 features of 24 digits are a tenth of it


def _are_names(cells: Sequence[str]) -> bool:
    """Whether a first line holds column names: something is not a number, and nothing is one."""
    filled = [cell for cell in cells if not _is_missing(cell)]
    return bool(filled) and all(_number(cell) is None for cell in filled)


def _called(cells: Sequence[str]) -> str:
    last = cells[-1].strip()
    return last[:40] if _number(last) is None and not _is_missing(last) and last.isprintable() else ""


def _ragged(line: int, cells: Sequence[str], features: int, loc: Loc) -> McugenError:
    where = loc.within(f"line {line}")
    text = f"the line has {len(cells)} cells; the lines before it {features}"
    return error("E0109", text, help="give every line the same number of cells; an empty one is missing", loc=where)


def _numbers(line: int, cells: Sequence[str], loc: Loc) -> Iterator[float]:
    for column, cell in enumerate(cells, 1):
        value = math.nan if _is_missing(cell) else _number(cell)
        if value is None:
            raise _bad_cell(cell, loc.within(f"line {line}, column {column}"))
        yield value


def _bad_cell(cell: str, where: Loc) -> McugenError:
    help = "write a number, or nothing where the value is missing"
    if _number(cell.replace(",", ".", 1)) is not None:
        help = "write decimals with a point, not a comma"
    return error("E0109", f"{cell.strip()[:40]!r} is not a number", help=help, loc=where)


def _is_missing(cell: str) -> bool:
    return cell.strip().lower() in ("", "nan")


def _number(cell: str) -> float | None:
    # Python also takes 1_000 and the digits of all scripts.
    if "_" in cell or not cell.isascii():
        return None
    try:
        return float(cell)
    except ValueError:
        return None
