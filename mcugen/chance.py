"""The generator of random numbers that trainers have on the device: xorshift, Marsaglia, J. Stat. Softw. 8(14) (2003)."""

from __future__ import annotations

from typing import Any


def below(random: Any, count: int) -> int:
    """The next number below `count`; `random` is an array of one uint32, never 0, and goes on."""
    state = int(random[...].item())
    state ^= (state << 13) & 0xFFFFFFFF
    state ^= state >> 17
    state ^= (state << 5) & 0xFFFFFFFF
    random[...] = state
    return state % count
