"""draw: a sample of those that are remembered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.chance import below
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op


@dataclass(frozen=True, eq=False)
class Draw(Op):
    """A random sample of a memory that is not empty, and its class: any with the same chance, or, `weighted`, first a class and then one
    of its samples, so that each has a chance of 1 / (classes · samples of its class). `replays` is how often its function is called
    for each row that is learnt.

    Inputs: the state of the generator `u32`, which is changed in place; samples (m, d), their numbers by class (m,), and how many there
    are of each class (k,), as op `remember` has them. Outputs: the generator's state, the row (d,), its class `i32`.
    """

    name: ClassVar[str] = "draw"
    updates: ClassVar[tuple[int, ...]] = (0,)
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    weighted: bool = False
    replays: int = 1

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        random, samples, slots, held = inputs
        fits = samples.shape[:1] == slots.shape and slots.dtype is held.dtype and slots.dtype in (DType.U8, DType.U16)
        if not fits or random != TensorType((), DType.U32):
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"draw takes a memory, not {found}", help="give it what the op remember keeps")
        return random, TensorType(samples.shape[1:], samples.dtype), TensorType((), DType.I32)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        random, samples, slots, held = (np.array(one) for one in inputs)
        if self.weighted:
            known = np.flatnonzero(held)
            y = int(known[below(random, len(known))])
            at = int(held[:y].sum(dtype=np.int64)) + below(random, int(held[y]))
        else:
            at = below(random, int(held.sum(dtype=np.int64)))
            y = int(np.searchsorted(np.cumsum(held, dtype=np.int64), at, side="right"))
        return random, samples[int(slots[at])], np.asarray(y, np.int32)

    def describe(self) -> str:
        return "weighted" * self.weighted

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        _, samples, slots, held = inputs
        return {
            "weighted": self.weighted,
            "features": samples.shape[1],
            "row_t": samples.dtype.c,
            "size": slots.size,
            "slot_t": slots.dtype.c,
            "classes": held.size,
        }
