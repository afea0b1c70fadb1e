"""arrive: how a network's input comes into the arena: the caller writes it there, whole or row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, TensorType
from mcugen.op import Cost, Op, Rows

FLASH = 120  # bytes of code, about: what keeps count of rows between calls, and copies them


@dataclass(frozen=True, eq=False)
class Arrive(Op):
    """The model's input as pixels, channels innermost: what `moves` make of the order of elements that the model has.

    Input of any type; output as the last of `moves` gives it. The caller gives the pixels in this order, so that the C moves nothing: where it is
    `streamed` row after row to a function that copies each to its place, else all of them to a place in the arena. E0201 as these.
    """

    name: ClassVar[str] = "arrive"

    moves: tuple[Op, ...]
    streamed: bool = False

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the C needs: memcpy for rows."""
        return ("string.h",) if self.streamed else ()

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        for move in self.moves:
            inputs = move.infer(*inputs)
        if len(inputs) != 1 or (self.streamed and not inputs[0].shape):
            raise error("E0201", f"{', '.join(map(str, inputs))} has no rows", help="give a tensor")
        return inputs

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        for move in self.moves:
            inputs = move.evaluate(*inputs)
        return inputs

    def order(self, *inputs: TensorType) -> Array:
        """For each element as the caller gives it where it is in the model's input."""
        at = np.arange(inputs[0].size).reshape(inputs[0].shape)
        return self.evaluate(at)[0].ravel()

    def reads(self, at: int, *inputs: TensorType) -> tuple[Rows | None, ...]:
        return (None,) if self.streamed else ()

    def describe(self) -> str:
        return "row by row" if self.streamed else "in the arena"

    def cost(self, target: Target, *inputs: TensorType) -> Cost:
        return Cost(FLASH, inputs[0].nbytes) if self.streamed else Cost()

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {"row_bytes": inputs[0].nbytes // self.infer(*inputs)[0].shape[0] if self.streamed else 0}
