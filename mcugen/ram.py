"""The memories that a network's temporaries may lie in: `--ram fast:64k,psram:4M`, the fastest first."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from mcugen.diagnostics import McugenError, error
from mcugen.symbols import KINDS

OWN = "ram"  # what the board's own RAM is called
LONGEST = 16  # characters of a name
MOST = 1 << 40  # bytes
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20}


@dataclass(frozen=True)
class Ram:
    """A memory, and the bytes of it that temporaries may take."""

    name: str
    nbytes: int


def rams_of(given: object) -> tuple[Ram, ...]:
    """The memories of `NAME:SIZE[,NAME:SIZE...]`; k and M are 1,024 and 1,048,576 bytes. None for None. E0112 for what is no such
    text.
    """
    if given is None:
        return ()
    found = tuple(map(_ram, str(given).split(",")))
    twice = [name for name, times in Counter(one.name for one in found).items() if times > 1]
    if twice:
        raise _refused(f"--ram names {twice[0]} twice")
    return found


def is_name(text: str) -> bool:
    """Whether a memory may be called so: it is the last part of a symbol (mcugen/symbols.py), none of whose words is a kind."""
    return bool(re.fullmatch(rf"[a-z][a-z0-9_]{{0,{LONGEST - 1}}}", text, re.ASCII)) and not KINDS & {*text.split("_")}


def _ram(text: str) -> Ram:
    name, _, size = text.strip().partition(":")
    parsed = re.fullmatch(r"(\d{1,13})([kKmM]?)B?", size.strip(), re.ASCII)
    if not is_name(name):
        rule = f"small letters, digits and _, {LONGEST} at most, and none of its words is {', '.join(sorted(KINDS))}"
        raise _refused(f"--ram {text.strip()!r}: a memory's name is of {rule}")
    if parsed is None:
        raise _refused(f"--ram {text.strip()!r}: there is no size behind the name")
    nbytes = int(parsed[1]) * _UNITS[parsed[2].lower()]
    if not 0 < nbytes <= MOST:
        raise _refused(f"--ram {text.strip()!r}: no memory has {nbytes:,} B")
    return Ram(name, nbytes)


def _refused(message: str) -> McugenError:
    help = "give the memories with the bytes that temporaries may take, the fastest first: `--ram fast:64k,psram:4M`"
    return error("E0112", message, help=help)
