"""keep: rows whose classes come later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op


@dataclass(frozen=True, eq=False)
class Keep(Op):
    """The last n rows, each with a ticket by which it is found again: 1 to 65535, then 1 again. In place: the outputs lie where
    the inputs do.

    Inputs: a row (d,) of any type; the rows (n, d), their tickets `u16` (n,), 0 where there is none, and the last ticket, `u16`.
    """

    name: ClassVar[str] = "keep"
    updates: ClassVar[tuple[int, ...]] = (1, 2, 3)
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        x, rows, tickets, last = inputs
        fits = rows == TensorType((*tickets.shape, *x.shape), x.dtype) and tickets.dtype is DType.U16
        if not fits or last != TensorType((), DType.U16):
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"keep takes a row and those before it, not {found}", help="see its docs")
        return inputs[1:]

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x, rows, tickets, last = (np.array(one) for one in inputs)
        ticket = int(last) % 65_535 + 1
        slot = ticket % len(tickets)
        rows[slot], tickets[slot] = x, ticket
        return rows, tickets, np.asarray(ticket, np.uint16)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {"features": inputs[0].size, "row_t": inputs[0].dtype.c, "size": inputs[2].size}
