"""Loops over tensors: axes that several operands walk together, as few as there can be.

An operand is walked with a stride per axis, in elements; 0 where it is repeated. Neighbouring axes along which every operand
goes on where it was become one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

Strides = tuple[int, ...]


@dataclass(frozen=True)
class Loop:
    """One loop: how often it runs, and how far each operand goes with every turn."""

    size: int
    strides: Strides


def strides_of(shape: Sequence[int]) -> Strides:
    """How far the next element along each axis is, in elements, of a tensor that lies in C order."""
    return tuple(prod(shape[i + 1 :]) for i in range(len(shape)))


def broadcast(shape: Sequence[int], to: Sequence[int]) -> Strides:
    """The strides with which a tensor is repeated to a shape, NumPy's rule; 0 where it is repeated."""
    padded = (1,) * (len(to) - len(shape)) + tuple(shape)
    return tuple(0 if size == 1 else stride for size, stride in zip(padded, strides_of(padded), strict=True))


def loops(shape: Sequence[int], *strides: Sequence[int]) -> tuple[Loop, ...]:
    """The loops over a shape, outermost first, with the strides of every operand; none where there is one element."""
    found: list[Loop] = []
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        here = Loop(size, tuple(s[axis] for s in strides))
        if found and all(a == b * size for a, b in zip(found[-1].strides, here.strides, strict=True)):
            found[-1] = Loop(found[-1].size * size, here.strides)
        else:
            found.append(here)
    return tuple(found)


def rows_and_rest(shape: Sequence[int], *strides: Sequence[int]) -> tuple[Loop, ...]:
    """The same with the first axis by itself, even of one element: for kernels that make one row after the other."""
    if not shape:
        return ()
    return Loop(shape[0], tuple(s[0] for s in strides)), *loops(shape[1:], *(s[1:] for s in strides))


def split_axes(shape: Sequence[int], axes: Sequence[int]) -> tuple[int, int, int]:
    """A shape as (before, along, after) for axes that follow one another: their sizes multiplied."""
    first, last = min(axes), max(axes)
    return prod(shape[:first]), prod(shape[first : last + 1]), prod(shape[last + 1 :])
