"""multiply_pairs: products of numbers that are sums of two floats (mcugen/pairs.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, TensorType
from mcugen.op import Op, Work
from mcugen.pairs import product
from mcugen.rows import vector
from mcugen.work.loops import loop


@dataclass(frozen=True, eq=False)
class MultiplyPairs(Op):
    """y = a b, number by number, each the sum of two floats (mcugen/pairs.py), off by about 2^-45 of itself.

    Inputs and output `f32` (2 numbers,), all the larger floats first; the output may take over the first input's buffer.
    """

    name: ClassVar[str] = "multiply_pairs"
    in_place: ClassVar[int | None] = 0

    numbers: int

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = vector(2 * self.numbers)
        if inputs != (wanted, wanted):
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"multiply_pairs takes two {wanted}, not {found}", help="give it pairs of floats")
        return (wanted,)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        a, b = (np.asarray(x, np.float32).reshape(2, self.numbers) for x in inputs)
        with np.errstate(all="ignore"):
            return (np.concatenate(product((a[0], a[1]), (b[0], b[1]))),)

    def describe(self) -> str:
        return f"numbers={self.numbers}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return loop(self.numbers)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {"numbers": self.numbers}
