"""A board's facts, read from boards/<name>.toml or from a user's own file, and the Target: a board and what was asked of it."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from mcugen.data import boards_dir
from mcugen.diagnostics import Diagnostic, Loc, McugenError, did_you_mean, error
from mcugen.ram import OWN, Ram, is_name

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Optimize = Literal["auto", "size", "speed"]
Numeric = Literal["auto", "float32", "int16", "int8"]
Requant = Literal["integer", "float"]
ByRows = Literal["auto", "always", "never"]
Known = Literal["measured", "estimated", "unknown"]
Simulator = Literal["", "simavr", "qemu"]
Kept = Literal["eeprom", "flash", "nvs", "file"]
Arch = Literal["avr", "cortex-m0plus", "cortex-m3", "cortex-m4f", "cortex-m7", "xtensa", "riscv32", "host"]

AVR_REACHED = (
    63_488  # bytes of tables in the 64 KiB that near reads reach: vectors and the core's own tables come first
)
AVR_NEAR = 57_344  # where there is a choice: the rest is left to the sketch's own tables


@dataclass(frozen=True)
class PlatformIO:
    """What PlatformIO needs to build for the board; the platform is pinned (`atmelavr@5.2.0`)."""

    platform: str
    board: str
    framework: str = "arduino"


@dataclass(frozen=True)
class Apart:
    """A memory beside the board's RAM: its name, and the bytes of it that a sketch may use; how C puts an array there (`attribute`, of the
    framework's `header`), where the framework's macro `defined` says that it is that framework.
    """

    name: str
    nbytes: int
    attribute: str
    header: str
    defined: str


@dataclass(frozen=True)
class Nonvolatile:
    """What keeps a trainer's state without power (docs/storage.md): `nbytes` of it from address `first` on, erased by `page` bytes (0: bytes
    are written over) and written by `word` bytes; how many erases or writes each place takes by the data sheet, 0 where there is no limit.
    """

    kind: Kept
    nbytes: int
    endurance: int
    first: int = 0
    page: int = 0
    word: int = 1


@dataclass(frozen=True)
class Board:
    """One microcontroller board. Sizes in bytes, clock in Hz.

    flash and ram are what a sketch may use in all (a bootloader already taken off); framework_flash and framework_ram what
    an empty sketch with Serial takes of them with the registry's Arduino core; `measured` says how these came about, and
    begins with "estimated: " where nobody built that sketch. All three are left out where they are not known.
    stack_reserve is the RAM that the sketch's own calls, the framework and interrupts need for their stack, beside the
    model's. copied: start-up code copies functions and constants to RAM, so that what a model takes of flash it takes of
    RAM, too. memories: others than `ram`, in which `--ram` may place temporaries. storage: where it is known.
    """

    name: str
    title: str
    mcu: str
    arch: Arch
    clock: int
    flash: int
    ram: int
    source: str
    framework_flash: int | None = None
    framework_ram: int | None = None
    measured: str = ""
    fpu: bool = False
    dsp: bool = False
    progmem: bool = False
    copied: bool = False
    stack_reserve: int = 0
    platformio: PlatformIO | None = None
    simulator: Simulator = ""
    upload: str = ""
    memories: tuple[Apart, ...] = ()
    storage: Nonvolatile | None = None

    @property
    def long_product(self) -> bool:
        """Whether the processor multiplies 32 by 32 bits to 64 by itself; else that is a call."""
        return self.arch not in ("avr", "cortex-m0plus")

    @property
    def framework_known(self) -> Known:
        """How the framework's share came about."""
        if self.framework_flash is None:
            return "unknown"
        return "estimated" if self.measured.startswith(_ESTIMATED) else "measured"

    @property
    def flash_free(self) -> int:
        """Flash left for the model beside the framework, in bytes; at most that where the framework's share is unknown."""
        return self.flash - (self.framework_flash or 0)

    @property
    def ram_free(self) -> int:
        """RAM left for the model's data, its caller's buffers and its own stack; at most that, as with `flash_free`."""
        return self.ram - (self.framework_ram or 0) - self.stack_reserve


@dataclass(frozen=True)
class Target:
    """A board and what was asked of it: the only thing besides the model that decides anything.

    requant  what brings sums of quantised layers to the next scale: whole numbers, or float32 as onnxruntime has it
    by_rows  whether layers of a network make their rows in turn: "auto", where whole tensors do not fit, "always" or "never"
    stream_input, arena_input  whether a network's input comes row by row, or is written into the arena; else it is the caller's buffer
    ram      the memories that a network's temporaries may lie in, the fastest first; none: in the board's RAM, as one
    near     bytes of tables that an op may have where an 8-bit AVR reads them through 16-bit addresses
    rows     (n, features) float32, the user's, where there are any
    """

    board: Board
    optimize: Optimize = "auto"
    numeric: Numeric = "auto"
    requant: Requant = "integer"
    by_rows: ByRows = "auto"
    stream_input: bool = False
    arena_input: bool = False
    ram: tuple[Ram, ...] = ()
    near: int = AVR_NEAR
    rows: npt.NDArray[np.generic] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name, kinds in (("optimize", Optimize), ("numeric", Numeric), ("requant", Requant), ("by_rows", ByRows)):
            value = getattr(self, name)
            if not isinstance(value, str) or value not in get_args(kinds):
                known = ", ".join(get_args(kinds))
                raise error(
                    "E0112",
                    f"{name} is {value!r}",
                    help=f"{did_you_mean(str(value), get_args(kinds))}it is one of {known}",
                )
        if self.stream_input and (self.arena_input or self.by_rows == "never"):
            other = "--arena-input" if self.arena_input else "--by-rows never"
            help = "leave one of both out: rows that come one by one go to layers that run row by row"
            raise error("E0112", f"--stream-input and {other} do not go together", help=help)
        if self.requant == "float" and not self.board.fpu:
            help = "leave --requant out: integers differ by a step at most; or choose a board with an FPU"
            raise error("E0403", f"--requant float: {self.board.title} has no FPU", help=help)
        known_sizes = {OWN: self.board.ram} | {one.name: one.nbytes for one in self.board.memories}
        for one in self.ram:
            if one.nbytes > known_sizes.get(one.name, one.nbytes):
                message = (
                    f"--ram {one.name}: {self.board.title} has {known_sizes[one.name]:,} B of it, not {one.nbytes:,} B"
                )
                raise error("E0403", message, help="say what temporaries may take of each memory at most")

    @property
    def own(self) -> str:
        """Which memory of `ram` lies in the board's own: the one called so, else the first that the board does not know as another
        one; empty where there is none.
        """
        names = [one.name for one in self.ram]
        apart = {one.name for one in self.board.memories}
        return OWN if OWN in names else next((name for name in names if name not in apart), "")


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
    if not name.lower().endswith(".toml"):
        help = f"{did_you_mean(name, board_names())}the boards are {names}; a path to your own .toml works too"
        raise error("E0401", f"there is no board '{name}'", help=help)
    return parse_board(Path(name).stem, _content(name, names), name)


def _content(name: str, names: str) -> bytes:
    """A user's own board file, `~` understood. E0101 where it cannot be read, E0402 where it is far too large to be one."""
    try:
        path = Path(name).expanduser()
        if path.exists() and not path.is_file():
            raise OSError(0, "it is a folder" if path.is_dir() else "it is no file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError, RuntimeError) as problem:  # a NUL in the path; a `~` without a home
        reason = getattr(problem, "strerror", None) or str(problem)
        help = f"check the path of your board file; the boards that come with mcugen are {names}"
        raise error("E0101", f"the board file cannot be read: {reason}", loc=Loc(name), help=help) from problem
    if len(content) > LARGEST:
        message = f"larger than {LARGEST:,} B, which no board file is"
        raise error("E0402", message, loc=Loc(name), help=_EXAMPLE)
    return content


@cache
def _shipped(name: str) -> Board:
    path = boards_dir() / f"{name}.toml"
    return parse_board(name, path.read_bytes(), path.name)


def parse_board(name: str, content: bytes, file: str) -> Board:
    """A board from the text of its file; E0402 lists every key that is wrong."""
    table = _table(content, file)
    problems = [*_problems(Board, table, Loc(file))]
    if isinstance(table.get("platformio"), dict):
        problems += _problems(PlatformIO, table["platformio"], Loc(file, "platformio"))
    if isinstance(table.get("storage"), dict):
        problems += _problems(Nonvolatile, table["storage"], Loc(file, "storage"))
    if isinstance(table.get("memories"), dict):
        problems += [p for name in table["memories"] for p in _memory_problems(table["memories"], name, file)]
    if problems:
        raise McugenError(problems)
    if "platformio" in table:
        table["platformio"] = PlatformIO(**table["platformio"])
    if "storage" in table:
        table["storage"] = Nonvolatile(**table["storage"])
    table["memories"] = tuple(Apart(name, **one) for name, one in table.get("memories", {}).items())
    board = Board(name=name, **table)
    problems = [Diagnostic("E0402", message, help, Loc(file, key)) for key, message, help in _contradictions(board)]
    if problems:
        raise McugenError(problems)
    return board


def _table(content: bytes, file: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(content.decode("utf-8-sig"))  # editors of Windows put a mark in front
    except UnicodeDecodeError as problem:
        raise error("E0402", "not TOML: no text in UTF-8", loc=Loc(file), help=_EXAMPLE) from problem
    except (ValueError, RecursionError) as problem:  # also a number of thousands of digits, and brackets in brackets
        raise error("E0402", f"not TOML: {problem}", loc=Loc(file), help=_EXAMPLE) from problem
    if not table:
        raise error("E0402", "the board file is empty", loc=Loc(file), help=_EXAMPLE)
    return table


def _memory_problems(memories: Mapping[str, Any], name: str, file: str) -> list[Diagnostic]:
    loc = Loc(file, f"memories.{name}")
    if not isinstance(memories[name], dict):
        return [Diagnostic("E0402", f"'memories.{name}' is {_shown(memories[name])}", "it must be a table", loc)]
    if not is_name(name) or name == OWN:
        help = "name it with small letters, digits and _; the board's RAM is called ram already"
        return [Diagnostic("E0402", f"{name!r} is no name for a memory", help, loc)]
    return _problems(Apart, memories[name], loc)


_EXAMPLE = "see boards/uno.toml for a board file"
_ESTIMATED = "estimated: "
LARGEST = 1 << 16  # bytes of a board file

# ---- each key for itself --------------------------------------------------------------------------------------------

_NUMBER: tuple[Callable[[Any], bool], str] = (
    lambda value: type(value) is int and 0 <= value < 1 << 63,
    "a whole number, 0 or more",
)
_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {  # by the annotation of a field
    "str": (
        lambda value: isinstance(value, str) and value.isprintable() and bool(value.strip()) and "*/" not in value,
        "a line of text",
    ),
    "int": _NUMBER,
    "int | None": _NUMBER,
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "Arch": (lambda value: value in get_args(Arch), f"one of {', '.join(get_args(Arch))}"),
    "Simulator": (lambda value: value in get_args(Simulator), "simavr, qemu, or an empty text for none"),
    "Kept": (lambda value: value in get_args(Kept), f"one of {', '.join(get_args(Kept))}"),
    "Nonvolatile | None": (lambda value: isinstance(value, dict), "a table"),
    "PlatformIO | None": (lambda value: isinstance(value, dict), "a table"),
    "tuple[Apart, ...]": (lambda value: isinstance(value, dict), "tables, one for each memory: [memories.psram]"),
}


def _problems(cls: type, table: Mapping[str, Any], loc: Loc) -> list[Diagnostic]:
    known = {f.name: f for f in fields(cls) if f.name != "name"}  # the file's own name is the board's
    found: list[Diagnostic] = []
    for key in table.keys() - known.keys():
        help = f"{did_you_mean(key, known)}the keys are {', '.join(known)}"
        found.append(Diagnostic("E0402", f"unknown key {key!r}", help, loc.within(key)))
    for key, one in known.items():
        if key not in table:
            if one.default is MISSING:
                found.append(Diagnostic("E0402", f"key '{key}' is missing", _EXAMPLE, loc))
            continue
        is_valid, text = _KINDS[str(one.type)]
        if not is_valid(table[key]):
            message = f"'{key}' is {_shown(table[key])}"
            found.append(Diagnostic("E0402", message, f"it must be {text}", loc.within(key)))
    return sorted(found, key=lambda d: d.loc.where)


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes out no number of thousands of digits
        return "a number with too many digits"
    return text if len(text) <= 60 else f"{text[:60]}..."


# ---- all keys together ----------------------------------------------------------------------------------------------

Found = tuple[str, str, str]  # the key, what is wrong with it, what to do
_DATA_SHEET = "take it from the data sheet"
_LIMITS: Mapping[str, tuple[str, Mapping[str, int]]] = {  # bytes: what a core addresses, where less than any other has
    "avr": ("an AVR", {"flash": 1 << 18, "ram": 1 << 16}),
    "host": ("a computer", {"flash": 1 << 62, "ram": 1 << 62}),
}
_SLOWEST, _FASTEST = 1_000, 2_000_000_000  # Hz
_WITHOUT_FPU = ("avr", "cortex-m0plus", "cortex-m3")
_WITH_DSP = ("cortex-m4f", "cortex-m7")


def _contradictions(board: Board) -> Iterator[Found]:
    """What is wrong although each key for itself is right."""
    if not re.fullmatch(r"[\w.-]+", board.name, re.ASCII):
        help = "name the file with letters, digits, '_' and '-': the PlatformIO project takes the name over"
        yield "", f"'{board.name}' is no name for a board", help
    yield from _sizes(board)
    yield from _framework(board)
    yield from _core(board)
    yield from _tools(board)
    if board.storage is not None:
        yield from _storage(board, board.storage)


def _sizes(board: Board) -> Iterator[Found]:
    if not _SLOWEST <= board.clock <= _FASTEST:
        yield "clock", f"{board.clock:,} Hz", f"it is in Hz, {_SLOWEST:,} to {_FASTEST:,}: {_DATA_SHEET}"
    kind, limits = _LIMITS.get(board.arch, ("a microcontroller", {"flash": 1 << 30, "ram": 1 << 26}))
    for key, most in limits.items():
        if not 0 < (size := getattr(board, key)) <= most:
            help = f"it is in bytes, 1 to {most:,}: {_DATA_SHEET}"
            yield key, f"{kind} has no {size:,} B of {key}", help


def _framework(board: Board) -> Iterator[Found]:
    given = [key for key in _SHARE if getattr(board, key) not in (None, "")]
    if given and len(given) < len(_SHARE):
        missing = " and ".join(f"'{key}'" for key in _SHARE if key not in given)
        help = f"give {', '.join(_SHARE)} together, or leave all out where the framework's share is not known"
        yield given[0], f"it stands there without {missing}", help
    if "estimat" in board.measured and not board.measured.startswith(_ESTIMATED):
        help = f"begin it with '{_ESTIMATED}', or say how it was measured"
        yield "measured", "it speaks of an estimate and counts as measured", help
    flash, ram = board.framework_flash or 0, board.framework_ram or 0
    if flash >= board.flash:
        yield "framework_flash", f"the framework takes {flash:,} B of {board.flash:,} B", _IN_ALL.format("flash")
    if ram >= board.ram:
        yield "framework_ram", f"the framework takes {ram:,} B of {board.ram:,} B", _IN_ALL.format("ram")
    elif (stack := board.stack_reserve) + ram >= board.ram:
        message = f"{stack:,} B for the stack and {ram:,} B for the framework leave nothing of {board.ram:,} B"
        yield "stack_reserve", message, _IN_ALL.format("ram")


_IN_ALL = "'{}' is what a sketch may use in all, its framework among it"
_SHARE = ("framework_flash", "framework_ram", "measured")


def _core(board: Board) -> Iterator[Found]:
    if board.progmem != (board.arch == "avr"):
        avr = "set it to true: an AVR reads constants from flash by instructions of their own"
        other = "leave it out: only an AVR reads constants from flash by instructions of their own"
        yield "progmem", f"'progmem' is {str(board.progmem).lower()}", avr if board.arch == "avr" else other
    if board.fpu and board.arch in _WITHOUT_FPU:
        yield "fpu", f"{board.arch} has no unit for floats", "leave it out"
    if not board.fpu and board.arch == "cortex-m4f":
        yield "fpu", "a cortex-m4f has a unit for floats", "set it to true"
    if board.dsp and board.arch not in _WITH_DSP:
        yield "dsp", f"{board.arch} has no DSP instructions", f"leave it out: {' and '.join(_WITH_DSP)} have them"
    if board.copied and board.arch == "avr":
        yield "copied", "an AVR runs from flash", "leave it out"


def _tools(board: Board) -> Iterator[Found]:
    fitting = _simulator(board.arch)
    if board.simulator and board.simulator != fitting:
        help = f"for {board.arch} it is {fitting}" if fitting else f"leave it out: there is none for {board.arch}"
        yield "simulator", f"{board.simulator} does not run {board.arch}", help
    if board.platformio is None:
        return
    if not re.fullmatch(r"([\w-]+/)?[\w-]+@\d+\.\d+\.\d+", board.platformio.platform, re.ASCII):
        help = "pin its version as name@x.y.z, as in atmelavr@5.2.0: another one builds another program"
        yield "platformio.platform", f"{board.platformio.platform!r} is not pinned", help
    for key in ("board", "framework"):
        if not re.fullmatch(r"[\w.-]+", value := getattr(board.platformio, key), re.ASCII):
            help = "it is the short name that PlatformIO has for it, as in platformio.ini"
            yield f"platformio.{key}", f"'{key}' is {value!r}", help


def _simulator(arch: Arch) -> Simulator:
    if arch == "avr":
        return "simavr"
    return "qemu" if arch.startswith("cortex-m") or arch == "riscv32" else ""


def _storage(board: Board, kept: Nonvolatile) -> Iterator[Found]:
    if not board.arch.startswith(_KEPT_ON[kept.kind]):
        fitting = next((kind for kind, cores in _KEPT_ON.items() if board.arch.startswith(cores)), None)
        help = (
            f"for {board.arch} it is {fitting}" if fitting else f"leave [storage] out: none is known for {board.arch}"
        )
        yield "storage.kind", f"{board.arch} has no {kept.kind}", help
    most = min(board.flash, _LARGEST_STORE[kept.kind])
    if not 0 < kept.nbytes <= most:
        yield "storage.nbytes", f"{kept.nbytes:,} B", f"it is in bytes, 1 to {most:,}: {_DATA_SHEET}"
    if kept.word == 0 or 64 % kept.word:
        yield "storage.word", f"{kept.word} B are written at once", "it is 1, 2, 4, 8, 16, 32 or 64"
    if (kept.kind in ("flash", "nvs")) != (kept.page > 0):
        help = "give the bytes that are erased at once" if kept.page == 0 else "leave it out: bytes are written over"
        yield "storage.page", f"{kept.kind} with pages of {kept.page:,} B", help
    elif kept.page and (kept.nbytes % kept.page or kept.first % kept.page or (kept.word and kept.page % kept.word)):
        message = f"{kept.nbytes:,} B from {kept.first:#x} on are no whole pages of {kept.page:,} B"
        yield "storage.page", message, "'first' and 'nbytes' are multiples of it, and it is one of 'word'"
    if kept.endurance > _MOST_WRITES or (kept.endurance == 0 and kept.kind != "file"):
        help = f"it is 1 to {_MOST_WRITES:,} erases or writes of one place: {_DATA_SHEET}"
        yield "storage.endurance", f"{kept.endurance:,} writes", help


_KEPT_ON: Mapping[str, tuple[str, ...]] = {
    "eeprom": ("avr",),
    "flash": ("cortex-m",),
    "nvs": ("xtensa", "riscv32"),
    "file": ("host",),
}
_LARGEST_STORE = {"eeprom": (1 << 15) - 1, "flash": (1 << 31) - 1, "nvs": (1 << 31) - 1, "file": (1 << 31) - 1}
_MOST_WRITES = 1_000_000_000_000_000
