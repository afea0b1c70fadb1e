"""What the C of ops is made of that go through a row in one loop."""

from __future__ import annotations

from collections.abc import Mapping

from mcugen.op import Work
from mcugen.work import SMALL


def loop(
    elements: int,
    *parts: str,
    kinds: tuple[str, ...] = (),
    tables: int = 0,
    each: str = "elements",
    more: Mapping[str, float] | None = None,
    array: int = 0,
) -> Work:
    """A loop over elements, to each of which something is done.

    parts   what is done to every one, beyond what every such loop has
    kinds   what is done once
    each    what an element is called
    more    what else is done, how often
    array   bytes on the stack
    """
    own = [part for part in parts if part]
    fixed = {"base": 1.0, f"wide {elements >= SMALL}": 1.0} | dict.fromkeys((*own, *kinds), 1.0)
    runs = {"base": 1.0, each: float(elements), **{f"{part} each": float(elements) for part in own}}
    stack = fixed | {"array": float(array)} if array else fixed
    return Work(tables, fixed, runs | dict.fromkeys(kinds, 1.0) | dict(more or {}), stack)
