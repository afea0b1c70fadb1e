"""The C identifiers of a module: of its symbols, and of its values, whatever text those are named by.

A symbol is `<model>_<kind>` or `<model>_<kind>_<rest>`: the kind is one of KINDS, and no word of any rest is one. So the
model's name ends where the last such word begins, and symbols of two models differ even where one name begins with the
other (`a` and `a_const`). The values of a function keep to the same rule and so never hide a symbol, of whatever model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, count

from mcugen.names import CORE, KEYWORDS, MACROS

FUNCTIONS = frozenset({"predict", "run", "learn", "label"})  # what a caller sees; predict_proba is a `predict`
ELEMENTS = frozenset(
    {"f32", "i8", "u8", "i16", "u16", "i32", "u32", "i64"}
)  # types that may alias, and reads from flash
KINDS = FUNCTIONS | ELEMENTS | {"const", "state", "arena", "op", "labels", "flash", "float", "check"}
TAKEN = KEYWORDS | CORE | MACROS | {"linux", "unix", "i386"}  # the last three are macros of GNU C
OWN = frozenset({"after", "i", "layer", "made", "o", "row", "taken"})  # what functions call their own variables
LONGEST = 40  # characters of a value's name that are kept


def locals_of(names: Iterable[str]) -> dict[str, str]:
    """An identifier for each value of one function, all different: `x y` → x_y, `3d` → v3d, `int` → int_."""
    return _distinct(names, _local)


def rests_of(names: Iterable[str]) -> dict[str, str]:
    """The last part of a symbol for each value, all different: `conv.weight` → conv_weight."""
    return _distinct(names, lambda words: "_".join(map(_no_kind, words)))


def remark(text: str) -> str:
    """The text as it may stand in a comment: one line of ASCII that neither ends the comment nor begins another."""
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    for pair in ("*/", "/*", "??"):
        while pair in plain:
            plain = plain.replace(pair, " ".join(pair))
    return plain


def _distinct(names: Iterable[str], spell: Callable[[Sequence[str]], str]) -> dict[str, str]:
    found: dict[str, str] = {}
    used: set[str] = set()
    for name in names:
        plain = spell(_words(name))
        spellings = chain([plain], (f"{plain.rstrip('_')}_{i}" for i in count(2)))
        found[name] = next(one for one in spellings if one not in used)
        used.add(found[name])
    return found


def _words(name: str) -> list[str]:
    """The ASCII words of a name. Capitals alone become small letters: macros are written so, registers of AVR among them."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    words = re.sub("[^A-Za-z0-9]+", "_", bare)[:LONGEST].strip("_") or "value"
    return (words if re.search("[a-z]", words) else words.lower()).split("_")


def _local(words: Sequence[str]) -> str:
    first = words[0] if words[0][0].isalpha() else f"v{words[0]}"
    name = "_".join([first, *map(_no_kind, words[1:])])
    return f"{name}_" if name in TAKEN | OWN else name


def _no_kind(word: str) -> str:
    return f"{word}0" if word in KINDS else word
