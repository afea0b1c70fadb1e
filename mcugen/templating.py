"""The Jinja environment that all generated text comes from, and its filters that write values as C."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, SupportsFloat, SupportsIndex

from mcugen.data import templates_dir
from mcugen.names import is_identifier
from mcugen.targets.cache import cache_dir

if TYPE_CHECKING:
    import jinja2

    from mcugen.ir import Array

COLUMNS = 100  # the width of generated code


@cache
def environment() -> jinja2.Environment:
    """The one environment: an undefined name is an error, text is neither escaped nor trimmed, files are in templates/."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it is C, not HTML
        bytecode_cache=_bytecode(),
    )
    made.filters |= {
        "c_lit": c_lit,
        "c_id": c_id,
        "c_array": c_array,
        "c_str": c_str,
        "floats": lambda numbers: [*c_floats(numbers)],
    }
    return made


def _bytecode() -> jinja2.BytecodeCache | None:
    """Templates that were compiled before, in the user's cache: a second or more of every start. None where nothing can be kept."""
    import jinja2

    class Kept(jinja2.FileSystemBytecodeCache):
        def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
            with suppress(OSError):  # a full disk, say: it is only slower then
                super().dump_bytecode(bucket)

    try:
        folder = cache_dir() / "templates"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: nobody has a home
        return None
    return Kept(str(folder))


def c_lit(value: SupportsFloat) -> str:
    """The shortest C literal that reads back as exactly this float32: 0.1f, 1e20f, -0.0f.

    ValueError for infinities and NaN, and for a number that float32 does not hold: rounding is the caller's decision.
    """
    import numpy as np

    number = float(value)
    if not math.isfinite(number) or _float32(number) != number:
        raise ValueError(f"{number!r} is not a finite float32")
    single = np.float32(number)
    plain = np.format_float_positional(single, unique=True, trim="0")
    power = np.format_float_scientific(single, unique=True, trim="-", exp_digits=1).replace("e+", "e")
    return (plain if len(plain) <= len(power) else power) + "f"


def c_floats(numbers: Iterable[SupportsFloat]) -> Iterator[str]:
    """A C literal for each number, rounded to float32; NAN, INFINITY and -INFINITY (of math.h) for those that have none."""
    for number in numbers:
        single = _float32(float(number))
        if math.isnan(single):
            yield "NAN"
        elif math.isinf(single):
            yield "INFINITY" if single > 0 else "-INFINITY"
        else:
            yield c_lit(single)


def _float32(number: float) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:  # beyond float32, where NumPy too makes it infinite
        return math.copysign(math.inf, number)


def c_id(text: str) -> str:
    """The text itself, where C and C++ take it as an identifier; ValueError where not."""
    if not is_identifier(text):
        raise ValueError(f"{text!r} is not an identifier of C and C++")
    return text


def c_array(values: Iterable[object], spec: str = "d", indent: int = 4, columns: int = COLUMNS) -> str:
    """What stands between the braces of an initialiser: comma-separated, wrapped to `columns`, no final comma or newline.

    An array of any shape is written row by row; floats as `c_lit` (float32), integers and bools by the format `spec`
    (`d`, `#04x`), strings as they are (macro names). ValueError where nothing is left: C99 has no empty initialiser.
    """
    ravel = getattr(values, "ravel", None)
    items = [_element(value, spec) for value in (ravel().tolist() if ravel else values)]
    if not items:
        raise ValueError("an array initialiser needs at least one value")
    return "\n".join(_wrapped(items, " " * indent, columns))


def _element(value: object, spec: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):  # what nearly all are, or floats; the question after them takes long
        return _integer(value, spec)
    if isinstance(value, float):
        return c_lit(value)
    if isinstance(value, SupportsIndex):  # NumPy's integers too
        return _integer(int(value), spec)
    return c_lit(value)  # type: ignore[arg-type]


def _integer(value: int, spec: str) -> str:
    # C has no negative literals: -9223372036854775808 is minus a number that no signed type holds.
    return "(-9223372036854775807 - 1)" if value == -(2**63) else format(value, spec)


def _wrapped(items: list[str], margin: str, columns: int) -> Iterator[str]:
    line = margin + items[0]
    for item in items[1:]:
        if len(line) + len(item) + 3 > columns:  # ", " before the item and "," after it
            yield line + ","
            line = margin + item
        else:
            line += ", " + item
    yield line


def c_str(text: str) -> str:
    """A C string literal of the text's UTF-8 bytes; all but plain ASCII in three octal digits, no trigraph inside.

    ValueError for a lone surrogate, which UTF-8 does not have.
    """
    before = (0, *text.encode())
    return '"' + "".join(_character(byte, last) for last, byte in pairwise(before)) + '"'


def _character(byte: int, last: int) -> str:
    # Octal, because a hexadecimal escape swallows the digits behind it; the second of two ?, because ??/ is a backslash.
    plain = 0x20 <= byte < 0x7F and byte not in b'"\\' and not (byte == last == 0x3F)
    return chr(byte) if plain else f"\\{byte:03o}"


def elements(data: Array) -> Array | list[object]:
    """The data, with names in the places of what C has no literals for."""
    if data.dtype.kind != "f" or (data.itemsize == 4 and bool(abs(data).max() < math.inf)):
        return data
    spell = repr if data.itemsize == 8 else float  # a float32 becomes a literal later
    return [spell(v) if math.isfinite(v) else _NOT_FINITE.get(v, "NAN") for v in data.ravel().tolist()]


_NOT_FINITE = {math.inf: "INFINITY", -math.inf: "-INFINITY"}  # of math.h
