"""What the C of ops is made of that go through a row in one loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from mcugen.loops import Loop
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


def walk(kind: str, over: Sequence[Loop]) -> Work:
    """Nested loops over tensors, in whose innermost something is done that `kind` names."""
    turns = [prod(one.size for one in over[: depth + 1]) for depth in range(len(over))]
    parts = {f"base {kind}": 1.0, f"depth {len(over)} {kind}": 1.0, f"wide {prod(o.size for o in over) >= SMALL}": 1.0}
    runs = {f"base {kind}": 1.0, f"elements {kind}": float(turns[-1] if turns else 1)}
    return Work(0, parts, runs | {f"turns {kind}": float(sum(turns[:-1]))}, parts)
