"""ddag: the class that pairs of classes leave, one pair after the other; Platt, Cristianini, Shawe-Taylor, NIPS 12 (1999) 547-553."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.learning import features_and_rows
from mcugen.op import Op
from mcugen.ops.margins import Margins, sum_facts


@dataclass(frozen=True, eq=False)
class Ddag(Op):
    """The class of a row by one margin less than there are classes: the pair of the first and the last that are left says which of
    them goes, the last where its margin is above 0, else the first.

    Inputs: z (d,), weights (r, d) and bias (r,) as op `margins` has them, a row of weights for each pair of classes, in the order
    (0, 1), (0, 2) … (1, 2) …; output `i32`.
    """

    name: ClassVar[str] = "ddag"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        _, rows = features_and_rows(self.name, *inputs)
        classes = _classes(rows)
        if classes * (classes - 1) // 2 != rows:
            help = "give it a row of weights for each pair of classes"
            raise error("E0201", f"{rows} rows of weights are not all pairs of some classes", help=help)
        return (TensorType((), DType.I32),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        z, weights, bias = inputs
        first, last = 0, _classes(bias.size) - 1
        pair = last - 1
        while first < last:
            (margin,) = Margins().evaluate(z, weights[pair : pair + 1], bias[pair : pair + 1])
            if margin[0] > 0:
                last, pair = last - 1, pair - 1
            else:
                first, pair = first + 1, pair + _classes(bias.size) - 2 - first
        return (np.asarray(first, np.int32),)

    def macc(self, *inputs: TensorType) -> int:
        return (_classes(inputs[2].size) - 1) * inputs[0].size

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return sum_facts(*inputs) | {"classes": _classes(inputs[2].size)}


def _classes(pairs: int) -> int:
    return (isqrt(8 * pairs + 1) + 1) // 2
