"""bayes: the class that is most probable by what groups of pairs say; Rocha & Goldenstein, IEEE TNNLS 25(2), 2014."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op


@dataclass(frozen=True, eq=False)
class Bayes(Op):
    """The first class j with the largest log P(j) + Σ over groups of log P(pattern of the group | j), by sums of integers alone.

    Inputs: margins (r,) of `f32` or `i32`; log P(j) `i16` (K,); of each group how many margins it has, `u8`; which these are,
    one group's after the other's, `u8` or `u16`; log P(pattern | j) `i16` (patterns, K), one group's after the other's. Bit i of a
    pattern says whether the group's margin i is above 0. Output `i32`.
    """

    name: ClassVar[str] = "bayes"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        margins, prior, sizes, members, patterns = inputs
        fits = margins.dtype in (DType.F32, DType.I32) and sizes.dtype is DType.U8
        fits = fits and members.dtype in (DType.U8, DType.U16) and prior.dtype is patterns.dtype is DType.I16
        if not fits or [len(one.shape) for one in inputs] != [1, 1, 1, 1, 2] or patterns.shape[1:] != prior.shape:
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"bayes takes margins and tables, not {found}", help="see its docs")
        return (TensorType((), DType.I32),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        given: tuple[Any, ...] = inputs
        margins, prior, sizes, members, patterns = given
        total, at, begin = prior.astype(np.int64), 0, 0
        for size in sizes.tolist():
            bits = margins[members[at : at + size].astype(np.int64)] > 0
            total += patterns[begin + int(bits @ (1 << np.arange(size)))]
            at, begin = at + size, begin + (1 << size)
        return (np.asarray(np.argmax(total), np.int32),)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        _, prior, sizes, members, _ = inputs
        return {"classes": prior.size, "groups": sizes.size, "wide": members.dtype is DType.U16}
