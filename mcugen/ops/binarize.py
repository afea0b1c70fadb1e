"""binarize: scikit-learn's Binarizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.ops.tree_ensemble.trees import float32_not_above
from mcugen.rows import RowOp
from mcugen.templating import c_lit
from mcugen.work.loops import loop


@dataclass(frozen=True, eq=False)
class Binarize(RowOp):
    """y = 1 where x > threshold, else 0, element by element; 0 where x is NaN.

    Input and output `f32` (features,), which may share a buffer. The threshold is float64: for float32 x it is compared as
    the largest float32 that is not above it.
    """

    name: ClassVar[str] = "binarize"
    in_place: ClassVar[int | None] = 0

    features: int
    threshold: float = 0.0

    @property
    def width(self) -> int:
        return self.features

    @property
    def _threshold(self) -> np.float32:
        return np.float32(float32_not_above(np.array([self.threshold]))[0])

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return ((np.asarray(inputs[0], np.float32) > self._threshold).astype(np.float32),)

    def source(self, at: int, *inputs: TensorType) -> tuple[int, int] | None:
        return 0, at

    def exactly(self, at: int, x: Array) -> Array:
        return (np.asarray(x, np.float64) > self.threshold).astype(np.float64)

    def describe(self) -> str:
        return f"features={self.features} threshold={self.threshold:g}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return loop(self.width)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        near = rng.choice([-1, 0, 1], (min(limit, 500), self.features))
        threshold = self._threshold
        around = np.array(
            [np.nextafter(threshold, np.float32(-np.inf)), threshold, np.nextafter(threshold, np.float32(np.inf))]
        )
        return (np.concatenate([around[near + 1], near.astype(np.float32) + threshold])[:limit],)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {"size": self.features, "threshold": c_lit(self._threshold)}
