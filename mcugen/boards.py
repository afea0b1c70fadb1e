"""A board's facts, read from boards/<name>.toml or from a user's own file, and the Target: a board and what was asked of it."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from mcugen.data import boards_dir
from mcugen.diagnostics import Diagnostic, Loc, McugenError, did_you_mean, error

Optimize = Literal["auto", "size", "speed"]
Numeric = Literal["auto", "float32", "int16", "int8"]
Arch = Literal["avr", "cortex-m0plus", "cortex-m3", "cortex-m4f", "cortex-m7", "xtensa", "riscv32", "host"]


@dataclass(frozen=True)
class PlatformIO:
    """What PlatformIO needs to build for the board; the platform is pinned (`atmelavr@5.2.0`)."""

    platform: str
    board: str
    framework: str = "arduino"


@dataclass(frozen=True)
class Board:
    """One microcontroller board. Sizes in bytes, clock in Hz.

    flash and ram are what a sketch may use in all (a bootloader already taken off); framework_flash and framework_ram what
    an empty sketch with Serial takes of them; `measured` says how these came about. stack_reserve is the RAM that the
    sketch's own calls, the framework and interrupts need for their stack, beside the model's.
    """

    name: str
    title: str
    mcu: str
    arch: Arch
    clock: int
    flash: int
    ram: int
    framework_flash: int
    framework_ram: int
    measured: str
    source: str
    fpu: bool = False
    dsp: bool = False
    progmem: bool = False
    stack_reserve: int = 0
    platformio: PlatformIO | None = None
    simulator: str = ""
    upload: str = ""

    @property
    def flash_free(self) -> int:
        """Flash left for the model beside the framework, in bytes."""
        return self.flash - self.framework_flash

    @property
    def ram_free(self) -> int:
        """RAM left for the model's data, its caller's buffers and its own stack, in bytes."""
        return self.ram - self.framework_ram - self.stack_reserve


@dataclass(frozen=True)
class Target:
    """A board and what was asked of it: the only thing besides the model that decides anything."""

    board: Board
    optimize: Optimize = "auto"
    numeric: Numeric = "auto"

    def __post_init__(self) -> None:
        for name, kinds in (("optimize", Optimize), ("numeric", Numeric)):
            if (value := getattr(self, name)) not in get_args(kinds):
                known = ", ".join(get_args(kinds))
                raise error(
                    "E0112",
                    f"{name} is {value!r}",
                    help=f"{did_you_mean(str(value), get_args(kinds))}it is one of {known}",
                )


def board_names() -> tuple[str, ...]:
    """The names of the boards that come with mcugen, sorted; `host` is the one without limits."""
    return tuple(sorted(p.stem for p in boards_dir().glob("*.toml")))


def all_boards() -> tuple[Board, ...]:
    """Every board that comes with mcugen."""
    return tuple(load_board(name) for name in board_names())


def load_board(wanted: str | os.PathLike[str]) -> Board:
    """A board by its short name, or by the path of a TOML file. E0401 for an unknown name, E0101 and E0402 for a bad file."""
    names = ", ".join(board_names())
    try:
        name = os.fsdecode(wanted)
    except TypeError as problem:
        help = f"give the name of one board, or the path of your own .toml; the boards are {names}"
        raise error("E0401", f"{wanted!r} is no board's name", help=help) from problem
    if name in board_names():
        return _shipped(name)
    if not name.endswith(".toml"):
        help = f"{did_you_mean(name, board_names())}the boards are {names}; a path to your own .toml works too"
        raise error("E0401", f"there is no board '{name}'", help=help)
    try:
        content = Path(name).read_bytes()
    except (OSError, ValueError) as problem:  # ValueError: a path with a NUL in it
        reason = getattr(problem, "strerror", None) or str(problem)
        help = f"check the path of your board file; the boards that come with mcugen are {names}"
        raise error("E0101", f"the board file cannot be read: {reason}", loc=Loc(name), help=help) from problem
    return parse_board(Path(name).stem, content, name)


@cache
def _shipped(name: str) -> Board:
    path = boards_dir() / f"{name}.toml"
    return parse_board(name, path.read_bytes(), path.name)


def parse_board(name: str, content: bytes, file: str) -> Board:
    """A board from the text of its file; E0402 lists every key that is wrong."""
    try:
        table = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise error("E0402", f"not TOML: {problem}", loc=Loc(file), help=_EXAMPLE) from problem
    problems = [*_problems(Board, table, Loc(file))]
    if isinstance(table.get("platformio"), dict):
        problems += _problems(PlatformIO, table["platformio"], Loc(file, "platformio"))
    problems = problems or [*_contradictions(name, table, Loc(file))]
    if problems:
        raise McugenError(problems)
    if "platformio" in table:
        table["platformio"] = PlatformIO(**table["platformio"])
    return Board(name=name, **table)


_EXAMPLE = "see boards/uno.toml for a board file"


def _contradictions(name: str, table: Mapping[str, Any], loc: Loc) -> Iterator[Diagnostic]:
    """What is wrong although each key for itself is right."""
    if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
        help = "name the file with letters, digits, '_' and '-': the PlatformIO project takes the name over"
        yield Diagnostic("E0402", f"'{name}' is no name for a board", help, loc)
    for key in ("clock", "flash", "ram"):
        if table[key] == 0:
            yield Diagnostic("E0402", f"'{key}' is 0", "take it from the data sheet", loc.within(key))
    for memory in ("flash", "ram"):
        if table[f"framework_{memory}"] > table[memory]:
            message = f"the framework takes {table[f'framework_{memory}']:,} B of {table[memory]:,} B"
            help = f"'{memory}' is what a sketch may use in all, its framework among it"
            yield Diagnostic("E0402", message, help, loc.within(f"framework_{memory}"))
    if table["arch"] == "avr" and not table.get("progmem"):
        help = "set it to true: an AVR reads constants from flash by instructions of their own"
        yield Diagnostic("E0402", "'progmem' is false", help, loc.within("progmem"))


_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {  # by the annotation of a field
    "str": (lambda value: isinstance(value, str) and value.isprintable() and "*/" not in value, "a line of text"),
    "int": (lambda value: type(value) is int and value >= 0, "a whole number, 0 or more"),
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "Arch": (lambda value: value in get_args(Arch), f"one of {', '.join(get_args(Arch))}"),
    "PlatformIO | None": (lambda value: isinstance(value, dict), "a table"),
}


def _problems(cls: type, table: Mapping[str, Any], loc: Loc) -> list[Diagnostic]:
    known = {f.name: f for f in fields(cls) if f.name != "name"}  # the file's own name is the board's
    found: list[Diagnostic] = []
    for key in table.keys() - known.keys():
        help = f"{did_you_mean(key, known)}the keys are {', '.join(known)}"
        found.append(Diagnostic("E0402", f"unknown key '{key}'", help, loc.within(key)))
    for key, one in known.items():
        if key not in table:
            if one.default is MISSING:
                found.append(Diagnostic("E0402", f"key '{key}' is missing", _EXAMPLE, loc))
            continue
        is_valid, text = _KINDS[str(one.type)]
        if not is_valid(table[key]):
            found.append(Diagnostic("E0402", f"'{key}' is {table[key]!r}", f"it must be {text}", loc.within(key)))
    return sorted(found, key=lambda d: d.loc.where)
