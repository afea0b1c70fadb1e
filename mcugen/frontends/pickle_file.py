"""Pickle and joblib files: recognised without running them, loaded only where the user allowed it."""

from __future__ import annotations

import bz2
import io
import lzma
import pickle
import pickletools
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from mcugen.diagnostics import Loc, McugenError, error

_JOBLIB = b"joblib.numpy_pickle"  # the module whose class stands before every array that joblib writes
_HEAD = 64  # bytes of a compressed file that are unpacked to look inside
_MAX_OPCODES = 200_000  # of a protocol 0 pickle; more need not be read to know it


def looks_like_pickle(data: bytes) -> bool:
    """Whether the bytes are a pickle of any protocol, or a joblib file, also a compressed one. Runs nothing of them."""
    return _framed(data) or _compression(data) is not None or _textual(data)


def _framed(data: bytes) -> bool:
    # Protocol 2 to 5 begin with PROTO and their number.
    return len(data) > 2 and data[0] == 0x80 and 2 <= data[1] <= 5


def _textual(data: bytes) -> bool:
    """Protocols 0 and 1 have no header: read the commands, which must name a class and end with the file."""
    if not data or data[-1:] != b".":
        return False
    named = False
    try:
        for count, (opcode, name, _) in enumerate(pickletools.genops(data)):
            named |= opcode.name in ("GLOBAL", "INST") and str(name).replace(" ", "_").replace(".", "_").isidentifier()
            if count > _MAX_OPCODES:
                break
    except Exception:  # whatever pickletools makes of bytes that are no pickle; joblib has raw arrays between commands
        return named and _JOBLIB in data
    return named


def _compression(data: bytes) -> str | None:
    """The name of the compression around a pickle, or None. LZ4 is told by its magic number alone."""
    if data.startswith(b"\x04\x22\x4d\x18"):
        return "lz4"
    return next(
        (name for name, magic, start in _UNPACK if data.startswith(magic) and _framed(_head(start, data))), None
    )


def _head(start: Callable[[], Any], data: bytes) -> bytes:
    try:
        head: bytes = start().decompress(data, _HEAD)  # stops there, however much follows
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error):
        return b""
    return head


# What joblib writes, and its magic number: every unpacker takes (bytes, most to give).
_UNPACK: tuple[tuple[str, bytes, Callable[[], Any]], ...] = (
    ("gzip", b"\x1f\x8b", lambda: zlib.decompressobj(31)),
    ("bzip2", b"BZ", bz2.BZ2Decompressor),
    ("xz", b"\xfd7zXZ", lzma.LZMADecompressor),
    ("lzma", b"\x5d\x00", lzma.LZMADecompressor),
    ("zlib", b"\x78", zlib.decompressobj),
)


def refused(data: bytes, loc: Loc) -> McugenError:
    """E0103: the user has not said that this file may run code."""
    packed = _compression(data)
    kind = f"a {packed}-compressed pickle (joblib)" if packed else "a pickle"
    return error(
        "E0103",
        f"the model file is {kind}: loading it can run any code that its author put in",
        help="give `--allow-pickle` (in Python: allow_pickle=True) if you trust where the file comes from; "
        "better, save the model with `skops.io.dump(model, 'model.skops')`, which never runs code",
        loc=loc,
    )


def load(data: bytes, loc: Loc) -> tuple[object, tuple[str, ...]]:
    """The object in a pickle or joblib file, and the warnings of loading it. Runs whatever the file says. Raises E0108."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            return _load(data), notes_of(caught)
        except (Exception, SystemExit) as problem:
            raise _failed(problem, notes_of(caught), loc) from problem


def _load(data: bytes) -> object:
    if _compression(data) is None and _JOBLIB not in data:
        return pickle.loads(data)
    import joblib

    return joblib.load(io.BytesIO(data))


def notes_of(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """The texts of warnings, each once, without deprecations that only the file's author could act on."""
    kept = (w.message for w in caught if not issubclass(w.category, DeprecationWarning | FutureWarning))
    return tuple(dict.fromkeys(_note(message) for message in kept))


def _note(message: Warning | str) -> str:
    # scikit-learn warns once per tree of a forest, about the same two versions.
    saved, here = (getattr(message, f"{w}_sklearn_version", None) for w in ("original", "current"))
    if saved is None:
        return one_line(message)
    return f"saved with scikit-learn {one_line(saved, 20)}, loaded with {one_line(here, 20)}: check the answers with `mcugen verify`"


def one_line(problem: object, limit: int = 300) -> str:
    """The first sentence or so of a message from another library, on one line and printable."""
    text = "".join(c if c.isprintable() else " " for c in str(problem))
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _failed(problem: BaseException, notes: tuple[str, ...], loc: Loc) -> McugenError:
    return error(
        "E0108",
        f"the pickle does not load: {type(problem).__name__}: {one_line(problem)}",
        help="; ".join(_ways_out(problem)),
        loc=loc,
        notes=notes,
    )


def _ways_out(problem: BaseException) -> Iterator[str]:
    missing = getattr(problem, "name", None) if isinstance(problem, ModuleNotFoundError) else None
    if missing:
        yield f"install the missing package: `pip install {missing.split('.')[0]}`"
    if "lz4" in str(problem).lower():
        yield "install LZ4: `pip install lz4`"
    yield "load it in the environment in which it was saved, and save it there with `skops.io.dump(model, 'model.skops')`"
