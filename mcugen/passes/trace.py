"""Where an element of a value comes from, seen through ops that map features one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mcugen.ir import Graph
from mcugen.op import Op

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """Element `at` of a value, and the maps that lead from it to the one asked for, first to last: ops and their elements."""

    value: str
    at: int
    maps: tuple[tuple[Op, int], ...] = ()

    def exactly(self, x: Floats) -> Floats:
        """What the maps make of numbers x, in the model's own float64 arithmetic."""
        with np.errstate(all="ignore"):
            for op, at in self.maps:
                x = np.asarray(op.exactly(at, x), np.float64)
        return x

    def rising(self, x: Floats) -> Floats:
        """The same for numbers that the maps are defined for; minus infinity for those that are too small for one of them."""
        lost = self.lost(x)
        return np.where(lost, -np.inf, self.exactly(x)) if lost.any() else self.exactly(x)

    def lost(self, x: Floats) -> npt.NDArray[np.bool_]:
        """Which of numbers x some map makes NaN of."""
        lost = np.zeros(np.shape(x), np.bool_)
        with np.errstate(all="ignore"):
            for op, at in self.maps:
                given, x = x, np.asarray(op.exactly(at, x), np.float64)
                lost |= np.isnan(x) & ~np.isnan(given)
        return lost


def trace(graph: Graph, value: str, at: int, through: Callable[[Op], bool] = lambda op: True) -> Column:
    """The element from which element `at` of a value comes, as far back as ops say of themselves (`Op.source`).

    through  says of an op whether to look past it
    """
    found = Column(value, at)
    while (one := _before(graph, found, through)) is not None:
        found = one
    return found


def _before(graph: Graph, column: Column, through: Callable[[Op], bool]) -> Column | None:
    step = graph.producer.get(column.value)
    if step is None:
        return None
    node = graph.nodes[step]
    if node.outputs[0] != column.value or not through(node.op):
        return None
    source = node.op.source(column.at, *graph.types(node.inputs))
    if source is None:
        return None
    return Column(node.inputs[source[0]], source[1], ((node.op, column.at), *column.maps))
