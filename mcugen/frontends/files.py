"""Model files: read with bounded memory, told apart by content, opened only as far as is safe."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mcugen.diagnostics import Loc, McugenError, error, nearest_file
from mcugen.frontends import pickle_file, skops_file
from mcugen.frontends.pickle_file import one_line

MAX_FILE = 2**30  # bytes; a model for a microcontroller is a thousand times smaller
SAVE_HELP = "save the fitted model with `skops.io.dump(model, 'model.skops')` and give that file"

ModelFile = str | os.PathLike[str] | bytes | bytearray | memoryview


@dataclass(frozen=True)
class LoadedModel:
    """What a model file held: the object (not checked yet), and notes for the user (warnings)."""

    estimator: object
    loc: Loc
    notes: tuple[str, ...] = ()


def read_model(source: ModelFile, *, allow_pickle: bool = False) -> LoadedModel:
    """The model in a file (path) or in bytes: skops, ONNX, the JSON of XGBoost and CatBoost, LightGBM's text, or pickle and
    joblib with `allow_pickle`.

    Nothing in a file but a pickle is run. Raises E0101 (cannot be read), E0102 (no model file), E0103 (pickle without the flag),
    E0104 (damaged), E0105 (untrusted types), E0108 (pickle does not load), E0301 (another estimator), E0303 (too large).
    """
    loc = Loc(_name(source))
    data = _content(source, loc)
    for claims, reader in _FORMATS:
        if claims(data):
            return reader(data, loc, allow_pickle)
    raise _no_model(data, loc)


def _name(source: ModelFile) -> str:
    if isinstance(source, bytes | bytearray | memoryview):
        return ""
    return one_line(os.fsencode(source).decode("utf-8", "replace"))  # a path may hold bytes that no terminal takes


def _content(source: ModelFile, loc: Loc) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    path = Path(source)
    try:
        return _regular(path, loc)
    except FileNotFoundError:
        raise _unreadable("does not exist", nearest_file(path), loc) from None
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the path
        reason = getattr(problem, "strerror", None) or str(problem)
        raise _unreadable(f"cannot be read: {reason}", "check the path and its permissions", loc) from None


def _regular(path: Path, loc: Loc) -> bytes:
    status = path.stat()  # before opening: a named pipe would block there
    if stat.S_ISDIR(status.st_mode):
        raise _unreadable("is a folder", "give the model file inside it", loc)
    if not stat.S_ISREG(status.st_mode):
        raise _unreadable("is not a regular file", SAVE_HELP, loc)
    if status.st_size > MAX_FILE:
        raise error(
            "E0303",
            f"the file has {status.st_size:,} bytes; mcugen reads models of {MAX_FILE:,} bytes at most",
            help="fit a smaller model: fewer trees or a `max_depth`",
            loc=loc,
        )
    with path.open("rb") as file:
        return file.read(status.st_size)


def _unreadable(what: str, way_out: str, loc: Loc) -> McugenError:
    return error("E0101", f"the model file {what}", help=way_out, loc=loc)


def _no_model(data: bytes, loc: Loc) -> McugenError:
    what = "is empty" if not data else f"is not a model: it begins with {data[:8]!r}"
    return error("E0102", f"the file {what}", help=SAVE_HELP, loc=loc)


def _skops(data: bytes, loc: Loc, allow_pickle: bool) -> LoadedModel:
    estimator, notes = skops_file.load(data, loc)
    return LoadedModel(estimator, loc, notes)


def _pickle(data: bytes, loc: Loc, allow_pickle: bool) -> LoadedModel:
    if not allow_pickle:
        raise pickle_file.refused(data, loc)
    estimator, notes = pickle_file.load(data, loc)
    return LoadedModel(estimator, loc, notes)


def _onnx(data: bytes, loc: Loc, allow_pickle: bool) -> LoadedModel:
    from mcugen.frontends.onnx_file import load

    return LoadedModel(load(data, Path(loc.file).parent if loc.file else None, loc), loc)


def _lightgbm(data: bytes, loc: Loc, allow_pickle: bool) -> LoadedModel:
    from mcugen.frontends.sklearn.lightgbm_trees import LightgbmModel

    return LoadedModel(LightgbmModel(data.decode("utf-8", "replace").replace("\r\n", "\n")), loc)


def _json(data: bytes, loc: Loc, allow_pickle: bool) -> LoadedModel:
    """XGBoost's or CatBoost's JSON, or E0102."""
    from mcugen.frontends.sklearn import catboost_trees, xgboost_trees

    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise error(
            "E0104", f"the JSON in the file is damaged: {problem}", help="save the model again", loc=loc
        ) from None
    if isinstance(content, dict) and xgboost_trees.looks_like(content):
        return LoadedModel(xgboost_trees.of_file(data, content), loc)
    if isinstance(content, dict) and catboost_trees.looks_like(content):
        return LoadedModel(catboost_trees.CatboostModel(data), loc)
    raise error("E0102", "the file is JSON, but no model of XGBoost's or CatBoost's", help=SAVE_HELP, loc=loc)


def _ubj(data: bytes, loc: Loc, allow_pickle: bool) -> LoadedModel:
    help = 'save it as text: `model.save_model("model.json")`'
    raise error("E0102", "the file is XGBoost's binary JSON", help=help, loc=loc)


def _cbm(data: bytes, loc: Loc, allow_pickle: bool) -> LoadedModel:
    help = 'save it as JSON: `model.save_model("model.json", format="json")`'
    raise error("E0102", "the file is CatBoost's binary format", help=help, loc=loc)


def _begins(*with_: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(with_)


def looks_like_onnx(data: bytes) -> bool:
    """Whether the bytes begin like a protobuf ModelProto: its IR version, then fields that a ModelProto has."""
    at, seen = 0, set[int]()
    while at < len(data) and len(seen) < 4:
        field = _onnx_field(data, at)
        if field is None:
            break
        number, at = field
        seen.add(number)
    return len(data) > 8 and data[0] == 0x08 and data[1] < 64 and len(seen) >= 2


# Of ModelProto: the fields that are numbers, and those that are bytes (names, the graph, operator sets, metadata).
_NUMBERS, _BYTES = {1, 5}, {2, 3, 4, 6, 7, 8, 14, 20, 25, 26}


def _onnx_field(data: bytes, at: int) -> tuple[int, int] | None:
    tag, at = _varint(data, at)
    value, at = _varint(data, at)
    if tag & 7 == 0 and tag >> 3 in _NUMBERS:
        return tag >> 3, at
    return (tag >> 3, at + value) if tag & 7 == 2 and tag >> 3 in _BYTES else None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for byte in data[at : at + 10]:
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            break
    return value, at


# In this order: a zip and an ONNX graph are recognised for certain, old pickles only by reading their commands.
_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes, Loc, bool], LoadedModel]], ...] = (
    (skops_file.looks_like_zip, _skops),
    (looks_like_onnx, _onnx),
    (_begins(b"tree\n", b"tree\r\n"), _lightgbm),
    (_begins(b"{L\x00"), _ubj),
    (_begins(b"CBM1"), _cbm),
    (_begins(b"{"), _json),
    (pickle_file.looks_like_pickle, _pickle),
)
