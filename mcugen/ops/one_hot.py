"""one_hot: a column for each category, 1 where it is the number's, https://onnx.ai/onnx/operators/onnx__OneHot.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.rows import RowOp
from mcugen.work.loops import loop


@dataclass(frozen=True, eq=False)
class OneHot(RowOp):
    """Of each feature as many columns as it has categories, 1 in the column of its number and 0 in the others.

    counts: columns of each feature. x holds whole numbers from 0 on; what is none of a feature's columns, as -1 or NaN, is 0 in all.
    Input `f32` (features,), output `f32` (the sum of counts,), all columns of the first feature first.
    """

    name: ClassVar[str] = "one_hot"

    counts: tuple[int, ...]

    @property
    def width(self) -> int:
        return len(self.counts)

    @property
    def height(self) -> int:
        return sum(self.counts)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x, counts = np.asarray(inputs[0], np.float32), np.array(self.counts)
        y = np.zeros(self.height, np.float32)
        some = (x >= 0) & (x < counts)
        starts = np.cumsum(counts) - counts
        y[starts[some] + x[some].astype(np.int64)] = 1
        return (y,)

    def describe(self) -> str:
        shown = ",".join(map(str, self.counts[:8]))
        return f"counts={shown}{',..' if len(self.counts) > 8 else ''}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        same = len({*self.counts}) == 1
        kind = "same" if same else f"counts {8 if max(self.counts) < 256 else 16}"
        tables = 0 if same else len(self.counts) * (1 if max(self.counts) < 256 else 2)
        return loop(self.width, kind, tables=tables, more={"columns": float(self.height)})

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return (rng.integers(-1, np.array(self.counts) + 1, (min(limit, 500), self.width)).astype(np.float32),)

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return self.probe(limit, rng)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        same = len({*self.counts}) == 1
        return {
            "size": self.width,
            "height": self.height,
            "count": self.counts[0] if same else 0,
            "counts": [*self.counts],
        }
