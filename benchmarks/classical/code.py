"""C or C++ that answers a row, as a tool made it. Only the standard library: peers write it with a Python of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


class UnsupportedError(Exception):
    """A tool cannot do this model; the text says why."""


@dataclass(frozen=True)
class Code:
    """What is compiled with the driver, and how a row is given to it.

    sketch    includes and helpers, in the file of the driver's row
    call      the expression that predicts: `x` points to a row, its value is the class's index
    before    a statement on `x` that is not counted (where a tool wants the row in a variable of its own)
    files     {name: text}, written beside the sketch; those in `compiled` are C files of their own
    include   folders of headers that came with the tool
    input     the type that the caller holds a row in: float, double, uint8_t, int16_t
    """

    sketch: str
    call: str
    before: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    compiled: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    input: str = "float"
    cpp: bool = False
    form: str = ""

    def to_json(self) -> str:
        """For another process."""
        return json.dumps(asdict(self))


def from_json(text: str) -> Code:
    """What `to_json` gave."""
    values: dict[str, Any] = json.loads(text)
    tuples = {key: tuple(values[key]) for key in ("compiled", "include", "flags")}
    return Code(**{**values, **tuples})


# The class with the highest score, the first of equals; as scikit-learn takes it.
ARGMAX = """
static int best({type} *scores)
{{
    int found = 0;
    for (int i = 1; i < {classes}; i++) {{
        if (scores[i] > scores[found]) {{
            found = i;
        }}
    }}
    return found;
}}
"""
